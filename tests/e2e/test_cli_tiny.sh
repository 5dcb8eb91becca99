# Every command on small random models, which need nothing but the repository: the same numbers
# however they are asked for, limits, damaged files, output that stays whole.
. "$SOURCE/tests/e2e/check.sh"

make_model="$BUILD/make_model"
model="$work/llama.gguf"
"$make_model" "$model" llama || fail "make_model llama"

# ---- every architecture goes through the commands ----
tokens=3,17,42,5,99,7,64,128,31,255,11
for architecture in $("$make_model"); do
    file="$work/$architecture.gguf"
    [ -f "$file" ] || "$make_model" "$file" "$architecture"
    run show "$file" --json
    expect_code 0
    expect_in "\"architecture\": \"$architecture\"" "$out"
    run plan "$file" -c 64
    expect_code 0
    if grep -q '"causal": false' < <("$HEARTH" show "$file" --json); then
        run eval "$file" --tokens $tokens --embedding "$work/vector" -c 64
        expect_code 0
        expect_equal "$(wc -c <"$work/vector")" 256
        run eval "$file" --tokens $tokens --logits "$work/again" --embedding -c 64
        expect_same_file "$work/again" "$work/vector"
        refuse 2 "encoder" run "$file" x
        refuse 2 "encoder" eval "$file" --tokens $tokens --logits "$work/none"
        refuse 2 "encoder" perplexity "$file" "$0"
    else
        run eval "$file" --tokens $tokens --logits "$work/logits" -c 64
        expect_code 0
        expect_equal "$(wc -c <"$work/logits")" $((11 * 320 * 4))
        run eval "$file" --tokens $tokens --logits "$work/again" -c 64 --chunk 3 -t 1 --isa scalar
        expect_same_file "$work/again" "$work/logits"
        run run "$file" "hello" -n 4 --ignore-eos --seed 1
        expect_code 0
    fi
    [ "$architecture" = llama ] || rm -f "$file"
done

# ---- a context that is full ----
run run "$model" "hello" --ignore-eos -c 32 --json --temp 0
expect_code 0
expect_in '"finish_reason": "context"' "$out"
refuse 4 "." eval "$model" --tokens $tokens -c 4 --logits "$work/none"
[ -e "$work/none" ] && fail "a failed eval left its output behind"

# ---- a plan that cannot fit ----
big="-c 268435456 -ctk f32 --override-kv llama.context_length=int:268435456"
run plan "$model" $big
expect_code 3
expect_in "fits +no" "$out"
expect_in "does not fit" "$err"
refuse 3 "." run "$model" hello $big
run plan "$model" $big --ignore-memory-limit --json
expect_code 0
expect_in '"fits": false' "$out"

# ---- overrides ----
run show "$model" --override-kv general.name=str:"A name, with = and :"
expect_in "^name +A name, with = and :$" "$out"
refuse 2 "nonsense" show "$model" --override-kv nonsense
refuse 1 "ocelot" run "$model" x --override-kv general.architecture=str:ocelot
run show "$model" --override-kv general.name=str:"$(printf 'red\033[31m')"
expect_equal "$(tr -cd '\033' <"$work/out" | wc -c)" 0

run show "$model" --override-kv general.name=str:"$(printf 'one\ntensors 99')"
expect_in "^name +one tensors 99$" "$out"

# ---- a set of two files, whichever part is named ----
"$make_model" --split "$model" "$work/set" || fail "make_model --split"
tensors=$("$HEARTH" show "$model" | sed -n '/^parameters/p; /^special/p; /^tensors/,$p' | grep -v free)
for part in 1 2; do
    run show "$work/set-0000$part-of-00002.gguf"
    expect_in "parts: 2" "$out"
    expect_equal "$(sed -n '/^parameters/p; /^special/p; /^tensors/,$p' <<<"$out" | grep -v free)" "$tensors"
    run eval "$work/set-0000$part-of-00002.gguf" --tokens $tokens --logits "$work/logits"
    expect_code 0
    "$HEARTH" eval "$model" --tokens $tokens --logits "$work/again" >"$work/out"
    expect_same_file "$work/again" "$work/logits"
done
cp "$work/set-00002-of-00002.gguf" "$work/part"
refuse 2 "is a model" eval "$work/set-00001-of-00002.gguf" --tokens 1 --logits "$work/set-00002-of-00002.gguf"
expect_same_file "$work/set-00002-of-00002.gguf" "$work/part"
rm "$work/set-00002-of-00002.gguf"
refuse 5 "set-00002-of-00002" show "$work/set-00001-of-00002.gguf"

