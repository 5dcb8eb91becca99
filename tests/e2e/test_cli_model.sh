# Every command on a real small model: the answer is the reference's, whichever way it is asked for,
# and standard output holds nothing else.
. "$SOURCE/tests/e2e/check.sh"

model="$REFERENCE/story/stories260K.gguf"
[ -f "$model" ] || skip "no reference models in $REFERENCE"
story=$(sed -n 's/^"text": "\(Once upon.*\)"$/\1/p' "$REFERENCE/story/stories260K.json" | head -1)
[ -n "$story" ] || skip "no story in $REFERENCE/story/stories260K.json"
prompt="Once upon a time"
printf '%b' "${story#"$prompt"}" | sed 's/\\"/"/g' >"$work/want"
tokens=$(sed -n '/^"tokens"/,/^]/p' "$REFERENCE/story/stories260K.json" | tr -cd '0-9\n' | paste -sd, | tr -s ,)
tokens=${tokens#,}
tokens=${tokens%,}

# ---- run ----
greedy="--temp 0 -n 100"
run run "$model" "$prompt" $greedy
expect_code 0
expect_same_file "$work/out" "$work/want"
run run -m "$model" "$prompt" $greedy -t 1 -b 3 -v
expect_same_file "$work/out" "$work/want"
expect_in "read 5 tokens" "$err"
run run "$model" $greedy <<<"$prompt"
expect_same_file "$work/out" "$work/want"
printf '%s' "$prompt" >"$work/prompt"
run run "$model" $greedy --file "$work/prompt"
expect_same_file "$work/out" "$work/want"
run run "$model" - $greedy <"$work/prompt"
expect_same_file "$work/out" "$work/want"
run run "$model" 'Once\x20upon\x20a time' -e $greedy
expect_same_file "$work/out" "$work/want"
for isa in scalar avx2 avx512 amx neon; do
    run run "$model" "$prompt" $greedy --isa $isa
    [ "$code" -eq 0 ] && expect_same_file "$work/out" "$work/want"
    [ "$code" -eq 0 ] || expect_code 2
done
refuse 2 "mmx" run "$model" "$prompt" --isa mmx
run run "$model" "$prompt" $greedy --stop Lily
expect_equal "$out" ", there was a little girl named "
run run "$model" "$prompt" $greedy --json --reverse-prompt Lily
expect_equal "$(wc -l <"$work/out")" 1
expect_in '"text": ", there was a little girl named "' "$out"
expect_in '"finish_reason": "word"' "$out"
expect_in '"stop_word": "Lily"' "$out"
expect_in '"prompt_tokens": 5' "$out"
run run "$model" "$prompt" --temp 0 -n 3 --json
expect_in '"tokens": \[432, 383, 286\]' "$out"
expect_in '"finish_reason": "length"' "$out"
expect_in '"completion_tokens": 3' "$out"
run run "$model" "$prompt" -n 0
expect_code 0
expect_equal "$out" ""
run run "$model" "$prompt" -n 20 --seed 7
first=$out
run run "$model" "$prompt" -n 20 -s 7
expect_equal "$out" "$first"
run run "$model" "$prompt" $greedy --logit-bias 432-inf
expect_code 0
[ "${out:0:1}" = , ] && fail "$what: a forbidden token was written"
refuse 2 "logit-bias" run "$model" "$prompt" --logit-bias 432
refuse 2 "logit.bias" run "$model" "$prompt" --logit-bias 99999+1
refuse 2 "samplers|heat" run "$model" "$prompt" --samplers "top_k;heat"
long=$(printf 'word %.0s' {1..300})
refuse 4 "[0-9]+ .*(context|fit)" run "$model" "$long"
run run "$model" "$prompt" -n 1 </dev/null
expect_code 0
run run "$model" -n 4 --temp 0 </dev/null # an empty prompt goes on from the beginning token
expect_code 0

# A reader that leaves early, a disk that is full.
what="hearth run | head"
"$HEARTH" run "$model" "$prompt" $greedy 2>"$work/err" | head -c 1 >"$work/out"
code=${PIPESTATUS[0]}
case $code in 0 | 1) ;; *) fail "$what: exit code $code" ;; esac
what="hearth run > /dev/full"
"$HEARTH" run "$model" "$prompt" $greedy 2>"$work/err" >/dev/full
code=$?
expect_code 1
expect_in "No space left" "$(cat "$work/err")"

# Ctrl-C: what was written so far is out, the exit code tells.
what="hearth run, interrupted"
mkfifo "$work/stream"
"$HEARTH" run "$model" "$prompt" --ignore-eos -c 1000000 --ignore-memory-limit \
    --override-kv llama.context_length=int:1000000 >"$work/stream" 2>"$work/err" &
pid=$!
exec 3<"$work/stream"
IFS= read -r -N 20 start <&3
kill -INT $pid
rest=$(tr -d '\0' <&3 | wc -c)
wait $pid
code=$?
exec 3<&-
expect_code 130
expect_equal "${#start}" 20

