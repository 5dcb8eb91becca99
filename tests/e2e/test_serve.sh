# hearth serve: every model behind one port. Routing by name, events, what happens when an engine is killed,
# unloading, Ollama's clients, and that the end lets answers end.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

mkdir -p "$work/models"
"$BUILD/make_model" "$work/models/tiny.gguf" llama || fail "make_model"
question='"messages":[{"role":"user","content":"What is Hearth?"}],"temperature":0'
long="$question,\"stream\":true,\"ignore_eos\":true,\"max_tokens\":1900"
start_serve --model-folder "$work/models" --drain 20 || finish

# ---- models and routing ----
get /v1/models
expect_status 200
expect_equal "$(json 'b.data.map(m => m.id).sort().join()')" ember,tiny
expect_equal "$(json 'b.data.find(m => m.id === "ember").state')" unloaded
curl -sN -H "Authorization: Bearer $key" "$url/hearth/events" >"$work/events" &
events_pid=$!
wait_for 5 grep -q hello "$work/events"
post /v1/chat/completions "{$question,\"model\":\"ember\",\"max_tokens\":20}"
expect_status 200
expect_in '^Hearth' "$(json 'b.choices[0].message.content')"
expect_in 'X-Hearth-Model: ember' "$(cat "$work/head")"
post /v1/completions '{"model":"tiny","prompt":"a","max_tokens":2}'
expect_status 200
expect_equal "$(json 'b.model')" tiny
post /v1/completions '{"prompt":"a","max_tokens":2}'
expect_equal "$(json 'b.model')" tiny
post /v1/chat/completions "{$question,\"model\":\"emberr\"}"
expect_status 404
expect_equal "$(json 'b.error.code')" model_not_found
post /v1/messages "{$question,\"model\":\"nobody\",\"max_tokens\":5}"
expect_status 404
expect_equal "$(json 'b.type + b.error.type')" errornot_found_error
post /v1/chat/completions '{"model":"ember","messages":'
expect_status 400
post /v1/chat/completions '{"model":"ember","messages":[]}'
expect_status 400
get /v1/models
expect_equal "$(json 'b.data.map(m => m.state).join()')" loaded,loaded
expect_equal "$(json 'b.data.find(m => m.id === "ember").n_ctx > 0')" true
get /v1/nothing
expect_status 404
post /v1/chat/completions "{$question,\"model\":\"ember\",\"stream\":true,\"max_tokens\":9}" -N
expect_equal "$(tail -c 16 "$work/body" | tr -d '\n')" 'data: [DONE]'
get "/props?model=ember"
expect_status 200
get /metrics
expect_body hearth_requests_active
wait_for 5 grep -q 'event: model:loaded' "$work/events"
expect_equal "$(of_event model:loaded b.kind <"$work/events")" builtin

# ---- an engine is killed while it answers ----
curl -sN "$url/v1/chat/completions" -d "{$long,\"model\":\"ember\"}" >"$work/stream" &
stream_pid=$!
wait_for 10 grep -q '"content":"' "$work/stream"
ask GET /hearth/engines
kill -9 "$(json 'b.engines.find(e => e.model === "ember").pid')"
wait "$stream_pid"
what="a stream whose engine was killed"
expect_equal "$(grep '^data: ' "$work/stream" | sed 's/^data: //' | node -e 'require("fs").readFileSync(0, "utf8").trim().split("\n").forEach(l => JSON.parse(l)); console.log("whole")')" whole
expect_in '"error":' "$(grep '^data: ' "$work/stream" | tail -1)"
wait_for 5 grep -q 'event: engine:crashed' "$work/events" || fail "no engine:crashed"
post /v1/completions '{"model":"tiny","prompt":"a","max_tokens":2}'
expect_status 200
post /v1/chat/completions "{$question,\"model\":\"ember\",\"max_tokens\":5}"
expect_status 200

# ---- a client that leaves ----
timeout 0.5 curl -sN "$url/v1/chat/completions" -d "{$long,\"model\":\"ember\"}" >/dev/null
idle() {
    ask GET /hearth/engines
    [ "$(json 'b.engines.reduce((n, e) => n + e.n_in_flight, 0)')" = 0 ]
}
wait_for 3 idle || fail "the engine goes on for a client that left"

