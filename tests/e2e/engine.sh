# Sourced by the tests of `hearth engine`, after check.sh: starting engines and asking them.

engine_pid=
trap 'stop_engine >/dev/null 2>&1; rm -rf "$work"' EXIT

# start_engine ARGS...: runs until it is ready; its address is in $url, its messages in $work/engine.err.
start_engine() {
    stop_engine
    rm -f "$work/ready"
    mkfifo "$work/ready"
    "$HEARTH" engine "$@" >"$work/ready" 2>"$work/engine.err" &
    engine_pid=$!
    exec 3<"$work/ready"
    url=
    while IFS= read -r line <&3; do
        case $line in
        "server is listening on "*)
            url=${line#server is listening on }
            return 0
            ;;
        esac
    done
    fail "hearth engine $*: did not get ready: $(head -c 500 "$work/engine.err")"
    return 1
}

# Tells the engine to end; its exit status is in $code.
stop_engine() {
    code=0
    [ -n "$engine_pid" ] || return 0
    kill "${1:--TERM}" "$engine_pid" 2>/dev/null
    wait "$engine_pid"
    code=$?
    engine_pid=
    exec 3<&-
}

# get PATH [CURL ARGS...]: the status is in $status, the body in $body.
get() {
    local path=$1
    shift
    what="GET $path $*"
    status=$(curl -sS --max-time 60 -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" "$url$path")
    body=$(cat "$work/body")
}

# post PATH JSON [CURL ARGS...]
post() {
    local path=$1 json=$2
    shift 2
    get "$path" -H 'Content-Type: application/json' --data-binary "$json" "$@"
    what="POST $path $json"
}

expect_status() {
    checks=$((checks + 1))
    [ "$status" = "$1" ] || fail "$what: status $status, wanted $1: $(head -c 400 "$work/body")"
}

# expect_body PATTERN
expect_body() {
    expect_in "$1" "$body"
}

# json EXPRESSION: of the body, as `b`; one line.
json() {
    node -e 'const b = JSON.parse(require("fs").readFileSync(0)); const v = eval(process.argv[1]);
        console.log(typeof v === "string" ? v : JSON.stringify(v))' "$1" <"$work/body"
}
