# make study    set up, run a small real study on the embedded scenes, write its report
# make test     set up, run every test
# make bench    set up, measure what is fast and write docs/performance.md (the machine should have nothing else to do)
# make check    the linters: ruff, mypy --strict, import-linter

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: study test bench check clean

study: $(READY)
	@if [ -e results/quick/study.json ]; then $(BIN)/study resume quick; \
	else $(BIN)/study launch search_spaces/quick.toml; fi
	$(BIN)/study analyze quick
	@echo "open results/quick/report.html"

test: $(READY)
	$(BIN)/python -m pytest

bench: $(READY)
	$(BIN)/python -m benchmarks

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# torch comes first: once it is there, nothing that follows asks for another build of it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
