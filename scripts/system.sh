#!/usr/bin/env bash
# Sees that the Debian packages are there; asks for root only if one is missing.
# Usage: scripts/system.sh [base|test|all]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
case "${1:-base}" in all) groups='^(base|test|all)$' ;; test) groups='^(base|test)$' ;; *) groups='^base$' ;; esac
wanted=$(awk -v groups="$groups" '!/^#/ && $2 ~ groups {print $1}' scripts/system-packages.txt)

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    # Not Debian: look for the things themselves, and leave the installing to whoever knows this system.
    missing=()
    for tool in cc c++ cmake ninja git espeak-ng; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    for header in portaudio.h alsa/asoundlib.h; do
        cc -E - <<<"#include <$header>" >/dev/null 2>&1 || missing+=("$header")
    done
    [ ${#missing[@]} -eq 0 ] && exit 0
    die "this is not a Debian system (no apt-get), and these are missing: ${missing[*]}" \
        "install what Debian calls: $(tr '\n' ' ' <<<"$wanted")" "and run make again"
fi

installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $wanted pipewire-alsa pipewire-pulse 2>/dev/null | awk '$2 == "installed" {print $1}' || true)
missing=()
for package in $wanted; do
    # pulseaudio and pipewire-alsa exclude each other; a desktop keeps what it has
    [ "$package" = pulseaudio ] && grep -qE '^pipewire-(alsa|pulse)$' <<<"$installed" && continue
    grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "Debian packages are missing, and there is neither root nor sudo" \
        "as root: apt-get install ${missing[*]}" "then run make again"
    root=(sudo)
fi
say "[1] Debian packages: ${missing[*]}"
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
log=$(mktemp); trap 'rm -f "$log"' EXIT
[ ${#root[@]} -eq 0 ] || sudo -v || die "sudo was refused" "as root: apt-get install ${missing[*]}" "then run make again"
logged "package lists" "$log" "${root[@]}" "${apt[@]}" -o APT::Update::Error-Mode=any update || say "      the package lists could not be refreshed (offline?); trying with the old ones"
if ! logged "Debian packages" "$log" "${root[@]}" "${apt[@]}" install --no-install-recommends "${missing[@]}"; then
    grep -aE '^(E|W|Err)' "$log" | tail -n 8 >&2 || true
    die "apt could not install: ${missing[*]}" "with a network, try: apt-get update && apt-get install ${missing[*]}"
fi
say "      done after $SECONDS s"
