# hearth engine as a whole: starting, flags, keys, what it tells of itself, completions, embeddings, clients
# that leave, and its end.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

# ---- flags that end it at once ----
run engine --list-devices
expect_code 0
expect_equal "$out" "Available devices:
  (none)"
run engine --version
expect_code 0
expect_in '^version: [0-9.]+ \(hearth\)$' "$out"
refuse 2 'which model' engine
refuse 2 "unknown option '--no-such-flag'" engine -m ember --no-such-flag
refuse 2 'hf-repo: an engine downloads nothing' engine -hf some/repo
refuse 2 "spec-type: 'draft' asks for a draft model" engine -m ember --spec-type draft
refuse 2 "spec-type: 'ngram' leaves" engine -m ember --spec-type ngram -md ember
refuse 2 "spec-type: 'draft-mtp'" engine -m ember --spec-type draft-mtp
refuse 2 "spec-type: 'ngram-mod,mtp'" engine -m ember --spec-type ngram-mod,mtp
refuse 2 'mmproj: images' engine -m ember --mmproj x.gguf
refuse 2 'need each other' engine -m ember --ssl-cert-file x
refuse 2 'not one of f32' engine -m ember -ctk q4_0
refuse 2 "sampler-seq: 'kk'" engine -m ember --sampler-seq kk
refuse 2 'grammar and --json-schema' engine -m ember --grammar 'root ::= "a"' -j '{}'
run engine -m ember --port 0 --samplers 'top_k;nonsense'
expect_code 2
expect_in 'samplers names "nonsense"' "$err"
run engine -m ember --port 0 --logit-bias 5000000+1
expect_code 2
expect_in 'logit-bias: 5000000 is no token' "$err"
run engine -m "$work/nothing.gguf" --port 0
expect_code 5
expect_in 'nothing.gguf' "$err"
LLAMA_ARG_CTX_SIZE=many refuse 2 "ctx-size: 'many'" engine -m ember

# ---- flags of llama-server, in the environment and on the command line ----
export LLAMA_ARG_CTX_SIZE=512 LLAMA_ARG_N_PARALLEL=7 LLAMA_ARG_ENDPOINT_METRICS=1 LLAMA_ARG_NONSENSE=1
start_engine -m ember --port 0 -np 3 --tags chat,small -ngl 99 -fa on --no-webui -cb --jinja --mlock -ub 128 --temp 0.25 \
    --alias 'glow,second' --threads-http 4 -lv 3 --flash-attn --no-warmup --drain 1 || finish
unset LLAMA_ARG_CTX_SIZE LLAMA_ARG_N_PARALLEL LLAMA_ARG_ENDPOINT_METRICS LLAMA_ARG_NONSENSE
expect_in '^warning: flags without effect here: .*gpu-layers \(.*; --mlock \(' "$(cat "$work/engine.err")"
expect_in 'LLAMA_ARG_NONSENSE is not known' "$(cat "$work/engine.err")"
get /health
expect_status 200
expect_equal "$body" '{"status":"ok"}'
get /props
expect_equal "$(json 'b.total_slots')" 3
expect_equal "$(json 'b.default_generation_settings.n_ctx')" 512
expect_equal "$(json 'b.default_generation_settings.params.temperature')" 0.25
expect_equal "$(json 'b.bos_token.length > 0 || b.eos_token.length > 0')" true
expect_equal "$(json 'Object.keys(b.chat_template_caps).length')" 8
expect_equal "$(json 'b.chat_template_caps.supports_system_role && !b.chat_template_caps.supports_tools')" true
get /v1/models
expect_equal "$(json 'b.data[0].id')" glow
expect_equal "$(json '[b.data[0].aliases, b.data[0].tags]')" '[["glow","second"],["chat","small"]]'
get /v1/models/second
expect_status 200
get /v1/models/other
expect_status 404
get /models
expect_status 200
get /slots
expect_equal "$(json 'b.length')" 3
expect_equal "$(json '"params" in b[0]')" false
get /lora-adapters
expect_equal "$body" '[]'
post /lora-adapters '[{"id":0,"scale":1}]'
expect_status 400
post '/slots/0?action=save' '{"filename":"x"}'
expect_status 501
post /props '{}'
expect_status 501

