PYTHON ?= python3
PY := .venv/bin/python
# a file of tests stays with one worker, which keeps what its tests share; tests/conftest.py orders the files
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help install run test coverage check format bench faults clean

help:  ## what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/.run: requirements.txt
	@echo "installing requirements.txt into .venv (about 6 GB with PyTorch; a few minutes the first time)"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.dev: .venv/.run $(wildcard requirements-*.txt)
	@echo "installing requirements-dev.txt into .venv"
	@$(PY) -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

install: .venv/.run  ## the environment that experiments need

run: .venv/.run  ## train and evaluate a TripletNet on Fashion-MNIST
	$(PY) experiment.py -c configs/triplet.gin

test: .venv/.dev  ## the tests
	OMP_NUM_THREADS=1 $(PY) -m pytest $(WORKERS)

coverage: .venv/.dev  ## the tests again, half as fast: which lines and branches they reach
	OMP_NUM_THREADS=1 $(PY) -m pytest $(WORKERS) --cov --cov-report=term

check: .venv/.dev  ## lint, format, types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: .venv/.dev  ## put the code in the project's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: .venv/.dev  ## most timings of benchmarks/RESULTS.md, which names the commands of the others
	$(PY) -m benchmarks.training_step
	$(PY) -m benchmarks.episodes
	$(PY) -m benchmarks.time_to_accuracy
	$(PY) -m benchmarks.start
	$(PY) -m benchmarks.tables
	$(PY) -m benchmarks.neighbours
	$(PY) -m benchmarks.mining
	$(PY) -m benchmarks.evaluation
	$(PY) -m benchmarks.maps
	$(PY) -m benchmarks.gpu

faults: .venv/.dev  ## faults of people, files and machines by the thousand, and what held
	OMP_NUM_THREADS=1 $(PY) -m tests.faults $(ARGS)

clean:  ## remove the environment and caches of the tools
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis
