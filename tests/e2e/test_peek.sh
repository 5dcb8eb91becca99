# hearth plan and hearth show of models that are not here: the header is fetched and nothing more, the
# answer is that of the whole file, and the rules of pull hold.
. "$SOURCE/tests/e2e/check.sh"
command -v node >/dev/null || skip "no node"
unset HF_TOKEN HF_HOME HF_HUB_CACHE HF_HUB_OFFLINE HF_TOKEN_PATH OLLAMA_MODELS XDG_DATA_HOME XDG_CACHE_HOME
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY HUGGING_FACE_HUB_TOKEN

hub="$work/hub"
mkdir -p "$hub/org/tiny-GGUF" "$hub/org/gated" "$hub/org/split-GGUF" "$hub/files" "$hub/Qwen/Qwen3-0.6B-GGUF"
tiny="$hub/org/tiny-GGUF/Tiny-Q8_0.gguf"
"$BUILD/make_model" "$tiny" llama --vocab 60000 || fail "make_model"
size=$(stat -c %s "$tiny")
cp "$tiny" "$hub/org/gated/Gated.gguf"
cp "$tiny" "$hub/files/plain.gguf"
head -c 300000 "$tiny" >"$hub/files/cut.gguf"
{ head -c 24 "$tiny"; head -c 2000000 /dev/zero | tr '\0' '\377'; } >"$hub/files/hostile.gguf"
echo "<html>" >"$hub/files/page.gguf"
"$BUILD/make_model" --split "$tiny" "$hub/org/split-GGUF/Split-Q8_0"
"$BUILD/make_model" "$hub/Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf" llama

node "$SOURCE/tests/e2e/hub.mjs" "$hub" &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 200); do [ -s "$hub/port" ] && break; sleep 0.05; done
[ -s "$hub/port" ] || { fail "the hub does not start"; finish; }
base="http://127.0.0.1:$(cat "$hub/port")"
export HF_ENDPOINT="$base" TMPDIR="$work/tmp"
mkdir -p "$TMPDIR"

mode() {
    echo "$*" >"$hub/mode"
    : >"$hub/log"
}

# The bytes that were asked for since the last mode, each range up to the end of the file of $1 bytes.
asked() {
    sed -n 's/.* bytes=\([0-9]*\)-\([0-9]*\) .*/\1 \2/p' "$hub/log" |
        awk -v size="$1" '{ n += ($2 < size ? $2 + 1 : size) - $1 } END { print n + 0 }'
}

# The plan without what changes from one moment to the next.
plan_of() {
    node -e 'const p = JSON.parse(require("fs").readFileSync(0)); delete p.available_bytes; delete p.n_ctx_max; delete p.load.memory.ram_limit; delete p.load.reasons; console.log(JSON.stringify(p))'
}

# ---- the same answer as of the whole file, of a part of its bytes ----
run plan "$tiny" -c 512 --json
whole=$(plan_of <"$work/out")
header=$("$HEARTH" show "$tiny" --tensors --json | node -e 'const m = JSON.parse(require("fs").readFileSync(0)); console.log(m.file_bytes - m.tensors.reduce((n, t) => n + t.bytes, 0))')
[ $((header * 2)) -lt "$size" ] && [ "$header" -gt 1048576 ] || fail "the model is no test: a header of $header in $size bytes"
for name in hf.co/org/tiny-GGUF hf.co/org/tiny-GGUF:Q8_0 hf:org/tiny-GGUF "$base/org/tiny-GGUF/resolve/main/Tiny-Q8_0.gguf" "$base/files/plain.gguf"; do
    mode ok
    run plan "$name" -c 512 --json
    expect_code 0
    expect_equal "$(plan_of <"$work/out")" "$whole"
    expect_in "read .* of " "$err"
    [ "$(asked "$size")" -le $((2 * header)) ] || fail "$what: $(asked "$size") bytes for a header of $header: $(cat "$hub/log")"
    expect_equal "$(grep -vc nokey "$hub/log")" 0
