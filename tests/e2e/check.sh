# Sourced by the tests of this folder: running the program and checking what came out of it.
# A check that fails says so and goes on; `finish` at the end turns that into the exit status.
set -u
: "${HEARTH:?}" "${BUILD:?}" "${SOURCE:?}" "${REFERENCE:?}"

failures=0
checks=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work/home" XDG_STATE_HOME="$work/state"
mkdir -p "$HOME" "$XDG_STATE_HOME"
unset HEARTH_ISA NO_COLOR

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
}

# run ARGS...: the program; its exit code is in $code, its output in $out and $err and the files.
run() {
    what="hearth $*"
    "$HEARTH" "$@" >"$work/out" 2>"$work/err"
    code=$?
    out=$(tr -d '\0' <"$work/out")
    err=$(tr -d '\0' <"$work/err")
}

# refuse CODE PATTERN ARGS...: the program ends with CODE, says PATTERN in one line of standard
# error, and writes nothing on standard output.
refuse() {
    local want=$1 pattern=$2
    shift 2
    run "$@" </dev/null
    expect_code "$want"
    expect_in "$pattern" "$err"
    [ -s "$work/out" ] && fail "$what: wrote '$(head -c 200 "$work/out")' on standard output"
    return 0
}

expect_code() {
    checks=$((checks + 1))
    [ "$code" -eq "$1" ] || fail "$what: exit code $code, wanted $1; it said: $(head -c 500 "$work/err")"
}

# expect_in PATTERN TEXT: PATTERN is an extended regular expression.
expect_in() {
    checks=$((checks + 1))
    grep -Eq -- "$1" <<<"$2" || fail "$what: no '$1' in: $(head -c 500 <<<"$2")"
}

expect_equal() {
    checks=$((checks + 1))
    [ "$1" = "$2" ] || fail "$what: got '$(head -c 300 <<<"$1")', wanted '$(head -c 300 <<<"$2")'"
}

expect_same_file() {
    checks=$((checks + 1))
    cmp "$1" "$2" || fail "$what: $1 and $2 differ"
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" -eq 0 ]
    exit
}
