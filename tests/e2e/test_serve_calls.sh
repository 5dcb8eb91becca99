# What the desktop programs before Hearth called has its place: each call of the table in API-HEARTH.md, in
# the order in which such a program makes them, and the events in between.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

"$BUILD/make_model" "$work/their.gguf" llama || fail "make_model"
size=$(stat -c %s "$work/their.gguf")
start_serve || finish
curl -sN -H "Authorization: Bearer $key" "$url/hearth/events" >"$work/events" &
events_pid=$!
wait_for 5 grep -q hello "$work/events"

# read_gguf_metadata, plan_model_load, estimate_kv_cache_size, get_model_size, is_model_supported
ask POST /hearth/models/import "{\"path\":\"$work/their.gguf\",\"name\":\"their\"}"
expect_status 200
ask GET '/hearth/models/metadata?model=their'
expect_equal "$(json 'b.metadata.find(m => m.key === "general.architecture").value')" llama
ask GET '/hearth/plan?model=their'
expect_equal "$(json '[b.fits, b.plan.fit, b.plan.mode, b.plan.n_gpu_layers, b.plan.n_ctx > 0, b.plan.n_batch > 0, b.plan.reasons.length > 3].join()')" true,green,cpu,0,true,true,true
expect_equal "$(json 'b.plan.memory.cache > 0 && b.plan.memory.weights > '"$((size / 2))"' && b.plan.memory.weights <= '"$size")" true

# start_llama_server {model_path, ctx_size, parallel, n_gpu_layers}, is_llama_running, get_llama_config
ask POST /hearth/engines/start '{"model":"their","settings":{"n_ctx":128,"n_parallel":2,"n_gpu_layers":0}}'
expect_status 200
expect_equal "$(json b.state)" ready
ask GET '/hearth/model?model=their'
expect_equal "$(json '[b.path, b.engine.port > 0, b.settings.n_ctx, b.settings.n_parallel, b.settings.n_gpu_layers].join()')" "$work/their.gguf,true,128,2,0"
expect_equal "$(json '[b.engine.plan.n_ctx, b.engine.plan.n_parallel].join()')" 128,2
# load of what is loaded is the same session
pid=$(json b.engine.pid)
ask POST /hearth/engines/start '{"model":"their"}'
expect_equal "$(json b.pid)" "$pid"
# get_loaded_models, get_all_sessions, find_session_by_model, is_process_running, get_random_port
ask GET /hearth/engines
expect_equal "$(json 'b.engines.map(e => [e.model, e.pid, e.model_path, e.mmproj_path, e.base_url === "http://127.0.0.1:" + e.port].join()).join(";")')" "their,$pid,$work/their.gguf,,true"
kill -0 "$pid" || fail "there is no process $pid"
# get_server_metrics
ask GET /hearth/telemetry
expect_equal "$(json '(s => [s.memory.total > 0, s.gpus.length >= 0, s.engines[0].pid, s.engines[0].rss > 0].join())(b.samples.at(-1))')" "true,true,$pid,true"
get /metrics
expect_status 200
counted() {
    get /metrics
    grep -q '^llamacpp:tokens_predicted_total{model="their"} [1-9]' "$work/body"
}
# chat
post /v1/completions '{"model":"their","prompt":"a","max_tokens":3,"stream":true}'
expect_status 200
expect_in 'data: \[DONE\]' "$(cat "$work/body")"
wait_for 10 counted || fail "no metrics that dashboards of llama-server know"
expect_equal "$(grep -c '^# TYPE llamacpp:tokens_predicted_total counter' "$work/body")" 1
# stop_llama_server, unload
ask POST /hearth/engines/stop '{"model":"their"}'
expect_equal "$(json b.stopped)" true
ask GET /hearth/engines
expect_equal "$(json b.engines.length)" 0
kill -0 "$pid" 2>/dev/null && fail "the process $pid is still there"
# A file that changed is told of: validation:failed
ask POST /hearth/models/verify '{"model":"their"}'
cp "$work/their.gguf" "$work/sum.gguf"
mkdir -p "$XDG_DATA_HOME/hearth/models/wrong"
printf 'model_path: "%s"\nsha256: %064d\n' "$work/sum.gguf" 7 >"$XDG_DATA_HOME/hearth/models/wrong/model.yml"
ask POST /hearth/models/scan '{}'
ask POST /hearth/models/verify '{"model":"wrong"}'
expect_status 409
# The downloads' end that can be seen without a hub: an error.
ask POST /hearth/pull '{"reference":"http://127.0.0.1:1/none.gguf"}'
wait_for 10 grep -q '^event: download:error' "$work/events" || fail "no download:error"
what="the events"
expect_equal "$(sed -n 's/^event: //p' "$work/events" | grep -v 'hello\|library:\|telemetry' | uniq | paste -sd' ')" \
    "model:progress model:loaded model:unloaded validation:started validation:success validation:started validation:failed download:error"
