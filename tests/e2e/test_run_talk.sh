# A conversation at a terminal while hearth serve runs: its engine answers, turn after turn, and what was said
# is known again; Ctrl-C ends the answer there, /clear forgets, a server that ends takes nothing with it.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
. "$SOURCE/tests/e2e/serve.sh"
. "$SOURCE/tests/e2e/terminal.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

in_flight() {
    ask GET /hearth/engines
    [ "$(json 'b.engines.reduce((n, e) => n + e.n_in_flight, 0)')" = "$1" ]
}
# of_turns N: how many tokens the last turn read and wrote.
last_read() {
    grep -oE 'read [0-9]+ tokens' <<<"$screen" | tail -1 | tr -dc 0-9
}

start_serve || finish
open_terminal run ember --temp 0 -n 12 -v
see "by the hearth serve that runs"
see "chat template"
see "> "
say 'What is Hearth?\n'
see "ended by"
see "> "
first=$(last_read)
say 'And what else?\n'
see "ended by"
see "> "
second=$(last_read)
[ "$second" -gt $((first + 8)) ] || fail "the second turn knows nothing of the first: $first, $second tokens"
say '/clear\n'
see "begins anew."
see "> "
say 'What is Hearth?\n'
see "ended by"
see "> "
what="after /clear"
expect_equal "$(last_read)" "$first"
say '\004'
leave 0
ask GET /hearth/engines
expect_equal "$(json 'b.engines.map(e => e.model + e.state).join()')" emberready
engine=$(json 'b.engines[0].pid')

# The same words as here, and as in one question.
run run ember "What is Hearth?" --temp 0 -n 12 --in-process
expect_in "$(printf %s "$out" | head -1 | cut -c 1-20 | sed 's/[][().*?+^$|{}\\]/./g')" "$screen"

# Plain text goes on from all that was said.
open_terminal run ember --raw --temp 0 -n 6 --ignore-eos -v
see "continued as plain text"
see "> "
say 'Once upon\n'
see "ended by"
see "> "
first=$(last_read)
say ' a time\n'
see "ended by"
see "> "
[ "$(last_read)" -gt "$first" ] || fail "the text is not gone on from"
say '/exit\n'
leave 0

# Ctrl-C ends the answer on the server; the conversation goes on.
open_terminal run ember --temp 0 --ignore-eos -n 900
see "> "
say 'What is Hearth?\n'
see "${out:0:8}"
kill -STOP "$engine"
say '\003'
see "Stopped"
see "> "
kill -CONT "$engine"
wait_for 5 in_flight 0 || fail "the server writes on"
stop_serve
say 'Are you there?\n'
see "no server runs"
see "> "
start_serve || finish
say 'And now?\n'
see $'\n> '
say '\004'
leave 0

# What a request cannot carry is done here.
open_terminal run ember -c 512 --temp 0 -n 3
see "the model is loaded here"
see "context of 512"
see "> "
say '\004'
leave 0
finish