# ---- tokens ----
post /tokenize '{"content":"Hello world"}'
tokens=$(json 'b.tokens')
post /detokenize "{\"tokens\":$tokens}"
expect_equal "$(json 'b.content')" 'Hello world'
post /tokenize '{"content":"Hello world","with_pieces":true}'
expect_equal "$(json 'b.tokens.map(t => t.piece).join("")')" 'Hello world'
post /detokenize '{"tokens":[99999999]}'
expect_status 400

# ---- completions ----
post /completion '{"prompt":"What is Hearth?","n_predict":12,"temperature":0,"ignore_eos":true}'
expect_status 200
expect_equal "$(json 'b.tokens_predicted')" 12
expect_equal "$(json 'b.stop_type')" limit
text=$(json 'b.content')
for path in /completion /completions; do
    post $path '{"prompt":"What is Hearth?","n_predict":12,"temperature":0,"ignore_eos":true,"stream":true}' -N
    expect_status 200
    expect_in '^content-type: text/event-stream' "$(tr 'A-Z' 'a-z' <"$work/head")"
    streamed=$(node -e 'console.log(require("fs").readFileSync(0, "utf8").split("\n\n").filter(s => s.startsWith("data: "))
        .map(s => JSON.parse(s.slice(6)).content).join(""))' <"$work/body")
    expect_equal "$streamed" "$text"
done
post /completion '{"prompt":"a","n_predict":2,"id_slot":2,"stream":true,"return_progress":true}' -N
expect_equal "$(grep -o '"id_slot":[0-9]*' "$work/body" | sort -u)" '"id_slot":2'
post /v1/completions '{"prompt":["What is Hearth?","What is Hearth?"],"max_tokens":12,"temperature":0}'
expect_equal "$(json 'b.choices.length')" 2
expect_equal "$(json 'b.choices[0].text === b.choices[1].text')" true
post /v1/completions '{"prompt":"What is Hearth?","max_tokens":3,"temperature":0,"stream":true}' -N
expect_in '^data: \[DONE\]$' "$body"
post /v1/completions '{"prompt":"a","max_tokens":0}'
expect_equal "$(json 'b.usage.completion_tokens')" 0
post /v1/completions '{"prompt":"a","n":3,"max_tokens":2,"seed":1}'
expect_equal "$(json 'b.choices.length')" 3
post /v1/completions '{"prompt":"a","n":4}'
expect_status 400
many=$(printf 'word %.0s' {1..600})
post /completion "{\"prompt\":\"$many\"}"
expect_status 400
expect_equal "$(json 'b.error.type')" exceed_context_size_error
expect_equal "$(json 'b.error.n_ctx')" 512
expect_equal "$(json 'b.error.n_prompt_tokens > 512')" true
post /completion '{"prompt":"a","temperature":"hot"}'
expect_status 400
expect_body temperature
post /completion '{"prompt":"a","n_indent":2,"n_predict":40,"grammar":"root ::= \"if x:\\n  a\\n\\n   b\\n c\\n\""}'
expect_equal "$(json '[b.content, b.stop_type]')" '["if x:\n  a\n\n   b\n ","limit"]'
post /completion '{"prompt":"a"'
expect_status 400
post /completion '{"prompt":"a","t_max_predict_ms":0,"grammar":"root ::= \"a\\nb\\nc\""}'
expect_equal "$(json 'b.content')" 'a
b
c'
post /completion '{"prompt":"<|im_start|>","n_predict":0}'
one=$(json 'b.tokens_evaluated')
post /completion '{"prompt":"<|im_start|>","n_predict":0,"parse_special":false}'
expect_equal "$(json "$one === 1 && b.tokens_evaluated > 1")" true
post /completion '{"prompt":"a","n_predict":1,"stream":true,"sse_ping_interval":-1}'
expect_status 200

