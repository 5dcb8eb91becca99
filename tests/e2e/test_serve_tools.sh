# Tools in chats at `hearth serve`: servers of tools and their routes, consent, calls, results, limits. The model is a
# remote one that does as it is told.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"
node "$SOURCE/tests/e2e/tool_model.mjs" "$work/asked" &
model_pid=$!
trap 'kill $model_pid; stop_serve KILL >/dev/null 2>&1; rm -rf "$work"' EXIT
wait_for 10 test -s "$work/asked"
start_serve || finish
ask PUT /hearth/remotes "{\"name\":\"caller\",\"url\":\"http://127.0.0.1:$(head -1 "$work/asked")/v1\",\"model\":\"caller\"}"
expect_status 200

# ---- servers of tools ----
state_is() {
    ask GET /hearth/mcp
    [ "$(json "b.servers.find(s => s.id === '$1').state")" = "$2" ]
}
ask GET /hearth/mcp
expect_equal "$(json b.servers.length)" 0
small="\"command\":\"node\",\"args\":[\"$SOURCE/tests/e2e/tool_server.mjs\"],\"env\":{\"A\":\"1\"}"
ask POST /hearth/mcp "{\"name\":\"Small one\",\"transport\":\"stdio\",\"enabled\":true,$small}"
expect_status 200
expect_equal "$(json 'b.id + b.name + b.enabled + b.transport + b.env.A + b.url')" "Small_oneSmall onetruestdio1null"
wait_for 20 state_is Small_one connected || fail "the tool server is not there: $body"
expect_equal "$(json 'b.servers[0].n_tools + String(b.servers[0].error)')" 4null
ask POST /hearth/mcp "{\"name\":\"Small one\",$small}"
expect_status 409
for wrong in '{"name":"x"}' '{"name":"x","command":"x","comand":1}' '{"command":"x"}' '{"name":"x","transport":"http","url":"ftp://x"}' \
    '{"name":"x","command":"x","tool_allowlist":[1]}' '{"mcpServers":{"y":{"command":"z"},"x":{}}}'; do
    ask POST /hearth/mcp "$wrong"
    expect_status 400
done
ask POST /hearth/mcp '{"mcpServers":{"gone":{"command":"/not/there","alwaysAllow":["a"]},"off":{"command":"x","disabled":true}}}'
expect_equal "$(json 'b.servers.map(s => s.id + s.enabled).join()')" Small_onetrue,gonetrue,offfalse
wait_for 10 state_is gone failed || fail "a program that is not there: $body"
expect_equal "$(json '/not.there/.test(b.servers[1].error)')" true
ask POST /hearth/mcp/off/connect '{}'
expect_status 400
ask DELETE /hearth/mcp/gone
expect_status 200
ask PUT /hearth/mcp/gone '{"enabled":true}'
expect_status 404
ask GET /hearth/mcp/Small_one/tools
expect_equal "$(json 'b.tools.map(t => t.name + t.approval + t.allowed + t.input_schema.type).join()')" \
    addasktrueobject,failasktrueobject,waitasktrueobject,dieasktrueobject

# ---- a call, and consent ----
# begin CHAT TEXT: asks in the background; the stream is in $work/stream.
begin() {
    : >"$work/stream"
    curl -sN -m 90 "$url/hearth/chats/$1/messages" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
        -d "{\"content\":\"$2\"}" >"$work/stream" &
    stream_pid=$!
}
asks() {
    wait_for 20 grep -q '"state":"asking"' "$work/stream" || fail "$what: nobody asks: $(head -c 600 "$work/stream")"
}
new_chat() {
    ask POST /hearth/chats '{"model":"caller","title":"t"}'
    chat=$(json b.id)
}
allow() {
    ask POST "/hearth/chats/$chat/tools" "{\"call_id\":\"${2-c1}\",\"allow\":\"$1\"}"
}
new_chat
begin "$chat" 'call Small_one__add {\"a\":2,\"b\":3}'
asks
expect_equal "$(of_event tool_call 'b.id + b.server + b.name + b.arguments + b.result + b.ms' <"$work/stream")" \
    'c1Small_oneadd{"a":2,"b":3}nullnull'
allow maybe
expect_status 400
allow once other
expect_status 404
allow once
expect_equal "$status$(json b.call_id)" 200c1
wait $stream_pid
expect_equal "$(of_event tool_result 'b.id + b.state + b.result + (b.ms >= 0)' <"$work/stream")" 'c1donethe sum is 5true'
expect_equal "$(of_event done 'b.message.content + b.message.state + b.message.finish_reason' <"$work/stream")" \
    'It said: the sum is 5completestop'
expect_equal "$(sed -n 's/^event: //p' "$work/stream" | uniq | tr '\n' ' ' | sed 's/progress //g')" \
    'start tool_call tool_result message chunk done '
