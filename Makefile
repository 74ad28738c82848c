# Every target creates .venv when it is missing and installs only what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# pip compiles on one core, compileall on all of them
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
COMPILE := $(BIN)/python -W ignore -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true
# the torch wheel first: a range with no torch installed would fetch the CUDA build
TORCH := $(shell grep '^torch==' constraints.txt)
ROOMS := $(sort $(patsubst tests/%/__init__.py,%,$(wildcard tests/*/__init__.py)))
# rooms whose tests need no host library and no simulator of pixels
CORE := structure base diffusion codec augment encoders generator evaluation buffers upsampling
CORE_TESTS := $(patsubst %,tests/%,$(filter $(CORE),$(ROOMS)))
PYTEST := $(BIN)/python -m pytest
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo visual check test test-all lint docs bench changelog clean FORCE

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z%<>-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "make test-<room>  tests of one room: $(ROOMS)"

$(VENV)/.base: constraints.txt pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (first time: two minutes or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(PIP) "$(TORCH)"
	@$(PIP) --group demo -e ".[sb3,cli]"
	@$(COMPILE)
	@touch $@

# procgen-mirror is installed without its bound on numpy; it has no wheel beyond Python 3.12
$(VENV)/.test: $(VENV)/.base
	@$(PIP) --group test
	@$(PIP) --no-deps --only-binary :all: procgen-mirror gym3 \
	  || echo "Procgen has no wheel for this Python: its tests are skipped."
	@$(COMPILE)
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@$(PIP) --group bench
	@$(COMPILE)
	@touch $@

# the reference imports all adapters
$(VENV)/.docs: $(VENV)/.test
	@$(PIP) --group docs
	@$(COMPILE)
	@touch $@

install: $(VENV)/.base  ## .venv with the core, SB3, the command line and MuJoCo

demo: install  ## SAC with and without generated rows on HalfCheetah-v5: a picture and a table in demo/
	@$(BIN)/python examples/demo.py --out demo

# the smallest size; make visual TASK=coinrun for a game of Procgen
TASK ?= cheetah-run
visual: $(VENV)/.test  ## the pipeline on pixels, small: tables and pictures in demo-visual/ (TASK=coinrun for Procgen)
	@$(BIN)/python examples/visual_generalization.py --task $(TASK) --size smoke --out demo-visual/$(TASK)

check: lint  ## lint, types, floors and the core's tests: two minutes, for every change
	@$(PYTEST) -q $(CORE_TESTS) $(ARGS)

test: lint  ## lint, types, floors and all tests but the slow ones
	@$(PYTEST) $(ARGS)

COVERAGE := --cov --cov-report=term --cov-fail-under=95
test-all:  ## the same with coverage of all packages, at least 95 %, and the slow tests
	@$(MAKE) --no-print-directory test ARGS="$(COVERAGE)"
	@$(PYTEST) -m slow

test-%: FORCE
	@case " $(ROOMS) " in *" $* "*) ;; *) echo "No room '$*'. Rooms: $(ROOMS)" >&2; exit 2;; esac
	@$(MAKE) --no-print-directory $(VENV)/.test
	@$(PYTEST) -q tests/$* $(ARGS)

FORCE:

lint: $(VENV)/.test  ## ruff, mypy, and the floors by import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

docs: $(VENV)/.docs  ## the site, with warnings as errors: docs/_build/html/index.html
	@OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(VENV)/.bench  ## every benchmark, its JSON in benchmarks/results and its table in docs/tables (hours)
	@$(BIN)/python benchmarks/run.py

changelog: $(VENV)/.docs  ## what the fragments in changelog.d will add to CHANGELOG.md
	@$(BIN)/towncrier build --draft --version next

clean:  ## removes .venv and everything built
	rm -rf $(VENV) docs/_build demo demo-visual
