# Chats at `hearth serve`: answers, branches, edits, stopping, search, attachments, sessions; and that nothing is
# lost when the browser leaves or the server is killed.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"
# The plainest kernels: answers that are to be interrupted must not be over before.
export HEARTH_ISA=scalar
start_serve || finish
ask_ember='"content":"What is Hearth?","parameters":{"temperature":0}'
# Each begins a branch of its own: how much was written before it was stopped depends on the machine.
ask_long='"content":"What is Hearth?","parent_id":0,"parameters":{"temperature":0,"ignore_eos":true,"max_tokens":1900}'

# ---- a chat and its answer ----
ask POST /hearth/chats '{"folder":"Work/Notes","tags":["a","b"],"parameters":{"max_tokens":60}}'
expect_status 200
chat=$(json b.id)
ask POST "/hearth/chats/$chat/messages" "{$ask_ember}" -N
expect_status 200
cp "$work/body" "$work/first"
expect_equal "$(of_event start 'b.user.content + b.message.state' <"$work/first")" 'What is Hearth?streaming'
answer=$(of_event done 'b.message.content' <"$work/first")
expect_in '^Hearth' "$answer"
expect_equal "$(of_event done 'b.message.state + b.message.finish_reason + (b.message.usage.completion_tokens > 3)' <"$work/first")" completestoptrue
expect_equal "$(of_event title 'b.title.length > 0' <"$work/first")" true
expect_equal "$(node -e 'console.log(require("fs").readFileSync(0, "utf8").split("\n\n").filter(e => e.startsWith("event: chunk"))
    .map(e => JSON.parse(e.split("data: ")[1]).text).join(""))' <"$work/first")" "$answer"
ask GET "/hearth/chats/$chat"
expect_equal "$(json 'b.messages.map(m => m.role).join()')" user,assistant
expect_equal "$(json 'b.chat.folder + b.chat.tags')" Work/Notesa,b
first=$(json 'b.messages[1].id')
asked=$(json 'b.messages[0].id')

# ---- branches ----
ask POST "/hearth/chats/$chat/regenerate" '{"parameters":{"seed":3,"temperature":1.5}}' -N
expect_equal "$(of_event done 'b.message.n_siblings' <"$work/body")" 2
second=$(of_event done 'b.message.id' <"$work/body")
ask PUT "/hearth/chats/$chat" "{\"leaf_id\":$first}"
expect_equal "$(json b.leaf_id)" "$first"
ask POST "/hearth/chats/$chat/edit" "{\"message_id\":$asked,\"content\":\"Who are you?\"}" -N
expect_equal "$(of_event done 'b.message.state' <"$work/body")" complete
expect_equal "$(of_event start 'b.user.sibling_index' <"$work/body")" 1
ask POST "/hearth/chats/$chat/edit" "{\"message_id\":$first,\"content\":\"As I say.\"}"
expect_equal "$(json 'b.message.content + b.message.n_siblings')" 'As I say.3'
ask GET "/hearth/chats/$chat?all=true"
expect_equal "$(json b.messages.length)" 6
ask POST "/hearth/chats/$chat/fork" "{\"message_id\":$second}"
expect_equal "$(json b.n_messages)" 2
ask PUT "/hearth/messages/$first" '{"feedback":"up"}'
expect_equal "$(json 'b.feedback + b.finish_reason')" upstop
ask DELETE "/hearth/messages/$second"
expect_status 200
ask POST "/hearth/messages/$second/restore" '{}'
expect_status 200
ask POST "/hearth/chats/$chat/messages" '{"content":"x","parameters":{"messages":[]}}'
expect_status 400
ask POST "/hearth/chats/$chat/messages" '{"content":"x","model":"emberr"}'
expect_status 404
expect_equal "$(json b.error.code)" model_not_found
ask POST "/hearth/chats/$chat/messages" '{"content":""}'
expect_status 400
ask GET /hearth/chats/999
expect_status 404

