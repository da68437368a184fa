# `make` lists what it can do. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
LOCK := requirements/python$(VERSION).txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK)

.PHONY: help demo test test-parity test-sizes check fix grammar golden bench fuzz lock clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20

demo: $(VENV)/demo ## install, then check, cost, compile and train LeNet-5 on scans of digits
	$(BIN)/netdsl check architectures/lenet5.net
	$(BIN)/netdsl cost architectures/lenet5.net
	mkdir -p runs
	$(BIN)/netdsl compile architectures/lenet5.net --output runs/lenet5.py --force
	rm -rf runs/demo
	$(BIN)/netdsl train architectures/lenet5.net --data digits --out runs/demo --at-least 0.98

test: check ## run all checks and tests
	$(BIN)/python -m pytest -n 2

test-parity: $(VENV)/parity ## compare all networks with PyTorch's own, which is a large install
	$(BIN)/python -m pytest -m parity tests/parity

test-sizes: $(VENV)/test ## compare symbolic shapes with numbers for every image up to 600 pixels
	$(BIN)/python -m pytest --exhaustive -n 2 tests/test_formulas.py tests/test_every_size.py

check: $(VENV)/test ## run the linters, the type checker and netdsl on its own architectures
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/netdsl check architectures
	$(BIN)/netdsl fmt --check architectures
	$(BIN)/netdsl lint architectures

fix: $(VENV)/test ## format and mend what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/netdsl fmt architectures

grammar: $(VENV)/test ## rebuild the parser's tables from grammar/net.lark
	$(BIN)/python -m netdsl.parse

golden: $(VENV)/test ## rewrite the expected texts of the tests; the diff is the review
	$(BIN)/python -m pytest --update-golden

bench: $(VENV)/test ## measure start-up, checking, compiling and training steps
	$(BIN)/python -m benchmarks

INPUTS ?= 20000
fuzz: $(VENV)/test ## take INPUTS=20000 broken programs through all static stages; LEDGER=FILE goes on
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) $(if $(LEDGER),--ledger $(LEDGER))

lock: ## pin the newest versions of all requirements for this Python
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet '.[test]'
	$(BIN)/python -m pip freeze --exclude netdsl > $(LOCK)
	rm -rf $(VENV)

clean: ## remove the environment and all that was built
	rm -rf $(VENV) build dist *.egg-info .*_cache .hypothesis

$(VENV)/python$(VERSION):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "netdsl needs Python 3.11 or newer, and $(PYTHON) is not; PYTHON=... names another" >&2; exit 1; }
	@test -f $(LOCK) || \
	  { echo "there is no $(LOCK); PYTHON=... names another Python, \`make lock\` pins for this one" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/demo: $(VENV)/python$(VERSION) pyproject.toml $(LOCK)
	@echo "installing the requirements of $(LOCK) into $(VENV)"
	$(INSTALL) --editable '.[demo]'
	$(BIN)/python -m compileall -q netdsl grammar architectures
	@touch $@

$(VENV)/test: $(VENV)/python$(VERSION) pyproject.toml $(LOCK)
	@echo "installing the requirements of $(LOCK) into $(VENV)"
	$(INSTALL) --editable '.[test]'
	$(BIN)/python -m compileall -q netdsl grammar architectures
	@touch $@

$(VENV)/parity: $(VENV)/test requirements/parity.txt
	@echo "installing the requirements of requirements/parity.txt into $(VENV)"
	$(INSTALL) --constraint requirements/parity.txt --editable '.[parity]'
	@touch $@