# ---- loading by hand ----
ask POST /hearth/engines/stop '{"model":"tiny"}'
expect_status 200
ask GET '/hearth/model?model=tiny'
expect_equal "$(json b.state)" unloaded
ask POST /hearth/engines/start '{"model":"tiny","settings":{"n_ctx":64}}'
expect_status 200
expect_equal "$(json b.plan.n_ctx)" 64
ask GET '/hearth/model?model=emberr'
expect_status 404
expect_equal "$(json b.error.code)" model_not_found
ask GET '/hearth/plan?model=ember'
expect_equal "$(json b.fits)" true
ask POST /hearth/engines/start '{"model":"tiny","settings":{"n_ctxx":64}}'
expect_status 400
ask POST /hearth/engines/start '{"model":"tiny","colour":1}'
expect_status 400
expect_in colour "$(json b.error.message)"
ask POST /hearth/engines/start '{"model":"tiny","keep_ms":-2}'
expect_status 400
# Settings that no engine takes are not kept, and the engine that runs stays.
for body in '"wait":true,"settings":{"n_ctx":99999999}' '"wait":false,"settings":{"n_ctx":99999999}' \
    '"wait":false,"settings":{"extra":["--api-key","x"]}' '"settings":{"extra":["--colour"]}'; do
    ask POST /hearth/engines/start "{\"model\":\"tiny\",$body}"
    expect_in '"bad_settings"|"does_not_fit"|"engine_start_failed"' "$(cat "$work/body")"
    ask GET "/hearth/model?model=tiny"
    expect_equal "$(json 'b.settings.n_ctx + "," + b.settings.extra.length')" 64,0
    post /v1/completions '{"model":"tiny","prompt":"a","max_tokens":1}'
    expect_status 200
done
# Nor are those that are only to be kept for later. To take one out is always possible.
for body in '"n_ctx":99999999' '"extra":["--api-key","x"]' '"engine":"llama-server"'; do
    ask PUT "/hearth/model?model=tiny" "{\"settings\":{$body}}"
    expect_in '"bad_settings"|"does_not_fit"|"no_engine_for_model"' "$(cat "$work/body")"
    ask GET "/hearth/model?model=tiny"
    expect_equal "$(json 'b.settings.n_ctx + "," + b.settings.extra.length + "," + b.settings.engine')" 64,0,auto
done
ask PUT "/hearth/model?model=tiny" '{"settings":{"n_ctx":null,"n_batch":null}}'
expect_equal "$(json b.settings.n_ctx)" 0
ask PUT "/hearth/model?model=tiny" '{"settings":{"n_ctx":64}}'
expect_equal "$(json b.settings.n_ctx)" 64
ask GET '/hearth/models/metadata?model=ember'
expect_equal "$(json 'b.metadata.find(m => m.key === "general.architecture").value')" llama
ask GET /hearth/machine
expect_equal "$(json 'b.memory.total > 0')" true
ask GET /hearth/telemetry
expect_status 200
ask GET '/hearth/engines/log?model=tiny'
expect_status 200

# ---- Ollama's clients ----
get /api/version
expect_status 200
get /api/tags
expect_equal "$(json 'b.models.map(m => m.name).sort().join()')" ember,tiny
post /api/chat '{"model":"ember:latest","messages":[{"role":"user","content":"What is Hearth?"}],"options":{"temperature":0,"num_ctx":99}}'
expect_status 200
expect_in 'X-Hearth-Ignored: options.num_ctx' "$(cat "$work/head")"
expect_equal "$(sed 's/$/,/' "$work/body" | (printf '['; cat; printf 'null]') | node -e 'const d = JSON.parse(require("fs").readFileSync(0)).filter(x => x);
    console.log(d.map(x => x.message.content).join("").startsWith("Hearth"), d.at(-1).done_reason, d.at(-1).eval_count > 3, d.slice(0, -1).every(x => !x.done))')" "true stop true true"
post /api/generate '{"model":"ember","prompt":"What is Hearth?","stream":false,"options":{"num_predict":3}}'
expect_equal "$(json 'b.done_reason')" length
post /api/generate '{"model":"ember","prompt":"Hearth","raw":true,"stream":false,"options":{"num_predict":3}}'
expect_equal "$(json 'b.response.length > 0')" true
post /api/generate '{"model":"ember","prompt":"a","options":{"colour":3}}'
expect_status 400
expect_in colour "$(json b.error)"
post /api/show '{"model":"ember"}'
expect_equal "$(json 'b.details.family + b.capabilities.includes("completion")')" llamatrue
post /api/generate '{"model":"tiny","keep_alive":0}'
expect_in unload "$(json b.done_reason)"
get /api/ps
expect_equal "$(json 'b.models.map(m => m.name).join()')" ember
kill "$events_pid"

