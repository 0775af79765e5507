#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check.sh [SUITE]   installs dist/softfax_*.deb on a bare Debian (bookworm, or SUITE) made for it under .build, looks at what came of
# it, takes it off. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PY=${PY:-$PWD/.venv/bin/python}
log=.build/log/deb-check.log
suite=${1:-bookworm}
bare=$PWD/.build/bare-deb-$suite
deb=$(ls dist/softfax_*.deb)
mkdir -p .build/log
: >"$log"
fail() { tail -n 20 "$log" >&2; echo "softfax: $1, see $log" >&2; exit 1; }
mirror=$("$PY" -c 'import sys; sys.path.insert(0, "tools"); import sources; print(sources.debian_mirror() or "")')
if [ ! -e "$bare/.complete" ]; then
  rm -rf "$bare"
  debootstrap --variant=minbase --include=python3,adduser,libpango-1.0-0,libpangoft2-1.0-0,libharfbuzz-subset0 --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$bare" "$mirror" >>"$log" 2>&1 || fail "the bare system could not be made"
  touch "$bare/.complete"
fi
in_bare() { chroot "$bare" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }
mountpoint -q "$bare/proc" || mount -t proc proc "$bare/proc"
trap 'umount "$bare/proc"' EXIT
in_bare dpkg --purge softfax >>"$log" 2>&1 || true
rm -f "$bare"/softfax_*.deb
cp "$deb" "$bare/"
in_bare dpkg --install "/$(basename "$deb")" 2>&1 | tee -a "$log" || fail "the package does not install"
! grep -q "Error compiling" "$log" || fail "the package installs with errors"
in_bare softfax --version
in_bare sh -c 'getent passwd softfax; stat -c "%A %U:%G %n" /etc/softfax /etc/softfax/softfax.toml /var/lib/softfax /var/log/softfax'
in_bare setpriv --reuid softfax --regid softfax --init-groups env XDG_STATE_HOME=/var/lib softfax config check /etc/softfax/softfax.toml
cp -r samples "$bare/tmp/"
in_bare setpriv --reuid softfax --regid softfax --init-groups env HOME=/var/lib/softfax softfax loopback /tmp/samples/form.tif
echo '<h1>Offer</h1><p>As agreed.' >"$bare/tmp/offer.html"
in_bare setpriv --reuid softfax --regid softfax --init-groups env HOME=/var/lib/softfax softfax convert /tmp/offer.html -o /tmp/offer.tif
in_bare dpkg --install "/$(basename "$deb")" >>"$log" 2>&1 || fail "it does not install over itself"
in_bare dpkg --purge softfax >>"$log" 2>&1 || fail "the package cannot be taken off"
left=$(in_bare find / -xdev -path /proc -prune -o -name 'softfax*' -print | grep -v -e '^/softfax_' -e '^/tmp/' || true)
[ -z "$left" ] || { echo "$left"; fail "something is left behind"; }
echo "installed, ran, upgraded, removed: nothing is left"