# ---- embeddings ----
post /v1/embeddings '{"input":["Hearth","Hearth","Rain"]}'
expect_status 200
expect_equal "$(json 'b.data.length')" 3
expect_equal "$(json 'JSON.stringify(b.data[0].embedding) === JSON.stringify(b.data[1].embedding)')" true
expect_equal "$(json 'Math.abs(b.data[2].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-5')" true
post /v1/embeddings '{"input":"Hearth","dimensions":8}'
expect_equal "$(json 'b.data[0].embedding.length')" 8
post /v1/embeddings '{"input":"Hearth","dimensions":999999}'
expect_status 400
post /v1/embeddings "{\"input\":[\"Hearth\",\"$(printf 'word %.0s' $(seq 2000))\"]}"
expect_status 400
expect_equal "$(json 'b.error.code')" context_length_exceeded
expect_equal "$(json 'b.error.n_prompt_tokens > b.error.n_ctx && b.error.n_ctx')" 512
post /v1/embeddings '{"input":"Hearth","encoding_format":"base64"}'
expect_equal "$(json 'typeof b.data[0].embedding')" string
post /embedding '{"content":"Hearth"}'
expect_equal "$(json 'b[0].embedding[0].length > 8')" true
post /rerank '{"query":"a","documents":["b"]}'
expect_status 501

# ---- a client that leaves ends its request, and nobody else's ----
busy() { get /slots; json 'b.filter(s => s.is_processing).length'; }
await_busy() {
    for _ in $(seq 500); do [ "$(busy)" = "$1" ] && return; done
    fail "slots in use: $(busy), wanted $1"
}
long='{"prompt":"a","n_predict":-1,"ignore_eos":true,"context_shift":true'
curl -sS -N -o "$work/kept" -H 'Content-Type: application/json' -d "$long,\"stream\":true}" "$url/completion" &
kept=$!
curl -sS -N -o /dev/null -H 'Content-Type: application/json' -d "$long,\"stream\":true}" "$url/completion" &
first=$!
curl -sS -o /dev/null -H 'Content-Type: application/json' -d "$long}" "$url/completion" &
second=$!
await_busy 3
get /slots
expect_equal "$(json 'b.every(s => s.params.ignore_eos && s.params.n_predict === -1 && s.next_token[0].has_next_token)')" true
kill $first $second
wait $first $second 2>/dev/null
await_busy 1
get /metrics
expect_status 200
expect_body '^llamacpp:tokens_predicted_total [1-9]'
expect_body '^llamacpp:requests_processing 1$'
expect_body '^llamacpp:n_busy_slots_per_decode [1-3](\.|$)'
expect_in '^process-start-time-unix: [0-9]{10}' "$(tr 'A-Z' 'a-z' <"$work/head")"
expect_body '^hearth:first_token_seconds_bucket\{le="\+Inf"\} [1-9]'

# ---- the end: no new connections, the running stream is told, then success ----
stop_engine
expect_code 0
wait $kept
expect_equal "$?" 0
expect_in 'the server is ending' "$(tail -c 400 "$work/kept")"

# ---- keys, a prefix, a Unix socket, TLS ----
printf '# keys\nfrom-file\n' >"$work/keys"
start_engine -m ember --port 0 --api-key one,two --api-key-file "$work/keys" --api-prefix /engine --no-slots || finish
get /engine/health
expect_status 200
post /engine/tokenize '{"content":"a"}'
expect_status 401
expect_equal "$(json 'b.error.type')" authentication_error
for key in one two from-file; do
    post /engine/tokenize '{"content":"a"}' -H "Authorization: Bearer $key"
    expect_status 200