expect_equal "$(sed -n 's/^event: model:progress/x/p; s/^data: //p' "$work/events" | grep -A1 '^x$' | grep '^{' | node -e 'console.log([...new Set(require("fs").readFileSync(0, "utf8").trim().split("\n").map(l => JSON.parse(l).state))].filter(s => s !== "waiting").join())')" planning,starting
kill "$events_pid"
# A model elsewhere has no settings here, and says so.
ask PUT /hearth/remotes '{"name":"far","url":"http://127.0.0.1:1/v1"}'
expect_status 200
ask PUT '/hearth/model?model=far' '{"settings":{"n_ctx":512}}'
expect_status 400
ask POST /hearth/engines/start '{"model":"far","settings":{"n_ctx":512}}'
expect_status 400
# What another server has can be asked before a model of it is made known, and after.
node -e 'require("http").createServer((q, s) => {
    s.statusCode = q.headers.authorization === "Bearer k" && q.url === "/v1/models" ? 200 : 401;
    s.end(JSON.stringify({ data: [{ id: "a/b", max_model_len: 4096 }, { id: "c", meta: { n_ctx_train: 8 } }, { id: "d" }, { id: 5 }] }));
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });' >"$work/port" &
other=$!
wait_for 10 test -s "$work/port" || fail "no other server"
other_url="http://127.0.0.1:$(cat "$work/port")/v1/"
listed='b.models.map(m => m.id + ":" + m.context_length).join()'
ask POST /hearth/remotes/models "{\"url\":\"$other_url\",\"key\":\"k\"}"
expect_status 200
expect_equal "$(json "$listed")" "a/b:4096,c:8,d:null"
ask POST /hearth/remotes/models "{\"url\":\"$other_url\",\"key\":\"other\"}"
expect_status 502
expect_body "does not take this key"
ask PUT /hearth/remotes "{\"name\":\"near\",\"url\":\"$other_url\",\"key\":\"k\",\"model\":\"c\"}"
ask POST /hearth/remotes/models '{"name":"near"}'
expect_equal "$(json "$listed")" "a/b:4096,c:8,d:null"
kill "$other"
ask POST /hearth/remotes/models '{"name":"far"}'
expect_status 502
ask POST /hearth/remotes/models '{"name":"nobody"}'
expect_status 404
for wrong in '{}' '{"url":"ftp://x"}' "{\"url\":\"$url/v1\"}" '{"url":"http://x/?q=1"}'; do
    ask POST /hearth/remotes/models "$wrong"
    expect_status 400
done
ask PUT /hearth/remotes '{"name":"odd","url":"http://me@host/v1"}'
expect_status 400
# A model may be named by its file, which stays where it is; the second time it is known.
mkdir -p "$work/elsewhere"
cp "$work/their.gguf" "$work/elsewhere/by path.gguf"
for n in 1 2; do
    ask POST /hearth/engines/start "{\"model\":\"$work/elsewhere/../elsewhere/by path.gguf\"}"
    expect_status 200
    expect_equal "$(json '[b.state, b.model_path].join()')" "ready,$(realpath "$work")/elsewhere/by path.gguf"
    ask POST /hearth/engines/stop '{}'
done
for none in /nowhere/x.gguf:404 /etc/passwd:422 /dev/zero:400; do
    ask POST /hearth/engines/start "{\"model\":\"${none%:*}\"}"
    expect_status "${none#*:}"
done
# What cannot be undone needs the whole name.
for call in "DELETE /hearth/model?model=by-pat" 'POST /hearth/models/rename {"model":"by-pat","name":"other"}'; do
    read -r method path json <<<"$call"
    ask $method $path "$json"
    expect_status 404
    expect_body "whole name"
done
ask DELETE '/hearth/model?model=by-path'
expect_status 200
[ -e "$work/elsewhere/by path.gguf" ] || fail "a file of the user's is gone"
# Names of files that are no text, and folders that hold themselves.
mkdir -p "$work/odd/sub"
ln -s .. "$work/odd/sub/loop"
cp "$work/their.gguf" "$work/odd/$(printf 'z\377z').gguf"
stop_serve
start_serve --model-folder "$work/odd" || finish
ask GET /hearth/models
expect_equal "$(json 'b.models.filter(m => m.origin == "folder").map(m => m.name).join()')" z-z
ask POST /hearth/engines/start '{"model":"z-z"}'
expect_status 200
ask GET /hearth/engines
expect_equal "$(json 'b.engines[0].model_path.slice(-8)')" "$(printf 'z\357\277\275z.gguf')"
stop_serve
finish
