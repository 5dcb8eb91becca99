# Rerankers and embedding models behind hearth engine: which engine ranks and which gives vectors, what
# /rerank answers, and every form of input and output of /v1/embeddings.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

"$BUILD/make_model" "$work/encoder.gguf" bert --labels 1
"$BUILD/make_model" "$work/decoder.gguf" qwen3 --labels 2
"$BUILD/make_model" "$work/plain.gguf" bert
common="--port 0 -c 512 --no-warmup"
ask='{"query":"abc","documents":["de fg","the other one","xyz xyz"]'

# ---- a reranker needs no flag ----
start_engine -m "$work/encoder.gguf" $common || finish
for path in /rerank /reranking /v1/rerank /v1/reranking; do
    post $path "$ask}"
    expect_status 200
    expect_equal "$(json 'b.results.length')" 3
done
expect_equal "$(json 'b.results.map(r => r.index).sort().join()')" 0,1,2
expect_equal "$(json 'b.results.every((r, i) => i == 0 || b.results[i - 1].relevance_score >= r.relevance_score)')" true
expect_equal "$(json 'b.usage.prompt_tokens > 20')" true
scores=$(json 'b.results.map(r => r.relevance_score)')
best=$(json 'b.results[0].index')
post /rerank "$ask,\"top_n\":1,\"return_documents\":true}"
expect_equal "$(json 'b.results.length + " " + b.results[0].index')" "1 $best"
expect_equal "$(json 'b.results[0].document.text.length > 4')" true
post /rerank '{"query":"abc","texts":["de fg","the other one","xyz xyz"]}'
expect_equal "$(json 'b.map(r => r.score)')" "$scores"
post /v1/rerank '{"query":"abc","documents":["the other one"]}' # alone as beside others
expect_equal "$(node -e 'console.log(JSON.parse(process.argv[1]).includes(Number(process.argv[2])))' \
    "$scores" "$(json 'b.results[0].relevance_score')")" true
post /rerank '{"query":"abc","documents":[]}'
expect_status 400
post /rerank "{\"query\":\"abc\",\"documents\":[\"$(printf 'word %.0s' {1..600})\"]}"
expect_status 400
post /v1/embeddings '{"input":"abc"}'
expect_status 400
expect_body 'scores of documents'

# ---- unless it is asked for vectors ----
start_engine -m "$work/encoder.gguf" $common --pooling cls || finish
post /v1/embeddings '{"input":"abc"}'
expect_equal "$(json 'b.data[0].embedding.length')" 64
post /rerank "$ask}"
expect_status 501
expect_body '--reranking'

# ---- a decoder: the probability of "yes" ----
start_engine -m "$work/decoder.gguf" $common --rerank || finish
post /rerank "$ask}"
expect_status 200
expect_equal "$(json 'b.results.every(r => r.relevance_score > 0 && r.relevance_score < 1)')" true
post /completion '{"prompt":"abc","n_predict":2}'
expect_status 200

# ---- an embedding model is none ----
start_engine -m "$work/plain.gguf" $common --reranking || finish
post /rerank "$ask}"
expect_status 501
expect_body 'cls.weight'
start_engine -m "$work/plain.gguf" $common || finish
post /rerank "$ask}"
expect_status 501

# ---- /v1/embeddings: one text, many, tokens, arrays of tokens; floats, base64, fewer dimensions ----
post /tokenize '{"content":"abc de","add_special":true,"parse_special":true}'
tokens=$(json 'b.tokens')
post /v1/embeddings '{"input":"abc de"}'
expect_status 200
vector=$(json 'b.data[0].embedding')
expect_equal "$(json 'b.usage.prompt_tokens')" "$(node -p "$tokens.length")"
for input in "[\"abc de\"]" "$tokens" "[$tokens]" "[\"zzz\",\"abc de\"]" "[[5,6,7],$tokens]"; do
    post /v1/embeddings "{\"input\":$input}"
    expect_status 200
    expect_equal "$(json 'b.data.at(-1).embedding')" "$vector"
    expect_equal "$(json 'b.data.every((d, i) => d.index == i && d.object == "embedding")')" true
done
post /v1/embeddings '{"input":"abc de","encoding_format":"base64"}'
expect_equal "$(json '(d => Array.from({length: 64}, (_, i) => d.readFloatLE(4 * i)))(Buffer.from(b.data[0].embedding, "base64"))
    .every((x, i) => Math.fround(x) === Math.fround('"$vector"'[i]))')" true
post /v1/embeddings '{"input":"abc de","dimensions":16}'
expect_equal "$(json 'b.data[0].embedding.length')" 16
expect_equal "$(json 'Math.abs(b.data[0].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-5')" true
expect_equal "$(json '(v => b.data[0].embedding.every((x, i) => Math.abs(x / b.data[0].embedding[0] - v[i] / v[0]) < 1e-3))('"$vector"')')" true
post /v1/embeddings '{"input":"abc de","dimensions":65}'
expect_status 400
for bad in '[]' '[[]]' '[1,"a",{}]' '[999999]' '7'; do
    post /v1/embeddings "{\"input\":$bad}"
    expect_status 400
done
many=$(node -p 'JSON.stringify(Array.from({length: 200}, (_, i) => "text number " + i))')
post /v1/embeddings "{\"input\":$many}"
expect_equal "$(json 'b.data.length')" 200
post /embedding '{"content":["abc de","x"],"embd_normalize":-1}'
expect_equal "$(json 'b.length + " " + b[0].embedding.length + " " + b[1].index')" "2 1 1"
start_engine -m "$work/plain.gguf" $common --pooling none || finish
post /embedding '{"content":"abc de"}'
expect_equal "$(json 'b[0].embedding.length')" "$(node -p "$tokens.length")"
expect_equal "$(json 'b[0].embedding.every(v => Math.abs(v.reduce((s, x) => s + x * x, 0) - 1) > 1e-3)')" true
post /embedding '{"content":"abc de","embd_normalize":2}'
expect_equal "$(json 'b[0].embedding.every(v => Math.abs(v.reduce((s, x) => s + x * x, 0) - 1) < 1e-5)')" true
post /v1/embeddings '{"input":"abc de"}'
expect_status 400
finish
