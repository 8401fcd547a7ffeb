# The verbs of this repository. People, pre-commit and CI call the same ones; `make help` lists them.
# Set PYTHON to choose the interpreter, PIP_EXTRA_INDEX_URL and friends to choose where wheels come from.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
STAMP := .venv/.stamp

.DEFAULT_GOAL := help
.PHONY: setup demo serve lint test bench services clean help

setup: $(STAMP) ## make .venv and install everything into it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: needs Python 3.11 or newer; '$(PYTHON)' is not. Install it or run: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (the first time fetches PyTorch: some minutes, several GB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: setup ## train, export, serve and inspect a small drawn product; ONCE=1 stops after the table
	$(BIN)/python demo.py $(if $(filter 1,$(ONCE)),--once)

serve: setup ## serve the model store (INSPECT_* settings: see README.md)
	$(BIN)/python -m app

lint: setup ## format, rules, types, import contracts, deployment files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	deploy/check.sh

test: setup ## the test suite (no GPU tests, no slow ones), on up to four cores
	$(BIN)/pytest -q -m "not gpu and not slow" -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

bench: setup ## measure the service on this machine (an hour; tables in var/benchmarks)
	@for name in decode resident_memory cold_start inspect_latency line saturation overload worker_killed cold_load soak; do \
		PYTHONPATH=. $(BIN)/python benchmarks/$$name.py || echo "make: $$name missed its aim" >&2; done

services: ## install the programs that tests and checks call (Debian, as root; elsewhere: list what is missing)
	@deploy/services.sh

clean: ## remove caches and build output; .venv and var/ stay
	rm -rf build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -path ./var -prune -o -type d -name __pycache__ -print | xargs -r rm -rf

help: ## list the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18
