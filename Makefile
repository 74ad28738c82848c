# Every target creates .venv when it is missing and installs only what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# the torch wheel first: a range with no torch installed would fetch the CUDA build
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: install demo visual test test-all lint docs bench clean

$(VENV)/.base: constraints.txt pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (first time: two minutes or so)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(PIP) "$(TORCH)"
	@$(PIP) --group demo -e ".[sb3,cli]"
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@$(PIP) --group test
	@$(PIP) --no-deps procgen-mirror gym3
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@$(PIP) --group bench
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	@$(PIP) --group docs
	@touch $@

install: $(VENV)/.base

demo: install
	@$(BIN)/python examples/demo.py --out demo

# The pipeline on pixels, small: make visual TASK=coinrun for a game of Procgen
TASK ?= cheetah-run
visual: $(VENV)/.test
	@$(BIN)/python examples/visual_generalization.py --task $(TASK) --size smoke --out demo-visual/$(TASK)

test: lint
	@$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90

test-all: lint
	@$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90
	@$(BIN)/python -m pytest -m slow -n 0

lint: $(VENV)/.test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

docs: $(VENV)/.docs
	@$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(VENV)/.bench
	@$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) docs/_build demo demo-visual