# ---- the browser leaves; another one comes back; the user stops it ----
ask POST /hearth/chats '{"title":"Long"}'
long=$(json b.id)
timeout 0.7 curl -sN "$url/hearth/chats/$long/messages" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
    -d "{$ask_long}" >/dev/null
ask GET "/hearth/chats/$long"
expect_equal "$(json 'b.chat.answering + b.messages[1].state')" truestreaming
ask POST "/hearth/chats/$long/messages" "{$ask_ember}"
expect_status 409
curl -sN "$url/hearth/chats/$long/stream" -H "Authorization: Bearer $key" >"$work/again" &
again=$!
wait_for 5 grep -q 'event: chunk' "$work/again"
ask POST "/hearth/chats/$long/stop" '{}'
expect_equal "$(json b.stopped)" true
wait "$again"
what="an answer that was stopped"
expect_equal "$(of_event done 'b.message.state' <"$work/again")" stopped
expect_equal "$(of_event done 'b.message.content.length > 100' <"$work/again")" true
expect_equal "$(of_event start 'b.message.state' <"$work/again")" streaming
ask GET "/hearth/chats/$long/stream"
expect_status 404

# ---- the engine is killed while it writes ----
curl -sN "$url/hearth/chats/$long/messages" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
    -d "{$ask_long}" >"$work/killed" &
killed=$!
wait_for 10 grep -q 'event: chunk' "$work/killed"
ask GET /hearth/engines
kill -9 "$(json 'b.engines[0].pid')"
wait "$killed"
what="an answer whose engine was killed"
expect_equal "$(of_event error 'b.failed.state + (b.failed.content.length > 0) + b.code' <"$work/killed")" failedtrueengine_crashed

# ---- the server is killed while it writes ----
curl -sN "$url/hearth/chats/$long/messages" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
    -d "{$ask_long}" >"$work/lost" &
killed=$!
written() {
    ask GET "/hearth/chats/$long"
    [ "$(json 'b.messages.at(-1).state === "streaming" && b.messages.at(-1).content.length > 200')" = true ]
}
wait_for 10 written || fail "nothing is stored while an answer is written"
ask GET /hearth/engines
engine=$(json 'b.engines[0].pid')
stop_serve KILL
wait "$killed"
gone() {
    ! kill -0 "$engine"
}
wait_for 5 gone || fail "the engine of a killed server stays"
start_serve || finish
ask GET "/hearth/chats/$long"
expect_equal "$(json 'b.messages.at(-1).state + (b.messages.at(-1).content.length > 200)')" stoppedtrue
ask GET "/hearth/chats/$chat?all=true"
expect_equal "$(json b.messages.length)" 6
ask POST "/hearth/chats/$long/messages" "{$ask_ember,\"parent_id\":0}" -N
expect_equal "$(of_event done 'b.message.state' <"$work/body")" complete