done
post /engine/tokenize '{"content":"a"}' -H 'X-Api-Key: two'
expect_status 200
get /engine/slots -H 'X-Api-Key: two'
expect_status 501
get /health
expect_status 404
start_engine -m ember --host "$work/engine.sock" || finish
expect_equal "$url" "unix:$work/engine.sock"
url=http://engine
get /health --unix-socket "$work/engine.sock"
expect_status 200
stop_engine
[ -e "$work/engine.sock" ] && fail "the socket is still there"
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
        -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    start_engine -m ember --port 0 --ssl-cert-file "$work/cert.pem" --ssl-key-file "$work/key.pem" || finish
    expect_in '^https://' "$url"
    post /completion '{"prompt":"a","n_predict":4,"stream":true}' -N --cacert "$work/cert.pem"
    expect_status 200
    expect_body '"stop":true'
fi

# ---- a queue that is full says so, and goes on ----
start_engine -m ember --port 0 -np 1 --queue 1 --drain 0 || finish
curl -sS -N -o "$work/first" -H 'Content-Type: application/json' -d "$long,\"stream\":true}" "$url/completion" &
await_busy 1
curl -sS -N -o "$work/second" -H 'Content-Type: application/json' -d "$long,\"stream\":true}" "$url/completion" &
for _ in $(seq 500); do
    post /completion '{"prompt":"a","n_predict":1}' --max-time 1
    [ "$status" = 000 ] || break # the second one is not there yet: this one waits, and leaves
done 2>/dev/null
expect_status 429
expect_in '^retry-after: 1' "$(tr 'A-Z' 'a-z' <"$work/head")"
expect_equal "$(json 'b.error.type')" rate_limit_error
expect_equal "$(json 'b.error.message.match(/^1 requests wait.*--queue$/) !== null')" true
stop_engine
wait

# ---- a second signal does not wait for a stream that never ends ----
start_engine -m ember --port 0 --context-shift --drain 3600 || finish
curl -sS -N -o "$work/endless" -H 'Content-Type: application/json' \
    -d '{"prompt":"a","n_predict":-1,"ignore_eos":true,"stream":true}' "$url/completion" &
await_busy 1
kill -TERM "$engine_pid"
stop_engine -INT
wait
expect_in 'the server is ending' "$(tail -c 400 "$work/endless")"

# ---- nor for a long text that is being tokenized, nor for one that waits for its turn ----
start_engine -m ember --port 0 --drain 0 || finish
node -e 'let x = 1, s = ""; for (let i = 0; i < 5e6; i++) s += String.fromCharCode(97 + ((x = x * 69069 + 1 >>> 0) >>> 16) % 26)
    console.log(JSON.stringify({ content: s }))' >"$work/word.json"
for i in 1 2; do
    : >"$work/trace$i"
    curl -sv -o "$work/tokens$i" -H 'Content-Type: application/json' --data-binary "@$work/word.json" "$url/tokenize" 2>"$work/trace$i" &
done
for i in 1 2; do until grep -q 'uploaded and fine' "$work/trace$i"; do :; done; done
stop_engine
expect_code 0
wait
for i in 1 2; do expect_in 'the server is ending' "$(head -c 400 "$work/tokens$i")"; done

# ---- adapters: by flag, by request, by path ----
node "$SOURCE/tests/e2e/make_adapter.mjs" "$work/a.gguf"
content() {
    post /completion "{\"prompt\":\"What is Hearth?\",\"temperature\":0,\"n_predict\":12,\"ignore_eos\":true$1}"
    json 'b.content'
}
expect_adapters() { expect_equal "$(get /lora-adapters; json 'b.map(a => [a.id, a.path.split("/").at(-1), a.scale])')" "$1"; }
refuse 2 "lora-scaled: 'a.gguf'" engine -m ember --lora-scaled a.gguf
refuse 2 "lora-scaled: 'b.gguf:x'" engine -m ember --lora-scaled a.gguf:1,b.gguf:x
cp "$work/a.gguf" "$work/b.gguf"
start_engine -m ember --port 0 --lora "$work/a.gguf,$work/b.gguf" --lora-scaled "$work/b.gguf:-0.5,$work/a.gguf:2" || finish
expect_adapters '[[0,"a.gguf",1],[1,"b.gguf",1],[2,"b.gguf",-0.5],[3,"a.gguf",2]]'
start_engine -m ember --port 0 --lora-scaled "$work/a.gguf:2" --lora-init-without-apply || finish
expect_adapters '[[0,"a.gguf",0]]'
plain=$(content '')
expect_equal "$plain" "$text"
changed=$(content ',"lora":[{"id":0,"scale":2}]')
[ "$changed" != "$plain" ] || fail "the adapter changes nothing"
expect_equal "$(content '')" "$plain"
post /lora-adapters '[{"id":0,"scale":2}]'
expect_status 200
expect_equal "$(content '')" "$changed"
expect_equal "$(content ',"lora":[{"id":0,"scale":0}]')" "$plain"
expect_equal "$(content ',"lora":[]')" "$plain"
post /lora-adapters '[{"id":1,"scale":2}]'
expect_status 400
post /completion '{"prompt":"a","lora":[{"id":0,"scale":1},{"id":7,"scale":1}]}'
expect_status 400
expect_body 'lora\[1\]\.id: 7'

