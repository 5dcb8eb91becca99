# hearth run beside hearth serve: the server's engine answers, in the words in which the same model would
# answer here; what a request cannot carry is done here.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

question="What is Hearth?"
run run ember "$question" --temp 0 -n 20
expect_code 0
alone=$out
start_serve || finish
usage() {
    ask GET '/hearth/model?model=ember'
    json '[b.state, b.usage_count].join()'
}
expect_equal "$(usage)" unloaded,0

run run ember "$question" --temp 0 -n 20
expect_code 0
expect_equal "$out" "$alone"
expect_equal "$(usage)" loaded,1
run run ember "$question" --temp 0 -n 20 -v
expect_in "the hearth serve that runs" "$err"
expect_in "wrote 20 in" "$err"
for n in 1 5; do
    run run ember "$question" --temp 0 -n $n
    expect_equal "$(printf %s "$alone" | head -c ${#out})" "$out"
done
run run ember "$question" --temp 1 --top-k 3 --seed 7 -n 20
first=$out
run run ember "$question" --temp 1 --top-k 3 --seed 7 -n 20
expect_equal "$out" "$first"
run run ember "$question" --temp 1 --top-k 3 --seed 7 -n 20 --in-process
expect_equal "$out" "$first"
run run ember "$question" --temp 0 -n 20 --stop "${alone:3:4}"
expect_equal "$out" "${alone:0:3}"

# ---- what a request carries ----
for flags in "--raw" "--raw --json" "--raw --json --ignore-eos" "--json" "--json --ignore-eos" "--json --stop e" "--json-schema {\"type\":\"object\"}" "--grammar root::=[a-z]+"; do
    run run ember "$question" --temp 0 -n 12 $flags --in-process
    expect_code 0
    expect_equal "$err" ""
    here=$out
    run run ember "$question" --temp 0 -n 12 $flags
    expect_code 0
    expect_equal "$err" ""
    case $flags in
    *"--json"\ * | *"--json") for part in b.text b.tokens b.finish_reason b.stop_word b.usage; do
        expect_equal "$(field "$out" $part)" "$(field "$here" $part)"
    done ;;
    *) expect_equal "$out" "$here" ;;
    esac
done
run run ember "$question" --raw --json --ignore-eos -n 8
drawn=$(field "$out" b.seed)
text=$(field "$out" b.text)
run run ember "$question" --raw --json --ignore-eos -n 8 --seed "$drawn"
expect_equal "$(field "$out" '[b.seed, b.text].join()')" "$drawn,$text"
run run ember "$question" --raw --json --ignore-eos --temp 0 -n 20
word=$(field "$out" 'b.text.slice(3, 7)')
run run ember "$question" --raw --json --ignore-eos --temp 0 -n 20 --stop "$word"
expect_equal "$(field "$out" '[b.finish_reason, b.stop_word].join()')" "word,$word"
run run ember "$question" --grammar "root ::= ("
expect_code 2
ask GET /hearth/engines
expect_equal "$(json b.engines.length)" 1

# ---- here all the same, and it is told ----
ask POST /hearth/engines/stop '{}'
for flags in "-c 512" "-t 1" "--isa scalar" "--special" "--no-special" "--logit-bias 5-1"; do
    run run ember "$question" --temp 0 -n 3 $flags
    expect_code 0
    expect_in "cannot be asked for --.*: the model is loaded here" "$err"
done
run run ember "$question" --temp 0 -n 3 --in-process
expect_equal "$err" ""
"$BUILD/make_model" "$work/tiny.gguf" llama || fail "make_model"
run run "$work/tiny.gguf" a -n 3
expect_code 0
ask GET /hearth/engines
expect_equal "$(json b.engines.length)" 0

# ---- what goes wrong is told ----
run run nothing "$question"
expect_code 5
run run ember "$question" --temp 0 -n 20 --stop ""
expect_code 2
"$HEARTH" run ember "$question" --ignore-eos -n 1900 --temp 0 >"$work/long" 2>"$work/err" &
pid=$!
wait_for 10 test -s "$work/long" || fail "no answer"
kill -TERM $pid
wait $pid
code=$?
what="an interrupt"
expect_equal "$code" 143
idle() {
    ask GET /hearth/engines
    [ "$(json 'b.engines.reduce((n, e) => n + e.n_in_flight, 0)')" = 0 ]
}
wait_for 5 idle || fail "the server writes on"
stop_serve
run run ember "$question" --temp 0 -n 20
expect_equal "$out" "$alone"
finish
