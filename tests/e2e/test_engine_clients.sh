# The clients that people really use, against an engine. `npm ci` in tests/e2e/clients installs them.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v node >/dev/null || skip "needs node"
clients="$SOURCE/tests/e2e/clients"
[ -d "$clients/node_modules" ] || skip "the clients are not installed: npm ci in tests/e2e/clients"

start_engine -m ember --port 0 --api-key sesame || finish
for client in openai anthropic; do
    checks=$((checks + 1))
    node "$clients/$client.mjs" "$url" sesame || fail "$client.mjs"
done
stop_engine
finish
