# The clients that people really use, against an engine. They are fetched as package-lock.json pins them.
home=$HOME
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v node >/dev/null && command -v npm >/dev/null || skip "needs node and npm"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "the clients need Node.js 20, this is $(node --version)"
clients="$SOURCE/tests/e2e/clients"

# npm's own record of what it installed is older than the list, or not there.
if [ ! "$clients/node_modules/.package-lock.json" -nt "$clients/package-lock.json" ]; then
    if ! (cd "$clients" && HOME=$home npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1) >"$work/npm" 2>&1; then
        rm -rf "$clients/node_modules"
        grep -Eq 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTCACHED|SOCKET|UND_ERR' "$work/npm" &&
            skip "npm cannot reach its registry: $(grep -m1 -E 'npm (error|ERR!) (code|errno)' "$work/npm")"
        fail "npm ci: $(head -c 800 "$work/npm")"
        finish
    fi
fi

start_engine -m ember --port 0 --api-key sesame || finish
for client in openai anthropic langchain vercel mcp; do
    checks=$((checks + 1))
    node "$clients/$client.mjs" "$url" sesame || fail "$client.mjs"
done
stop_engine
finish
