# make demo   set up, then answer one question      make ask Q="…"   ask another
# make test   set up for development, run the tests  make check       ruff, mypy, import contracts
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
Q      ?= How much has the credit score of client 4021 improved since they enrolled, and do they pay on time?
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export LANGGRAPH_CLI_NO_ANALYTICS := 1

.PHONY: demo ask test check bench lock clean

demo: $(VENV)/.run
	@$(BIN)/tilores-x ask --trace "$(Q)"

ask: $(VENV)/.run
	@$(BIN)/tilores-x ask "$(Q)"

# Many tests are of time-outs against real servers, which a busy machine can upset: what fails must fail alone, too.
test: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist loadfile --nbmake tests notebooks || $(BIN)/pytest --last-failed --nbmake tests notebooks

check: $(VENV)/.dev lens
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.lens $(BIN)/mypy -p tilores_x
	PYTHONPATH=.lens $(BIN)/lint-imports

# Type checkers and import-linter can't see through setuptools' package-dir: they look at the same folders through links.
.PHONY: lens
lens:
	@rm -rf .lens && mkdir -p .lens/tilores_x
	@ln -s $(CURDIR)/src/tilores_x/* .lens/tilores_x/
	@ln -s $(addprefix $(CURDIR)/,graph llm sandbox serving telemetry tools) .lens/tilores_x/

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up (once) …"
	@test -e $(VENV)/.dev || $(BIN)/pip install -q -q --no-deps --require-hashes -r requirements.lock
	@$(BIN)/pip install -q -q --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up for development (once) …"
	@$(BIN)/pip install -q -q --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install -q -q --no-deps -e .
	@touch $@ $(VENV)/.run

# Hashes and no addresses: the locks serve any index. Needs `pip install uv`.
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-header
lock:
	$(LOCK) pyproject.toml --extra deepseek --extra fireworks --extra studio --extra notebook --group dev -o requirements-dev.lock
	$(LOCK) pyproject.toml -c requirements-dev.lock -o requirements.lock
	$(LOCK) pyproject.toml --extra deepseek --extra fireworks --extra bench -c requirements-dev.lock -o requirements-bench.lock

clean:
	rm -rf $(VENV) .lens build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
