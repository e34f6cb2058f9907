# The two commands a newcomer needs: `make demo` and `make test`. Both work on a bare machine with
# Python 3.10-3.13; a second call does not install again.
VENV  ?= .venv
TORCH ?= torch==2.14.1 torchvision==0.29.1
# 3.11 first: the tested one.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.10 python3; do \
  $$p -c "import sys,venv,ensurepip; raise SystemExit(not (3,10)<=sys.version_info[:2]<=(3,13))" >/dev/null 2>&1 && { command -v $$p; break; }; done)
BIN := $(VENV)/bin

.PHONY: demo test test-browser test-install notebooks lint
demo: $(VENV)/.ok
	$(BIN)/tlprobe demo --out out/demo

# A process a core, each with one thread: half the time of one process with all of them.
test: $(VENV)/.ok-test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

test-browser: $(VENV)/.ok-test
	$(BIN)/python -m pip install -q -e ".[test,browser]"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m browser tests/reports

# Runs the notebooks and keeps what they show. Look at it before it is committed.
notebooks: $(VENV)/.ok-test
	$(BIN)/python -m pip install -q -e ".[test,ray]"
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "ray or not ray" --overwrite examples

# Builds sdist and, from it, wheel, and uses the wheel in a clean environment of each Python: make test-install PYTHONS="python3.12"
PYTHONS ?= $(PYTHON)
test-install: $(VENV)/.ok
	rm -rf dist out/install && mkdir -p out
	$(BIN)/python -m pip install -q build
	$(BIN)/python -m build --outdir dist . > out/build.log
	set -e; for p in $(PYTHONS); do \
	  $$p -m venv out/install; \
	  out/install/bin/python -m pip install -q $(TORCH); \
	  out/install/bin/python -m pip install -q "$$(ls dist/*.whl)[ray,tune,report]"; \
	  out/install/bin/python tests/install/smoke.py; \
	  rm -rf out/install; \
	done

lint: $(VENV)/.ok-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What is installed is exactly what pyproject.toml asks for, so its change is what makes this run again.
$(VENV)/.ok: pyproject.toml
	@test -n "$(PYTHON)" || { echo "tlprobe needs Python 3.10-3.13 with venv (Debian/Ubuntu: apt install python3-venv)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch, torchvision" 2>/dev/null || $(BIN)/python -m pip install -q $(TORCH)
	$(BIN)/python -m pip install -q -e ".[tune,report]"
	@touch $@

$(VENV)/.ok-test: $(VENV)/.ok
	$(BIN)/python -m pip install -q -e ".[test]"
	@touch $@

$(VENV)/.ok-lint: $(VENV)/.ok
	$(BIN)/python -m pip install -q -e ".[test,lint]"
	@touch $@
