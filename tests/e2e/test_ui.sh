# The page in Chromium: against the stand-in server first, then against hearth serve with Ember.
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
"$HEARTH" serve --port 0 >"$work/lines" 2>"$work/serve.err" &
server=$!
exec 3<"$work/lines"
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
address=
while read -r -t 60 -u 3 line; do
    case "$line" in open\ http*) address=${line#open } && break ;; esac
done
curl -s "${address%%#*}" | grep -q '<script' || { echo "this build has no page; make builds it" && exit 1; }
HEARTH_URL=$address node "$tests/run.mjs" || fail "the page with hearth serve: $(tail -c 500 "$work/serve.err")"
kill -TERM $server
wait $server || fail "hearth serve ended with $?"
finish
