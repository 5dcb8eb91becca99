# What an engine promises, proven: an agent's conversation is read once, whatever is sent to one client's harm
# changes nothing for another, and memory does not grow with the requests that were answered.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v node >/dev/null || skip "needs node"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "needs Node.js 20, this is $(node --version)"

# ---- twenty turns with tools: 95 of 100 prompt tokens come from the cache ----
start_engine -m ember --port 0 -c 16384 || finish
what="an agent's twenty turns"
share=$(node "$SOURCE/tests/e2e/agent.mjs" "$url")
checks=$((checks + 1))
[ "${share%.*}" -ge 95 ] || fail "$what: $share % of the prompts' tokens were cached"

# ---- everything that is wrong, on every route, beside a stream ----
start_engine -m ember --port 0 -c 256 -np 8 --queue 64 || finish
checks=$((checks + 1))
node "$SOURCE/tests/e2e/hostile.mjs" "$url" "$SOURCE" 1 || fail "hostile.mjs with seed 1"
stop_engine
expect_code 0

# ---- thousands of requests, and no more memory than after the first ----
# Sanitizers keep what was freed for a while.
grep -q __asan_init "$HEARTH" && finish
checks=$((checks + 1))
"$SOURCE/bench/soak" --requests 3000 --idle 0 --build "$BUILD" >"$work/soak" 2>&1 || fail "bench/soak: $(cat "$work/soak")"
finish
