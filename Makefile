# The two commands: `make demo` and `make test`. Both work from a bare clone on Debian 12 and 13, as root or with sudo; what is already
# there is not done again. `make help` names the rest.

SHELL := /bin/bash
.NOTPARALLEL:
.SILENT:
.PHONY: help demo setup test test-all soak lint bench deb clean distclean system-base system-test setup-test

run := scripts/as-owner
python := .venv/bin/python

help:
	echo "make demo       set up what is missing, then a spoken conversation: with the microphone, or with a spoken user where there is none"
	echo "make test       set up what is missing, then lint, types, layers and every test but the slow ones"
	echo "make test-all   the slow ones too, and the soak"
	echo "make soak       hours of conversations in which things break: does anything grow or get stuck (SOAK=\"--hours 12 --minutes 0\")"
	echo "make setup      only set up: Debian packages, .venv, llama.cpp, the C core, default models"
	echo "make lint       ruff, mypy, import contracts"
	echo "make bench      every benchmark in its quick form"
	echo "make deb        a Debian package for this release and processor, in dist/"
	echo "make clean      remove what was built and recorded; make distclean removes .venv too (models stay)"

setup:
	scripts/system.sh base
	$(run) scripts/setup.sh base

setup-test:
	scripts/system.sh test
	$(run) scripts/setup.sh test

demo: setup
	$(run) .venv/bin/edgevoice demo

lint: setup-test
	$(run) scripts/lint.sh

test: lint
	$(run) $(python) -m pytest -m "not slow"

test-all: lint
	scripts/system.sh all
	$(run) $(python) -m pytest
	$(run) $(python) -m tests.soak

soak: setup-test
	$(run) $(python) -m tests.soak $(SOAK)

bench: setup
	$(run) bash -c 'for name in $$(.venv/bin/edgevoice bench | cut -d" " -f1); do .venv/bin/edgevoice bench $$name --quick; done'

deb: setup
	$(run) scripts/deb.sh

clean:
	rm -rf build dist demo ext/build ext/_core.c ext/_vad.c *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find edgevoice tests -name __pycache__ -prune -exec rm -rf {} +
	find edgevoice -name '_*.so' -delete
	rm -f .venv/.stamps/core

distclean: clean
	rm -rf .venv
