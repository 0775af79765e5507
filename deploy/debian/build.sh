#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build.sh [WHEEL]   makes dist/softfax_VERSION-1_ARCH.deb of a wheel (dist/softfax-*.whl, `make wheel`) and the wheels it needs.
# The package brings its Python modules in /usr/lib/softfax and takes the interpreter of the distribution, whose version it is
# made for. PY names the interpreter whose pip fetches the wheels; PYTHON_VERSION that of the distribution (3.11, Debian 12).
# With MODULES, a folder of modules that somebody else put together, no wheel is needed; COMPRESSION is dpkg-deb's (xz), OUT the file.
set -euo pipefail
cd "$(dirname "$0")/../.."
PY=${PY:-$PWD/.venv/bin/python}
version=${PYTHON_VERSION:-3.11}
root=.build/deb/root
log=.build/log/deb.log
mkdir -p .build/log dist
rm -rf .build/deb
fail() { tail -n 20 "$log" >&2; echo "softfax: $1, see $log" >&2; exit 1; }

architecture=$(dpkg --print-architecture)
site=$root/usr/lib/softfax/lib/python$version/site-packages
platforms=()
for tag in manylinux_2_36 manylinux_2_35 manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do
  platforms+=(--platform "${tag}_$(uname -m)")
done
mkdir -p "$site" "$root/usr/lib/softfax/bin" "$root/usr/bin" "$root/DEBIAN"
if [ -n "${MODULES:-}" ]; then
  cp -a "$MODULES/." "$site/"
else
  wheel=${1:-$(ls dist/softfax-*.whl)}
  "$PY" -m pip install -q --no-compile --only-binary=:all: --python-version "$version" --implementation cp \
    "${platforms[@]}" --platform any --target "$site" "$wheel" $("$PY" deploy/debian/extras.py) >"$log" 2>&1 || fail "the wheels could not be put together"
fi
release=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$site/softfax/_version.py")
rm -rf "$site/bin" "$site"/*/tests "$site"/*.dist-info/RECORD
find "$site" -name __pycache__ -prune -exec rm -rf {} +

# A virtual environment without pip: what the station starts with sys.executable finds the same modules.
ln -s /usr/bin/python"$version" "$root/usr/lib/softfax/bin/python3"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$version" >"$root/usr/lib/softfax/pyvenv.cfg"
cat >"$root/usr/bin/softfax" <<'RUN'
#!/usr/lib/softfax/bin/python3
import sys

from softfax.cli.main import main

sys.exit(main())
RUN
chmod 755 "$root/usr/bin/softfax"

install -Dm644 deploy/systemd/softfax.service "$root/lib/systemd/system/softfax.service"
install -Dm644 deploy/systemd/softfax.sysusers "$root/usr/lib/sysusers.d/softfax.conf"
install -Dm644 deploy/systemd/softfax.tmpfiles "$root/usr/lib/tmpfiles.d/softfax.conf"
install -Dm644 deploy/debian/logrotate "$root/etc/logrotate.d/softfax"
for page in docs/*.md README.md; do install -Dm644 "$page" "$root/usr/share/doc/softfax/$(basename "$page")"; done
install -d "$root/usr/share/doc/softfax/monitoring"
install -m644 deploy/monitoring/* "$root/usr/share/doc/softfax/monitoring/"
"$PY" tools/sbom.py --modules "$site" ${wheel:+--wheel "$wheel"} "$root/usr/share/doc/softfax/softfax.cdx.json" >>"$log" 2>&1 || fail "the bill of materials could not be written"
install -Dm644 deploy/debian/copyright "$root/usr/share/doc/softfax/copyright"
printf 'softfax (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- The softfax authors <softfax@localhost>  %s\n' \
  "$release" "$(date -R)" | gzip -9n >"$root/usr/share/doc/softfax/changelog.Debian.gz"
for script in postinst prerm postrm; do install -m755 "deploy/debian/$script" "$root/DEBIAN/$script"; done
echo /etc/logrotate.d/softfax >"$root/DEBIAN/conffiles"
sed -e "s/@VERSION@/$release-1/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@PYTHON@/$version/" -e "s/@PYTHON_NEXT@/3.$((${version#3.} + 1))/" \
  -e "s/@SIZE@/$(du -sk "$root" | cut -f1)/" deploy/debian/control >"$root/DEBIAN/control"
out=${OUT:-dist/softfax_$release-1_$architecture.deb}
dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" --build "$root" "$out" >>"$log" 2>&1 || fail "the package could not be built"
echo "  deb        $out ($(du -h "$out" | cut -f1))"