# ---- adapters that come and go while the engine runs ----
post /lora-adapters/load '{"filename":"a.gguf"}'
expect_status 501
expect_body 'not started with --lora-dir'
mkdir "$work/adapters"
cp "$work/a.gguf" "$work/adapters/a.gguf"
node "$SOURCE/tests/e2e/make_adapter.mjs" "$work/adapters/other.gguf" 2.9
head -c 300 "$work/a.gguf" >"$work/adapters/cut.gguf"
start_engine -m ember --port 0 --lora-dir "$work/adapters" || finish
expect_adapters '[]'
expect_equal "$(content '')" "$plain"
post /lora-adapters/load '{"filename":"a.gguf","scale":2}'
expect_status 200
expect_equal "$(json '[b.id, b.path.split("/").at(-1), b.scale]')" '[0,"a.gguf",2]'
expect_equal "$(content '')" "$changed"
expect_equal "$(content ',"lora":[{"id":0,"scale":0}]')" "$plain"
post /lora-adapters/load '{"filename":"other.gguf","scale":0}'
expect_adapters '[[0,"a.gguf",2],[1,"other.gguf",0]]'
other=$(content ',"lora":[{"id":1,"scale":2}]')
[ "$other" != "$plain" ] && [ "$other" != "$changed" ] || fail "the second adapter gives '$other'"
# A stream that began with an adapter keeps it.
told='"prompt":"What is Hearth?","temperature":0,"n_predict":2000,"ignore_eos":true,"context_shift":true'
post /completion "{$told}"
whole=$(json 'b.content')
curl -sS -N -o "$work/kept" -H 'Content-Type: application/json' -d "{$told,\"stream\":true}" "$url/completion" &
kept=$!
await_busy 1
get /lora-adapters/0 -X DELETE
expect_status 200
expect_equal "$(busy)" 1
wait $kept
expect_equal "$(node -e 'console.log(require("fs").readFileSync(0, "utf8").split("\n").filter(l => l.startsWith("data: {"))
    .map(l => JSON.parse(l.slice(6)).content).join(""))' <"$work/kept")" "$whole"
expect_adapters '[[1,"other.gguf",0]]'
expect_equal "$(content '')" "$plain"
post /completion '{"prompt":"a","lora":[{"id":0,"scale":1}]}'
expect_status 400
# Another file under the name of the first: nothing that was cached of the first is used.
cp "$work/adapters/other.gguf" "$work/adapters/new.gguf"
mv "$work/adapters/new.gguf" "$work/adapters/a.gguf"
post /lora-adapters/load '{"filename":"a.gguf","scale":2}'
expect_equal "$(json 'b.id')" 2
expect_equal "$(content '')" "$other"
for name in '"../a.gguf"' '"sub/a.gguf"' '".hidden"' '""' '7'; do
    post /lora-adapters/load "{\"filename\":$name}"
    expect_status 400
done
post /lora-adapters/load '{"filename":"none.gguf"}'
expect_status 404
post /lora-adapters/load '{"filename":"cut.gguf"}'
expect_status 422
for id in 0 7 -1 x 2x 99999999999; do
    get "/lora-adapters/$id" -X DELETE
    expect_status 404
