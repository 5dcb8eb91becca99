# The programs of examples/: an answer, mistakes, output that cannot be written.
. "${SOURCE:?}/tests/e2e/check.sh" || exit 1

complete="$BUILD/example_complete"
chat="$BUILD/example_chat"
model="$work/llama.gguf"
"$BUILD/make_model" "$model" llama || fail "make_model llama"

# try PROGRAM ARGS...: like run, of another program.
try() {
    HEARTH=$1 run "${@:2}"
    what="$(basename "$1") ${*:2}"
}

try "$complete" "$model" "Once upon a time" 5
expect_code 0
expect_in "[0-9]+ tokens read in [0-9]+ ms, [0-5] written" "$err"
try "$complete" "$model"
expect_code 1
expect_in "^usage: " "$err"
try "$complete" "$work/nothing-there" x
expect_code 1
expect_in "nothing-there" "$err"
try "$complete" "$model" x many
expect_code 1
expect_in "'many'; give a whole number" "$err"
what="example_complete on a full disk"
"$complete" "$model" "Once upon a time" 20 >/dev/full 2>"$work/err"
code=$?
expect_code 1
expect_in "could not be written" "$(cat "$work/err")"

try "$chat" "$model" < <(printf 'Hello\nHello again\n')
expect_code 0
[ -s "$work/out" ] || fail "$what: no answer"
try "$chat"
expect_code 1
expect_in "^usage: " "$err"

# ---- tools: the call is run, whatever the model makes of it ----
ember="$SOURCE/models/ember/ember.gguf"
try "$BUILD/example_tools" "$ember" "What is 12 times 7?" multiply
expect_code 0
expect_in '^\[multiply\{"a":[0-9]+,"b":[0-9]+\} = [0-9]+\]' "$out"
try "$BUILD/example_tools" "$ember" "What time is it?" clock
expect_code 0
expect_in '^\[clock\{\} = [0-9]+:[0-9]+\]' "$out"
try "$BUILD/example_tools" "$ember" "What time is it?" calendar
expect_code 1
expect_in "calendar" "$err"
try "$BUILD/example_tools" "$ember" "Hello"
expect_code 0

# ---- search: a line is nearest to itself ----
try "$BUILD/example_search" "$ember" "the fire burns" < <(printf 'a cold winter\nthe fire burns\n\nnumbers and letters\ntea\n')
expect_code 0
expect_in '^1\.000  the fire burns' "$(head -n 1 "$work/out")"
expect_equal "$(wc -l <"$work/out")" 3
try "$BUILD/example_search" "$ember" "anything" </dev/null
expect_code 0
expect_equal "$out" ""

# ---- models: a folder of an application's own, and what a download tells ----
models="$BUILD/example_models"
mine="$work/mine"
export XDG_CACHE_HOME="$work/cache"
try "$models" "$mine" import "$model" house/small
expect_code 0
expect_in "^house/small  hearth  llama " "$out"
try "$models" "$mine" import "$model" ../out
expect_code 1
expect_in "'../out'" "$err"
try "$models" "$mine" list
expect_equal "$(cut -d' ' -f1 "$work/out" | tr '\n' ' ')" "ember house/small "
try "$models" "$mine" set house/small temperature hot
expect_code 1
expect_in "'hot'" "$err"
try "$models" "$mine" ask ember Hello
expect_code 0
[ -n "$out" ] || fail "$what: no answer"
try "$models" "$mine" ask nobody Hello
expect_code 1
expect_in "'nobody'" "$err"
try "$models" "$mine" remove ember
expect_code 1
try "$models" "$mine" remove house/small
expect_code 0
[ -f "$model" ] || fail "$what: a file outside the folder was deleted"
if command -v node >/dev/null; then
    unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY HF_TOKEN HF_HOME HF_HUB_OFFLINE
    mkdir -p "$work/hub/org/tiny"
    cp "$ember" "$work/hub/org/tiny/Tiny-Q8_0.gguf"
    node "$SOURCE/tests/e2e/hub.mjs" "$work/hub" &
    hub=$!
    trap 'kill $hub 2>/dev/null; rm -rf "$work"' EXIT
    for _ in $(seq 200); do [ -s "$work/hub/port" ] && break; sleep 0.05; done
    HF_ENDPOINT="http://127.0.0.1:$(cat "$work/hub/port")/"
    export HF_ENDPOINT
    try "$models" "$mine" download hf.co/org/tiny pulled
    expect_code 0
    expect_in "^pulled  hearth  llama " "$out"
    expect_in "100%" "$err"
    expect_same_file "$ember" "$(find "$mine" -name 'Tiny-Q8_0.gguf')"
    try "$models" "$mine" remove pulled
    expect_equal "$(find "$mine" -name '*.gguf*')" ""
    echo badsum >"$work/hub/mode"
    try "$models" "$mine" download hf.co/org/tiny pulled
    expect_code 1
    expect_in "SHA-256|sum" "$err"
    try "$models" "$mine" download hf.co/org/nothing
    expect_code 1
    expect_in "nothing" "$err"
    kill "$hub"
fi

# ---- the requests that the documentation shows ----
if command -v curl >/dev/null && command -v python3 >/dev/null; then
    what="the commands of docs/EMBEDDING.md"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    awk '/^```sh$/ && !n++ { on = 1; next } /^```/ { on = 0 } on' "$SOURCE/docs/EMBEDDING.md" |
        sed "s/8090/$port/; s|^hearth |'$HEARTH' |" >"$work/ask.sh"
    cp "$ember" "$work/model.gguf"
    out=$(cd "$work" && timeout 120 bash -m ask.sh 2>"$work/err")
    expect_in '"content":"[^"]' "$out"
fi

# ---- Python, in no more than 40 lines; a sanitized library does not load into it ----
if command -v python3 >/dev/null && ! grep -q '^HEARTH_SANITIZE:STRING=.' "$BUILD/CMakeCache.txt"; then
    what="complete.py"
    expect_equal "$(($(grep -c . "$SOURCE/examples/complete.py") <= 40))" 1
    out=$(LD_LIBRARY_PATH="$BUILD/lib" python3 "$SOURCE/examples/complete.py" "$ember" "Hearth is" 8 2>"$work/err")
    code=$?
    expect_code 0
    [ -n "$out" ] || fail "$what: no answer"
    LD_LIBRARY_PATH="$BUILD/lib" python3 "$SOURCE/examples/complete.py" "$work/nothing-there" x 2>"$work/err"
    expect_in "nothing-there" "$(cat "$work/err")"
fi
finish