done
mode ok
run plan hf.co/org/split-GGUF -c 512 --json
expect_code 0
remote=$(plan_of <"$work/out")
[ "$(asked "$size")" -le $((2 * header + 65536)) ] || fail "$what: $(asked "$size") bytes"
run plan "$hub/org/split-GGUF/Split-Q8_0-00001-of-00002.gguf" -c 512 --json
expect_equal "$remote" "$(plan_of <"$work/out")"
run plan qwen3-0.6b
expect_code 0
run show hf.co/org/split-GGUF --json
expect_equal "$(node -e 'const m = JSON.parse(require("fs").readFileSync(0)); console.log(m.n_parts, m.path, m.n_vocab)' <"$work/out")" "2 hf.co/org/split-GGUF 60000"
run show "$base/files/plain.gguf" --key general.architecture
expect_equal "$out" llama
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"
[ -e "$HOME/.local/share/hearth/models" ] && [ -n "$(find "$HOME/.local/share/hearth/models" -name '*.gguf*')" ] && fail "a plan left a model"
# What a process left that was killed is gone after the next one; what one holds stays.
mkdir "$TMPDIR/hearth-peek-dead00" "$TMPDIR/hearth-peek-live00"
echo old | tee "$TMPDIR/hearth-peek-dead00/a.gguf" >"$TMPDIR/hearth-peek-live00/a.gguf"
exec 9<"$TMPDIR/hearth-peek-live00"
flock 9
run plan qwen3-0.6b 9<&-
exec 9<&-
expect_code 0
expect_equal "$(ls "$TMPDIR")" hearth-peek-live00
run plan qwen3-0.6b
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"
run plan hf.co/org/tiny-GGUF -c 200000000
expect_code 3
expect_in "hf.co/org/tiny-GGUF.* does not fit" "$err"

# ---- the key goes to the hub alone ----
mode ok
refuse 2 "set HF_TOKEN" plan hf.co/org/gated
HF_TOKEN=key run plan hf.co/org/gated
expect_code 0
HF_TOKEN=key run plan "$base/moved/files/plain.gguf"
expect_code 0
grep -q "Bearer" "$hub/log" && fail "the key was sent to another origin: $(cat "$hub/log")"
HF_HUB_OFFLINE=1 refuse 1 "HF_HUB_OFFLINE" plan hf.co/org/tiny-GGUF

# ---- what a server may do ----
for fault in "reset 1" "429 1" "500 1" "refuse 1" "short 2" "wrongrange 1" "long 1" "whole 1" norange "norangecut 1" "api500 1"; do
    mode $fault
    run plan hf.co/org/tiny-GGUF -c 512 --json
    what="$fault: $what"
    expect_code 0
    expect_equal "$(plan_of <"$work/out")" "$whole"
done
for fault in "changed:1:where it should have" "html:1:bytes where it should|not a GGUF" "notjson:1:no JSON" "wrongrange:1:other bytes" "500:1:answers 500"; do
    IFS=: read -r name want message <<<"$fault"
    mode "$name"
    refuse "$want" "$message" plan hf.co/org/tiny-GGUF
done
mode ok
refuse 1 "not a GGUF file" plan "$base/files/page.gguf"
refuse 1 "ends inside its header" plan "$base/files/cut.gguf"
refuse 1 "inside its header|header is longer" plan "$base/files/hostile.gguf"
refuse 5 "is not there" plan "$base/files/nothing.gguf"
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"

# ---- what is mistyped is asked nowhere ----
mode ok
refuse 5 "" plan org/tiny-GGUF
refuse 5 "" plan qwen3-0.6
expect_equal "$(cat "$hub/log")" ""

# ---- the same of the server ----
command -v curl >/dev/null || finish
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
trap 'stop_serve KILL >/dev/null 2>&1; kill $server 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$work/models"
cp "$tiny" "$work/models/here.gguf"
start_serve --model-folder "$work/models" || finish
ask GET '/hearth/plan?model=here'
expect_status 200
here=$(json 'const m = b.plan.memory; [m.weights, m.cache, m.compute, b.fits].join()')
expect_in '^[0-9]+,[0-9]+,[0-9]+,true$' "$here"
mode ok
for name in hf.co/org/tiny-GGUF "$base/files/plain.gguf"; do
    ask GET "/hearth/plan?model=$name"
    expect_status 200
    expect_equal "$(json 'const m = b.plan.memory; [m.weights, m.cache, m.compute, b.fits].join()')" "$here"
    expect_equal "$(json b.model)" "$name"
done
ask GET '/hearth/plan?model=qwen3-0.6b'
expect_status 200
ask GET '/hearth/plan?model=org/tiny-GGUF'
expect_status 404
ask GET '/hearth/plan?model=http://127.0.0.1:9/far.gguf'
expect_equal "$status,$(json b.error.code)" 502,unreachable
ask GET "/hearth/plan?model=$base/files/page.gguf"
expect_status 422
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"
stop_serve
finish
