# What the scripts share: how they speak, fail, and show that a long step is alive. Sourced by bash.

say() { printf '%s\n' "$*"; }
die() { printf 'setup: %s\n' "$1" >&2; shift; for line in "$@"; do printf '       %s\n' "$line" >&2; done; exit 1; }

# hash_of WORD… : a short fingerprint of words and of the contents of those that are files
hash_of() { { for word in "$@"; do if [ -f "$word" ]; then cat "$word"; else printf '%s\n' "$word"; fi; done; } | sha256sum | cut -c1-16; }

# logged LABEL LOG COMMAND… : run with all output in LOG; a line of life every 15 s, with ninja's percentage where there is one.
# Returns the command's status. A Ctrl-C ends the command too.
logged() {
    local label=$1 log=$2 started=$SECONDS status=0 beat=0 steps percent; shift 2
    "$@" >"$log" 2>&1 </dev/null &
    local child=$!
    trap 'kill "$child" 2>/dev/null; wait "$child" 2>/dev/null; printf "\nsetup: interrupted; run it again to go on\n" >&2; exit 130' INT TERM
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.2
        if (( SECONDS - started >= beat + 15 )); then
            beat=$(( SECONDS - started ))
            steps=$(grep -aoE '\[[0-9]+/[0-9]+\]' "$log" | tail -n 1 | tr -d '[]')
            percent=''
            [ -n "$steps" ] && percent=", $(( 100 * ${steps%/*} / ${steps#*/} )) % compiled"
            say "      $label: $(( beat / 60 )) min $(( beat % 60 )) s$percent"
        fi
    done
    wait "$child" || status=$?
    trap - INT TERM
    return "$status"
}