# ---- an answer that had no room, or was stopped, is gone on with, in its place ----
ask POST /hearth/chats '{"title":"On"}'
on=$(json b.id)
ask POST "/hearth/chats/$on/messages" "{\"content\":\"What is Hearth?\",\"parameters\":{\"temperature\":0,\"max_tokens\":60}}" -N
whole=$(of_event done b.message.content <"$work/body")
ask POST "/hearth/chats/$on/messages" "{\"content\":\"What is Hearth?\",\"parent_id\":0,\"parameters\":{\"temperature\":0,\"max_tokens\":5}}" -N
cut=$(of_event done 'b.message.content' <"$work/body")
expect_equal "$(of_event done 'b.message.finish_reason + b.message.context.n_ctx + b.message.context.left_out' <"$work/body")" length20480
part=$(of_event done b.message.id <"$work/body")
ask POST "/hearth/chats/$on/continue" '{"parameters":{"temperature":0,"max_tokens":55}}' -N
expect_status 200
expect_equal "$(of_event start 'b.message.id + b.message.state + b.message.content' <"$work/body")" "${part}streaming$cut"
expect_equal "$(of_event done 'b.message.id + b.message.content' <"$work/body")" "$part$whole"
expect_equal "$(of_event done 'b.message.usage.completion_tokens > 20 && b.message.usage.prompt_tokens < 40' <"$work/body")" true
words=$(printf '%s' "$whole" | tr -cs 'A-Za-z' ' ' | cut -d ' ' -f 1,2)
ask GET "/hearth/search?q=${words// /+}&chat=$on"
expect_equal "$(json 'b.hits.filter(h => h.message_id === '"$part"').length')" 1
ask POST "/hearth/chats/$on/continue" "{\"message_id\":$part}"
expect_status 409
expect_in 'is whole' "$(json b.error.message)"
ask POST "/hearth/chats/$on/messages" "{\"content\":\"And?\",\"parameters\":{\"max_tokens\":3}}" -N
asked=$(of_event start b.user.id <"$work/body")
ask POST "/hearth/chats/$on/continue" "{\"message_id\":$asked}"
expect_status 409
last=$(of_event done b.message.id <"$work/first")
ask POST "/hearth/chats/$on/continue" "{\"message_id\":$last}"
expect_status 404
# Killed while it goes on: what was there before is there.
ask POST "/hearth/chats/$on/messages" "{\"content\":\"What is Hearth?\",\"parent_id\":0,\"parameters\":{\"temperature\":0,\"max_tokens\":8}}" -N
cut=$(of_event done b.message.content <"$work/body")
curl -sN "$url/hearth/chats/$on/continue" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
    -d '{"parameters":{"ignore_eos":true,"max_tokens":1900}}' >"$work/lost" &
killed=$!
wait_for 10 grep -q 'event: chunk' "$work/lost"
stop_serve KILL
wait "$killed"
start_serve || finish
ask GET "/hearth/chats/$on"
expect_equal "$(CUT=$cut json "b.messages.at(-1).state + b.messages.at(-1).content.startsWith(process.env.CUT)")" stoppedtrue

# ---- a conversation that outgrows the context: the oldest turns are left out, and the answer says how many ----
ask POST /hearth/chats '{"title":"Grows","parameters":{"max_tokens":8}}'
grows=$(json b.id)
filler=$(printf 'the fire is warm and the night is long %.0s' $(seq 60))
left=0
for i in 1 2 3 4 5; do
    ask POST "/hearth/chats/$grows/messages" "{\"content\":\"$i $filler\"}" -N
    expect_equal "$(of_event done b.message.state <"$work/body")" complete
    now=$(of_event done b.message.context.left_out <"$work/body")
    [ "$now" -ge "$left" ] || fail "after $left messages only $now are left out"
    left=$now
done
expect_equal "$(of_event done "b.message.context.left_out >= 2 && b.message.context.left_out % 2 === 0 && b.message.context.used <= 2048" <"$work/body")" true
expect_equal "$(of_event context b.left_out <"$work/body")" "$left"
ask GET "/hearth/chats/$grows"
expect_equal "$(json 'b.messages.at(-1).context.left_out')" "$left"
ask POST "/hearth/chats/$grows/messages" "{\"content\":\"$filler $filler $filler $filler $filler\"}" -N
expect_equal "$(of_event error 'b.failed.state' <"$work/body")" failed
expect_in 'context' "$(of_event error b.message <"$work/body")"

