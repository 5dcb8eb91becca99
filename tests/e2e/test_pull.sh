# hearth pull, list, import and rm against a hub that fails in every way that one can: broken, silent
# and lying connections, wrong sums, kill -9, a full disk; and names in the place of paths.
. "$SOURCE/tests/e2e/check.sh"
command -v node >/dev/null || skip "no node"
unset HF_TOKEN HF_HOME HF_HUB_CACHE HF_HUB_OFFLINE HF_TOKEN_PATH OLLAMA_MODELS XDG_DATA_HOME XDG_CACHE_HOME
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY HUGGING_FACE_HUB_TOKEN

hub="$work/hub"
models="$HOME/.local/share/hearth/models"
mkdir -p "$hub/org/tiny-GGUF" "$hub/org/many-GGUF" "$hub/org/gated" "$hub/org/split-GGUF" "$hub/org/none" "$hub/files"
"$BUILD/make_model" "$hub/org/tiny-GGUF/Tiny-Q8_0.gguf" llama --vocab 9000 || fail "make_model"
tiny="$hub/org/tiny-GGUF/Tiny-Q8_0.gguf"
size=$(stat -c %s "$tiny")
many="$hub/org/many-GGUF"
seed=2
for name in Many-Q4_K_M Many-Q8_0 Many-F16 Other-F16 imatrix; do
    "$BUILD/make_model" "$many/$name.gguf" llama --seed $seed
    seed=$((seed + 1))
done
"$BUILD/make_model" "$work/small.gguf" llama
"$BUILD/make_model" "$hub/org/gated/Gated.gguf" llama --seed 8
cp "$work/small.gguf" "$hub/files/plain.gguf"
"$BUILD/make_model" --split "$work/small.gguf" "$hub/org/split-GGUF/Split-Q8_0"
"$BUILD/make_model" "$work/second.gguf" llama --seed 9
"$BUILD/make_model" --split "$work/second.gguf" "$hub/files/set"
echo "words" >"$hub/org/none/README.md"

node "$SOURCE/tests/e2e/hub.mjs" "$hub" &
server=$!
trap 'kill $server $pull 2>/dev/null; rm -rf "$work"' EXIT
pull=
for _ in $(seq 200); do [ -s "$hub/port" ] && break; sleep 0.05; done
[ -s "$hub/port" ] || { fail "the hub does not start"; finish; }
export HF_ENDPOINT="http://127.0.0.1:$(cat "$hub/port")/"
base="http://127.0.0.1:$(cat "$hub/port")"

# mode NAME [N]: what goes wrong from now on; the log begins anew.
mode() {
    echo "$*" >"$hub/mode"
    : >"$hub/log"
}

forget() {
    rm -rf "$models"
}

# expect_pulled NAME FILE ORIGINAL: it is in the folder, the same byte for byte, and nothing else is.
expect_pulled() {
    expect_code 0
    expect_equal "$out" "$1"
    expect_same_file "$models/$1/$2" "$3"
    expect_equal "$(ls "$models/$1" | LC_ALL=C sort | tr '\n' ' ')" "$(printf '%s\n' "$2" model.yml | LC_ALL=C sort | tr '\n' ' ')"
}

# ---- the plain thing ----
mode ok
run pull hf.co/org/tiny-GGUF
expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"
expect_in "nokey" "$(cat "$hub/log")"
expect_in "^sha256: \"$(sha256sum <"$tiny" | cut -c1-64)\"" "$(cat "$models/Tiny-Q8_0/model.yml")"
expect_in "source: \"hf.co/org/tiny-GGUF\"" "$(cat "$models/Tiny-Q8_0/model.yml")"
run pull hf.co/org/tiny-GGUF # again: nothing is fetched
expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"
expect_equal "$(grep -c . "$hub/log")" 2
run list --json
expect_in '"name": "Tiny-Q8_0"' "$out"
run list tiny --paths
expect_in "Tiny-Q8_0 .*hearth .*completion" "$out"
expect_in "$models/Tiny-Q8_0/Tiny-Q8_0.gguf" "$out"
run plan tiny
expect_code 0
run show Tiny-Q8 --key general.architecture
expect_equal "$out" llama
run run tiny-q8_0 "a b" --temp 0 -n 2
expect_code 0
refuse 2 "not a whole name; did you mean Tiny-Q8_0" rm tiny
run rm Tiny-Q8_0 --json
expect_in "\"freed_bytes\": $size" "$out"
[ -e "$models/Tiny-Q8_0" ] && fail "rm left $models/Tiny-Q8_0"
refuse 5 "no model 'Tiny-Q8_0'" rm Tiny-Q8_0

