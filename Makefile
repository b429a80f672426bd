# Each command sets everything up on a fresh machine, then runs. Only .venv is written, and companion by appendix.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.PHONY: verify appendix test lint setup clean

verify: setup
	$(RUN) -m verify all

appendix: setup
	$(RUN) -m verify appendix -o companion

test: setup lint
	$(RUN) -m pytest -n 2

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,interop,oracle,peers,report]'
	$(RUN) -m kernels.cpu.backend
	touch $@

clean:
	rm -rf $(VENV) .verify .hypothesis