# ---- files: a text is read; a picture, which this model cannot see, is refused, and nothing is stored ----
ask POST /hearth/chats '{"title":"Files","parameters":{"max_tokens":8}}'
files=$(json b.id)
ask POST /hearth/attachments "{\"name\":\"a.png\",\"type\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}"
picture=$(json b.id)
ask POST "/hearth/chats/$files/messages" "{\"content\":\"Look.\",\"attachments\":[$picture]}"
expect_status 501
expect_in "a.png is a picture, and the model 'ember' cannot see" "$(json b.error.message)"
ask POST /hearth/attachments "{\"name\":\"a.zip\",\"type\":\"application/zip\",\"data\":\"UEsDBA==\"}"
ask POST "/hearth/chats/$files/messages" "{\"content\":\"Look.\",\"attachments\":[$(json b.id)]}"
expect_status 501
expect_in 'a.zip is application/zip' "$(json b.error.message)"
ask GET "/hearth/chats/$files"
expect_equal "$(json b.messages.length)" 0
ask POST /hearth/attachments "{\"name\":\"n.txt\",\"type\":\"text/plain\",\"data\":\"$(printf 'The colour is green. %.0s' $(seq 20) | base64 -w0)\"}"
ask POST "/hearth/chats/$files/messages" "{\"content\":\"Look.\",\"attachments\":[$(json b.id)]}" -N
expect_equal "$(of_event done 'b.message.state + (b.message.usage.prompt_tokens > 100)' <"$work/body")" completetrue
# One that a model with eyes was shown: Ember is told that it is there, and who reads that Ember was not shown it.
ask POST "/hearth/chats/$files/messages" "{\"content\":\"Look.\",\"attachments\":[$picture],\"answer\":false}"
ask POST "/hearth/chats/$files/messages" '{"content":"And?"}' -N
expect_equal "$(of_event notice b.code <"$work/body")" not_shown
expect_equal "$(of_event done 'b.message.state + b.message.notices[0].code' <"$work/body")" completenot_shown

# ---- memory: what other chats said is told with the answer, as what it is ----
ask POST /hearth/chats '{"title":"Remembers","memory":true,"parameters":{"max_tokens":8}}'
remembers=$(json b.id)
ask POST "/hearth/chats/$remembers/messages" '{"content":"Gazebo, colour?"}' -N
expect_equal "$(of_event done b.message.sources <"$work/body")" null
ask POST /hearth/chats '{"title":"Garden"}'
garden=$(json b.id)
ask POST "/hearth/chats/$garden/messages" '{"content":"The colour of the gazebo is turquoise.","answer":false}'
ask POST "/hearth/chats/$remembers/messages" '{"content":"Gazebo, colour?"}' -N
expect_equal "$(of_event done 'b.message.sources.map(s => s.title + s.role + s.text + s.chat_id).join()' <"$work/body")" \
    "GardenuserThe colour of the gazebo is turquoise.$garden"
expect_equal "$(of_event start b.user.content <"$work/body")" 'Gazebo, colour?'

# ---- lists, search, attachments ----
ask GET '/hearth/chats?folder=Work'
expect_equal "$(json 'b.chats.length')" 2
ask GET /hearth/folders
expect_equal "$(json 'b.folders.find(f => f.name === "Work/Notes").n_chats')" 2
ask POST /hearth/tags/rename '{"from":"a","to":"z"}'
expect_equal "$(json b.n_chats)" 2
ask GET "/hearth/search?q=${words// /+}&role=assistant"
expect_equal "$(json 'b.hits.length > 0 && b.hits.every(h => h.role === "assistant" && h.marks.length > 0)')" true
expect_equal "$(json 'b.hits.every(h => h.marks.every(m => "'"$words"'".toLowerCase().includes(h.snippet.slice(m[0], m[0] + m[1]).toLowerCase())))')" true
ask POST /hearth/attachments "{\"name\":\"n.txt\",\"type\":\"text/plain\",\"data\":\"$(printf 'The colour is green.' | base64 -w0)\"}"
expect_equal "$(json b.size_bytes)" 20
file=$(json b.id)
ask GET "/hearth/attachments/$file"
expect_equal "$body" 'The colour is green.'
ask POST "/hearth/chats/$chat/messages" "{\"content\":\"Look.\",\"attachments\":[$file],\"answer\":false}"
expect_equal "$(json 'b.message.attachments[0].name')" n.txt
ask GET "/hearth/chats/$chat/export"
expect_body '^# '
ask GET /hearth/export
cp "$work/body" "$work/export.json"
ask DELETE "/hearth/chats/$long"
ask GET "/hearth/chats?deleted=true"
expect_equal "$(json 'b.chats[0].id')" "$long"
ask POST "/hearth/chats/$long/restore" '{}'
expect_status 200
ask POST /hearth/chats/import "{\"path\":\"$work/export.json\"}"
expect_equal "$(json b.format)" hearth