# ---- eval: what it must not overwrite or overlook ----
cp "$model" "$work/copy.gguf"
ln -s copy.gguf "$work/link"
for place in copy.gguf link; do
    refuse 2 "is a model" eval "$work/copy.gguf" --tokens 1 --logits "$work/$place"
    refuse 2 "is a model" eval "$work/copy.gguf" --tokens 1 --embedding "$work/$place"
done
expect_same_file "$work/copy.gguf" "$model"
printf '1,2\0,3' >"$work/ids"
run eval "$model" --tokens - <"$work/ids"
expect_code 2
expect_in "NUL byte after 2" "$err"

# ---- Ctrl-C while a pipe waits for its other end ----
mkfifo "$work/pipe"
for command in "run $model --file $work/pipe" "eval $model --tokens 1 --logits $work/pipe"; do
    what="hearth $command, interrupted"
    timeout --preserve-status -s INT 1 "$HEARTH" $command >"$work/out" 2>"$work/err" </dev/null
    code=$?
    expect_code 130
    expect_in "stopped|canceled" "$(cat "$work/err")"
done

# ---- every byte of a text ----
printf 'a\0b\377\n' >"$work/bytes"
run tokenize "$model" --no-special --pieces <"$work/bytes"
expect_code 0
expect_in '"\\x00"' "$out"
expect_in '"\\xff"' "$out"
run tokenize "$model" --no-special --json --pieces <"$work/bytes"
expect_in '"pieces": \[' "$out"
expect_equal "$("$HEARTH" tokenize "$model" -f "$work/bytes")" "$("$HEARTH" tokenize "$model" <"$work/bytes")"
refuse 5 "nothing-there" tokenize "$model" -f "$work/nothing-there"
what="hearth tokenize without standard input"
"$HEARTH" tokenize "$model" >"$work/out" 2>"$work/err" <&-
code=$?
expect_code 1

# ---- perplexity ----
head -c 3000 "$SOURCE/LICENSE" | head -c 900 >"$work/text"
run perplexity "$model" "$work/text" -c 64 --json
expect_code 0
first=$out
run perplexity "$model" "$work/text" -c 64 --json -t 1 -b 7 --isa scalar
expect_equal "$out" "$first"
run perplexity "$model" - -c 64 --json <"$work/text"
expect_equal "$out" "$first"
refuse 2 "at least 4" perplexity "$model" "$work/text" -c 3

# ---- quantize ----
run quantize "$model" "$work/q8.gguf" Q8_0 --pure
expect_code 0
run show "$work/q8.gguf"
expect_in "Q8_0 " "$out"
run quantize "$model" "$work/again.gguf" Q8_0 --pure -t 1
expect_same_file "$work/again.gguf" "$work/q8.gguf"
refuse 5 "no/folder" quantize "$model" "$work/no/folder/q8.gguf" Q8_0
refuse 2 "." quantize "$model" "$model" Q8_0
printf 'precious' >"$work/precious"
run quantize "$work/bytes" "$work/precious" Q8_0
expect_equal "$(cat "$work/precious")" precious

# ---- a reader that leaves, a disk that is full ----
for command in "run $model hello --ignore-eos --seed 1" "show $model --tensors" "tokenize $model hello"; do
    what="hearth $command on a full disk"
    "$HEARTH" $command >/dev/full 2>"$work/err" </dev/null
    code=$?
    expect_code 1
    expect_in "standard output" "$(cat "$work/err")"
done
for command in "eval $model --tokens $tokens --logits $work/limited" "quantize $model $work/limited F16"; do
    what="hearth $command past the size limit of files"
    (ulimit -f 1 && "$HEARTH" $command 2>&1 >/dev/null | cat >"$work/err"
        exit "${PIPESTATUS[0]}")
    code=$?
    expect_code 1
    expect_in "File too large" "$(cat "$work/err")"
    [ -e "$work/limited" ] && fail "$what: left its output behind"
done
what="a reader that leaves"
"$HEARTH" run "$model" hello --ignore-eos --seed 1 2>"$work/err" | true
code=${PIPESTATUS[0]}
case $code in 0 | 1) ;; *) fail "$what: exit code $code" ;; esac

# ---- without a home ----
what="hearth without HOME"
env -u HOME -u XDG_STATE_HOME "$HEARTH" tokenize "$model" hello >"$work/out"
code=$?
expect_code 0
finish
