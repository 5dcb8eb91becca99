# bench/peer without its peer: help, mistakes, and the report from results that are made up.
. "$SOURCE/tests/e2e/check.sh"
command -v node >/dev/null || skip "no node"

what="bench/peer --help"
out=$("$SOURCE/bench/peer" --help)
code=$?
expect_code 0
for option in quick types prompt n-gen depth at-once turns repetitions threads shape layers isa peer-version; do
    expect_in "--$option " "$out"
done
what="bench/peer --nonsense"
"$SOURCE/bench/peer" --nonsense >"$work/out" 2>"$work/err"
code=$?
expect_code 1
expect_in "nonsense" "$(cat "$work/err")"

what="the report"
out=$(node -e '
const { printSpeeds, printLoads } = require(process.argv[1]);
const result = speed => ({ kind: "generate", tokens: 64, depth: 7, at_once: 2, tokens_per_second: speed,
    min: speed - 1, max: speed + 1, bytes_per_token: 1e9, int_ops_per_token: 2e9, float_ops_per_token: 0 });
const turn = (ours, theirs) => ({ hearth: { results: [result(ours)], load_ms: ours, first_token_ms: 2, peak_bytes: 3 << 20 },
    peer: { results: [result(theirs)], load_ms: theirs, first_token_ms: 5, peak_bytes: 6 << 20 } });
const turns = [turn(20, 10), turn(40, 11), turn(30, 12)];
printSpeeds("Q8_0", turns, { read_bytes_per_second: 60e9, int8_ops_per_second: 600e9, float_ops_per_second: 1 });
printLoads([{ type: "Q8_0", turns }]);
' "$SOURCE/bench/peer_table.js")
code=$?
expect_code 0
expect_in "^\| Q8_0 \| tg64 by 2 \| 7 \| 30.0 \(19.0 to 41.0\) \| 11.0 \(9.00 to 13.0\) \| 2.73 \| 50.0 % \| 10.0 % \| 0.0 % \|$" "$out"
expect_in "^\| Q8_0 \| 30 \| 11 \| 2 \| 5 \| 3 \| 6 \|$" "$out"
finish