# ---- which file ----
run pull org/many-GGUF
expect_pulled Many-Q4_K_M Many-Q4_K_M.gguf "$many/Many-Q4_K_M.gguf"
run pull org/many-GGUF:q8_0 --name eight
expect_pulled eight Many-Q8_0.gguf "$many/Many-Q8_0.gguf"
refuse 1 "another model 'eight'" pull org/many-GGUF:Q4_K_M --name eight
run pull "$base/org/many-GGUF/resolve/main/Other-F16.gguf"
expect_pulled Other-F16 Other-F16.gguf "$many/Other-F16.gguf"
refuse 2 "several files.*F16" pull hf.co/org/many-GGUF:F16
refuse 5 "has no 'Q2_K'; it has: .*Q8_0" pull hf.co/org/many-GGUF:Q2_K
refuse 5 "no GGUF files" pull hf.co/org/none
refuse 5 "is not there" pull hf.co/org/nothing
refuse 2 "names no model" pull hf.co/../etc:passwd
refuse 2 "not a SHA-256" pull hf.co/org/tiny-GGUF --sha256 abc
refuse 1 "another model 'ember'" pull hf.co/org/tiny-GGUF --name ember
forget
run pull hf.co/org/split-GGUF --json
expect_code 0
expect_equal "$(ls "$models/Split-Q8_0" | tr '\n' ' ')" "Split-Q8_0-00001-of-00002.gguf Split-Q8_0-00002-of-00002.gguf model.yml "
expect_in '"problem": null' "$out"
run pull "$base/files/set-00002-of-00002.gguf"
expect_code 0
expect_same_file "$models/set/set-00001-of-00002.gguf" "$hub/files/set-00001-of-00002.gguf"
run pull "$base/files/plain.gguf" --name my/plain --sha256 "$(sha256sum <"$hub/files/plain.gguf" | cut -c1-64)"
expect_pulled my/plain plain.gguf "$hub/files/plain.gguf"
refuse 1 "arrived damaged.*SHA-256" pull "$base/files/plain.gguf" --name wrong --sha256 "$(printf '%064d' 0)"
[ -e "$models/wrong" ] && fail "a damaged file was kept: $(ls "$models/wrong")"
refuse 5 "is not there" pull "$base/files/nothing.gguf"

# ---- the key goes to the hub, and nowhere else ----
mode ok
refuse 2 "set HF_TOKEN" pull hf.co/org/gated
HF_TOKEN=wrong refuse 2 "the key in HF_TOKEN" pull hf.co/org/gated
HF_TOKEN=key run pull hf.co/org/gated
expect_pulled Gated Gated.gguf "$hub/org/gated/Gated.gguf"
expect_in "/org/gated/Gated.gguf .* nokey" "$(cat "$hub/log")"
grep -q "Bearer" "$hub/log" && fail "the key was sent to another origin: $(cat "$hub/log")"
mode ok
HF_TOKEN=key run pull "$base/moved/files/plain.gguf" --name moved
expect_code 0
grep -q "Bearer" "$hub/log" && fail "the key was sent for a plain address"
HF_HUB_OFFLINE=1 refuse 1 "HF_HUB_OFFLINE.*hearth import" pull hf.co/org/tiny-GGUF
HF_HUB_OFFLINE=1 run plan Gated
expect_code 0

# ---- what a line or a server may get over ----
pieces="--piece 64 --connections 3 --stall 1"
for fault in "reset 5" "stall 2" "429 2" "500 1" "refuse 1" "short 5" "wrongrange 1" "long 2" "whole 1" "norange" "norangecut 2" "api500 1"; do
    forget
    mode $fault
    run pull hf.co/org/tiny-GGUF $pieces
    what="$fault: $what"
    expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"
done
mode 429 1
forget
begin=$(date +%s%N)
run pull hf.co/org/tiny-GGUF
expect_code 0
[ $(($(date +%s%N) - begin)) -ge 1000000000 ] || fail "Retry-After: 1 was not heeded"

# ---- what it may not ----
for fault in "badsum:1:arrived damaged" "damage:1:arrived damaged" "changed:1:the file changed" "html:1:not a GGUF file|bytes where it should" "notjson:1:no JSON"; do
    forget
    IFS=: read -r name want message <<<"$fault"
    mode "$name"
    refuse "$want" "$message" pull hf.co/org/tiny-GGUF $pieces
    [ -e "$models/Tiny-Q8_0/Tiny-Q8_0.gguf" ] && fail "$name: a bad file was kept"
done
mode wrongrange
refuse 1 "where .* were asked for" pull hf.co/org/tiny-GGUF $pieces
mode ok
run pull hf.co/org/tiny-GGUF
expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"

# ---- kill -9 ----
# Each time what is marked stays, and what is asked for afterwards is the rest: no marked byte twice.
marks() {
    tail -c +49 "$1" 2>/dev/null | tr -d '\0' | wc -c
}
forget
state="$models/Tiny-Q8_0/Tiny-Q8_0.gguf.part.state"
kills=0
before=0
while [ "$kills" -lt 5 ]; do
    mode slow
    "$HEARTH" pull hf.co/org/tiny-GGUF --piece 64 --connections 2 >/dev/null 2>&1 &
    pull=$!
    for _ in $(seq 400); do
        [ "$(marks "$state")" -gt "$((before + 1))" ] && break
        kill -0 $pull 2>/dev/null || break
        sleep 0.01
    done
    kill -9 $pull 2>/dev/null
    wait $pull 2>/dev/null
    kills=$((kills + 1))
    [ -f "$state" ] || break
    after=$(marks "$state")
    [ "$after" -ge "$before" ] || fail "marks went back from $before to $after"
    before=$after
