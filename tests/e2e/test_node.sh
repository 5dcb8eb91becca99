# The Node binding and its examples: bindings/node/test/test.mjs against the built package.
. "$SOURCE/tests/e2e/check.sh"
command -v node >/dev/null || skip "needs node"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "needs Node.js 18, this is $(node --version)"
# A sanitizer must be the first library of a process; NODE_PRELOAD names it for those who try.
grep -q '^HEARTH_SANITIZE:STRING=.' "$BUILD/CMakeCache.txt" && [ -z "${NODE_PRELOAD:-}" ] &&
    skip "a sanitized addon does not load into a node that is not"
export PACKAGE="$BUILD/node" MODELS="$work/models" WORK="$work/out" LD_PRELOAD="${NODE_PRELOAD:-}"
mkdir -p "$MODELS" "$WORK"
cp "$SOURCE/models/ember/ember.gguf" "$MODELS/"
LD_PRELOAD='' "$BUILD/make_model" "$MODELS/encoder.gguf" bert --labels 1
node "$SOURCE/tests/e2e/make_adapter.mjs" "$MODELS/adapter.gguf"

what="what the addon needs"
expect_equal "$(objdump -p "$PACKAGE/hearth.node" | awk '/NEEDED/ { print $2 }' | grep -E 'uv|node|v8|stdc')" ""
expect_equal "$(nm -D --defined-only "$PACKAGE/hearth.node" | awk '{ print $3 }' | grep -vE '^(napi_register_module_v1|node_api_module_get_api_version_v1)$')" ""
expect_equal "$(nm -D --undefined-only "$PACKAGE/hearth.node" | awk '{ print $2 }' | grep -E '^(uv_|_Z|node::|v8)')" ""

checks=$((checks + 1))
node --expose-gc --test "$SOURCE/bindings/node/test/test.mjs" >"$work/log" 2>&1 || {
    fail "test.mjs"
    grep -vE '^ *(duration_ms|type):' "$work/log" | head -n 80
}
[ "${VERBOSE:-0}" = 1 ] && cat "$work/log"

# ---- examples ----
for example in "$SOURCE"/bindings/node/examples/*.mjs; do
    checks=$((checks + 1))
    timeout 300 node "$example" "$MODELS/ember.gguf" --check >"$work/log" 2>&1 || fail "$example: $(tail -n 20 "$work/log")"
done
finish
