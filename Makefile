# Thalweg from a fresh machine: Python 3.11 or later, make and git are all it takes.
#   make up      run everything here            make test    run every test
#   make help    the rest

PYTHON ?= $(firstword $(shell for it in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$it -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null && echo $$it; done))
VENV := .venv
BIN := $(VENV)/bin
# Of what is installed a run uses a third: it is compiled when it is first imported, not all of it here.
PIP = $(BIN)/python -m pip install --disable-pip-version-check --no-compile
ARGS ?=
SECONDS ?= 900
N ?= 20
SEED ?= 1

.PHONY: help up test proofs fuzz lint ci bench chaos image-test audit install install-dev clean
.DEFAULT_GOAL := help

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

up: install ## install what is needed, then run everything here; ARGS="--api-port 8001" passes flags on
	@exec $(BIN)/thalweg up $(ARGS)

TESTS = $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

test: install-dev ## install what is needed, then run the tests, some at once; ARGS="tests/flow -k name" passes arguments on
	$(TESTS) -m "not proof" $(ARGS)

proofs: install-dev ## what the campaign shows in every build, part by part; some minutes, before a release
	$(TESTS) -m proof tests/flow $(ARGS)

fuzz: install-dev ## throw bad input at everything that reads, for about SECONDS=900, at other things each time
	THALWEG_FUZZ_SECONDS=$(SECONDS) $(BIN)/pytest tests/fuzz $(ARGS)

lint: $(VENV)/.libraries-dev ## style, types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Compiling the kernel takes one core as long as checking the types does.
ci: $(VENV)/.libraries-dev ## what continuous integration runs
	@$(MAKE) -j2 lint install-dev
	@$(MAKE) test

bench: install-dev ## run the benchmarks, a table each; ARGS="--quick" for short ones, ARGS="fanout --json out" for one
	$(BIN)/python -m bench $(ARGS)

chaos: install-dev ## kill, freeze and restart everything under load, and check that nothing is lost; N=kills, SEED=, ARGS="--runs 10"
	$(BIN)/python -m tests.flow.campaign --kills $(N) --seed $(SEED) $(ARGS)

image-test: install-dev ## build the image and run docker-compose.yml, where a Docker engine answers
	$(BIN)/python -m tests.image

audit: $(VENV)/.made ## ask the package index which locked libraries have known faults
	@$(BIN)/python -m tests.audit

install: $(VENV)/.installed ## the virtual environment, with what running needs
install-dev: $(VENV)/.installed-dev ## the same, with what testing needs

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Thalweg needs Python 3.11 to 3.14: none was found as python3, python3.14 … \
	python3.11. Install one, or name it: make PYTHON=/path/to/python3 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.libraries: $(VENV)/.made requirements.lock pyproject.toml
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed: $(VENV)/.libraries
	@echo "compiling the clustering kernel"
	$(BIN)/python -m pipeline.clustering.adaptive
	@touch $@

$(VENV)/.libraries-dev: $(VENV)/.libraries requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed $(VENV)/.libraries-dev
	$(BIN)/python -m pipeline.embedded.kafka fetch
	@touch $@

clean: ## remove what make and the tools made; .thalweg, your data, stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
