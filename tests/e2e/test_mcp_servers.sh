# A server of tools that others wrote, called from chats over both transports. It is fetched as
# clients/package-lock.json pins it.
home=$HOME
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null && command -v npm >/dev/null || skip "needs curl, node and npm"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "the server needs Node.js 20, this is $(node --version)"
clients="$SOURCE/tests/e2e/clients"

HOME=$home "$SOURCE/tools/npm_fetch" "$clients" 2>"$work/npm"
case $? in
0) ;;
77) skip "$(cat "$work/npm")" ;;
*)
    fail "tools/npm_fetch: $(head -c 800 "$work/npm")"
    finish
    ;;
esac
everything="$clients/node_modules/@modelcontextprotocol/server-everything/dist/index.js"

node "$SOURCE/tests/e2e/tool_model.mjs" "$work/asked" &
model_pid=$!
server_pid=
trap 'kill $model_pid $server_pid; stop_serve KILL >/dev/null 2>&1; rm -rf "$work"' EXIT
start_everything() {
    PORT=$port node "$everything" streamableHttp >"$work/everything" 2>&1 &
    server_pid=$!
    wait_for 20 curl -s -o "$work/null" "http://127.0.0.1:$port/mcp" || fail "server-everything does not listen: $(head -c 400 "$work/everything")"
}
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
start_everything
wait_for 10 test -s "$work/asked"
start_serve || finish
ask PUT /hearth/remotes "{\"name\":\"caller\",\"url\":\"http://127.0.0.1:$(head -1 "$work/asked")/v1\",\"model\":\"caller\"}"
ask POST /hearth/mcp "{\"mcpServers\":{\"here\":{\"command\":\"node\",\"args\":[\"$everything\",\"stdio\"],\"alwaysAllow\":[\"echo\",\"get-sum\",\"get-tiny-image\"]},
    \"there\":{\"type\":\"http\",\"url\":\"http://127.0.0.1:$port/mcp\",\"alwaysAllow\":[\"echo\",\"get-sum\",\"get-tiny-image\"]}}}"
expect_status 200
connected() {
    ask GET /hearth/mcp
    [ "$(json 'b.servers.filter(s => s.state === "connected").length')" = 2 ]
}
wait_for 30 connected || fail "not connected: $body"
expect_equal "$(json 'b.servers.every(s => s.n_tools > 4 && s.error === null)')" true

said() {
    ask POST /hearth/chats '{"model":"caller","title":"t"}'
    ask POST "/hearth/chats/$(json b.id)/messages" "{\"content\":\"call $1\"}" -N
    expect_status 200
    of_event done b.message.content <"$work/body"
}
for server in here there; do
    expect_equal "$(said "${server}__echo {\\\"message\\\":\\\"grüezi\\\"}")" 'It said: Echo: grüezi'
    expect_in '5' "$(said "${server}__get-sum {\\\"a\\\":2,\\\"b\\\":3}")"
    expect_in 'an image image/png' "$(said "${server}__get-tiny-image {}")"
    expect_in 'It said: ' "$(said "${server}__echo {\\\"wrong\\\":1}")"
    expect_equal "$(of_event tool_result b.state <"$work/body")" failed
done

# The server is started again and knows no session any more: the call begins another one.
kill $server_pid
wait $server_pid 2>/dev/null
start_everything
expect_in 'It said: ' "$(said 'there__echo {\"message\":\"again\"}')"
wait_for 40 connected || fail "not connected again: $body"
expect_equal "$(said 'there__echo {\"message\":\"again\"}')" 'It said: Echo: again'
stop_serve
finish
