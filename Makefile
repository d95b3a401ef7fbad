# Every command a developer or an operator needs. `make setup` needs only python3-venv (Python >= 3.11), make and git.
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := libs/contracts libs/chassis services/intake services/outcomes services/outreach services/aggregator services/notifier services/gateway cli

.PHONY: setup
setup: $(BIN)/.installed

$(BIN)/.installed: requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@
