# A conversation at a terminal: turns, commands, several lines, history, Ctrl-C and Ctrl-D.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/terminal.sh"

model="$work/llama.gguf"
"$BUILD/make_model" "$model" llama || fail "make_model llama"

open_terminal run "$model" --temp 0 -n 12 -v
see "continued as plain text."
see "> "
say 'Once upon a time\n'

see "ended by"
see "> "
say 'One day, \\\n'
see ". "
say 'Lily\n'
see "ended by"
see "> "
say '/clear\n'
see "begins anew."
see "> "
say '/clera\n'
see "/clera is not a command"
see "> "
say 'half a line\003'
see "(Ctrl-C again or Ctrl-D leaves)"
see "> "
say '\004'
leave 0
history="$XDG_STATE_HOME/hearth/history"
expect_in "upon" "$(cat "$history")"
expect_equal "$(stat -c %a "$history")" 600

# Ctrl-C stops an answer that would go on for long; twice at the prompt it leaves.
open_terminal run "$model" --temp 0 --ignore-eos -v -c 500000 --ignore-memory-limit \
    --override-kv llama.context_length=int:500000
see "> "
say 'Once upon a time\n'
see $'time\r\n'
say '\003'
see "Stopped"
see "> "
say '\003'
see "leaves)"
see "> "
say '\003'
leave 0

# A signal ends it, and the exit code tells which.
open_terminal run "$model" -n 3
see "> "
kill -TERM "$(cat "$work/pid")"
leave 143

# A text that is typed ends with one Ctrl-D.
open_terminal tokenize "$model" --no-special --pieces
say 'ab\n\004'
see '"\n"'
leave 0

what="a conversation as JSON"
code=0
script -qec "$HEARTH run $model --json" /dev/null >"$work/out" </dev/null || code=$?
expect_code 2
expect_in "needs a prompt" "$(cat "$work/out")"
finish