# ---- a chat of another program, whose tools were called with code, goes on with a model that is here ----
ask POST /hearth/chats/import "{\"path\":\"$SOURCE/tests/fuzz/corpus/import/chatgpt_shapes.json\"}"
expect_equal "$(json 'b.format + b.chats + b.unread + b.problem')" chatgpt20
ask GET "/hearth/chats?title=Shapes"
shapes=$(json 'b.chats[0].id')
ask POST "/hearth/chats/$shapes/messages" "{$ask_ember}"
expect_status 404
ask POST "/hearth/chats/$shapes/messages" "{$ask_ember,\"model\":\"ember\"}" -N
expect_equal "$(of_event done b.message.state <"$work/body")" complete
ask GET "/hearth/chats/$shapes"
expect_equal "$(json 'b.chat.model + b.messages[1].tool_calls[0].function.arguments')" 'o3print(1)'
ask POST /hearth/chats/import '{"data":"[{\"mapping\":{\"a\":{\"message\":{\"author\":{\"role\":\"user\"},\"content\":{\"parts\":[\"x\"]}}}}},{\"mapping\":5}]"}'
expect_equal "$(json 'b.chats + " " + b.unread + " " + b.problem')" "1 1 the data: chat 2 (''): mapping: must be an object"

# ---- sessions of /v1 ----
turn() {
    ask POST /v1/chat/completions "{\"session_id\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}],\"temperature\":0,\"max_tokens\":20${2-}}" -N
}
turn 'What is Hearth?'
expect_status 200
tokens=$(json b.usage.prompt_tokens)
turn 'Go on.' ',"stream":true'
expect_equal "$(tail -c 16 "$work/body" | tr -d '\n')" 'data: [DONE]'
turn 'Go on.'
expect_equal "$(json "b.usage.prompt_tokens > 2 * $tokens")" true
post /v1/chat/completions '{"session_id":"demo","messages":[{"role":"user","content":"x"}]}'
expect_status 401
ask GET '/hearth/chats?title=What+is+Hearth'
expect_equal "$(json 'b.chats.find(c => c.origin === "session:demo").n_messages')" 6
session=$(json 'b.chats.find(c => c.origin === "session:demo").id')
curl -sN "$url/v1/chat/completions" -H "Authorization: Bearer $key" \
    -d '{"session_id":"demo","messages":[{"role":"user","content":"More."}],"stream":true,"ignore_eos":true,"max_tokens":1500}' >"$work/turn" &
turn=$!
wait_for 10 grep -q '"content":"' "$work/turn"
ask POST "/hearth/chats/$session/messages" '{"content":"x"}'
expect_status 409
ask POST "/hearth/chats/$session/stop" '{}'
wait "$turn"
expect_in 'stopped' "$(tail -2 "$work/turn")"
ask GET "/hearth/chats/$session"
expect_equal "$(json 'b.messages.at(-1).state + (b.messages.at(-1).content.length > 0)')" stoppedtrue

# ---- what was meant ----
mkdir -p "$work/models"
"$BUILD/make_model" "$work/models/encoder.gguf" bert || fail "make_model"
stop_serve
refuse 2 'not a model for embeddings' serve --port 0 --own-models-only --embedding-model ember
start_serve --model-folder "$work/models" --embedding-model encoder || finish
meant() {
    ask GET '/hearth/search?q=nothingofthekind'
    [ "$(json 'b.hits.some(h => h.by_meaning)')" = true ]
}
wait_for 20 meant || fail "no message is found by its meaning"
stop_serve
finish
