# Each target installs what it needs into .venv, from pinned constraints, and only once.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test lint bench clean

demo: .venv/demo-installed
	$(BIN)/unhear protect src/unhear/assets/demo.wav --output demo-out/protected.wav \
		--transcribe --report demo-out --force

test: .venv/dev-installed
	$(BIN)/python -m pytest

lint: .venv/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[transcribe]'
	touch $@

.venv/dev-installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ .venv/demo-installed

# Hours; DATA is a folder of speech and noise. The peers are what it compares with, no part of .venv.
bench: .venv/dev-installed
	@test -n "$(DATA)" || { echo "make bench DATA=FOLDER: a folder of speech and noise"; exit 2; }
	$(PIP) --no-deps --upgrade --target .peers --requirement benchmarks/peers.txt
	PYTHONPATH=.peers $(BIN)/python -m benchmarks.speed --data $(DATA) --output docs/benchmarks.md

clean:
	rm -rf .venv .peers demo-out
