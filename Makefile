# `make` alone prints what there is. GNU make 4.3 or newer, a POSIX sh, and Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

# Written once the environment holds the packages; older than the files below, they are renewed.
RUN := $(VENV)/.ready-to-run
DEV := $(VENV)/.ready-to-develop
NOTEBOOKS := $(VENV)/.ready-for-notebooks
PINS := pyproject.toml constraints.txt

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help install train test lint bench chaos notebooks clean

help:  ## print this list
	@echo "make TARGET [PYTHON=python3.12] [VENV=path] [ARGS='...']"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile
	@echo "The first target to need $(VENV) makes it; VENV=path uses an environment that is there."

install: $(DEV)  ## make the environment with everything to develop with

train: $(RUN)  ## train; ARGS goes to train.py, as in ARGS='--workdir=runs/mine'
	$(VENV)/bin/python train.py $(ARGS)

test: $(DEV)  ## run the tests; ARGS goes to pytest, as in ARGS='-k attention'
	$(VENV)/bin/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=loadfile \
		--no-loadscope-reorder $(ARGS)

lint: $(DEV)  ## check formatting, style and types; changes nothing
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(RUN)  ## run the benchmarks; ARGS goes to them
	$(VENV)/bin/python -m benchmarks $(ARGS)

chaos: $(RUN)  ## kill a run again and again, damage checkpoints: half an hour; ARGS='--kills=5'
	$(VENV)/bin/python -m benchmarks.chaos $(ARGS)

notebooks: $(NOTEBOOKS)  ## open the notebooks in JupyterLab, which is installed if it is not there
	$(VENV)/bin/jupyter lab notebooks

clean:  ## remove .venv, caches and build leftovers; runs/ stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . \( -path ./runs -o -path ./.git \) -prune -o -name __pycache__ -prune -exec rm -rf {} +

$(RUN): $(PINS)
	$(call install,.)
	@touch $(RUN)

$(DEV): $(PINS)
	$(call install,.[dev])
	@touch $(RUN) $(DEV)

$(NOTEBOOKS): $(PINS)
	$(call install,.[notebooks])
	@touch $(RUN) $(NOTEBOOKS)

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	found=$$($(PYTHON) -c 'import sys; print(sys.version.split()[0])' 2>/dev/null || echo missing); \
	echo "Python 3.11 or newer is needed; $(PYTHON) is $$found. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	exit 1; }
@echo "Installing into $(VENV), a minute or two (about 1 GB)."
@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
@$(VENV)/bin/pip install -qq --disable-pip-version-check -c constraints.txt -e '$(1)'
endef
