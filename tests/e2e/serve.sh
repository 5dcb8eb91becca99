# Sourced by the tests of `hearth serve`, after check.sh and engine.sh: starting the server and asking it.

export XDG_CONFIG_HOME="$work/config" XDG_DATA_HOME="$work/data" XDG_CACHE_HOME="$work/cache"
serve_pid=
trap 'stop_serve KILL >/dev/null 2>&1; rm -rf "$work"' EXIT

# start_serve ARGS...: runs until it serves; its address is in $url, its key in $key, its page in $page.
start_serve() {
    stop_serve
    rm -f "$work/ready"
    mkfifo "$work/ready"
    "$HEARTH" serve --port 0 --own-models-only "$@" >"$work/ready" 2>"$work/serve.err" &
    serve_pid=$!
    exec 4<"$work/ready"
    url=
    page=
    while IFS= read -r line <&4; do
        case $line in
        "listening on "*) url=${line#listening on } ;;
        "open "*)
            page=${line#open }
            key=$(cat "$XDG_STATE_HOME/hearth/key")
            return 0
            ;;
        esac
    done
    fail "hearth serve $*: did not get ready: $(head -c 500 "$work/serve.err")"
    return 1
}

# stop_serve [SIGNAL]: its exit status is in $code.
stop_serve() {
    code=0
    [ -n "$serve_pid" ] || return 0
    kill "-${1:-TERM}" "$serve_pid" 2>/dev/null
    wait "$serve_pid" 2>/dev/null
    code=$?
    serve_pid=
    exec 4<&-
}

# ask METHOD PATH [JSON] [CURL ARGS...]: with the installation's key.
ask() {
    local method=$1 path=$2 json=${3-}
    shift $(($# < 3 ? $# : 3))
    if [ -n "$json" ]; then
        get "$path" -X "$method" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' --data-binary "$json" "$@"
    else
        get "$path" -X "$method" -H "Authorization: Bearer $key" "$@"
    fi
    what="$method $path $json"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local n=$(($1 * 20))
    shift
    until "$@" >/dev/null 2>&1; do
        n=$((n - 1))
        [ "$n" -gt 0 ] || return 1
        sleep 0.05
    done
}

# field JSON EXPRESSION
field() {
    node -e 'const b = JSON.parse(process.argv[1]); const v = eval(process.argv[2]);
        console.log(typeof v === "string" ? v : JSON.stringify(v))' "$1" "$2"
}

# of_event NAME EXPRESSION <FILE: of the data of the last event of that name, as `b`.
of_event() {
    node -e 'const all = require("fs").readFileSync(0, "utf8").split("\n\n")
        .map(e => ({name: /^event: (.*)$/m.exec(e)?.[1], data: /^data: (.*)$/m.exec(e)?.[1]}))
        .filter(e => e.name === process.argv[1]); const b = JSON.parse(all.at(-1)?.data ?? "null");
        const v = eval(process.argv[2]); console.log(typeof v === "string" ? v : JSON.stringify(v))' "$1" "$2"
}