done
[ "$before" -gt 3 ] || fail "no piece was marked before the kills: $before"
mode ok
run pull hf.co/org/tiny-GGUF --piece 64 --connections 2
expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"
asked=$(sed -n 's/.* bytes=\([0-9]*\)-\([0-9]*\) .*/\1 \2/p' "$hub/log" | awk '$2 > 0 { n += $2 - $1 + 1 } END { print n + 0 }')
[ "$asked" -le $((size - before * 65536 + 65536)) ] || fail "after the kills $asked bytes were asked for; $before pieces of $size bytes were there"

# A half-written state file, and one of another file, count as none.
forget
mkdir -p "$models/Tiny-Q8_0"
head -c "$size" /dev/zero >"$models/Tiny-Q8_0/Tiny-Q8_0.gguf.part"
printf 'HEARTHPT\1\0\0\0\0\0\0\0' >"$state"
run pull hf.co/org/tiny-GGUF
expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"

# Two at a time: the second one is told.
forget
mode stall
"$HEARTH" pull hf.co/org/tiny-GGUF --piece 64 --stall 600 >/dev/null 2>&1 &
pull=$!
for _ in $(seq 400); do [ -s "$state" ] && break; sleep 0.01; done
refuse 1 "downloaded by another hearth" pull hf.co/org/tiny-GGUF

# Ctrl-C leaves what came.
kill -INT $pull
wait $pull
[ $? -eq 130 ] || fail "an interrupted pull did not end with 130"
[ -f "$state" ] || fail "an interrupted pull left nothing to go on from"
run list
expect_in "unfinished: Tiny-Q8_0, .*hearth rm Tiny-Q8_0" "$out"
mode ok
run pull hf.co/org/tiny-GGUF
expect_pulled Tiny-Q8_0 Tiny-Q8_0.gguf "$tiny"

run verify tiny-q8
expect_in "$(sha256sum <"$tiny" | cut -c1-64)  Tiny-Q8_0: as it should be" "$out"
printf x | dd of="$models/Tiny-Q8_0/Tiny-Q8_0.gguf" bs=1 seek=100000 conv=notrunc 2>/dev/null
refuse 1 "is not what it should be" verify Tiny-Q8_0

# ---- a full disk ----
forget
(ulimit -f 100; "$HEARTH" pull hf.co/org/tiny-GGUF >"$work/out" 2>"$work/err")
[ $? -eq 1 ] || fail "a file at its size limit: $(cat "$work/err")"
expect_in "cannot (take|make|write)" "$(cat "$work/err")"
[ -e "$models/Tiny-Q8_0" ] && fail "a full disk left $(ls "$models/Tiny-Q8_0")"
mkdir -p "$work/disk"
if mount -t tmpfs -o size=1m tmpfs "$work/disk" 2>/dev/null; then
    XDG_DATA_HOME="$work/disk" run pull hf.co/org/tiny-GGUF
    expect_code 1
    expect_in "disk is too full" "$err"
    umount "$work/disk"
fi

# ---- import ----
mkdir -p "$work/mine"
cp "$tiny" "$work/mine/My Own.gguf"
sum=$(sha256sum <"$tiny" | cut -c1-64)
run import "$work/mine/My Own.gguf" --sha256 "$sum"
expect_code 0
expect_equal "$out" "My-Own"
[ "$(find "$models" -name '*.gguf')" = "" ] || fail "import copied the file"
refuse 1 "there is a model 'My-Own' already" import "$work/mine/My Own.gguf"
refuse 1 "is not what it should be" import "$work/mine/My Own.gguf" --name other --sha256 "$(printf '%064d' 0)"
run list other
expect_equal "$(wc -l <"$work/out")" 1
run import "$work/mine" --name copies/one --copy --json
expect_in '"own_files": true' "$out"
expect_same_file "$models/copies/one/My Own.gguf" "$tiny"
run pull hf.co/org/tiny-GGUF --json # the very bytes are here already
expect_in '"own_files": (false|true)' "$out"
[ -e "$models/Tiny-Q8_0/Tiny-Q8_0.gguf" ] && fail "a file that was there was fetched"
run rm My-Own copies/one Tiny-Q8_0
expect_code 0
[ -e "$work/mine/My Own.gguf" ] || fail "rm took the user's file"
refuse 1 "built into the program" rm ember
refuse 5 "cannot find" import "$work/nothing.gguf"
refuse 2 "did you mean --catalog" list --catalogue
run list --catalog
expect_in "tinyllama-1.1b" "$out"
finish