# ---- the end lets answers end ----
curl -sN "$url/v1/chat/completions" -d "{$question,\"stream\":true,\"ignore_eos\":true,\"max_tokens\":300}" >"$work/stream" &
stream_pid=$!
wait_for 10 grep -q '"content":"' "$work/stream"
stop_serve TERM
wait "$stream_pid"
what="a stream at the server's end"
expect_equal "$(tail -c 16 "$work/stream" | tr -d '\n')" 'data: [DONE]'
expect_equal "$code" 0

# ---- but nobody waits any more for a model that loads ----
printf '#!/bin/sh\ncase $* in *--list-devices*) exit ;; esac\necho "$$" >>"%s"\nexec sleep 60\n' "$work/started" >"$work/slow"
chmod +x "$work/slow"
start_serve --model-folder "$work/models" --drain 20 || finish
ask PUT '/hearth/model?model=tiny' "{\"settings\":{\"engine\":\"llama-server\",\"backend\":\"$work/slow\"}}"
expect_status 200
for path in /v1/completions /hearth/engines/start; do
    curl -s -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$url$path" -w '%{http_code}' \
        -d '{"model":"tiny"'"$([ $path = /v1/completions ] && echo ',"prompt":"a"')"'}' >"$work/answer${path##*/}" &
    eval "${path##*/}=$!"
done
wait_for 10 test -s "$work/started" || fail "no engine was started"
waiting() {
    ask GET /hearth/engines
    [ "$(json 'b.engines.find(e => e.model === "tiny").n_waiting')" = 2 ]
}
wait_for 5 waiting || fail "nobody waits for the load"
before=$SECONDS
stop_serve TERM
what="a load at the server's end"
expect_equal "$code" 0
expect_equal "$((SECONDS - before < 12))" 1
wait "$completions" "$start"
expect_in 'the server is ending.*503$' "$(cat "$work/answercompletions")"
expect_in 'the server is ending.*503$' "$(cat "$work/answerstart")"

# ---- nor for a program that was asked for its devices and says nothing ----
printf '#!/bin/sh\n[ -e "%s" ] && { : >"%s"; exec sleep 600; }\nexit 0\n' "$work/hang" "$work/asked" >"$work/mute"
chmod +x "$work/mute"
start_serve --model-folder "$work/models" || finish
ask PUT '/hearth/model?model=tiny' "{\"settings\":{\"engine\":\"llama-server\",\"backend\":\"$work/mute\"}}"
expect_status 200
: >"$work/hang"
ask POST /hearth/engines/start '{"model":"tiny","wait":false}'
wait_for 10 test -e "$work/asked" || fail "nobody asked for devices"
before=$SECONDS
stop_serve TERM
[ $((SECONDS - before)) -lt 20 ] || fail "the end waits for a program that says nothing"
expect_equal "$code" 0

# ---- idle models leave ----
start_serve --idle-timeout 1 || finish
post /v1/chat/completions "{$question,\"max_tokens\":3}"
expect_status 200
unloaded() {
    get /v1/models
    [ "$(json 'b.data[0].state')" = unloaded ]
}
wait_for 10 unloaded || fail "an idle model stays"
stop_serve

# ---- model.yml says how a model answers; what the user sets for a key comes first ----
mkdir -p "$XDG_DATA_HOME/hearth/models/warm"
printf 'model_path: "%s"\ntemperature: 0.25\ntopK: 7\nbatchSize: 64\nmaxTokens: 5\n' "$work/models/tiny.gguf" >"$XDG_DATA_HOME/hearth/models/warm/model.yml"
start_serve || finish
defaults() {
    post /v1/completions '{"model":"warm","prompt":"a","max_tokens":1}'
    expect_status 200
    get "/props?model=warm"
    json '(p => [p.temperature, p.top_k].join())(b.default_generation_settings.params)'
}
expect_equal "$(defaults)" 0.25,7
for body in '' ',"max_tokens":null' ',"max_tokens":3' ',"n_predict":7'; do
    post /v1/completions "{\"model\":\"warm\",\"prompt\":\"a\",\"ignore_eos\":true$body}"
    json 'b.usage.completion_tokens'
done >"$work/limits"
expect_equal "$(paste -sd, "$work/limits")" 5,5,3,7
post /api/generate '{"model":"warm","prompt":"a","raw":true,"stream":false}'
expect_equal "$(json 'b.eval_count <= 5')" true
ask GET "/hearth/plan?model=warm"
expect_equal "$(json b.plan.n_batch)" 64
ask GET "/hearth/model?model=warm"
expect_equal "$(json 'b.settings.extra.length')" 0
ask PUT "/hearth/model?model=warm" '{"settings":{"extra":["--override-kv","general.sampling.temp=float:0.5"]}}'
expect_status 200
expect_equal "$(defaults)" 0.5,7
stop_serve
finish
