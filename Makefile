# SPDX-License-Identifier: GPL-2.0-or-later
# softfax: `make loopback` and `make test` do everything a fresh Debian machine needs, again and again.
SHELL := /bin/bash
PYTHON ?= python3
VENV := $(CURDIR)/.venv
PY := $(VENV)/bin/python
LOG := .build/log
export PYTHON
# A station is many processes: modules are compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help all build develop packages test-packages loopback test corpus corpus-packages lint lint-page format docs bench lines conformance asan tsan fuzz wheel wheels wheel-check check-debian sbom audit samples clean

help: ## this list
	@echo "softfax: make TARGET"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

packages:
	@tools/bootstrap.sh

test-packages:
	@tools/bootstrap.sh test

build: packages ## install what running needs, and build
	@$(PYTHON) tools/build.py

develop: packages ## the same with what tests and linters need
	@$(PYTHON) tools/build.py --dev

all: build

loopback: build ## fax samples/ between two SIP stations on this machine, over T.38 and G.711
	@$(VENV)/bin/softfax loopback $(LOOPBACK_ARGS)

test: test-packages develop ## run every test
	@$(PY) -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

corpus-packages:
	@tools/bootstrap.sh corpus

corpus: corpus-packages develop ## have tesseract read documents of every kind, and their faxes; CORPUS_ARGS names some
	@$(PY) -m tests.corpus $(CORPUS_ARGS)

# What checks the web page, by its lock file; another node than the distribution's brings its npm.
node_modules/.complete: package.json package-lock.json
	@command -v npm >/dev/null || { echo "softfax: checking the page needs npm: apt-get install nodejs npm" >&2; exit 1; }
	@mkdir -p $(LOG); npm ci >$(LOG)/npm.log 2>&1 || { tail -n 15 $(LOG)/npm.log >&2; exit 1; }; touch $@

lint: develop lint-page $(if $(AUDIT),audit) ## ruff, mypy, clang-format, the direction of imports, the page; AUDIT=1: known vulnerabilities
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(PY) -m mypy && \
	$(VENV)/bin/lint-imports && $(VENV)/bin/clang-format --dry-run -Werror native/*/*.[ch]

lint-page: node_modules/.complete ## the page alone: tsc --checkJs and biome
	@node_modules/.bin/tsc -p . && node_modules/.bin/biome check --error-on-warnings .

format: develop node_modules/.complete ## format C, Python and the page
	@node_modules/.bin/biome check --write . ; $(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format . ; $(VENV)/bin/clang-format -i native/*/*.[ch]

docs: develop ## docs/settings.md and the tables of states, as they are in the code
	@$(PY) tools/settings.py && $(PY) tools/states.py

bench: test-packages develop ## CPU and memory per call, against spandsp alone and Asterisk; a gateway; a whole station: one order to 500 far ends
	@$(PY) -m bench $(BENCH_ARGS)
	@$(if $(BENCH_ARGS),,$(PY) -m bench.gateways && $(PY) -m bench.orders)

lines: develop ## fax over bad lines in memory, and count what comes through; LINES_ARGS names kinds of line
	@$(VENV)/bin/softfax impair $(LINES_ARGS)

conformance: test-packages develop ## T.30's procedures against scripted far ends, each by name; CONFORMANCE_ARGS names some
	@$(PY) -m tests.conformance $(CONFORMANCE_ARGS)

define sanitized
	@mkdir -p $(LOG); cmake -S . -B .build/$(1) -G Ninja -DSOFTFAX_ENGINE_ONLY=ON -DSOFTFAX_WERROR=ON -DSOFTFAX_SANITIZE=$(2) -DPython_EXECUTABLE=$(PY) >$(LOG)/$(1).log 2>&1 && \
	cmake --build .build/$(1) >>$(LOG)/$(1).log 2>&1 || { tail -n 30 $(LOG)/$(1).log >&2; exit 1; }
	@SOFTFAX_ENGINE=$(CURDIR)/.build/$(1)/libsoftfax_engine_test.so SOFTFAX_SANITIZED=$(1) \
	LD_PRELOAD="$$(gcc -print-file-name=$(3)) $$(gcc -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=halt_on_error=1 \
	$(PY) -m pytest -p no:cacheprovider tests/native $(PYTEST_ARGS)
endef

asan: test-packages develop ## the engine's tests under AddressSanitizer and UBSan
	$(call sanitized,asan,address$(comma)undefined,libasan.so)

tsan: test-packages develop ## the engine's tests under ThreadSanitizer
	$(call sanitized,tsan,thread,libtsan.so)

fuzz: test-packages develop ## fuzz what parses input from outside, FUZZ_SECONDS (10) a target
	@$(PY) -m tests.fuzz $(FUZZ_ARGS)

comma := ,

wheel: develop ## one wheel with PJSIP and spandsp inside, in dist/
	@PY=$(PY) tools/wheel.sh

wheels: wheel ## the same: one wheel serves every Python from 3.11 on, on this machine's architecture

wheel-check: wheel ## install the wheel on a bare Debian (SUITE=bookworm) and fax with it
	@PY=$(PY) tools/wheel-check.sh $(SUITE)

check-debian: develop ## `make loopback` on a bare Debian (SUITE=trixie), from source; some minutes
	@PY=$(PY) tools/debian-check.sh $(SUITE)

sbom: develop ## the software bill of materials (CycloneDX), in dist/
	@mkdir -p dist && $(PY) tools/sbom.py dist/softfax.cdx.json && echo "  sbom       dist/softfax.cdx.json"

audit: develop ## known vulnerabilities of the Python packages, by pip-audit; asks the package index about each
	@$(PY) tools/audit.py

samples: develop ## draw samples/ anew
	@$(PY) samples/draw.py

clean: ## remove what was built, but not PJSIP and spandsp
	@rm -rf .build/cmake .build/asan .build/tsan .build/fuzz .build/wheel dist src/softfax/_native/*.so src/softfax/_native/pjsua2.py $(VENV)
