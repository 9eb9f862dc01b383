# Every target needs only make and Python 3.11 or newer; the rest is installed into .venv.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# 3.11 comes first: some machines offer a CPU build of torch for it alone.
CANDIDATES := python3.11 python3.12 python3.13 python3.14 python3
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

.PHONY: help demo up test coverage test-faults soak pages check fix migration clean
.PHONY: conformance bench bench-unlearning bench-fresh bench-references bench-restarts bench-verdict bench-conformance
.PHONY: bench-people bench-person bench-stream bench-step bench-sequencer bench-intake bench-batching

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Train, ask to be forgotten, forget, audit: the whole story on real data
	$(BIN)/lacuna demo

up: $(READY) ## Run the service here until Ctrl-C; data in .lacuna
	$(BIN)/lacuna up

# Two processes more than there are cores, four at most: stacks wait for leases and clocks. Each computes
# in one thread: where threads have to wait for a core, those that wait for them spin meanwhile.
# They may keep what they compile, or every process that they start would compile the same files again.
TEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest --dist loadfile --no-loadscope-reorder \
    --numprocesses "$$($(BIN)/python -c 'import os; print(min(4, 2 + os.cpu_count()))')"

test: $(READY) ## Run all tests, with real servers
	$(TEST)

coverage: $(READY) ## Run all tests and measure what they reach; half as long again
	$(TEST) --cov

check: $(READY) ## Format, lint, types, import walls, migrations, house rules; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/pytest --quiet tests/test_schema.py tests/test_compose.py $(wildcard tests/test_house*.py)

test-faults: $(READY) ## Kill the stack at every point, and do worse; a quarter of an hour
	$(BIN)/pytest -m faults tests/faults

soak: $(READY) ## Mixed load and a kill every minute: make soak MINUTES=60
	$(BIN)/python -m benchmarks.soak $(or $(MINUTES),60)

pages: $(READY) ## Pictures of a kept demo's reports, in a browser and as PDF: make pages URL=…
	$(BIN)/python -m benchmarks.pages $(URL)

conformance: $(READY) ## Is the audit right where the truth is known: a short form, also part of the tests
	$(BIN)/pytest --quiet tests/models/test_conformance.py tests/models/test_coin_test.py

fix: $(READY) ## Format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

migration: $(READY) ## Draft a migration from the tables: make migration m="add a column"
	@[ -n "$${m:-}" ] || { echo 'Say what changes: make migration m="add a column"' >&2; exit 1; }
	$(BIN)/python -m app.cli.draft_migration "$$m"

bench: bench-unlearning bench-fresh bench-references bench-restarts bench-verdict bench-conformance bench-people bench-person bench-stream bench-step bench-sequencer bench-intake bench-batching ## Measure what the README claims: hours

bench-unlearning: $(READY) ## Compare every way to forget with retraining; goes on where it was stopped; GPU=1: also CIFAR-10
	$(BIN)/python -m benchmarks.unlearning $(if $(GPU),--gpu)

bench-fresh: $(READY) ## Try our default on other draws of people than its settings were found on
	$(BIN)/python -m benchmarks.fresh_people

bench-references: $(READY) ## See how near references come to retrained networks
	$(BIN)/python -m benchmarks.references digits careers fashion omniglot

bench-restarts: $(READY) ## Compare rounds of forgetting with restarts from the last exact version
	$(BIN)/python -m benchmarks.restarts digits careers

bench-person: $(READY) ## Forget one person who really drew, and hold the audit's words against the truth
	$(BIN)/python -m benchmarks.one_person

bench-stream: $(READY) ## Forget fifty times on one model, and hold it against retrains
	$(BIN)/python -m benchmarks.stream digits --streams 20 --others 5
	$(BIN)/python -m benchmarks.stream careers --streams 5 --others 0

bench-people: $(READY) ## Try the audit on whole people whom no network saw
	$(BIN)/python -m benchmarks.verdict_people careers digits

bench-step: $(READY) ## Time a HAMU step over its floor; GPU=1: there, and with a ResNet-18
	$(BIN)/python -m benchmarks.hamu_step $(if $(GPU),--gpu)

bench-sequencer: $(READY) ## Time sequencing, proofs and receipts
	$(BIN)/python -m benchmarks.sequencer

bench-intake: $(READY) ## Time requests, imports and lookups beside bare statements
	$(BIN)/python -m benchmarks.intake

bench-batching: $(READY) ## Simulate a year of requests under each batching policy
	$(BIN)/python -m benchmarks.batching

bench-verdict: $(READY) ## Try the audit's verdict on networks whose truth is known
	$(BIN)/python -m benchmarks.verdict_conformance

bench-conformance: $(READY) ## Known answers over hundreds of worlds, and how strict nominal tests are
	$(BIN)/python -m benchmarks.conformance

clean: ## Remove .venv and caches; data in .lacuna stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	rm -rf build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@for python in $(CANDIDATES); do \
		if "$$python" -c "$(USABLE)" 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo "Lacuna needs Python 3.11 or newer with its venv module;" \
			"on Debian: apt-get install python3 python3-venv" >&2; \
		exit 1; \
	fi; \
	echo "Installing into .venv with $$("$$found" --version); once, about two minutes."; \
	"$$found" -m venv .venv
	@$(PIP) install pip==26.3
	@# Alone and exact, torch comes as the CPU build where one is offered. As a dependency of
	@# something else it would be the newest build, with gigabytes of CUDA packages.
	@$(PIP) install torch==2.13.0
	@$(PIP) install --editable '.[worker,otel]' --group dev
	@touch $@
