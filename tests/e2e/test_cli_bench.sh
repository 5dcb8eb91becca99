# hearth bench on a tiny model: every field, every combination once, mistakes refused. How fast it is
# says nothing here.
. "$SOURCE/tests/e2e/check.sh"

model="$work/llama.gguf"
"$BUILD/make_model" "$model" llama || fail "make_model llama"
quick="--no-machine -r 1 -t 1"

# ---- the table ----
run bench "$model" -p 8,16 -n 4 -d 0,32 --at-once 1,3 -r 2 --isa scalar -t 1
expect_code 0
expect_in "^tiny random model: F16, .*, scalar, 1 threads" "$out"
expect_in "reads [0-9.]+ GB/s, int8 [0-9]+ Gop/s, float [0-9]+ Gop/s" "$out"
expect_in "^opened in [0-9.]+ ms, first token after [0-9.]+ ms$" "$out"
expect_in "^peak memory [0-9.]+ MiB$" "$out"
expect_in "^test +depth +tokens/s +min +max .*of read +of int8 +of float$" "$out"
for test in "pp8" "pp16" "tg4" "tg4 by 3"; do
    for depth in 0 32; do
        expect_equal "$(grep -cE "^$test +$depth +[0-9.]+ +[0-9.]+ +[0-9.]+ " "$work/out")" 1
    done
done
expect_equal "$(grep -cE '^(pp|tg)' "$work/out")" 8
run bench "$model" $quick
expect_equal "$(grep -cE '^(pp512|tg64) +0 ' "$work/out")" 2
expect_equal "$(grep -c '%' "$work/out")" 0

# ---- the same as JSON ----
run bench "$model" -p 8 -n 4 -r 3 -t 1 --json
expect_code 0
for field in '"name": "tiny random model"' '"file_type": "F16"' '"n_threads": 1' '"n_ctx": 8' \
    '"load_ms": [0-9.]+' '"first_token_ms": [0-9.]+' '"peak_bytes": [1-9][0-9]+' \
    '"machine": \{"cpu": "' '"read_bytes_per_second": [1-9]' '"int8_ops_per_second": [1-9]' \
    '"float_ops_per_second": [1-9]' '"kind": "prompt", "tokens": 8, "depth": 0, "at_once": 8' \
    '"kind": "generate", "tokens": 4, "depth": 0, "at_once": 1' '"repetitions": 3' \
    '"tokens_per_second": [0-9.]+, "min": [0-9.]+, "max": [0-9.]+' '"read_share": [0-9]' \
    '"int8_share": [0-9]' '"float_share": [0-9]'; do
    expect_in "$field" "$out"
done
run bench "$model" -p 0 -n 4 $quick --json
expect_in '"machine": null, "results": \[\{"kind": "generate"' "$out"
expect_in '"read_share": null' "$out"

# What a token takes is known from the model's shape: F16 matrices of 2 layers and the output, rows
# of 64 and 96; vectors of norms; keys and values of 2 x 2 heads of 16.
matrices=$((2 * (64 * 64 * 2 + 64 * 32 * 2 + 64 * 96 * 3) + 64 * 320))
norms=$((5 * 64 * 4))
cache=$((2 * 2 * 2 * 16 * 2 * (0 + 1 + 2 + 3) / 4))
expect_in "\"bytes_per_token\": $((2 * matrices + norms + cache)).0," "$out"
attention=$((4 * 2 * 64 * (1 + 2 + 3 + 4) / 4)) # a 16-bit cache holds integers
expect_in "\"int_ops_per_token\": $attention.0," "$out"
expect_in "\"float_ops_per_token\": $((2 * matrices)).0," "$out"

# ---- mistakes ----
refuse 2 "which model\?" bench
refuse 2 "--prompt: 'x' is not a list of whole numbers from 0 to [0-9]+, such as 128,512" bench "$model" -p x
for list in "" , 1, ,1 1,,2 -1 1.5 "1 2" 99999999999999999999; do
    refuse 2 "--n-gen: '$list' is not a list" bench "$model" "--n-gen=$list"
done
refuse 2 "--at-once: '0' is not a list of whole numbers from 1" bench "$model" --at-once 0
refuse 2 "--depth: more than 32 numbers" bench "$model" -d "$(seq -s, 1 33)"
refuse 2 "nothing to measure" bench "$model" -p 0 -n 0
refuse 2 "--repetitions: 0 is out of range" bench "$model" -r 0
refuse 2 "abacus" bench "$model" --isa abacus
refuse 4 "the tests take 64 positions; --ctx-size gives 32" bench "$model" -p 64 -n 8 -c 32 --no-machine
refuse 5 "nothing-there" bench "$work/nothing-there" --no-machine
"$BUILD/make_model" "$work/bert.gguf" bert
refuse 2 "encoder" bench "$work/bert.gguf" --no-machine
finish
