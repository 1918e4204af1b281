# Two commands: `make demo` does the main job, `make test` proves it. Both install what they need.
PYTHON ?= python3
VENV ?= .venv
SOAK_MINUTES ?= 20
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help install install-test demo desktop screenshots serve stack soak test test-long lint format benchmark dist installer clean

help: ## show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: pyproject.toml constraints.txt
	@sh packaging/system.sh python
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing churnkit into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@sh packaging/system.sh tests
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

install: $(VENV)/.installed ## install churnkit into .venv
install-test: $(VENV)/.installed-test ## install what the tests need, too

demo: install ## the main job on the shipped Telco data, into ./demo
	@$(BIN)/churnkit demo demo

$(VENV)/.installed-service: $(VENV)/.installed
	@echo "Installing the service into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[service,local-postgres]'
	@touch $@

demo/churnkit.toml: | $(VENV)/.installed
	@$(BIN)/churnkit demo demo

$(VENV)/.installed-desktop: $(VENV)/.installed
	@sh packaging/system.sh desktop
	@echo "Installing the console into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[desktop]'
	@touch $@

desktop: $(VENV)/.installed-desktop demo/churnkit.toml ## the console in a window, on the demo project
	@$(BIN)/churnkit desktop demo

screenshots: $(VENV)/.installed-desktop demo/churnkit.toml ## every screen in both themes at 100, 150 and 200 %, into build/screenshots
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m churnkit_desktop.screenshots demo build/screenshots

serve: $(VENV)/.installed-service demo/churnkit.toml ## the demo project as a service, on a PostgreSQL of its own
	@$(BIN)/churnkit -C demo serve --local-postgres --example

$(VENV)/.installed-stack: $(VENV)/.installed-service
	@sh packaging/system.sh stack
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[service,local-postgres,broker,client,mlflow]'
	@touch $@

stack: $(VENV)/.installed-stack demo/churnkit.toml ## what docker-compose.yml describes, as plain processes
	@PYTHONPATH=packaging/stack $(BIN)/python -m churnkit_stack demo

soak: $(VENV)/.installed-stack ## twenty minutes of mixed load with faults; prints what the ledger says
	@PYTHONPATH=packaging/stack $(BIN)/python -m churnkit_stack.soak --minutes $(SOAK_MINUTES)

lint: install-test ## ruff, mypy, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint and the ordinary tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: install-test ## what takes longer
	$(BIN)/pytest -m long -n 2 --dist loadfile --no-loadscope-reorder

format: install-test ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: install-test ## print the benchmarks' tables
	$(BIN)/python tests/benchmarks/quality.py
	$(BIN)/python tests/benchmarks/inference.py
	$(BIN)/python tests/benchmarks/sequential.py
	$(BIN)/python tests/benchmarks/features.py
	$(BIN)/python tests/benchmarks/drift.py
	$(BIN)/python tests/benchmarks/service.py

$(VENV)/.installed-build: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt build 'setuptools>=77'
	@touch $@

dist: $(VENV)/.installed-build ## the wheel and the source distribution, into ./dist
	@$(BIN)/python -m build --no-isolation --outdir dist . > /dev/null
	@ls -l dist

installer: ## the console as a .deb and a .tar.zst (on Linux), into ./dist
	@sh packaging/system.sh installer
	@$(PYTHON) packaging/make_installer.py --out dist

clean: ## remove the environment and the demo
	rm -rf $(VENV) demo build dist *.egg-info
