# Every command a developer or an operator needs. A bare Debian machine may lack python3-venv, make and git; nothing else.
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := libs/contracts libs/chassis services/intake services/outcomes services/outreach services/aggregator services/notifier services/gateway cli
PYPROJECTS := pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
OURS := contracts chassis intake outcomes outreach aggregator notifier gateway leadloop
# One more than the cores it is made for: a test waits for servers, timers and disks for a good part of its time.
WORKERS ?= 3

# Where it is set, each of the many processes compiles anew all that it imports: seconds, every time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up demo down test chaos sim lint format bench lock docs

help: ## Show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(BIN)/.installed ## Make the environment, from the hashed lock

$(BIN)/.installed: requirements.lock $(PYPROJECTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

up: setup ## Start everything; Ctrl-C stops it, the data stays
	@$(BIN)/leadloop up

demo: setup ## The same with a synthetic tenant: weeks of history and live traffic
	@$(BIN)/leadloop demo

down: setup ## Stop what runs
	@$(BIN)/leadloop down

# A worker that ends is a fault, which the run names. It is not replaced: pytest-xdist would send its finished files out once more, and
# wait for them without end (pytest-xdist 1323).
test: setup ## Every test, on a real broker and a real database
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

chaos: setup ## The chaos journey for as long as SECONDS says (600), with a SEED to repeat one
	@LEADLOOP_CHAOS_SECONDS=$(or $(SECONDS),600) LEADLOOP_CHAOS_SEED=$(SEED) $(BIN)/pytest tests/chaos -s --timeout 7200

sim: setup ## Thirty days of outreach on a moved clock, its processes killed at random, with a SEED to repeat them
	@LEADLOOP_SIMULATION=whole LEADLOOP_CHAOS_SEED=$(SEED) $(BIN)/pytest tests/simulation tests/outreach/sending/test_queue_machine.py -s

lint: setup ## Style, types, architecture, the lock's and the documents' freshness
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m contracts.documents --check
	@cp requirements.lock $(BIN)/.fresh.lock && $(call compile,$(BIN)/.fresh.lock) && \
		diff -u requirements.lock $(BIN)/.fresh.lock > /dev/null || { echo "requirements.lock is stale: run make lock"; exit 1; }

format: setup ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup ## Measure against the hand-written floor and the tutorial's way, in one run
	@$(BIN)/python -m bench.run

lock: ## Bring requirements.lock up to the pyprojects, keeping every version it can
	@$(call compile,requirements.lock)

docs: setup ## Make docs/messages.md, docs/asyncapi.json and the schemas of new messages
	@$(BIN)/python -m contracts.documents

# Versions in the file it writes to are kept; no address of an index gets into it.
compile = $(BIN)/uv pip compile --quiet $(PYPROJECTS) --group pyproject.toml:dev --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	$(addprefix --no-emit-package ,$(OURS)) --output-file $(1)
