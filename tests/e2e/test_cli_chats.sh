# hearth chats: import, list, search and export of a store of its own.
. "$SOURCE/tests/e2e/check.sh"

corpus="$SOURCE/tests/fuzz/corpus/import"
export XDG_DATA_HOME="$work/data"

run chats list
expect_code 0
expect_equal "$out" ""
expect_in "no such chats" "$err"
[ "$(stat -c %a "$work/data/hearth/hearth.db")" = 600 ] || fail "the store can be read by others"

run chats import "$corpus/chatgpt.json" "$corpus/webui.json" --json
expect_code 0
expect_in '"format": "chatgpt", "n_chats": 1, "n_messages": 6' "$out"
expect_in '"format": "openwebui", "n_chats": 2' "$out"
run chats import "$corpus/webui.json"
expect_code 0
expect_in "2 chats were there already" "$err"

run chats list
expect_code 0
expect_in "4  Köln #city #travel \(pinned\)" "$out"
expect_equal "$(wc -l <<<"$out")" 3
run chats list --tag x --json
expect_in '"title": "old"' "$out"
run chats list --limit 1
expect_in "there are more" "$err"

run chats search the rhine --json
expect_code 0
expect_in '"title": "Köln", "role": "assistant"' "$out"
run chats search "On the" rhine -- -loaf
expect_code 0
expect_in "On the Rhine" "$out"
run chats search "the On"
expect_in "nothing was found" "$err"
run chats search zebra
expect_code 0
expect_in "nothing was found" "$err"

run chats export 1 --format markdown
expect_code 0
expect_in "^# Bread" "$out"
run chats export -o "$work/all.json"
expect_code 0
expect_equal "$(grep -c '"format":"hearth-chat"' "$work/all.json")" 3
run chats import "$work/all.json" --store "$work/other.db"
expect_code 0
expect_in "3 chats, 12 messages, 2 attachments" "$out"

refuse 2 "It can list" chats
refuse 2 "It can list" chats remove
refuse 2 "no id of a chat" chats export abc
refuse 2 "which chats" chats export --format markdown
refuse 2 "which words" chats search
refuse 2 "which file" chats import
refuse 5 "99" chats export 99 -o "$work/none"
[ -e "$work/none" ] && fail "a failed export left its file behind"
refuse 5 "not/there" chats import /not/there
printf '[{"mapping":3}]' >"$work/bad.json"
refuse 1 "bad.json: chat 1 \(''\): mapping: must be an object" chats import "$work/bad.json"
printf 'notes' >"$work/notes"
refuse 1 "not a chat store" chats list --store "$work/notes"
finish
