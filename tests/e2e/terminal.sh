# Sourced by the tests of conversations, after check.sh: a pseudo terminal made by script(1).
script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1) of util-linux to make a terminal"

# see TEXT: reads what the terminal shows until TEXT comes; all of it is in $screen.
see() {
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
