# A conversation at a terminal: turns, commands, several lines, history, Ctrl-C and Ctrl-D. The
# terminal is a pseudo terminal made by script(1).
. "$SOURCE/tests/e2e/check.sh"

model="$work/llama.gguf"
"$BUILD/make_model" "$model" llama || fail "make_model llama"
script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1) of util-linux to make a terminal"

# wait_for TEXT: reads what the terminal shows until TEXT comes; all of it is in $screen.
wait_for() {
    local character new=
    checks=$((checks + 1))
    while IFS= read -r -t 60 -N 1 character <&"${terminal[0]}"; do
        new+=$character
        case $new in *"$1") screen+=$new && return ;; esac
    done
    screen+=$new
    fail "$what: no '$1' on the screen: $(tail -c 400 <<<"$new")"
}

say() {
    printf '%b' "$1" >&"${terminal[1]}"
}

open_terminal() {
    what="hearth $*"
    screen=
    coproc terminal { TERM=xterm NO_COLOR=1 exec script -qec \
        "stty -echo; echo \$\$ >'$work/pid'; exec $HEARTH $*" /dev/null; }
    terminal_pid=$!
}

# leave CODE: the program ends by itself. One that does not is ended, and fails here, not the whole run.
leave() {
    local guard
    (exec >/dev/null 2>&1 </dev/null; trap 'kill $!' TERM; sleep 60 & wait $! && kill -KILL "$terminal_pid") &
    guard=$!
    wait "$terminal_pid"
    code=$?
    kill -TERM "$guard"
    expect_code "$1"
}

open_terminal run "$model" --temp 0 -n 12 -v
wait_for "continued as plain text."
wait_for "> "
say 'Once upon a time\n'

wait_for "ended by"
wait_for "> "
say 'One day, \\\n'
wait_for ". "
say 'Lily\n'
wait_for "ended by"
wait_for "> "
say '/clear\n'
wait_for "begins anew."
wait_for "> "
say '/clera\n'
wait_for "/clera is not a command"
wait_for "> "
say 'half a line\003'
wait_for "(Ctrl-C again or Ctrl-D leaves)"
wait_for "> "
say '\004'
leave 0
history="$XDG_STATE_HOME/hearth/history"
expect_in "upon" "$(cat "$history")"
expect_equal "$(stat -c %a "$history")" 600

# Ctrl-C stops an answer that would go on for long; twice at the prompt it leaves.
open_terminal run "$model" --temp 0 --ignore-eos -v -c 500000 --ignore-memory-limit \
    --override-kv llama.context_length=int:500000
wait_for "> "
say 'Once upon a time\n'
wait_for $'time\r\n'
say '\003'
wait_for "Stopped"
wait_for "> "
say '\003'
wait_for "leaves)"
wait_for "> "
say '\003'
leave 0

# A signal ends it, and the exit code tells which.
open_terminal run "$model" -n 3
wait_for "> "
kill -TERM "$(cat "$work/pid")"
leave 143

# A text that is typed ends with one Ctrl-D.
open_terminal tokenize "$model" --no-special --pieces
say 'ab\n\004'
wait_for '"\n"'
leave 0

what="a conversation as JSON"
code=0
script -qec "$HEARTH run $model --json" /dev/null >"$work/out" </dev/null || code=$?
expect_code 2
expect_in "needs a prompt" "$(cat "$work/out")"
finish
