# Bathyscope: set up, start, test. `make` alone starts it.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8501
MODEL ?=
PYTEST_ARGS ?= tests
BIN := $(VENV)/bin

# reach the recipes through the environment: a path with spaces or quotes stays one word
export MODEL PORT PYTHON VENV
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := run
.PHONY: run model test lint bench browser setup setup-dev clean help

run: setup ## start the explorer: make run [MODEL=owner/name|folder|file.gguf] [PORT=8501]
	@exec "$(BIN)/python" -m components.launcher --model "$$MODEL" --port "$$PORT"

model: setup ## fetch and convert the default model (or MODEL) without starting
	@"$(BIN)/python" -m components.launcher --model "$$MODEL" --only-prepare

test: setup-dev browser ## run the tests: make test [PYTEST_ARGS="tests/analysis -k store"]
	@"$(BIN)/python" -m components.launcher --only-prepare
	@"$(BIN)/python" -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: setup-dev ## check style and format
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .

bench: setup-dev ## measure speed and memory
	@"$(BIN)/python" -m tests.benchmarks.run

setup: $(VENV)/.installed ## make .venv and install what the app needs
setup-dev: $(VENV)/.installed-dev ## the same, with what tests need

$(VENV)/.python:
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $$PYTHON is older or missing. Give another one: make PYTHON=python3.12"; exit 1; }
	@"$$PYTHON" -m venv "$$VENV" || \
		{ echo "The environment $$VENV cannot be made. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@"$(BIN)/python" -m pip install --quiet --upgrade pip==26.3 # older ones do not say how far a download is
	@touch $@

$(VENV)/.installed: requirements.txt $(VENV)/.python
	@echo "Installing packages into $(VENV) (a minute or two, the first time only) ..."
	@"$(BIN)/python" -m pip install --quiet --progress-bar on -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@"$(BIN)/python" -m pip install --quiet -r requirements-dev.txt
	@touch $@

browser: setup-dev ## get Chromium for the browser tests, if none is there
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		command -v google-chrome >/dev/null || ls "$${HOME}"/.cache/ms-playwright/chromium-* >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; then :; \
	elif "$(BIN)/playwright" install chromium; then :; \
	else echo "No Chromium: the browser tests are skipped. Install it with your system's packages (chromium)."; fi

clean: ## remove .venv and everything made by tests; the model store stays
	@rm -rf "$$VENV" .pytest_cache .ruff_cache .hypothesis test-results
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

help: ## list these targets
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
