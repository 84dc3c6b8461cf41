# Everything here sets itself up: a fresh clone needs python3 (3.11 or newer, with venv), for the
# tests of the Node SDKs and of the coding agents npm, and for those of the Helm chart go. What was
# installed is remembered by stamp files, so that the second call starts at once.
#
# Arguments for the program go into ARGS:  make run ARGS="--policies policies/strict.yaml"
# The coding agents take 800 MB:           make test AGENTS=no  leaves them out, and their tests skip
# Building helm takes some minutes, once:  make test CHART=no   leaves it out, and its tests skip

PYTHON ?= python3
ARGS ?=
TESTS ?=
AGENTS ?= yes
CHART ?= yes
VENV := .venv
BIN := $(VENV)/bin
NODE := tests/clients/node
CODING := tests/agents/node
HELM := tests/helm/go
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
NODE_READY := $(NODE)/node_modules/.ready
CODING_READY := $(CODING)/node_modules/.ready
HELM_READY := $(HELM)/bin/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test lint format bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUNTIME) ## start the gateway (ARGS="..." goes to `portcullis serve`)
	@exec $(BIN)/portcullis serve $(ARGS)

demo: $(RUNTIME) ## one scene per kind of rule, no key and no network needed
	@exec $(BIN)/portcullis demo $(ARGS)

test: lint $(NODE_READY) $(CODING_READY) $(HELM_READY) ## lint, then all tests (TESTS="tests/policy -k name" for some)
	@$(BIN)/python -m pytest -n 2 $(TESTS)

lint: $(DEV) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(DEV) ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(RUNTIME) ## side by side with nginx, a bare aiohttp proxy and LiteLLM (ARGS="--rounds 3")
	@$(BIN)/python -m benchmarks $(ARGS)

# Hashes for every platform, and no index named. Versions move only where they must, or with
# ARGS="--upgrade".
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" $(ARGS)
lock: $(DEV) ## resolve the dependencies anew into the lock files
	@env -u PIP_FIND_LINKS $(LOCK) pyproject.toml --extra demo -o requirements.lock
	@env -u PIP_FIND_LINKS $(LOCK) pyproject.toml --extra demo --extra dev -c requirements.lock -o requirements-dev.lock
	@env -u PIP_FIND_LINKS $(LOCK) --group pyproject.toml:build -c requirements-dev.lock -o requirements-build.lock
	@env -u PIP_FIND_LINKS $(LOCK) pyproject.toml requirements-image.in --override requirements-image.overrides \
		-c requirements.lock -o requirements-image.lock
	@env -u PIP_FIND_LINKS $(LOCK) --group pyproject.toml:image -c requirements-build.lock -o requirements-image-build.lock
	@for folder in $(NODE) $(CODING); do \
		(cd $$folder && npm install --package-lock-only --omit-lockfile-registry-resolved) || exit 1; done

clean: ## remove what this file made, the environments included
	rm -rf $(VENV) $(NODE)/node_modules $(CODING)/node_modules $(HELM)/bin .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Portcullis needs Python 3.11 or newer with venv; PYTHON=$(PYTHON) is not that." >&2; exit 1; }
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the gateway needs"
	@$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing what the tests need"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# Without npm the tests of the Node SDKs skip, and say so.
$(NODE_READY): $(NODE)/package-lock.json $(NODE)/package.json
	@mkdir -p $(@D)
	@if command -v npm >/dev/null 2>&1; then \
		echo "Installing the Node SDKs"; \
		cd $(NODE) && npm ci --no-audit --no-fund --loglevel=error >/dev/null && touch node_modules/.ready; \
	else echo "npm is not here: the tests of the Node SDKs will skip" >&2; fi

# The agents as npm gives them: programs for this machine, so no script of theirs has to run. Where npm
# cannot get them (no network, a platform they do not know), their tests skip, and say so.
$(CODING_READY): $(CODING)/package-lock.json $(CODING)/package.json
	@mkdir -p $(@D)
	@if [ "$(AGENTS)" = no ]; then echo "AGENTS=no: the tests of the coding agents will skip" >&2; \
	elif ! command -v npm >/dev/null 2>&1; then \
		echo "npm is not here: the tests of the coding agents will skip" >&2; \
	else \
		echo "Installing the coding agents (800 MB, once)"; \
		(cd $(CODING) && npm ci --ignore-scripts --fetch-retries=1 --no-audit --no-fund --loglevel=error >/dev/null \
			&& touch node_modules/.ready) \
		|| echo "npm could not install the coding agents: their tests will skip" >&2; \
	fi

# helm and what checks its output, built from source by go.sum. go 1.21 or newer gets itself the
# version that go.mod asks for. Go's own build cache makes the next clone of this machine quick.
$(HELM_READY): tests/helm/install.py $(HELM)/go.mod $(HELM)/go.sum $(wildcard $(HELM)/*/main.go) | $(DEV)
	@mkdir -p $(@D) && rm -f $@
	@export PATH="$$PATH:/usr/local/go/bin"; \
	if [ "$(CHART)" = no ]; then echo "CHART=no: the tests of the Helm chart will skip" >&2; \
	elif ! command -v go >/dev/null 2>&1; then \
		echo "go is not here: the tests of the Helm chart will skip" >&2; \
	else \
		echo "Building helm and kubeconform (some minutes, once)"; \
		($(BIN)/python tests/helm/install.py && touch $@) \
		|| echo "go could not build helm: the tests of the Helm chart will skip" >&2; \
	fi
