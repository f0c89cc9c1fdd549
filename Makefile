# Needs Python 3.11 or later and make. Everything else is installed into .venv, as requirements/*.txt pin it.
#
#   make demo [ARGS="--port 8801"]   the whole product in a browser, without a token or an account
#   make test                        everything that must hold: what CI runs
#   make check                       the fast part of it, before a commit
#   make torture [ARGS="T14"]        every test of the catalogue at full size (hours), into docs/torture.md
#   make sabotage                    takes out each control in a copy: the tests must miss it
#   make bench [ARGS="P1 P6"]        how fast it is, as ratios to floors and peers
#   make fmt                         formats the code, and mends what can be mended
#   make lock                        pins the newest versions that requirements/*.in allow
#   make clean                       removes .venv and everything else that can be made again

PYTHON ?= python3
ARGS ?=
TEST_ARGS ?=
WORKERS ?= 4

BIN := .venv/bin
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
# Must be covered line by line and branch by branch: what decides, and what runs.
VITAL := core/lifecycle.py,core/guards.py,core/policy/*,core/approvals.py,core/grants.py,core/runner.py,core/audit.py
LOCK := $(CURDIR)/build/lock/bin/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header --no-annotate --universal --python-version 3.11

# Compiled files are kept whatever the shell says: dozens of processes would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check lint torture sabotage bench fmt lock clean

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

demo: .venv/.project
	@exec $(BIN)/countersign demo $(ARGS)

test: lint
	$(PYTEST) --cov --cov-report= $(TEST_ARGS)
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --include='$(VITAL)' --fail-under=100

check: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -q -m "not catalogue" tests/unit tests/architecture $(TEST_ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

torture: .venv/.dev
	@$(BIN)/python -m tests.torture $(ARGS)

sabotage: .venv/.dev
	@$(BIN)/python -m tests.sabotage $(ARGS)

bench: .venv/.dev
	@$(BIN)/python -m benchmarks $(ARGS)

fmt: .venv/.dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock:
	$(check_python)
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip --disable-pip-version-check -qq install uv
	cd requirements && $(LOCK) installer.in -o installer.txt
	cd requirements && $(LOCK) runtime.in build.in -o runtime.txt
	cd requirements && $(LOCK) -c runtime.txt dev.in build.in -o dev.txt
	cd benchmarks/peers && for peer in requirements-*.in; do $(LOCK) $$peer -o $${peer%.in}.txt; done

clean:
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ---------------------------------------------------------------------------------------
# A changed lock makes .venv anew, so that nothing is left in it that the lock does not name. Going from
# `make demo` to `make test` only adds to it, so that a running demo is not disturbed.

define check_python
@command -v "$(PYTHON)" >/dev/null || { echo "Countersign needs Python 3.11 or later, and there is no \
'$(PYTHON)' here. If it has another name: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Countersign needs Python 3.11 \
or later, and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1). If a later one has another name: \
make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
endef

define new_venv
@echo "Making .venv ..."
@"$(PYTHON)" -m venv --clear .venv || { echo "Python's own venv module is needed to make .venv (on Debian and \
Ubuntu: apt install python3-venv)." >&2; exit 1; }
endef

# The project itself is built with the setuptools of the lock: nothing unpinned is fetched.
install_project = $(PIP) install --no-deps --no-build-isolation --no-index --editable .

# uv is ten times as fast; pip also knows where a machine's own settings send it for packages.
define install
@$(PIP) install --require-hashes -r requirements/installer.txt && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r $(1) || \
	$(PIP) install --require-hashes -r $(1)
endef

.venv/.runtime: requirements/runtime.txt
	$(check_python)
	$(new_venv)
	@echo "Installing what Countersign needs to run ..."
	$(call install,requirements/runtime.txt)
	@touch $@

.venv/.project: pyproject.toml .venv/.runtime
	@$(install_project)
	@touch $@

.venv/.dev: requirements/dev.txt requirements/runtime.txt | .venv/.project
	@echo "Installing what the tests need ..."
	@if [ -e $@ ]; then "$(PYTHON)" -m venv --clear .venv; fi
	$(call install,requirements/dev.txt)
	@$(install_project)
	@touch .venv/.runtime .venv/.project $@
