# hearth ps, stop, doctor and backends beside a running server, and what becomes of its engines when
# it is killed.
. "$SOURCE/tests/e2e/check.sh"

server_pid=
trap '[ -n "$server_pid" ] && kill -9 "$server_pid" 2>/dev/null; rm -rf "$work"' EXIT
export XDG_DATA_HOME="$work/data" XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache"

# Its address is in $url; it ends with its standard output's reader, if not before.
start_server() {
    rm -f "$work/ready"
    mkfifo "$work/ready"
    "$HEARTH" serve --port 0 --own-models-only >"$work/ready" 2>"$work/serve.err" &
    server_pid=$!
    exec 3<"$work/ready"
    read -r line <&3 || fail "hearth serve did not start: $(cat "$work/serve.err")"
    url=${line#listening on }
}

chat() {
    curl -sS --max-time 120 -o "$work/body" -w '%{http_code}' -H 'Content-Type: application/json' \
        "$url/v1/chat/completions" --data-binary \
        '{"model":"ember","max_tokens":4,"messages":[{"role":"user","content":"Hello"}]}'
}

refuse 5 'no server runs' ps
refuse 5 'no server runs' stop ember
run doctor
expect_code 0
expect_in '^ok +ember' "$out"
expect_in '^none +server' "$out"
run doctor --json
expect_code 0
expect_in '"fit": *"green"' "$out"
expect_in '"folders": .*"usable": true' "$out"
mkdir -p "$work/bad/hearth" && echo '{"port": 90000}' >"$work/bad/hearth/config.json"
XDG_CONFIG_HOME="$work/bad" run doctor
expect_in "^bad +options +$work/bad/hearth/config.json: .*90000" "$out"
XDG_DATA_HOME=/proc/nothing/here run doctor -v
expect_in '^bad +(data|models) +.*--(data|models)-dir' "$out"
expect_in '^ok +config' "$out"
run backends
expect_code 0
expect_in 'there are no backends' "$out"
refuse 2 'none of list, install and remove' backends frobnicate
refuse 2 'SHA-256' backends install https://example.org/llama-b1-bin-ubuntu-x64.zip
refuse 5 'cannot open' backends install "$work/llama-b1-bin-ubuntu-x64.zip"
refuse 5 'no backend' backends remove b1/ubuntu-x64

start_server
run ps
expect_code 0
expect_equal "$out" 'nothing is loaded'
expect_equal "$(chat)" 200
run ps
expect_in '^ember +ready +builtin' "$out"
run ps --json
expect_in '"state": *"ready"' "$out"
refuse 2 'name one MODEL' stop
run stop ember
expect_code 0
run ps
expect_equal "$out" 'nothing is loaded'
refuse 5 'not loaded' stop ember

# kill -9 of the server takes its engine along.
expect_equal "$(chat)" 200
engine=$("$HEARTH" ps --json | grep -oE '"pid": *[0-9]+' | grep -oE '[0-9]+')
expect_in '^[0-9]+$' "$engine"
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
server_pid=
timeout 60 tail --pid="$engine" -f /dev/null
checks=$((checks + 1))
kill -0 "$engine" 2>/dev/null && fail "the engine outlived its server"

finish
