# The clients that people really use, against an engine. They are fetched as package-lock.json pins them.
home=$HOME
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v node >/dev/null && command -v npm >/dev/null || skip "needs node and npm"
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

start_engine -m ember --port 0 --api-key sesame || finish
for client in openai anthropic langchain vercel mcp; do
    # LangChain alone needs Node.js 20; Debian 12 has 18.
    if [ $client = langchain ] && [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
        echo "not run: LangChain needs Node.js 20, this is $(node --version)"
        continue
    fi
    checks=$((checks + 1))
    node "$clients/$client.mjs" "$url" sesame || fail "$client.mjs"
done
stop_engine
finish
