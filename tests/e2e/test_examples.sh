# The programs of examples/: an answer, mistakes, output that cannot be written.
. "$SOURCE/tests/e2e/check.sh"

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
finish
