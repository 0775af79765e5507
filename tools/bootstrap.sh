#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bootstrap.sh [test | corpus]   makes sure the Debian packages that building (and testing) needs are there; installs them as root or
# with sudo, or names them and stops.
set -euo pipefail
cd "$(dirname "$0")/.."
log=.build/log/apt.log
mkdir -p .build/log

packages=(gcc g++ libc6-dev make cmake ninja-build pkg-config xz-utils bzip2 ca-certificates libtiff-dev libssl-dev uuid-dev)
if [ "${1:-}" = test ]; then
  packages+=(build-essential openssl curl iproute2 libpq5 debootstrap sip-tester libreoffice-writer-nogui libreoffice-calc-nogui fonts-liberation chromium
             clang libclang-rt-dev libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 tesseract-ocr)
  # Another node than the distribution's brings its npm and does not go with this one.
  command -v npm >/dev/null || packages+=(nodejs npm)
fi
if [ "${1:-}" = corpus ]; then
  packages+=(tesseract-ocr tesseract-ocr-eng poppler-utils ghostscript librsvg2-bin texlive-latex-base lmodern chromium libreoffice-writer-nogui fonts-liberation)
fi
python=${PYTHON:-python3}
# An interpreter of the distribution's needs its headers and venv as packages; any other brings them.
case $(command -v "$python" || true) in
  "" | /usr/bin/*) packages+=(python3 python3-dev python3-venv) ;;
esac

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
  # A sudo that asks for a password needs somebody to ask.
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then sudo=sudo
  else
    echo "softfax: these Debian packages are missing: ${missing[*]}" >&2
    echo "softfax: install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
start=$SECONDS
echo "  packages   ${missing[*]}" >&2
install() {
  $sudo apt-get update -q &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}
[ -z "$sudo" ] || sudo -v
install </dev/null >"$log" 2>&1 &
if [ -t 2 ]; then
  # One line that moves.
  while kill -0 $! 2>/dev/null; do
    printf '\r\033[K  packages   %s' "$(tail -n 1 "$log" | tr -d '\r' | cut -c -60)" >&2
    sleep 0.2
  done
  printf '\r\033[K' >&2
fi
if ! wait $!; then
  tail -n 15 "$log" >&2
  echo "softfax: installing packages failed, see $log" >&2
  exit 1
fi
echo "  packages   $((SECONDS - start)) s" >&2
