# Who may do what at `hearth serve`: every route's scope, hosts, origins, keys, the page's key, the files.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

# routes: METHOD PATH SCOPE, one a line, of the server's own description.
routes() {
    get /hearth/openapi.json
    node -e 'const b = JSON.parse(require("fs").readFileSync(0));
        for (const [path, item] of Object.entries(b.paths)) for (const [method, op] of Object.entries(item))
            console.log(method.toUpperCase(), path.replace("{id}", "999999"), op["x-hearth-scope"])' <"$work/body"
}

# try METHOD PATH [CURL ARGS...]: the status alone. A body that is no JSON keeps the call from doing anything.
try() {
    local method=$1 path=$2
    shift 2
    [ "$method" = GET ] || set -- "$@" -H 'Content-Type: application/json' -d '{'
    curl -s -o /dev/null --max-time 1 -w '%{http_code}' -X "$method" "$@" "$url$path"
}

start_serve || finish
routes >"$work/routes"
checks=$((checks + 1))
[ "$(wc -l <"$work/routes")" -gt 80 ] || fail "only $(wc -l <"$work/routes") routes are described"
while read -r method path scope; do
    what="$method $path ($scope) without a key"
    status=$(try "$method" "$path")
    checks=$((checks + 1))
    case $scope in
    manage) [ "$status" = 401 ] || fail "$what: $status" ;;
    *) [ "$status" != 401 ] && [ "$status" != 403 ] || [ "$path" = /hearth/session ] || fail "$what: $status" ;;
    esac
    status=$(try "$method" "$path" -H "X-Api-Key: $key")
    [ "$status" != 401 ] && [ "$status" != 403 ] || [ "$path" = /hearth/session ] || fail "$what, but with the right one: $status"
done <"$work/routes"

# ---- hosts, origins, types ----
get /hearth/models -H 'Host: evil.example' -H "X-Api-Key: $key"
expect_status 403
get /v1/models -H 'Host: evil.example'
expect_status 403
post /v1/chat/completions '{"messages":[]}' -H 'Origin: http://evil.example'
expect_status 403
get /v1/models -H 'Origin: http://evil.example'
checks=$((checks + 1))
grep -qi '^access-control-allow-origin' "$work/head" && fail "a foreign page may read"
for origin in '' 'Origin: http://evil.example'; do
    get '/props?model=ember' -H 'Sec-Fetch-Site: cross-site' -H "$origin"
    expect_status 403
    expect_in --cors-origin "$(json b.error.message)"
done
get /v1/models -H 'Sec-Fetch-Site: cross-site' -H 'Origin: http://localhost:3000'
expect_status 200
get /v1/models -H 'Sec-Fetch-Site: same-origin'
expect_status 200
get /hearth/models -H 'Origin: http://127.0.0.1:1' -H "X-Api-Key: wrong"
expect_status 401
get /hearth/chats -H "X-Api-Key: $key" -d '{}' -H 'Content-Type: text/plain'
expect_status 415
get /hearth/chats -H 'Cookie: key=1'
expect_status 401

# ---- the page's key ----
expect_in '^http://127\.0\.0\.1:[0-9]+/#token=[0-9a-f]{64}$' "$page"
post /hearth/session "{\"token\":\"${page##*token=}\"}"
expect_status 200
session=$(json b.key)
expect_in '^hs_' "$session"
get /hearth/session -H "Authorization: Bearer $session"
expect_equal "$(json b.scope)" manage
get /hearth/session -H "Authorization: Bearer ${session%?}x"
expect_status 401
post /hearth/session '{"token":"0"}'
expect_status 401
post /hearth/session "{\"token\":\"$session\"}"
expect_status 401
expect_equal "$(stat -c %a "$XDG_STATE_HOME/hearth/key")" 600
get /
expect_status 200
expect_in "default-src 'none'" "$(grep -i '^content-security-policy' "$work/head")"

# ---- after a restart the page's key still holds, the address does not ----
start_serve || finish
get /hearth/session -H "Authorization: Bearer $session"
expect_status 200

