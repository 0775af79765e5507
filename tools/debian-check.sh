#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# debian-check.sh [SUITE]   makes a bare Debian (trixie, or SUITE) under .build and does there what a new user does: a clone of what is
# committed, and `make loopback`. Compiles PJSIP and spandsp with that release's compiler, which takes some minutes; needs root and
# debootstrap. MAKE_TARGET=test runs the tests instead.
set -euo pipefail
cd "$(dirname "$0")/.."
export PY=${PY:-$PWD/.venv/bin/python}
log=$PWD/.build/log/debian-check.log
suite=${1:-trixie}
bare=$PWD/.build/bare-source-$suite
mkdir -p .build/log
fail() { tail -n 20 "$log" >&2; echo "softfax: $1, see $log" >&2; exit 1; }
command -v debootstrap >/dev/null || tools/bootstrap.sh test
mirror=$("$PY" -c 'import sys; sys.path.insert(0, "tools"); import sources; print(sources.debian_mirror() or "")')
if [ ! -e "$bare/.complete" ]; then
  rm -rf "$bare"
  debootstrap --variant=minbase --include=ca-certificates,make,git --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$bare" "$mirror" >"$log" 2>&1 || fail "the bare system could not be made"
  touch "$bare/.complete"
fi
# The network is this machine's, and so are its names and the authorities it trusts.
cp /etc/resolv.conf "$bare/etc/resolv.conf"
[ -e "$bare/etc/hosts" ] || printf '127.0.0.1 localhost\n::1 localhost\n' >"$bare/etc/hosts"
cp /usr/local/share/ca-certificates/*.crt "$bare/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$bare" update-ca-certificates >>"$log" 2>&1 || fail "the certificates could not be set up"
rm -rf "$bare/root/softfax"
git clone -q . "$bare/root/softfax"
# Mounts go with the process.
BARE=$bare exec unshare --mount sh -ec '
  mount --bind "$BARE" "$BARE"; mount -t proc proc "$BARE/proc"; mount --rbind /dev "$BARE/dev"; mount -t tmpfs tmpfs "$BARE/tmp"
  exec chroot "$BARE" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt sh -c "cd /root/softfax && exec make $0 LOOPBACK_ARGS=samples/form.tif"' "${MAKE_TARGET:-loopback}"
