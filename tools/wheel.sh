#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wheel.sh   builds dist/softfax-*.whl with libspandsp, PJSIP and what they need inside, and their licences. PY names the
# interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
export PY=${PY:-$PWD/.venv/bin/python}
log=.build/log/wheel.log
mkdir -p .build/log dist
rm -rf .build/wheel-raw dist/*.whl dist/*.cdx.json
start=$SECONDS
fail() { tail -n 20 "$log" >&2; echo "softfax: building the wheel failed, see $log" >&2; exit 1; }
PATH=$(dirname "$PY"):$PATH
"$PY" -m pip wheel -q --no-deps --no-build-isolation -w .build/wheel-raw . >"$log" 2>&1 || fail
"$PY" -m auditwheel repair --plat auto -w dist .build/wheel-raw/softfax-*.whl >>"$log" 2>&1 || fail
"$PY" tools/wheel_licences.py dist/softfax-*.whl >>"$log" 2>&1 || fail
"$PY" tools/sbom.py --wheel dist/softfax-*.whl "$(ls dist/softfax-*.whl | sed 's/-cp.*/.cdx.json/;s/-py3.*/.cdx.json/')" >>"$log" 2>&1 || fail
echo "  wheel      $(ls dist/*.whl) ($(du -h dist/*.whl | cut -f1), $((SECONDS - start)) s)"
