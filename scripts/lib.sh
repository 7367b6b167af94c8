# What the scripts share: how they speak, fail, and show that a long step is alive. Sourced by bash.

say() { printf '%s\n' "$*"; }
die() { printf 'setup: %s\n' "$1" >&2; shift; for line in "$@"; do printf '       %s\n' "$line" >&2; done; exit 1; }

# hash_of WORD… : a short fingerprint of words and of the contents of those that are files
hash_of() { { for word in "$@"; do if [ -f "$word" ]; then cat "$word"; else printf '%s\n' "$word"; fi; done; } | sha256sum | cut -c1-16; }

# logged LABEL LOG COMMAND… : run with all output in LOG; a line of life every 15 s, with ninja's percentage where there is one.
# Returns the command's status. Ctrl-C ends the command with all that it started: it runs in a process group of its own, since bash makes
# a plain background command deaf to Ctrl-C.
logged() {
    local label=$1 log=$2 started=$SECONDS status=0 beat=0 steps percent child; shift 2
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    child=$!
    set +m
    trap 'kill -- "-$child" 2>/dev/null || true; wait "$child" || true; die "interrupted; make goes on from here when it is called again"' INT TERM
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
