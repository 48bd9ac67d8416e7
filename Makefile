# Every target does its own set-up: a virtual environment in .venv with the package and its development tools.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# A file of tests stays on one worker, which makes what its tests share once; the longest files are begun first.
# One worker more than there are cores, up to four, since the tests of the page and of processes wait at times.
WORKERS := $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((cores < 3 ? cores + 1 : 4)))
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-slow lint types docs dist all-checks clean

demo: $(READY)
	$(BIN)/cdpnet demo --out out/demo

test: $(READY)
	$(PYTEST) -m "not slow"

test-slow: $(READY)
	$(PYTEST)

lint: $(READY)
	$(BIN)/ruff check src tests examples benchmarks docs
	$(BIN)/ruff format --check src tests examples benchmarks docs

types: $(READY)
	$(BIN)/mypy

# The manual, in build/docs; a link that leads nowhere is an error. Nothing is read from the network.
docs: $(READY)
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --fresh-env --quiet docs build/docs

# Wheel and sdist in dist/; then the wheel in an environment of its own, over the tested packages, segments an image.
dist: $(READY)
	rm -rf dist build/installed
	$(BIN)/python -m build --outdir dist
	$(PYTHON) -m venv build/installed
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $$(build/installed/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/tested.pth
	build/installed/bin/pip install --quiet --no-deps --ignore-installed dist/*.whl
	cd build/installed && bin/cdpnet segment --model tiny --name caravan --out masks \
		--support ../../examples/images/caravan.png:../../examples/images/caravan_mask.png ../../examples/images/scene_1.png

all-checks: test lint types docs

$(READY): pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) out build dist
