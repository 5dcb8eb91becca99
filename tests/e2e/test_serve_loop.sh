# A remote model whose address leads back to the server itself: refused where the settings show it, and answered 508
# where something stands between; neither eats the connections.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

start_serve || finish
port=${url##*:}
for own in "$url" "$url/v1" "http://localhost:$port/" "http://[::1]:$port/v1" "http://0.0.0.0:$port"; do
    ask PUT /hearth/remotes "{\"name\":\"own\",\"url\":\"$own\"}"
    expect_status 400
    expect_body "address of this server"
done

# A way round that no settings show.
node -e 'const net = require("net"), to = +process.argv[1];
net.createServer(s => {
    const on = net.connect(to, "127.0.0.1");
    s.pipe(on).pipe(s);
    s.on("error", () => on.destroy());
    on.on("error", () => s.destroy());
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });' "$port" >"$work/port" &
way=$!
wait_for 10 test -s "$work/port" || fail "no way round"
ask PUT /hearth/remotes "{\"name\":\"round\",\"url\":\"http://127.0.0.1:$(cat "$work/port")/v1\"}"
expect_status 200
for stream in true false; do
    for path in /v1/chat/completions /api/chat; do
        ask POST $path "{\"model\":\"round\",\"stream\":$stream,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
        expect_status 508
        expect_body "came back to the server"
    done
done
ask POST /hearth/remotes/models '{"name":"round"}'
expect_status 502
expect_body "answers 508"
ask POST /v1/embeddings '{"model":"round","input":"x"}'
expect_status 508
# A long list of servers is one, too; others' ids are not.
ask GET /v1/models "" -H "X-Hearth-Via: $(printf '%0600d' 0)"
expect_status 508
ask GET /v1/models "" -H "X-Hearth-Via: 0123456789abcdef"
expect_status 200
kill "$way"
finish