done

# ---- a text longer than the model was trained for ----
start_engine -m ember --port 0 || finish
get /v1/models
n_train=$(json 'b.data[0].meta.n_ctx_train')
start_engine -m ember --port 0 -c $((n_train + 1)) || finish
expect_in "^warning: --ctx-size $((n_train + 1)) is more than the $n_train positions" "$(cat "$work/engine.err")"
start_engine -m ember --port 0 -c $((4 * n_train)) -gan 4 -gaw 128 || finish
expect_equal "$(grep -c 'is more than the' "$work/engine.err")" 0
expect_equal "$(content '')" "$text"
node -e 'console.log(JSON.stringify({prompt: Array(+process.argv[1] + 200).fill(0).map((_, i) => i * 7 % 200 + 20), n_predict: 8, ignore_eos: true, temperature: 0}))' "$n_train" >"$work/far.json"
get /completion -H 'Content-Type: application/json' --data-binary "@$work/far.json"
expect_status 200
expect_equal "$(json 'b.tokens_evaluated > '"$n_train"' && b.tokens_predicted')" 8
far=$(json 'b.content')
get /completion -H 'Content-Type: application/json' --data-binary "@$work/far.json"
expect_equal "$(json 'b.content')" "$far"
expect_equal "$(json 'b.timings.cache_n > '"$n_train")" true
run engine -m ember --port 0 -gan 4 -gaw 30
expect_code 2
expect_in 'group_w a multiple' "$err"

# ---- slots: a text in a file, over two engines ----
mkdir "$work/saved"
told='"prompt":"Hearth is a program that runs language models on your own computer, in private.","temperature":0,"ignore_eos":true'
start_engine -m ember --port 0 -np 2 --slot-save-path "$work/saved" || finish
post '/slots/1?action=save' '{"filename":"a.bin"}'
expect_status 400
expect_body 'slot 1 has no text'
get '/slots/1?action=erase' -X POST
expect_status 200
expect_equal "$body" '{"id_slot":1,"n_erased":0}'
post /completion "{$told,\"n_predict\":90,\"id_slot\":1}"
whole=$(json 'b.content')
n_text=$(json 'b.tokens_evaluated + b.tokens_predicted - 1')
post '/slots/1?action=save' '{"filename":"a.bin"}'
expect_equal "$(json '[b.id_slot, b.filename, b.n_saved]')" "[1,\"a.bin\",$n_text]"
expect_equal "$(json 'b.n_written')" "$(wc -c <"$work/saved/a.bin" | tr -d ' ')"
post '/slots/1?action=save' '{"filename":"../a.bin"}'
expect_status 400
post '/slots/7?action=save' '{"filename":"a.bin"}'
expect_status 400
post '/slots/1?action=copy' '{"filename":"a.bin"}'
expect_status 400
post '/slots/1?action=save' '{}'
expect_status 400
start_engine -m ember --port 0 -np 2 --slot-save-path "$work/saved" || finish
post '/slots/0?action=restore' '{"filename":"a.bin"}'
expect_equal "$(json '[b.id_slot, b.n_restored]')" "[0,$n_text]"
post /completion "{$told,\"n_predict\":90}"
expect_equal "$(json 'b.content')" "$whole"
expect_equal "$(json 'b.timings.cache_n === b.tokens_evaluated - 1')" true
get '/slots/0?action=erase' -X POST
expect_status 200
post /completion "{$told,\"n_predict\":1}"
expect_equal "$(json 'b.timings.cache_n')" 0
post '/slots/0?action=restore' '{"filename":"b.bin"}'
expect_status 404
head -c 5000 "$work/saved/a.bin" >"$work/saved/b.bin"
post '/slots/0?action=restore' '{"filename":"b.bin"}'
expect_status 422