# ---- two servers: the first is the one that is found, and a dead one's address gets no key ----
run ps
expect_code 0
XDG_DATA_HOME="$work/other" timeout 20 "$HEARTH" serve --port 0 --own-models-only >"$work/second" 2>"$work/second.err" &
second_pid=$!
wait_for 10 grep -q '^open' "$work/second" || fail "no second server"
expect_in 'another server' "$(cat "$work/second.err")"
kill "$second_pid"
wait "$second_pid"
run ps
expect_code 0
stop_serve
node -e 'const s = require("http").createServer((q, r) => { console.log("asked"); r.end("{}") });
    s.listen(0, "127.0.0.1", () => require("fs").writeFileSync(process.argv[1],
        JSON.stringify({url: "http://127.0.0.1:" + s.address().port, pid: process.pid})))' \
    "$XDG_STATE_HOME/hearth/serve.json" >"$work/asked" &
thief_pid=$!
wait_for 5 test -s "$XDG_STATE_HOME/hearth/serve.json"
refuse 5 'no server runs' ps
kill "$thief_pid"
[ -s "$work/asked" ] && fail "a stranger was asked"

# ---- keys for programs ----
start_serve --api-key alpha --api-key=beta || finish
what="keys on the command line"
expect_equal "$(tr '\0' ' ' <"/proc/$serve_pid/cmdline" | sed 's/.* --api-key/--api-key/')" '--api-key=**** '
expect_equal "$(tr '\0' '\n' <"/proc/$serve_pid/cmdline" | grep -c 'alpha\|beta')" 0
while read -r method path scope; do
    [ "$scope" = infer ] || [ "$scope" = manage ] || continue
    what="$method $path ($scope)"
    status=$(try "$method" "$path")
    checks=$((checks + 1))
    [ "$status" = 401 ] || fail "$what without a key: $status"
    status=$(try "$method" "$path" -H 'Authorization: Bearer beta')
    case $scope in
    infer) [ "$status" != 401 ] && [ "$status" != 403 ] || fail "$what with an API key: $status" ;;
    *) [ "$status" = 403 ] || fail "$what with an API key: $status" ;;
    esac
done <"$work/routes"
stop_serve

# ---- what is refused at the start ----
refuse 2 '--api-key' serve --host 0.0.0.0 --port 0
echo '{"prot":1}' >"$work/wrong.json"
refuse 2 'did you mean port' serve --config "$work/wrong.json"
chmod 644 "$XDG_STATE_HOME/hearth/key"
refuse 2 'chmod 600' serve --port 0
chmod 600 "$XDG_STATE_HOME/hearth/key"

# ---- the configuration ----
mkdir -p "$XDG_CONFIG_HOME/hearth"
echo '{"idle-timeout":77,"port":0,"own-models-only":true}' >"$XDG_CONFIG_HOME/hearth/config.json"
HEARTH_DRAIN=3 run config
expect_code 0
expect_in 'idle-timeout +file +77' "$out"
expect_in 'drain +environment +3' "$out"
expect_in 'memory +default +0' "$out"
start_serve --drain 5 || finish
ask GET /hearth/settings
expect_equal "$(json 'b.settings.filter(s => s.source !== "default").map(s => s.name + "=" + s.value + "@" + s.source).sort().join()')" \
    'drain=5@flag,idle-timeout=77@file,own-models-only=true@flag,port=0@flag'
ask PUT /hearth/settings '{"idle-timeout":78,"own-models-only":null}'
expect_status 200
expect_equal "$(tr -d ' \n' <"$XDG_CONFIG_HOME/hearth/config.json")" '{"idle-timeout":78,"port":0}'
ask PUT /hearth/settings '{"idle-timeout":"soon"}'
expect_status 400
expect_in idle-timeout "$(json b.error.message)"
ask PUT /hearth/preferences '{"theme":"dark"}'
ask GET /hearth/preferences
expect_equal "$(json b.theme)" dark
stop_serve
finish
