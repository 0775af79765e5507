#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build.sh [WHEEL]   makes dist/softfax_VERSION-1_ARCH.deb of a wheel (dist/softfax-*.whl, `make wheel`) and the wheels it needs.
# The package brings its Python modules in /usr/lib/softfax, for each of PYTHON_VERSION (3.11 3.12 3.13 3.14), and takes the
# interpreter of the distribution: what is the same for several is in it once. PY names the interpreter whose pip fetches the wheels.
# With MODULES, a folder of modules for one version, no wheel is needed; COMPRESSION is dpkg-deb's (xz), OUT the file.
set -euo pipefail
# The modes of files and folders are the package's, whatever the user's are.
umask 022
cd "$(dirname "$0")/../.."
PY=${PY:-$PWD/.venv/bin/python}
read -ra versions <<<"${PYTHON_VERSION:-3.11 3.12 3.13 3.14}"
root=.build/deb/root
log=.build/log/deb.log
mkdir -p .build/log dist
rm -rf .build/deb
: >"$log"
fail() { tail -n 20 "$log" >&2; echo "softfax: $1, see $log" >&2; exit 1; }

architecture=$(dpkg --print-architecture)
library=$root/usr/lib/softfax/lib
site=$library/python${versions[0]}/site-packages
platforms=()
for tag in manylinux_2_36 manylinux_2_35 manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do
  platforms+=(--platform "${tag}_$(uname -m)")
done
libc=$(dpkg-query -W -f '${Version}' libc6 | cut -d- -f1)
mkdir -p "$site" "$root/usr/lib/softfax/bin" "$root/usr/bin" "$root/DEBIAN"
if [ -n "${MODULES:-}" ]; then
  cp -a "$MODULES/." "$site/"
else
  wheel=${1:-$(ls dist/softfax-*.whl)}
  for version in "${versions[@]}"; do
    "$PY" -m pip install -q --no-compile --only-binary=:all: --python-version "$version" --implementation cp \
      "${platforms[@]}" --platform any -c requirements.txt --target "$library/python$version/site-packages" \
      "$wheel" $("$PY" deploy/debian/extras.py) >>"$log" 2>&1 || fail "the wheels for Python $version could not be put together"
  done
fi
release=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$site/softfax/_version.py")
rm -rf "$library"/*/site-packages/{bin,*.dist-info/RECORD}
find "$library" \( -name __pycache__ -o -name tests \) -prune -exec rm -rf {} +
"$PY" deploy/debian/same.py "$library"

# A virtual environment without pip: what the station starts with sys.executable finds the same modules.
ln -s /usr/bin/python3 "$root/usr/lib/softfax/bin/python3"
printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$root/usr/lib/softfax/pyvenv.cfg"
cat >"$root/usr/bin/softfax" <<'RUN'
#!/usr/lib/softfax/bin/python3
import sys

from softfax.cli.main import main

sys.exit(main())
RUN
chmod 755 "$root/usr/bin/softfax"

install -Dm644 deploy/systemd/softfax.service "$root/usr/lib/systemd/system/softfax.service"
install -Dm644 deploy/systemd/softfax.sysusers "$root/usr/lib/sysusers.d/softfax.conf"
install -Dm644 deploy/systemd/softfax.tmpfiles "$root/usr/lib/tmpfiles.d/softfax.conf"
install -Dm644 deploy/debian/logrotate "$root/etc/logrotate.d/softfax"
# Where the links in them lead.
for page in *.md docs/*.md docs/images/*; do install -Dm644 "$page" "$root/usr/share/doc/softfax/$page"; done
install -d "$root/usr/share/doc/softfax/monitoring"
install -m644 deploy/monitoring/* "$root/usr/share/doc/softfax/monitoring/"
"$PY" tools/sbom.py --modules "$site" ${wheel:+--wheel "$wheel"} "$root/usr/share/doc/softfax/softfax.cdx.json" >>"$log" 2>&1 || fail "the bill of materials could not be written"
install -Dm644 deploy/debian/copyright "$root/usr/share/doc/softfax/copyright"
printf 'softfax (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- The softfax authors <softfax@localhost>  %s\n' \
  "$release" "$(date -R)" | gzip -9n >"$root/usr/share/doc/softfax/changelog.Debian.gz"
for script in postinst prerm postrm; do install -m755 "deploy/debian/$script" "$root/DEBIAN/$script"; done
echo /etc/logrotate.d/softfax >"$root/DEBIAN/conffiles"
sed -e "s/@VERSION@/$release-1/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@PYTHON@/${versions[0]}/" -e "s/@PYTHON_NEXT@/3.$((${versions[-1]#3.} + 1))/" -e "s/@LIBC@/$libc/" \
  -e "s/@SIZE@/$(du -sk "$root" | cut -f1)/" deploy/debian/control >"$root/DEBIAN/control"
out=${OUT:-dist/softfax_$release-1_$architecture.deb}
dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" --build "$root" "$out" >>"$log" 2>&1 || fail "the package could not be built"
echo "  deb        $out ($(du -h "$out" | cut -f1))"
