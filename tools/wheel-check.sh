#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wheel-check.sh [SUITE]   installs dist/softfax-*.whl on a bare Debian (bookworm, or SUITE; python3 and nothing else: no spandsp, no swig, no compiler) and
# runs `softfax loopback` there. Needs root and debootstrap; the bare system is kept under .build/bare.
set -euo pipefail
cd "$(dirname "$0")/.."
export PY=${PY:-$PWD/.venv/bin/python}
log=.build/log/wheel-check.log
suite=${1:-bookworm}
bare=$PWD/.build/bare-$suite
wheel=$(ls dist/softfax-*.whl)
mkdir -p .build/log
fail() { tail -n 20 "$log" >&2; echo "softfax: $1, see $log" >&2; exit 1; }
command -v debootstrap >/dev/null || tools/bootstrap.sh test
mirror=$("$PY" -c 'import sys; sys.path.insert(0, "tools"); import sources; print(sources.debian_mirror() or "")')
if [ ! -e "$bare/.complete" ]; then
  rm -rf "$bare"
  debootstrap --variant=minbase --include=python3,python3-venv --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$bare" "$mirror" >"$log" 2>&1 || fail "the bare system could not be made"
  touch "$bare/.complete"
fi
if chroot "$bare" sh -c 'command -v gcc || command -v swig || ls /usr/lib/*/libspandsp*' 2>/dev/null; then fail "the bare system is not bare"; fi
# What the wheel needs from elsewhere is fetched here and carried in, for the Python in there.
version=$(chroot "$bare" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
rm -rf "$bare/wheels" "$bare/venv" "$bare/samples"
mkdir -p "$bare/wheels"
platforms=()
for tag in manylinux_2_36 manylinux_2_35 manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do
  platforms+=(--platform "${tag}_$(uname -m)")
done
"$PY" -m pip download -q --only-binary=:all: --python-version "$version" "${platforms[@]}" --platform any -c requirements.txt -d "$bare/wheels" \
  $("$PY" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml","rb"))["project"]["dependencies"])') >>"$log" 2>&1 || fail "the dependencies could not be fetched"
cp "$wheel" "$bare/wheels/"
cp -r samples "$bare/samples"
chroot "$bare" sh -ec 'python3 -m venv /venv && /venv/bin/pip install -q --no-index --find-links /wheels softfax' >>"$log" 2>&1 || fail "the wheel did not install"
mountpoint -q "$bare/proc" || mount -t proc proc "$bare/proc"
trap 'umount "$bare/proc"' EXIT
chroot "$bare" /venv/bin/softfax --version
chroot "$bare" /venv/bin/softfax loopback /samples/invoice.pdf /samples/form.tif
