# Needs python3 (3.11 to 3.13) and make; everything else is put into .venv by the first call.
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
TEST_ARGS ?=
RUN_ARGS ?=
LAB_ARGS ?=
# set_up.py reads it from there: on a command line its quotes would meet those of the shell.
export PIP_ARGS

RUN := $(VENV)/bin/python
# One worker per core (TEST_ARGS=-n0: all in one process). tests/conftest.py says what a group of tests is.
PYTEST := $(RUN) -m pytest -n auto --dist loadscope --no-loadscope-reorder
START := notebooks/00_start_here.ipynb
OLDEST_TRANSFORMERS := 5.17.0
OLDEST_HUB := 1.33.0
OLDEST := build/transformers-5.17
LOCKED_TRANSFORMERS := $(shell sed -n 's/^transformers==//p' requirements.lock)
SUITE := build/transformers-$(LOCKED_TRANSFORMERS)

# Root needs a flag of its own; without a screen JupyterLab only prints its address.
LAB_FLAGS := $(if $(filter 0,$(shell id -u)),--allow-root) \
	$(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname)),,--no-browser)

.DEFAULT_GOAL := help
.PHONY: help set-up lab test test-browser test-processors test-pythons check run evaluate \
	test-transformers-5.17 test-transformers-suite lock clean

help: ## show this list
	@grep -hE '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-24s %s\n' "$$name" "$$text"; done
	@echo
	@echo "  PYTHON=$(PYTHON)   the python to build .venv with"
	@echo "  VENV=$(VENV)     the folder of that environment; one for each python that you test on"
	@echo "  PIP_ARGS=         further arguments for pip, such as an index with a CPU build of torch"
	@echo "  LAB_ARGS= TEST_ARGS= RUN_ARGS=   further arguments for jupyter lab, pytest, notebooks/run.py"

set-up: ## make .venv ready (the others do it by themselves)
	@command -v "$(PYTHON)" > /dev/null || { \
		echo "$(PYTHON) is not on the PATH: install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@"$(PYTHON)" tools/set_up.py --venv "$(VENV)"

lab: set-up ## open the course in JupyterLab
	@$(RUN) -m jupyter lab --LabApp.default_url=/lab/tree/$(START) $(LAB_FLAGS) $(LAB_ARGS)

test: check ## lint, types, import direction, then all tests
	$(PYTEST) $(TEST_ARGS)

test-browser: set-up ## the part of `make test` that drives JupyterLab in a headless Chromium
	$(RUN) -m pytest tests/browser $(TEST_ARGS)

check: set-up ## the part of `make test` that takes seconds
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-logo

run: set-up ## execute every notebook, render build/html, measure the run times
	$(RUN) notebooks/run.py --html build/html --times $(RUN_ARGS)

evaluate: set-up ## measure the bundled models again and compare with their cards
	$(RUN) -m training.evaluate $(RUN_ARGS)

test-processors: set-up ## the numerical tests as other processors compute them (RUN_ARGS=--list)
	$(RUN) tools/processors.py $(RUN_ARGS) -- $(TEST_ARGS)

test-pythons: set-up ## what other interpreters on this machine can check without torch
	$(RUN) tools/other_pythons.py

test-transformers-5.17: $(OLDEST)/ready ## the model tests on the oldest transformers that we support
	PYTHONPATH="$(CURDIR)/$(OLDEST)" $(PYTEST) tests/vision $(TEST_ARGS)

# Only these two differ from the lock: transformers 5.17 asks for huggingface_hub 1.x.
$(OLDEST)/ready: Makefile | set-up
	rm -rf $(OLDEST)
	$(RUN) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --target $(OLDEST) \
		transformers==$(OLDEST_TRANSFORMERS) huggingface_hub==$(OLDEST_HUB)
	@touch $@

test-transformers-suite: $(SUITE)/ready ## transformers' own tests for models and processors, on our classes
	$(RUN) -m pytest -n auto tests/transformers_suite $(TEST_ARGS)

# The tests are in the source distribution alone. pip checks its hash against that of the package index.
$(SUITE)/ready: requirements.lock | set-up
	rm -rf $(SUITE)
	$(RUN) -m pip download --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --no-build-isolation \
		--no-binary transformers --dest $(SUITE) transformers==$(LOCKED_TRANSFORMERS)
	tar -xzf $(SUITE)/transformers-$(LOCKED_TRANSFORMERS).tar.gz -C build \
		transformers-$(LOCKED_TRANSFORMERS)/tests
	@touch $(SUITE)/tests/__init__.py $@

lock: set-up ## pin again what pyproject.toml asks for (RUN_ARGS=--upgrade: the newest of everything)
	$(RUN) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) uv
	$(RUN) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-annotate \
		--custom-compile-command "make lock" --quiet --output-file requirements.lock $(RUN_ARGS)

clean: ## remove .venv and everything that was built
	rm -rf .venv build phi3lib.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
