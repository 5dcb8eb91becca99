# The generator of random models (tools/): the same options give the same file, recipes give the
# mixtures that quantize gives, and cut models of every well-known shape run.
. "$SOURCE/tests/e2e/check.sh"

make_model="$BUILD/make_model"
tokens=3,17,42,5

# ---- every shape, one layer of it ----
for shape in $("$make_model" --known); do
    file="$work/$shape.gguf"
    what="make_model $shape"
    "$make_model" "$file" "$shape" --layers 1 --experts 8 --vocab 512 --type Q4_0 || fail "$what"
    run show "$file" --json
    expect_in "\"name\": \"$shape\"" "$out"
    run eval "$file" --tokens $tokens --logits "$work/logits" -c 64
    expect_code 0
    run perplexity "$file" "$SOURCE/LICENSE" -c 64 --chunks 1 --json
    expect_in '"perplexity": [0-9]' "$out"
    rm "$file"
done

# ---- recipes, and files that are the same ----
small="qwen3-0.6b --layers 4 --vocab 600"
"$make_model" "$work/float.gguf" $small --type F32
for type in Q4_K_M IQ4_XS MXFP4_MOE Q8_0; do
    what="make_model $small --type $type"
    "$make_model" "$work/one.gguf" $small --type $type || fail "$what"
    "$make_model" "$work/two.gguf" $small --type $type
    expect_same_file "$work/one.gguf" "$work/two.gguf"
    "$make_model" "$work/two.gguf" $small --type $type --seed 2
    cmp -s "$work/one.gguf" "$work/two.gguf" && fail "$what: another seed gives the same file"
    run quantize "$work/float.gguf" "$work/two.gguf" $type
    expect_equal "$("$HEARTH" show "$work/one.gguf" --tensors | grep -E '(weight|bias) ')" \
        "$("$HEARTH" show "$work/two.gguf" --tensors | grep -E '(weight|bias) ')"
done

# ---- mistakes ----
for mistake in "no-such-model" "llama --type Q9" "llama --layers x" "llama --what 1" "llama --seed"; do
    what="make_model $mistake"
    "$make_model" "$work/none.gguf" $mistake 2>"$work/err" && fail "$what: was taken"
    expect_in "make_model: |random_model: " "$(cat "$work/err")"
    [ -e "$work/none.gguf" ] && fail "$what: left a file"
done
finish
