# The command line without a model: help, mistakes, files that are no models, output that cannot be
# written. Runs everywhere.
. "$SOURCE/tests/e2e/check.sh"

commands="run show plan tokenize eval perplexity bench quantize"

# ---- help and version ----
run
expect_code 0
expect_equal "$out" "$("$HEARTH" --help)"
for command in $commands; do
    run help
    expect_in "^  $command +[a-z]" "$out"
    run "$command" --help
    expect_equal "$out" "$("$HEARTH" help "$command")"
    expect_code 0
    expect_in "^Usage: hearth $command " "$out"
    expect_in "--json" "$out"
    expect_in "-h, --help" "$out"
    expect_equal "$err" ""
    # Help asked for beside a mistake is still help.
    run "$command" --nonsense -h
    expect_code 0
done
for topic in help version; do
    run help $topic
    expect_code 0
    expect_equal "$out" "$("$HEARTH" help)"
done
run help
expect_in "^Exit codes" "$out"
run help run
for flag in temp top-k top-p min-p typical seed repeat-penalty mirostat-lr dry-multiplier samplers \
    logit-bias ignore-eos stop ctx-size n-predict cache-type-k override-kv isa; do
    expect_in "--$flag" "$out"
done
expect_in "-s, --seed N" "$out"
expect_in "\(default 0.95\)" "$out"
run --version
expect_code 0
expect_in "^hearth [0-9]+\.[0-9]+\.[0-9]+$" "$out"
expect_equal "$out" "$("$HEARTH" version)"

# ---- mistakes ----
refuse 2 "unknown command 'shwo'; did you mean show\?" shwo
refuse 2 "unknown command 'tokenise'; did you mean tokenize\?" tokenise
refuse 2 "unknown command 'zzzz'; hearth help lists them" zzzz
refuse 2 "unknown command 'runn'" help runn
refuse 2 "to run that file: hearth run FILE" "$0"
refuse 2 "unknown option '--tmep'; did you mean --temp\?" run m.gguf --tmep 1
refuse 2 "'hearth run --help' tells" run m.gguf --tmep 1
refuse 2 "unknown option '--tokesn'; did you mean --tokens\?" eval m.gguf --tokesn=1,2
refuse 2 "goes after --" tokenize m.gguf -text
refuse 2 "--temp needs a value" run m.gguf --temp
refuse 2 "--temp needs a value, but the option --top-k follows" run m.gguf --temp --top-k 5
refuse 2 "--top-k: 'ten' is not a whole number" run m.gguf --top-k ten
refuse 2 "--temp: 'nan' is not a number" run m.gguf --temp nan
refuse 2 "--top-p: 1.5 is out of range; it must be from 0 to 1" run m.gguf --top-p 1.5
refuse 2 "--ctx-size: 99999999999 is out of range" plan m.gguf -c 99999999999
refuse 2 "--threads: -1 is out of range" plan m.gguf -t -1
refuse 2 "--threads: 513 is out of range" plan m.gguf -t 513
refuse 2 "'f64' is not one of f32\|f16\|q8_0" plan m.gguf -ctk f64
refuse 2 "--json takes no value" plan m.gguf --json=yes
refuse 2 "which model\?" run
refuse 2 "one argument too many; text with blanks needs quotes" run m.gguf Once upon
refuse 2 "one argument too many" plan a.gguf b.gguf
refuse 2 "not both" run m.gguf prompt --file "$0"
refuse 2 "an empty text" run m.gguf prompt --stop ""
refuse 2 "which text\?" perplexity m.gguf
refuse 2 "three arguments" quantize a.gguf b.gguf
run run "$(printf 'a\033[31mb')" x </dev/null
expect_in '\?\[31m' "$err"

# ---- files that are no models ----
: >"$work/empty"
head -c 4096 /dev/urandom >"$work/garbage"
printf 'GGUF' >"$work/magic"
printf 'GGUF\003\000\000\000\377\377\377\377\377\377\377\177\377\377\377\377\377\377\377\177' >"$work/huge"
mkdir "$work/folder"
mkfifo "$work/pipe"
touch "$work/secret" && chmod 000 "$work/secret"
for command in run show plan tokenize eval; do
    set -- text
    [ "$command" = run ] || [ "$command" = tokenize ] || set --
    [ "$command" = eval ] && set -- --tokens 1
    refuse 5 "nothing-there" "$command" "$work/nothing-there" "$@"
    for file in empty garbage magic huge folder pipe; do
        run "$command" "$work/$file" "$@" </dev/null
        checks=$((checks + 1))
        case $code in 1 | 2) ;; *) fail "$what: exit code $code" ;; esac
        expect_in "^hearth: .*$file" "$err"
        expect_equal "$(wc -l <"$work/err")" 1
        expect_equal "$out" ""
    done
    run "$command" /dev/null "$@" </dev/null
    expect_in "/dev/null" "$err"
    [ "$(id -u)" -eq 0 ] || refuse 1 "secret" "$command" "$work/secret" "$@"
done
refuse 5 "no-prompt" run m.gguf --file "$work/no-prompt"
run quantize "$work/garbage" "$work/quantized" Q8_0
expect_code 1
[ -e "$work/quantized" ] && fail "a failed quantize left its output behind"
refuse 5 "nothing-there" quantize "$work/nothing-there" "$work/quantized" Q8_0

# ---- output that cannot be written ----
what="hearth help on a full disk"
"$HEARTH" help >/dev/full 2>"$work/err"
code=$?
expect_code 1
expect_in "No space left" "$(cat "$work/err")"
what="hearth help on a closed descriptor"
"$HEARTH" help >&- 2>"$work/err"
code=$?
expect_code 1
expect_in "cannot write standard output" "$(cat "$work/err")"
what="hearth tokenize with standard error closed"
"$HEARTH" tokenize "$work/garbage" x 2>&- >"$work/out"
code=$?
expect_code 1
expect_equal "$(cat "$work/out")" ""

# ---- no escape sequences where there is no terminal ----
run help run
expect_equal "$(tr -cd '\033' <"$work/out" | wc -c)" 0
finish