# ---- tokenize ----
run tokenize "$model" "$prompt"
expect_equal "$out" "1 403 407 261 378"
run tokenize "$model" --no-special "$prompt"
expect_equal "$out" "403 407 261 378"
run tokenize "$model" --no-special --json "$prompt"
expect_equal "$out" '{"tokens": [403, 407, 261, 378]}'
run tokenize "$model" --no-special <"$work/prompt"
expect_equal "$out" "403 407 261 378"
run tokenize "$model" --no-special --pieces -- "-a"
expect_in '"-"$' "$out"
run tokenize "$model" "" --json
expect_equal "$out" '{"tokens": [1]}'
printf 'a\0b\n' >"$work/bytes"
run tokenize "$model" --no-special --pieces <"$work/bytes"
expect_in '"\\x00"' "$out"
expect_in '"\\n"' "$out"
run tokenize "$model" --no-special '<s>'
expect_equal "$([ "$out" = 1 ] && echo parsed)" ""
head -c 100000 /dev/urandom >"$work/noise"
run tokenize "$model" --json <"$work/noise"
expect_code 0

# ---- eval ----
run eval "$model" --tokens "$tokens" --logits "$work/logits"
expect_code 0
expect_equal "$(wc -c <"$work/logits")" "$(wc -c <"$REFERENCE/story/stories260K.f32")"
nmse=$(paste <(od -An -v -w4 -tf4 "$work/logits") <(od -An -v -w4 -tf4 "$REFERENCE/story/stories260K.f32") |
    awk '{ d += ($1 - $2) ^ 2; s += $2 ^ 2 } END { print (d / s < 1e-5) ? "close" : d / s }')
expect_equal "$nmse" close
for variant in "--chunk 1" "--chunk 7" "-t 2" "-t 1 -b 5" "--isa scalar" "-c 100"; do
    run eval "$model" --tokens "$tokens" --logits "$work/again" $variant
    expect_code 0
    expect_same_file "$work/again" "$work/logits"
done
run eval "$model" --tokens - --logits - <<<"[${tokens//,/ }]"
expect_same_file "$work/out" "$work/logits"
run eval "$model" --text "$prompt" --json --embedding "$work/vector"
expect_in '"tokens": \[1, 403, 407, 261, 378\]' "$out"
expect_in '"top": \[\{"token": 432' "$out"
expect_equal "$(wc -c <"$work/vector")" 256
run eval "$model" --text "$prompt" --embedding "$work/unit" --normalize
expect_equal "$(od -An -v -w4 -tf4 "$work/unit" | awk '{ s += $1 ^ 2 } END { printf "%.4f", s }')" 1.0000
refuse 2 "99999" eval "$model" --tokens 1,99999 --logits "$work/none"
[ -e "$work/none" ] && fail "a failed eval left its output behind"
refuse 2 "either --tokens or --text" eval "$model"
refuse 2 "not a token id" eval "$model" --tokens 1,x
refuse 2 "no token" eval "$model" --tokens ,
refuse 2 "different places" eval "$model" --tokens 1 --logits - --json
refuse 4 "[0-9]" eval "$model" --tokens "$tokens" -c 8 --logits "$work/none"
refuse 1 "No space left" eval "$model" --tokens 1 --logits /dev/full

# ---- show and plan ----
run show "$model" --tensors --metadata
expect_code 0
expect_in "^architecture +llama" "$out"
expect_in "^tokenizer +spm, 512 tokens" "$out"
expect_in "F32 +48 " "$out"
expect_in "token_embd.weight" "$out"
expect_in "llama.context_length \(u32\)" "$out"
run show "$model" --json
expect_in '"architecture": "llama"' "$out"
expect_in '"n_vocab": 512' "$out"
expect_in '"fits": true' "$out"
run show "$model" --key general.architecture
expect_equal "$out" llama
refuse 5 "no.such" show "$model" --key no.such.key
run plan "$model" --json -c 64 -ctk q8_0
expect_code 0
expect_in '"n_ctx": 64,' "$out"
run plan "$model" -c 268435456 -ctk f32 -ctv f32 --override-kv llama.context_length=int:268435456
expect_code 3
expect_in "fits +no" "$out"

# ---- perplexity ----
tr -s '\n' ' ' <"$work/want" >"$work/text"
run perplexity "$model" "$work/text" -c 32 --json
expect_code 0
expect_in '"perplexity": [1-9]\.[0-9]+' "$out" # its own greedy story: nothing surprises it much
expect_in '"n_ctx": 32' "$out"
run perplexity "$model" - -c 32 --chunks 1 <"$work/text"
expect_in "^\[1/1\] " "$out"
expect_in "over 15 tokens in windows of 32" "$out"
refuse 2 "do not fill a window of 128" perplexity "$model" "$work/prompt"

# ---- quantize ----
run quantize "$model" "$work/q8.gguf" Q8_0
expect_code 0
run run "$work/q8.gguf" "$prompt" --temp 0 -n 10
expect_in "^, there was a little" "$out"
run quantize "$model" "$work/f16.gguf" f16 --json
expect_in '"tensors": 48' "$out"
refuse 2 "Q8_1000" quantize "$model" "$work/none" Q8_1000
refuse 2 "." quantize "$model" "$model" Q8_0
run quantize "$work/q8.gguf" "$work/none" Q4_0
[ "$code" -ne 0 ] || fail "$what: quantized weights were taken without --allow-requantize"
[ -e "$work/none" ] && fail "a refused quantize left its output behind"
run quantize list
expect_in "^Q4_K_M$" "$out"
finish