ask GET "/hearth/chats/$chat"
expect_equal "$(json 'b.messages.map(m => m.role + m.state).join()')" usercomplete,assistantcomplete,toolcomplete,assistantcomplete
expect_equal "$(json 'b.messages[1].finish_reason + JSON.stringify(b.messages[1].tool_calls)')" \
    'tool_calls[{"id":"c1","type":"function","function":{"name":"Small_one__add","arguments":"{\"a\":2,\"b\":3}"}}]'
expect_equal "$(json 'b.messages[2].content + b.messages[2].tool_call_id + b.messages[2].tool_name')" 'the sum is 5c1Small_one__add'
allow once
expect_status 404
last_asked() {
    tail -1 "$work/asked" | node -e "const b = JSON.parse(require('fs').readFileSync(0)); console.log($1)"
}
expect_equal "$(last_asked 'b.tools.map(t => t.function.name).join() + b.messages.map(m => m.role + (m.tool_call_id ?? "")).join()')" \
    Small_one__add,Small_one__fail,Small_one__wait,Small_one__dieuser,assistant,toolc1

# ---- once is not always; always for this chat; always ----
begin "$chat" 'twice Small_one__fail'
asks
allow never
wait_for 20 grep -q '"id":"c2".*"state":"asking"' "$work/stream" || fail "the second call does not ask"
allow chat c2
wait $stream_pid
expect_equal "$(of_event done b.message.content <"$work/stream")" 'It said: The user did not allow this call.; nothing works today'
expect_in '"id":"c1","state":"denied"' "$(cat "$work/stream")"
expect_in '"id":"c2","state":"failed"' "$(cat "$work/stream")"
begin "$chat" 'call Small_one__fail'
wait $stream_pid
expect_equal "$(of_event done b.message.content <"$work/stream")" 'It said: nothing works today'
new_chat
begin "$chat" 'call Small_one__fail'
asks
allow always
wait $stream_pid
new_chat
begin "$chat" 'call Small_one__fail'
wait $stream_pid
expect_equal "$(of_event tool_result b.state <"$work/stream")" failed
ask GET /hearth/mcp/Small_one/tools
expect_equal "$(json 'b.tools.map(t => t.approval).join()')" ask,always,ask,ask

# ---- what may not be used is not offered, and not called ----
ask PUT /hearth/mcp/Small_one/tools '{"name":"add","approval":"never"}'
expect_status 200
ask PUT /hearth/mcp/Small_one '{"tool_allowlist":["add","fail","die"]}'
expect_equal "$(json b.tool_allowlist.length)" 3
begin "$chat" 'call Small_one__add {}'
wait $stream_pid
expect_equal "$(of_event tool_result b.state <"$work/stream")" failed
expect_in 'There is no tool' "$(of_event tool_result b.result <"$work/stream")"
expect_equal "$(last_asked 'b.tools.map(t => t.function.name).join()')" Small_one__fail,Small_one__die

# ---- what is switched off in this chat is not offered, and not called; another chat has it ----
ask PUT "/hearth/chats/$chat" '{"tools_off":["Small_one__die"]}'
expect_equal "$(json 'b.tools_off.join()')" Small_one__die
begin "$chat" 'call Small_one__die {}'
wait $stream_pid
expect_in 'There is no tool' "$(of_event tool_result b.result <"$work/stream")"
expect_equal "$(last_asked 'b.tools.map(t => t.function.name).join()')" Small_one__fail
ask PUT "/hearth/chats/$chat" '{"tools_off":["Small_one"]}'
begin "$chat" 'call Small_one__fail {}'
wait $stream_pid
expect_equal "$(last_asked 'String(b.tools)')" undefined
ask PUT "/hearth/chats/$chat" '{"tools_off":[7]}'
expect_status 400
ask PUT "/hearth/chats/$chat" '{"tools_off":[]}'

# ---- a session of /v1 brings its own tools, and sends their results ----
ask POST /v1/chat/completions '{"model":"caller","session_id":"own","stream":true,"messages":[{"role":"user","content":"call mine {}"}],"tools":[{"type":"function","function":{"name":"mine"}}]}' -N
expect_equal "$(last_asked 'b.tools.map(t => t.function.name).join()')" mine
ask POST /v1/chat/completions '{"model":"caller","session_id":"own","stream":true,"messages":[{"role":"tool","tool_call_id":"c1","content":"five"}],"tools":[{"type":"function","function":{"name":"mine"}}]}' -N
expect_equal "$(last_asked 'b.messages.map(m => m.role + (m.role === "tool" ? m.content : "")).join()')" user,assistant,toolfive
ask GET '/hearth/chats?title=call+mine'
ask GET "/hearth/chats/$(json 'b.chats[0].id')"
expect_equal "$(json 'b.messages.map(m => m.role + m.state).join()')" usercomplete,assistantcomplete,toolcomplete,assistantcomplete

# ---- thoughts: how long they took stays ----
begin "$chat" think
wait_for 20 grep -q '^event: thinking' "$work/stream" || fail "it does not think"
curl -s "http://127.0.0.1:$(head -1 "$work/asked")/think"
wait $stream_pid
thought=$(of_event done b.message.thinking_ms <"$work/stream")
expect_in '^[0-9]+$' "$thought"
ask GET "/hearth/chats/$chat"
expect_equal "$(json b.messages.at\(-1\).thinking_ms)" "$thought"

