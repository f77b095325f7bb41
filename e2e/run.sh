#!/usr/bin/env bash
# Runs the end-to-end tests: e2e/run.sh [--binary PATH] [TEST FILE…]
# The binary is LANDLINE_BIN, or --binary, or target/debug/landline of this repository.
set -euo pipefail

case "${1:-}" in
  --binary)
    [ -n "${2:-}" ] || { echo 'e2e/run: --binary needs a path' >&2; exit 2; }
    LANDLINE_BIN="$(realpath "$2")"
    shift 2
    ;;
  -h | --help)
    sed -n '2,3s/^# //p' "$0"
    exit 0
    ;;
esac
files=()
for file in "$@"; do files+=("$(realpath "$file")"); done

cd "$(dirname "$0")"
LANDLINE_BIN="$(realpath -m "${LANDLINE_BIN:-../target/debug/landline}")"
export LANDLINE_BIN
[ -x "$LANDLINE_BIN" ] || { echo "e2e/run: $LANDLINE_BIN is not there; build it with: cargo build -p landline" >&2; exit 2; }
[ "${#files[@]}" -gt 0 ] || files=(tests/*.test.mjs)

./install.sh
rm -rf artifacts
mkdir -p artifacts
exec node --test --test-reporter=spec --test-concurrency=2 --test-force-exit "${files[@]}"
