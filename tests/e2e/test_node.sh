# The Node binding and its examples: bindings/node/test/test.mjs against the built package.
. "${SOURCE:?}/tests/e2e/check.sh" || exit 1
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

# ---- Node-API and nothing else of a host; names that a bundler for React Native can find ----
for addon in hearth models; do
    what="what $addon.node needs"
    strange=$(nm -D --undefined-only "$PACKAGE/$addon.node" | awk '{ print $2 }' |
        grep -vE '^napi_[a-z0-9_]+$|@GLIBC|^_ITM_|^__gmon_start__$|^(pcre2|utf8proc|json|jansson|curl|yaml)_|@OPENSSL|@CURL')
    expect_equal "$strange" ""
    # React Native's host has these and no other.
    expect_equal "$(nm -D --undefined-only "$PACKAGE/$addon.node" | awk '$2 ~ /^napi_/ { print $2 }' |
        grep -vxFf <(grep -oE 'napi_[a-z0-9_]+' "$SOURCE/bindings/node/test/react_native.def"))" ""
    expect_in '^napi_create_promise$' "$(nm -D --undefined-only "$PACKAGE/$addon.node" | awk '{ print $2 }')"
    expect_equal "$(objdump -p "$PACKAGE/$addon.node" | awk '/NEEDED/ { print $2 }' | grep -E 'uv|node|v8|stdc')" ""
    expect_equal "$(nm -D --defined-only "$PACKAGE/$addon.node" | awk '{ print $3 }' | grep -vE '^(napi_register_module_v1|node_api_module_get_api_version_v1)$')" ""
done
what="what the scripts load"
expect_equal "$(grep -ohE '= (require|import)\(.*' "$PACKAGE"/*.js | sed 's/^= //; s/;$//' | sort -u | tr '\n' ' ')" \
    "require('./hearth.node') require('./index.js') require('./models.node') require('./run.js') "

# ---- the tests in Node.js, and in Bun where it is ----
try_tests() {
    for file in test models.test hostile.test; do
        checks=$((checks + 1))
        timeout 200 "$@" "$SOURCE/bindings/node/test/$file.mjs" >"$work/log" 2>&1 || {
            fail "$file.mjs in $1"
            grep -vE '^ *(duration_ms|type):' "$work/log" | head -n 80
        }
        [ "${VERBOSE:-0}" = 1 ] && cat "$work/log"
        rm -rf "$WORK"
        mkdir "$WORK"
    done
}
try_tests node --expose-gc --test
# The same in a host that has no more than React Native's: bindings/node/test/react_native.c.
if [ -f "$BUILD/node_rn/hearth.node" ]; then
    mkdir "$work/react_native"
    cp "$PACKAGE"/*.js "$PACKAGE"/*.ts "$PACKAGE/package.json" "$BUILD"/node_rn/*.node "$work/react_native/"
    what="what the addons of React Native's host take from Node.js"
    expect_equal "$(nm -D --undefined-only "$BUILD"/node_rn/*.node | awk '$2 ~ /^napi_/ { print $2 }')" ""
    PACKAGE="$work/react_native" try_tests node --expose-gc --test
else
    echo "skipped: there is no stand-in for React Native's host on this processor"
fi
if command -v bun >/dev/null; then
    try_tests bun test --timeout 120000
else
    echo "skipped: Bun is not there; Node.js alone was tried"
fi

# ---- examples, as in a program that has the package installed ----
mkdir -p "$work/app/node_modules"
ln -s "$PACKAGE" "$work/app/node_modules/hearth-node"
cp "$SOURCE"/bindings/node/examples/*.mjs "$work/app/"
cd "$work/app" || exit 1
ember="$MODELS/ember.gguf"
for example in application contexts; do
    what="$example.mjs"
    timeout 120 node "$example.mjs" "$ember" >"$work/out.txt" 2>"$work/err"
    code=$?
    expect_code 0
done
# What the documentation shows, with this machine's model in the place of its names.
ln -s "$ember" model.gguf
for file in docs/EMBEDDING.md bindings/node/README.md; do
    awk -v folder="$work/app" -v name="$(basename "$file" .md)" '/^```js$/ { on = 1; n++; next } /^```/ { on = 0 }
        on { print > (folder "/" name n ".mjs") }' "$SOURCE/$file"
done
for script in EMBEDDING1 README1 README2; do
    what="$script.mjs of the documentation"
    [ "$script" = README2 ] && sed -i "s|^await manager.download.*|await manager.import({ path: 'model.gguf', name: 'NAME' });|" README2.mjs
    timeout 120 node "$script.mjs" >"$work/out.txt" 2>"$work/err"
    code=$?
    expect_code 0
    [ -s "$work/out.txt" ] || fail "$what: said nothing"
done
expect_equal "$(ls README3.mjs EMBEDDING2.mjs 2>/dev/null)" ""
if command -v bun >/dev/null; then
    what="contexts.mjs in Bun"
    timeout 120 bun contexts.mjs "$ember" >"$work/out.txt" 2>"$work/err"
    code=$?
    expect_code 0
fi
what="chat.mjs"
printf 'Hello\nWhat is Hearth?\n' | timeout 120 node chat.mjs "$ember" >"$work/out.txt" 2>"$work/err"
code=$?
expect_code 0
expect_equal "$(grep -c 'tokens per second' "$work/err")" 2
what="server.mjs"
node server.mjs "$ember" 0 >"$work/server" 2>"$work/err" &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    [ -s "$work/server" ] && break
    sleep 0.1
done
expect_equal "$(LD_PRELOAD='' node -e '
(async () => {
  const ask = (body) => fetch(process.argv[1], { method: "POST", body });
  const wrong = [(await ask("{")).status, (await ask("{}")).status];
  const left = new AbortController();
  const endless = await fetch(process.argv[1], { method: "POST", signal: left.signal, body: JSON.stringify({ messages: [{ role: "user", content: "a" }], maxTokens: -1 }) });
  left.abort();
  const text = await (await ask(JSON.stringify({ messages: [{ role: "user", content: "What is Hearth?" }], maxTokens: 10 }))).text();
  const events = text.trim().split("\n\n").map((e) => JSON.parse(e.slice(6)));
  const done = events.pop();
  console.log(wrong.join(), done.type, events.filter((e) => e.type === "token").map((e) => e.text).join("") === done.text);
})()' "$(cat "$work/server")" 2>&1)" "400,400 done true"
kill "$server"
wait "$server"
code=$?
expect_code 0
finish
