#!/usr/bin/env bash
# Style, types and layers. All three run, so that one finding does not hide the others.
set -uo pipefail
cd "$(dirname "$0")/.."
status=0
for check in "ruff check" "mypy" "lint-imports --no-logo"; do
    if ! output=$(.venv/bin/$check 2>&1); then
        printf '%s:\n%s\n' "$check" "$output" >&2
        status=1
    fi
done
[ "$status" -eq 0 ] && echo "lint: ruff, mypy and the import contracts have nothing to say"
exit "$status"
