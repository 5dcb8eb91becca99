# The window under Xvfb, on the stand-in server; and what it does where there is no desktop.
. "$SOURCE/tests/e2e/check.sh"
desktop="$BUILD/hearth-desktop"
[ -x "$desktop" ] || skip "hearth-desktop was not built: it needs libwebkit2gtk-4.1-dev"
command -v node >/dev/null || skip "needs node"
[ -e "$SOURCE/ui/dist/index.html" ] || skip "the page was not built"

mkfifo "$work/lines"
node "$SOURCE/ui/mock/server.mjs" --port 0 >"$work/lines" &
mock=$!
read -r -t 60 address <"$work/lines" || fail "the stand-in server does not start"
echo "$address" >"$work/address"
origin=${address%%/#*}
trap 'kill $mock 2>/dev/null; rm -rf "$work"' EXIT
# until_true COMMAND...: waits for it to succeed, at most three minutes.
until_true() {
    local end=$((SECONDS + 180))
    while ! "$@"; do [ $SECONDS -lt $end ] && sleep 0.1 || return 1; done
}

# A `hearth` whose server runs already.
printf '#!/bin/sh\n[ "$1" = open ] && exec cat %s\nexit 1\n' "$work/address" >"$work/hearth"
# One whose server does not start.
printf '#!/bin/sh\nexit 1\n' >"$work/broken"
chmod +x "$work/hearth" "$work/broken"
unset DISPLAY WAYLAND_DISPLAY
# Fontconfig and WebKit keep what they made until the process ends.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

what="hearth-desktop without a desktop"
out=$(HEARTH="$work/hearth" "$desktop" 2>"$work/err")
code=$?
expect_code 0
expect_equal "$out" "open $(cat "$work/address")"

what="hearth-desktop without a server"
HEARTH="$work/broken" "$desktop" >"$work/out" 2>"$work/err"
code=$?
expect_code 1
expect_in 'did not start; see .*desktop.log' "$(cat "$work/err")"

what="hearth-desktop without a program"
HEARTH="$work/none" "$desktop" >"$work/out" 2>"$work/err"
code=$?
expect_code 1
expect_in 'none' "$(cat "$work/err")"

what="hearth-desktop --nonsense"
"$desktop" --nonsense >"$work/out" 2>"$work/err"
code=$?
expect_code 2

if command -v Xvfb >/dev/null; then
    mkfifo "$work/display"
    Xvfb -displayfd 3 -screen 0 1400x900x24 3>"$work/display" 2>/dev/null &
    xvfb=$!
    trap 'kill $mock $xvfb 2>/dev/null; rm -rf "$work"' EXIT
    read -r number <"$work/display"
    what="hearth-desktop in a window"
    HEARTH="$work/hearth" DISPLAY=":$number" NO_AT_BRIDGE=1 GDK_BACKEND=x11 "$desktop" >"$work/out" 2>"$work/err" &
    window=$!
    visited() { curl -s "$origin/mock/state" | grep -q '"sessions":[1-9]'; }
    checks=$((checks + 1))
    if until_true visited; then
        kill "$window"
        wait "$window"
        code=$?
        expect_code 0
        expect_in '^width=[0-9]+' "$(cat "$XDG_STATE_HOME/hearth/window")"
    else
        kill -9 "$window"
        fail "$what: the page was not asked for; it said: $(head -c 500 "$work/err")"
    fi

    # A `hearth` whose server is there once it was started, and until it is ended.
    cat >"$work/starts" <<EOF
#!/bin/sh
if [ "\$1" = open ]; then
    kill -0 "\$(cat "$work/pid")" 2>/dev/null && exec cat "$work/address"
    exit 1
fi
echo \$\$ >"$work/pid"
exec sleep 600
EOF
    chmod +x "$work/starts"
    runs() { kill -0 "$(cat "$work/pid")" 2>/dev/null; }
    ended() { ! runs; }
    # background WORDS...: a window that started the server, ended when the page is there.
    background() {
        what="hearth-desktop $*"
        rm -f "$work/pid"
        curl -s "$origin/mock/reset" -d '{}' >/dev/null
        HEARTH="$work/starts" DISPLAY=":$number" NO_AT_BRIDGE=1 GDK_BACKEND=x11 "$desktop" "$@" >"$work/out" 2>"$work/err" &
        window=$!
        until_true visited || fail "$what: the page was not asked for"
        kill "$window"
        wait "$window"
        code=$?
        expect_code 0
        checks=$((checks + 1))
    }
    rm -f "$XDG_STATE_HOME/hearth/window"
    background
    ended || fail "$what: the server outlives a window that nobody was asked about"
    background --background keep
    runs || fail "$what: the server is gone"
    kill "$(cat "$work/pid")" 2>/dev/null
    printf '[window]\nbackground=true\n' >"$XDG_STATE_HOME/hearth/window"
    background
    runs || fail "$what: the server is gone, though it was chosen to stay"
    kill "$(cat "$work/pid")" 2>/dev/null
    background --background stop
    ended || fail "$what: the server stays"
    expect_in '^background=true' "$(cat "$XDG_STATE_HOME/hearth/window")"
    # The cross of a window that started the server asks first. asked KEYS WORDS...: what is answered, by keys.
    asked() {
        local keys=$1
        shift
        what="hearth-desktop $*, closed: $keys"
        rm -f "$work/pid"
        curl -s "$origin/mock/reset" -d '{}' >/dev/null
        HEARTH="$work/starts" DISPLAY=":$number" NO_AT_BRIDGE=1 GDK_BACKEND=x11 "$desktop" "$@" >"$work/out" 2>"$work/err" &
        window=$!
        until_true visited || fail "$what: the page was not asked for"
        checks=$((checks + 1))
        node "$SOURCE/tests/e2e/x11.mjs" "$number" close asks $keys || fail "$what: $(head -c 300 "$work/err")"
        [ "$keys" = escape ] && return
        wait "$window"
        code=$?
        expect_code 0
    }
    rm -f "$XDG_STATE_HOME/hearth/window"
    asked escape
    kill -0 "$window" && runs || fail "$what: a question that was not answered closes the window"
    node "$SOURCE/tests/e2e/x11.mjs" "$number" close asks alt+k || fail "$what: it does not ask again"
    wait "$window"
    runs || fail "$what: the server is gone"
    expect_in '^background=true' "$(cat "$XDG_STATE_HOME/hearth/window")"
    kill "$(cat "$work/pid")" 2>/dev/null
    rm -f "$XDG_STATE_HOME/hearth/window"
    asked "alt+d alt+s" --background ask
    ended || fail "$what: the server stays"
    grep -q '^background' "$XDG_STATE_HOME/hearth/window" && fail "$what: the choice is kept, though it was to ask again"
    what="hearth-desktop --background maybe"
    "$desktop" --background maybe >"$work/out" 2>"$work/err"
    code=$?
    expect_code 2
fi
finish
