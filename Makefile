# Requires python3 (3.11 to 3.13) and make; the first call installs everything else in .venv.
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
TEST_ARGS ?=
RUN_ARGS ?=
LAB_ARGS ?=
# set_up.py reads this variable from the environment: on a command line its quotes would clash with the shell's.
export PIP_ARGS

RUN := $(VENV)/bin/python
# One worker more than cores (TEST_ARGS=-n0: all in one process). tests/conftest.py defines the groups of tests.
# Pytest's plugin for logging goes through all loggers six times a test: five seconds of the suite.
PYTEST := $(RUN) -m pytest -n auto --dist loadscope --no-loadscope-reorder -p no:logging
START := notebooks/00_start_here.ipynb
OLDEST_TRANSFORMERS := 5.17.0
OLDEST_HUB := 1.33.0
TYPESCRIPT := 5.6.3
OLDEST := build/transformers-5.17
LOCKED_TRANSFORMERS := $(shell sed -n 's/^transformers==//p' requirements.lock)
SUITE := build/transformers-$(LOCKED_TRANSFORMERS)

# JupyterLab needs a flag to run as root; without a screen it only prints its address.
LAB_FLAGS := $(if $(filter 0,$(shell id -u)),--allow-root) \
	$(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname)),,--no-browser)

.DEFAULT_GOAL := help
.PHONY: help set-up lab test all-tests test-browser test-processors test-pythons check check-scripts run real \
	evaluate site test-transformers-5.17 test-transformers-suite lock clean

help: ## show this list
	@grep -hE '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-24s %s\n' "$$name" "$$text"; done
	@echo
	@echo "  PYTHON=$(PYTHON)   the Python interpreter that creates .venv"
	@echo "  VENV=$(VENV)     the folder of the environment; use one for each Python version"
	@echo "  PIP_ARGS=         additional arguments for pip, such as an index with a CPU build of torch"
	@echo "  LAB_ARGS= TEST_ARGS= RUN_ARGS=   additional arguments for jupyter lab, pytest, notebooks/run.py"

set-up: ## create or update .venv (the other targets do this first)
	@command -v "$(PYTHON)" > /dev/null || { \
		echo "$(PYTHON) is not on the PATH: install Python 3.11, 3.12 or 3.13, or pass one: make PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@"$(PYTHON)" tools/set_up.py --venv "$(VENV)"

lab: set-up ## open the course in JupyterLab
	@$(RUN) -m jupyter lab --LabApp.default_url=/lab/tree/$(START) $(LAB_FLAGS) $(LAB_ARGS)

# Side by side: the checks use the time in which the tests wait. All of both run, and each must pass.
test: ## lint, types, import direction, all tests
	@$(MAKE) --no-print-directory --jobs 2 check all-tests

# Tests that start make get no settings of this one.
all-tests: set-up
	MAKEFLAGS= $(PYTEST) $(TEST_ARGS)

test-browser: set-up ## only the tests that run JupyterLab in a headless Chromium
	$(RUN) -m pytest -m browser tests/browser tests/notebooks $(TEST_ARGS)

check: set-up ## only the fast checks of `make test`: lint, types, import direction
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-logo

check-scripts: set-up ## the types of the pages' JavaScript (needs node; npx brings the compiler)
	@mkdir -p build
	@$(RUN) -c "from phi3lib.lab.figures import palette; print(palette.script())" > build/palette.js
	npx --yes --package typescript@$(TYPESCRIPT) tsc --project tools/jsconfig.json
	npx --yes --package typescript@$(TYPESCRIPT) tsc --project tools/jsconfig.widgets.json

run: set-up ## execute every notebook, write build/html, measure the run times
	$(RUN) notebooks/run.py --html build/html --times $(RUN_ARGS)

real: set-up ## run the course with the published checkpoints (HF_TOKEN, HF_ENDPOINT), report in build/real
	$(RUN) notebooks/real.py --published $(RUN_ARGS)

evaluate: set-up ## measure the bundled models and compare with their cards
	$(RUN) -m training.evaluate $(RUN_ARGS)

site: set-up ## build the course, the guides and the API reference as a static site in build/site
	$(RUN) -m tools.build_site $(RUN_ARGS)

test-processors: set-up ## the numerical tests under other processor settings (RUN_ARGS=--list)
	$(RUN) tools/processors.py $(RUN_ARGS) -- $(TEST_ARGS)

test-pythons: set-up ## the tests without torch on the other Pythons of this machine
	$(RUN) tools/other_pythons.py

test-transformers-5.17: $(OLDEST)/ready ## the model tests on the oldest supported transformers
	PYTHONPATH="$(CURDIR)/$(OLDEST)" $(PYTEST) tests/vision tests/loading $(TEST_ARGS)

# Only these two packages differ from the lock: transformers 5.17 requires huggingface_hub 1.x.
$(OLDEST)/ready: Makefile | set-up
	rm -rf $(OLDEST)
	$(RUN) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --target $(OLDEST) \
		transformers==$(OLDEST_TRANSFORMERS) huggingface_hub==$(OLDEST_HUB)
	@touch $@

test-transformers-suite: $(SUITE)/ready ## transformers' own tests for models and processors, on our classes
	$(RUN) -m pytest -n auto tests/transformers_suite $(TEST_ARGS)

# Only the source distribution contains the tests. pip checks its hash against the package index.
$(SUITE)/ready: requirements.lock | set-up
	rm -rf $(SUITE)
	$(RUN) -m pip download --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --no-build-isolation \
		--no-binary transformers --dest $(SUITE) transformers==$(LOCKED_TRANSFORMERS)
	tar -xzf $(SUITE)/transformers-$(LOCKED_TRANSFORMERS).tar.gz -C build \
		transformers-$(LOCKED_TRANSFORMERS)/tests
	@touch $(SUITE)/tests/__init__.py $@

lock: set-up ## write requirements.lock from pyproject.toml (RUN_ARGS=--upgrade: upgrade all packages)
	$(RUN) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) uv
	$(RUN) -m uv pip compile pyproject.toml --extra course --extra train --extra scale --extra docs --extra dev \
		--universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" --quiet \
		--output-file requirements.lock $(RUN_ARGS)

clean: ## remove .venv and all build output
	rm -rf .venv build phi3lib.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
