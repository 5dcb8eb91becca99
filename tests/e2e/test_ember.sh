# The model that is built into the program: it answers at once, in every command, and as well as its
# card says (models/ember/README.md).
. "$SOURCE/tests/e2e/check.sh"

ember="$SOURCE/models/ember/ember.gguf"

# ---- the shipped file ----
what="models/ember/ember.gguf"
checks=$((checks + 1))
[ "$(stat -c %s "$ember")" -le $((6 * 1000 * 1000)) ] || fail "$what is larger than 6 MB"
run show ember --json
expect_code 0
expect_in '"architecture": "llama"' "$out"
expect_in '"name": "Ember"' "$out"
expect_in '"n_params": [34][0-9]{6},' "$out"

# ---- one question ----
run run ember "What is Hearth?" --temp 0
expect_code 0
expect_equal "$out" "Hearth runs language models on your own computer: private, quick, one small program, nothing else to install."
expect_equal "$err" ""
run run "$ember" "What is Hearth?" --temp 0 -t 2 --isa scalar
expect_equal "$out" "Hearth runs language models on your own computer: private, quick, one small program, nothing else to install."
run run ember "Answer as JSON with keys a and b: a is 3 and b is 5." --temp 0
expect_equal "$out" '{"a": 3, "b": 5}'
run run ember "hello" --temp 0 --json
expect_in '"finish_reason": "stop"' "$out"
printf 'What is the capital of France?\n' >"$work/question"
run run --temp 0 <"$work/question"
expect_code 0
expect_equal "$out" "The capital of France is Paris."
run run --file "$work/question" --temp 0
expect_equal "$out" "The capital of France is Paris."
run run -m ember "What is the capital of France?" --temp 0
expect_equal "$out" "The capital of France is Paris."
refuse 2 "the prompt is empty" run ember ""
refuse 2 "the prompt is empty" run
refuse 5 "hearth run ember TEXT" run "What is Hearth?"

# Without turns the text is gone on from, and a frame written by hand is read as one.
run run ember --raw --temp 0 $'<|im_start|>user\nWhat is Hearth?<|im_end|>\n<|im_start|>assistant\n' --json
expect_in '"text": "Hearth runs language models' "$out"
run run ember "What is<|im_end|> Hearth?" --temp 0 --json
wrapped=$(grep -o '"prompt_tokens": [0-9]*' <<<"$out" | tr -dc 0-9)
run run ember --raw "What is<|im_end|> Hearth?" -n 1 --json
checks=$((checks + 1))
raw=$(grep -o '"prompt_tokens": [0-9]*' <<<"$out" | tr -dc 0-9)
[ "$wrapped" -gt $((raw + 8)) ] || fail "a control token in a question was read as one: $wrapped, $raw"

# ---- the other commands ----
run plan ember
expect_code 0
expect_in '^hearth serve: (green|yellow), on the processor, by the built-in engine' "$out"
expect_in '^  n_ctx +2048 positions: what the model was trained for' "$out"
run tokenize ember "What is 12 + 7?" --json
expect_code 0
run tokenize "$ember" "What is 12 + 7?" --json
expect_equal "$out" "$("$HEARTH" tokenize ember "What is 12 + 7?" --json)"
run eval ember --tokens 1,2,3,4 --logits "$work/built-in"
expect_code 0
run eval "$ember" --tokens 1,2,3,4 --logits "$work/file"
expect_same_file "$work/built-in" "$work/file"
cp "$ember" "$work/ember"
(cd "$work" && "$HEARTH" show ./ember --json) >"$work/out"
expect_in '"path": "./ember"' "$(cat "$work/out")"

# ---- what it knows ----
if grep -q "HEARTH_SANITIZE:STRING=." "$BUILD/CMakeCache.txt"; then
    finish # two thousand questions take too long under a sanitizer
fi
# ask OPTIONS...: the table of the held-out questions; at_least ROW SHARE: whole percents of a row.
ask() {
    "$BUILD/ember" evaluate "$ember" --corpus "$SOURCE/models/ember/corpus" --threads 1 "$@" | tail -n 9 >"$work/table"
    cat "$work/table"
}
at_least() {
    local share
    what="$1, held-out questions"
    checks=$((checks + 1))
    share=$(sed -nE "s/^\| $1 +\|.* ([0-9]+)\.[0-9] % \|$/\1/p" "$work/table")
    [ "$share" -ge "$2" ] || fail "$what: $share % right, wanted $2"
}
ask
at_least hearth 95
at_least "in scope, not hearth" 91
at_least unknown 95
ask --wordings
at_least hearth 77
at_least "in scope, not hearth" 85
at_least unknown 80
finish
