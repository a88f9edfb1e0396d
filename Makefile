# Two commands do everything, set-up included: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint chaos bench schema clean

demo: $(VENV)/.demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

# More processes than cores: much of it is waiting.  Neighbours stay together, as they share a server.
test: $(VENV)/.test
	$(BIN)/python -m pytest tests -n 4 --dist worksteal

# Kills apply, a change and teardown before and after every mutating call in turn, on the plain and on the strict cloud
# (20 minutes on 2 cores for the first spec, a few for each of the others); `make test` takes a sample of the same points.
CHAOS := specs/ec2.yaml specs/serverless.yaml specs/qa.yaml specs/bashoutter.yaml
chaos: $(VENV)/.test
	AWSRUN_CHAOS=all $(BIN)/python -m pytest tests/chaos tests/e2e/test_many_trials.py -n 4
	for spec in $(CHAOS); do AWSRUN_CHAOS=all AWSRUN_CHAOS_SPEC=$$spec \
	    $(BIN)/python -m pytest tests/chaos/test_reconcile_chaos.py -n 4 || exit 1; done

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The schemas that editors complete specs and experiments by, and the reference of kinds; tests say when they are out of date.
schema: $(VENV)/.test
	$(BIN)/awsrun schema -o awsrun.schema.json
	$(BIN)/awsrun schema --experiment -o experiment.schema.json
	$(BIN)/awsrun schema --docs docs/kinds

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

$(VENV)/.demo: setup.cfg pyproject.toml
	@echo "Setting up $(VENV): awsrun, its embedded cloud, torch and torchvision (a few minutes, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[jobs,local]'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@$(PIP) --editable '.[jobs,local,dev]'
	@touch $@

clean:
	rm -rf $(VENV) .demo build *.egg-info
