# Two commands do everything: `make demo` (install, then the default configuration to a finished report) and
# `make test` (install, then every test). `make small` is the demo at test size. While working: `make quick`.
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
# More options for `mer run`, and so for snakemake, e.g. `make demo ARGS=--dry-run`.
ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# A process for every core, each with one thread; tests/conftest.py says which tests share one, and which start first.
# Without bytecode every process compiles the tests and the libraries anew, which takes longer than most tests.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest \
  --numprocesses auto --maxprocesses 8 --dist loadscope --no-loadscope-reorder

.PHONY: demo small install test quick lint docs envs clean

demo: $(VENV)/.demo
	@# Snakemake keeps a cache below HOME, and stops where it cannot.
	@test -w "$$HOME" || export XDG_CACHE_HOME="$${XDG_CACHE_HOME:-$(abspath $(VENV))/cache}"; \
	  $(BIN)/mer run --cores $(CORES) $(ARGS)

small:
	@$(MAKE) --no-print-directory demo ARGS="--configfile config.yaml tests/small.yaml $(ARGS)"

install: $(VENV)/.demo
	@echo "Now: . $(BIN)/activate"

test: $(VENV)/.test
	$(BIN)/ruff check mer tests examples scripts noxfile.py
	$(BIN)/ruff format --check mer tests examples scripts noxfile.py
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	@# The types beside the tests: mypy has one process.
	$(BIN)/mypy & types=$$!; $(PYTEST) && { wait $$types || { echo "mypy failed: see above"; exit 1; }; }

# What is worth waiting for after every change: no end-to-end runs, no trainings.
quick: $(VENV)/.test
	$(BIN)/ruff check mer tests examples scripts noxfile.py
	$(BIN)/ruff format --check mer tests examples scripts noxfile.py
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow"

lint: $(VENV)/.test
	$(BIN)/ruff check --fix mer tests examples scripts noxfile.py
	$(BIN)/ruff format mer tests examples scripts noxfile.py
	$(BIN)/snakefmt Snakefile workflow

# Into build/site; open build/site/index.html.
docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

envs: $(VENV)/.demo
	$(BIN)/python -m mer.environments

# Not .snakemake: it records what made the results.
clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	  f"mer: Python {sys.version.split()[0]} found; expected 3.11 to 3.13; run: make PYTHON=python3.12 ...")'
	@# Snakemake does not quote the interpreter of its jobs for the shell.
	@$(PYTHON) -c 'import os, re, sys; at = os.path.abspath(sys.argv[1]); odd = re.search(r"[^\w@%+=:,./~-]", at); \
	  sys.exit(odd and f"mer: {at!r} holds {odd[0]!r}; expected a path of letters, digits and ._-; " \
	  "rename the folder, or: make demo VENV=/some/where/venv")' "$(VENV)"
	@echo "Installing into $(VENV): a few minutes the first time, nothing after that."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(PIP) -e ".[workflow]"
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@$(PIP) -e ".[workflow,kubernetes,dev,docs,notebook]"
	@touch $@
