# The page in Chromium: against the stand-in server first, then against hearth serve with Ember, a model that does as it
# is told, a server of tools and a slow mirror of models.
home=$HOME
. "$SOURCE/tests/e2e/check.sh"
tests="$SOURCE/tests/e2e/ui"
command -v node >/dev/null && command -v npm >/dev/null || skip "needs node and npm"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "needs Node.js 18, this is $(node --version)"
[ -x /usr/bin/chromium ] || [ -x /usr/bin/chromium-browser ] || [ -x /usr/bin/google-chrome ] || skip "needs Chromium"
HOME=$home "$SOURCE/ui/build" >"$work/build" 2>&1 || skip "the page cannot be built here: $(tail -n 1 "$work/build")"
if [ ! "$tests/node_modules/.package-lock.json" -nt "$tests/package-lock.json" ]; then
    (cd "$tests" && HOME=$home npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1) >"$work/npm" 2>&1 ||
        skip "npm cannot fetch playwright-core: $(grep -m1 -E 'npm (error|ERR!) (code|errno)' "$work/npm")"
fi
export HEARTH_UI_SHOTS="$BUILD/ui_shots"

checks=$((checks + 1))
node "$tests/run.mjs" || fail "the page with the stand-in server"

checks=$((checks + 1))
mkfifo "$work/lines"
mkdir -p "$work/hub/org/tiny-GGUF"
"$BUILD/make_model" "$work/hub/org/tiny-GGUF/Tiny-Q8_0.gguf" llama --vocab 9000 || fail "make_model"
echo slow >"$work/hub/mode"
node "$SOURCE/tests/e2e/hub.mjs" "$work/hub" &
helpers=$!
node "$SOURCE/tests/e2e/tool_model.mjs" "$work/asked" &
helpers="$helpers $!"
trap 'kill $server $helpers 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 200); do [ -s "$work/hub/port" ] && [ -s "$work/asked" ] && break; sleep 0.05; done
export HEARTH_UI_EXPORT="$SOURCE/tests/fuzz/corpus/import/chatgpt_shapes.json"
export HEARTH_UI_TOOLS="$SOURCE/tests/e2e/tool_server.mjs"
export HEARTH_UI_MODEL="http://127.0.0.1:$(head -1 "$work/asked")"
HF_ENDPOINT="http://127.0.0.1:$(cat "$work/hub/port")" "$HEARTH" serve --port 0 >"$work/lines" 2>"$work/serve.err" &
server=$!
exec 3<"$work/lines"
address=
while read -r -t 60 -u 3 line; do
    case "$line" in open\ http*) address=${line#open } && break ;; esac
done
curl -s "${address%%#*}" | grep -q '<script' || { echo "this build has no page; make builds it" && exit 1; }
tell() {
    curl -sf "${address%%/#*}$2" -X "$1" -H "Authorization: Bearer $(cat "$XDG_STATE_HOME/hearth/key")" -H 'Content-Type: application/json' -d "$3" >/dev/null ||
        fail "$2 $3"
}
tell PUT /hearth/remotes "{\"name\":\"caller\",\"url\":\"$HEARTH_UI_MODEL/v1\",\"model\":\"caller\"}"
tell POST /hearth/mcp "{\"name\":\"Small\",\"transport\":\"stdio\",\"command\":\"node\",\"args\":[\"$SOURCE/tests/e2e/tool_server.mjs\"]}"
HEARTH_URL=$address node "$tests/run.mjs" || fail "the page with hearth serve: $(tail -c 500 "$work/serve.err")"
kill -TERM $server
wait $server || fail "hearth serve ended with $?"
finish
