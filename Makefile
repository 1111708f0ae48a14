# Each target does its own set-up in .venv and needs only Python 3.10 or newer with its venv module; a second call
# reuses what the first installed. Another Python: make PYTHON=python3.11 demo. Arguments: make test ARGS="-k rules".
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# With the constraints torch is pinned too: the newest one would be another several gigabytes of CUDA libraries.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test lint bench clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' Makefile

demo: .venv/.demo ## evolve a walker, try it on a body it never had, draw and film; results in runs/demo
	$(BIN)/hebbian-gym demo --run-dir runs/demo $(ARGS)

test: .venv/.dev ## all tests, on two cores
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 $(ARGS)

lint: .venv/.dev ## style, format and types; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/.dev ## how fast we are, against the peers
	$(BIN)/hebbian-gym bench $(ARGS)

clean: ## remove .venv and what was built; runs/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find hebbian_gym envs tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

# The stamps .venv/.demo and .venv/.dev say that an install finished; pip runs again when the dependencies change.
.venv/.demo: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing into .venv what the demo needs; the first time this takes minutes (PyTorch is the large part) ..."
	$(INSTALL) -e ".[ant,plots]"
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing into .venv what tests need; the first time this takes minutes (PyTorch is the large part) ..."
	$(INSTALL) -e ".[ant,baselines,car,cma,plots,ray,dev]"
	@touch .venv/.demo $@

# pip, not python: venv installs it last, so that it is missing when venv was interrupted.
$(BIN)/pip:
	$(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.version_info < (3, 12) or print("No wheel of pybullet fits this Python: pip will \
compile it, which needs a C++ compiler. Python 3.10 or 3.11 spare you that: make clean, then make PYTHON=python3.11 ...")'
