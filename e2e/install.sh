#!/usr/bin/env bash
# Installs what the end-to-end tests need, and does nothing where it is there already:
# Chromium and Python's venv (apt), the npm packages of package-lock.json, the Python packages of requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf 'e2e/install: %s\n' "$*"; }
fail() { printf 'e2e/install: %s\n' "$*" >&2; exit 1; }

command -v node >/dev/null || fail 'node is not installed; install Node.js 20.14 or newer'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 14) ? 0 : 1)' ||
  fail "node $(node --version) is too old; install Node.js 20.14 or newer"

packages=()
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || packages+=(chromium fonts-liberation)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
if [ "${#packages[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || fail "apt-get is not here; install ${packages[*]} by other means (CHROMIUM names another browser binary)"
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  say "apt-get install ${packages[*]}"
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi

# The stamp is written last, so an installation that was broken off is done again.
unchanged() { [ -f "$2" ] && sha256sum "$1" | cmp -s - "$2"; }

if ! unchanged package-lock.json node_modules/.installed; then
  say 'npm ci'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  sha256sum package-lock.json > node_modules/.installed
fi

if ! unchanged requirements.txt .venv/.installed; then
  say 'pip install'
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  sha256sum requirements.txt > .venv/.installed
fi