# ---- a limit for all, the end of the context, and progress in reading ----
start_engine -m ember --port 0 -n 6 -b 16 -c 64 || finish
post /completion '{"prompt":"a","n_predict":50,"ignore_eos":true}'
expect_equal "$(json '[b.tokens_predicted, b.generation_settings.n_predict, b.stop_type, b.truncated]')" '[6,6,"limit",false]'
start_engine -m ember --port 0 -b 16 -c 64 || finish
post /completion '{"prompt":"a","ignore_eos":true}'
expect_equal "$(json '[b.tokens_predicted + b.tokens_evaluated, b.stop_type, b.truncated, b.stop_reason]')" '[64,"limit",true,"context"]'
expect_equal "$(json '[b.tokens_cached, b.timings.context_shift ?? null]')" '[64,null]'
post /completion '{"prompt":"a","ignore_eos":true,"n_predict":150,"context_shift":true}'
expect_equal "$(json '[b.tokens_predicted, b.stop_type, b.truncated, b.stop_reason ?? null]')" '[150,"limit",true,null]'
expect_equal "$(json 'b.timings.context_shift.n_shifts > 1')" true
expect_equal "$(json 'b.tokens_evaluated + 150 - b.timings.context_shift.n_discarded === b.tokens_cached && b.tokens_cached <= 64')" true
shifts=$(json 'b.timings.context_shift')
# A prompt of 150 tokens loses blocks of half of the 60 behind n_keep, the oldest first.
numbers=$(node -p 'JSON.stringify(Array.from({length: 150}, (_, i) => 20 + i))')
post /completion "{\"prompt\":$numbers,\"n_predict\":0}"
expect_equal "$(json '[b.error.n_prompt_tokens, b.error.n_ctx]')" '[150,64]'
post /completion "{\"prompt\":$numbers,\"n_predict\":2,\"n_keep\":4,\"context_shift\":true,\"temperature\":0,\"ignore_eos\":true}"
expect_equal "$(json '[b.tokens_evaluated, b.tokens_cached, b.truncated, b.timings.context_shift]')" '[60,62,true,{"n_shifts":1,"n_discarded":90}]'
shortened=$(json 'b.content')
post /completion "{\"prompt\":$(node -p "JSON.stringify($numbers.filter((_, i) => i < 4 || i >= 94))"),\"n_predict\":2,\"temperature\":0,\"ignore_eos\":true}"
expect_equal "$(json 'b.content')" "$shortened"
post /completion "{\"prompt\":$numbers,\"n_predict\":2,\"n_keep\":-1,\"context_shift\":true}"
expect_status 400
post /v1/completions '{"prompt":"a","ignore_eos":true,"max_tokens":150,"context_shift":true}'
expect_equal "$(json 'b.timings.context_shift')" "$shifts"
post /v1/completions '{"prompt":"a","ignore_eos":true,"max_tokens":3}'
expect_equal "$(json '[b.choices[0].finish_reason, b.choices[0].stop_reason ?? null]')" '["length",null]'
post /v1/completions '{"prompt":"a","ignore_eos":true}'
expect_equal "$(json '[b.choices[0].finish_reason, b.choices[0].stop_reason]')" '["length","context"]'
long_enough=$(printf 'one two %.0s' {1..12})
post /completion "{\"prompt\":\"$long_enough\",\"n_predict\":1,\"stream\":true,\"return_progress\":true}" -N
expect_equal "$(node -e 'const p = require("fs").readFileSync(0, "utf8").split("\n\n").filter(s => s.startsWith("data: "))
    .map(s => JSON.parse(s.slice(6)).prompt_progress).filter(Boolean)
    console.log(p[0].processed === p[0].cache && p.at(-1).processed === p[0].total && p.length > 1 &&
        p.every((e, i) => i === 0 || e.processed > p[i - 1].processed))' <"$work/body")" true

# ---- a start tells how far it is, for whoever supervises it ----
"$BUILD/make_model" "$work/tiny.gguf" llama >/dev/null || fail "make_model"
start_engine -m "$work/tiny.gguf" --port 0 || finish
expect_equal "$(sed 's/[0-9]\{4,5\}$/PORT/' "$work/engine.err" | grep -v '^warning')" "listening on http://127.0.0.1:PORT
loading model: 90 %
model loaded: tiny.gguf
server is listening on http://127.0.0.1:PORT"