# ---- limits: rounds ----
begin "$chat" 'forever Small_one__fail'
wait $stream_pid
expect_equal "$(of_event done b.message.content <"$work/stream")" 'No tools. 10 results.'
begin "$chat" 'stubborn Small_one__fail'
wait $stream_pid
expect_in 'more than 10 times' "$(of_event error b.message <"$work/stream")"
expect_equal "$(of_event error b.failed.state <"$work/stream")" failed
begin "$chat" 'Hi'
wait $stream_pid
expect_equal "$(of_event done b.message.content <"$work/stream")" Hello.
expect_equal "$(last_asked 'b.messages.filter(m => m.role === "tool" && /not made/.test(m.content)).length')" 1

# ---- a server that dies in a call, one that says nothing; the user stops ----
ask PUT /hearth/mcp/Small_one '{"tool_allowlist":null}'
ask PUT /hearth/mcp/Small_one/tools '{"name":"die","approval":"always"}'
begin "$chat" 'call Small_one__die'
wait $stream_pid
expect_in 'ended during the call' "$(of_event tool_result b.result <"$work/stream")"
expect_equal "$(of_event done b.message.state <"$work/stream")" complete
wait_for 20 state_is Small_one connected || fail "the tool server does not come back: $body"
ask PUT /hearth/mcp/Small_one/tools '{"name":"wait","approval":"always"}'
begin "$chat" 'call Small_one__wait'
wait_for 20 grep -q '"state":"running"' "$work/stream" || fail "the call does not run"
ask POST "/hearth/chats/$chat/stop" '{}'
wait $stream_pid
expect_equal "$(of_event tool_result b.state <"$work/stream")" failed
expect_equal "$(of_event done b.message.state <"$work/stream")" stopped
ask PUT /hearth/mcp/Small_one '{"timeout":1}'
expect_status 200
wait_for 20 state_is Small_one connected || fail "the changed tool server does not come back: $body"
begin "$chat" 'call Small_one__wait'
wait $stream_pid
expect_in 'within 1000 ms' "$(of_event tool_result b.result <"$work/stream")"
new_chat
ask PUT /hearth/mcp/Small_one/tools '{"name":"add","approval":"ask"}'
begin "$chat" 'call Small_one__add {\"a\":1,\"b\":1}'
asks
ask POST "/hearth/chats/$chat/stop" '{}'
wait $stream_pid
expect_equal "$(of_event tool_result b.state <"$work/stream")" denied
expect_equal "$(of_event done b.message.state <"$work/stream")" stopped

# ---- who asks on while the chat still gets its name is answered; the name comes after that ----
ask POST /hearth/chats '{"model":"caller"}'
chat=$(json b.id)
begin "$chat" 'slow to name'
first_pid=$stream_pid
is_done() {
    grep -q '^event: done' "$work/stream"
}
wait_for 20 is_done || fail "the first answer does not end"
ask POST "/hearth/chats/$chat/messages" '{"content":"Hi"}' -N
expect_status 200
expect_equal "$(of_event done b.message.content <"$work/body")" Hello.
expect_equal "$(of_event title b.title <"$work/body")" 'A title'
wait "$first_pid"
expect_equal "$(grep -c '^event: title' "$work/stream")" 0

# ---- a model that knows no tools says so; what was set stays ----
ask POST /hearth/chats '{"model":"ember","title":"t","parameters":{"max_tokens":5}}'
chat=$(json b.id)
begin "$chat" Hi
wait $stream_pid
expect_equal "$(of_event notice b.code <"$work/stream")" no_tools
expect_in ember "$(of_event notice b.message <"$work/stream")"
expect_equal "$(of_event done b.message.state <"$work/stream")" complete
expect_equal "$(of_event done b.message.notices[0].code <"$work/stream")" no_tools
ask GET /hearth/openapi.json
expect_equal "$(json '[b.paths["/hearth/mcp"], b.paths["/hearth/chats/{id}/tools"]].every(Boolean)')" true
stop_serve
expect_equal "$code" 0
start_serve || finish
ask GET /hearth/mcp
expect_equal "$(json 'b.servers.map(s => s.id + s.enabled).join()')" Small_onetrue,offfalse
wait_for 20 state_is Small_one connected || fail "the tool server is not there after a restart: $body"
ask GET /hearth/mcp/Small_one/tools
expect_equal "$(json 'b.tools.map(t => t.approval).join()')" ask,always,always,always
ask POST /hearth/mcp/Small_one/disconnect '{}'
expect_equal "$(json b.state)" disconnected
ask POST /hearth/mcp/Small_one/connect '{}'
wait_for 20 state_is Small_one connected || fail "connect: $body"
ask PUT /hearth/mcp/Small_one '{"enabled":false}'
expect_equal "$(json 'b.state + b.enabled')" disconnectedfalse
stop_serve
expect_equal "$code" 0
finish
