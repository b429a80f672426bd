# Each command sets everything up on a fresh machine, then runs. Only .venv is written, companion by appendix, site by docs.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

# What theorems/formal requires: Coq 8.16 and mathcomp 1.15, as in Debian 12.
ROCQ   := coq libcoq-mathcomp-algebra libcoq-mathcomp-algebra-tactics libcoq-mathcomp-analysis libcoq-coquelicot

.PHONY: verify appendix docs test lint formal rocq setup clean

verify: setup
	$(RUN) -m verify all

appendix: setup
	$(RUN) -m verify appendix -o companion

docs: setup
	$(RUN) -m mkdocs build --quiet
	@echo 'written: site/index.html'

formal: setup rocq
	$(RUN) -m verify formal

# Rocq from the system's packages, where that may be done.
rocq:
	@where=$$(coqc -where 2>/dev/null)/user-contrib; \
	if [ -d $$where/mathcomp/algebra_tactics ] && [ -d $$where/mathcomp/analysis ] && [ -d $$where/Coquelicot ]; then \
	  coqc --version | head -1; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 $(ROCQ); \
	else \
	  echo 'Rocq is not here, and cannot be installed without root and apt-get. As root on Debian or Ubuntu:'; \
	  echo '  apt-get install $(ROCQ)'; \
	  echo 'elsewhere: opam install coq.8.16.1 coq-mathcomp-algebra.1.15.0 coq-mathcomp-algebra-tactics.1.0.0 \'; \
	  echo '  coq-mathcomp-analysis.0.6.0 coq-coquelicot.3.2.0'; exit 1; \
	fi

test: setup lint
	$(RUN) -m pytest -n 2 --dist worksteal

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,interop,oracle,peers,report,docs,mutation]'
	$(RUN) -m kernels.cpu.backend
	touch $@

clean:
	rm -rf $(VENV) site .verify .hypothesis