# ---- a shift keeps the token that begins every text, beside the n_keep that follow it ----
discarded() {
    post /completion "{\"prompt\":\"a\",\"ignore_eos\":true,\"n_predict\":80,\"n_keep\":$1,\"context_shift\":true}"
    json 'b.timings.context_shift.n_discarded / b.timings.context_shift.n_shifts'
}
start_engine -m "$work/tiny.gguf" --port 0 -c 64 --sampler-seq kt --dry-sequence-breaker x || finish
expect_equal "$(discarded 0)" 31 # half of the 63 behind it
expect_equal "$(discarded 2)" 30
get /props
expect_equal "$(json 'b.default_generation_settings.params.samplers.join()')" top_k,temperature
expect_equal "$(json 'b.default_generation_settings.params.dry_sequence_breakers.join()')" x

# ---- guesses: told, and never a change ----
repeated='{"prompt":"<|im_start|>user\nWhat is Hearth?<|im_end|>\n<|im_start|>assistant\nHearth runs language models on your own computer: private, quick, one small program, nothing else to install.<|im_end|>\n<|im_start|>user\nWhat is Hearth?<|im_end|>\n<|im_start|>assistant\n","temperature":0,"n_predict":16}'
start_engine -m ember --port 0 --metrics --spec-type ngram-simple || finish
post /completion "$repeated"
expect_equal "$(json 'b.timings.draft_n > 0 && b.timings.draft_n >= b.timings.draft_n_accepted')" true
guessed=$(json 'b.content')
n_guessed=$(json 'b.timings.draft_n')
n_right=$(json 'b.timings.draft_n_accepted')
get /metrics
expect_body "^llamacpp:spec_decode_num_draft_tokens_total $n_guessed\$"
expect_equal "$(grep '^llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="[0-6]"} [0-9]*$' "$work/body" |
    node -e 'const n = require("fs").readFileSync(0, "utf8").trim().split("\n").map(l => +l.split(" ")[1])
        console.log(n.length, n.reduce((a, b) => a + b), n.every((v, i) => i === 0 || v <= n[i - 1]))')" "7 $n_right true"
start_engine -m ember --port 0 --spec-type none --no-prefill-assistant || finish
post /completion "$repeated"
expect_equal "$(json 'b.content')" "$guessed"
expect_equal "$(json 'b.timings.draft_n ?? 0')" 0
for continued in '' ',"continue_final_message":true'; do
    post /apply-template "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]$continued}"
    expect_equal "$(json 'b.prompt.endsWith("assistant\nb")')" "$([ -n "$continued" ] && echo true || echo false)"
done
start_engine -m ember --port 0 -md ember --draft-min 8 --draft-max 16 || finish
post /completion "$repeated"
expect_equal "$(json 'b.content')" "$guessed"
LLAMA_ARG_DRAFT_MAX=3 start_engine -m ember --port 0 -md ember --spec-type draft --draft-p-min 0 -cd 256 || finish
post /completion "$repeated"
expect_equal "$(json 'b.content')" "$guessed"
expect_equal "$(json 'b.timings.draft_n > 0 && b.timings.draft_n == b.timings.draft_n_accepted')" true

# ---- pages of other origins, names of other hosts ----
start_engine -m ember --port 0 || finish
post /tokenize '{"content":"a"}' -H 'Origin: http://evil.example'
expect_status 403
get /health -H 'Host: evil.example'
expect_status 403
post /tokenize '{"content":"a"}' -H 'Origin: http://localhost:3000'
expect_status 200
post /tokenize '{"content":"a"}' -X PUT
expect_status 405
get /tokenize -d '{"content":"a"}' # curl's form type
expect_status 200
get /tokenize -d '{"content":"a"}' -H 'Origin: http://localhost:3000'
expect_status 415
stop_engine
finish
