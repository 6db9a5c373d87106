# Everything runs in .venv, which `setup` makes; ARGS is passed on, as in: make test ARGS=tests/text

SHELL := /bin/sh
RUN := .venv/bin
# Three processes for two cores, each with a Spark session of its own: a test that asks Spark waits
# for a third of its time. More of them would take more memory.
PYTEST := $(RUN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# The path of the program itself, since what is called python3.11 may be a version manager's script.
ifndef PYTHON
PYTHON := $(shell for name in python3.11 python3 python; do $$name -c \
	'import sys; sys.version_info[:2] == (3, 11) or sys.exit(1); print(sys.executable)' \
	2>/dev/null && break; done)
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo real test soak check docs bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'ARGS="..." is passed on: make test ARGS="tests/text -x"'

setup: ## the environment .venv: Python packages, Horovod, Java, Delta; a moment once it is there
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	echo "Python 3.11 is missing. Install it (Debian 12: sudo apt-get install python3.11" \
	"python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -m tools.setup_environment

demo: setup ## the whole pipeline on the generated sample; ends in a report
	@$(RUN)/python -m devise_lib.pipeline --config conf/local.toml $(ARGS)

real: setup ## the whole pipeline on real data (DEVISE_DATA, default ../shared/data)
	@$(RUN)/python -m devise_lib.pipeline --config conf/real.toml --resume $(ARGS)

test: setup ## the tests, with the coverage, 20 minutes to an hour; in three processes, with ARGS="-n 0" in one
	@$(PYTEST) -m "not soak" --cov --cov-report=term $(ARGS)

soak: setup ## the subjects of some tests at their full size, half an hour or more (DEVISE_FUZZ_SECONDS=30 shortens it); without coverage
	@$(PYTEST) -m soak $(ARGS)

check: setup ## format, lint, types and the tests without Spark; about two minutes
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(PYTEST) -q -m "not spark and not slow and not soak" $(ARGS)

docs: setup ## the reference pages of docs/, written from the code; a moment
	@$(RUN)/python -m tools.docs

bench: setup ## the benchmarks
	@$(RUN)/python benchmarks/run.py $(ARGS)

lock: $(RUN)/uv ## requirements.lock anew from setup.py; ARGS="--upgrade" for the newest versions
	@$(RUN)/uv pip compile setup.py --extra cpu --extra s3 --extra dev --python-version 3.11 --quiet \
	--custom-compile-command "make lock" --output-file requirements.lock $(ARGS)

$(RUN)/uv:
	@$(MAKE) --no-print-directory setup

clean: ## removes caches and coverage; .venv and work/ stay
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.* htmlcov build dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
