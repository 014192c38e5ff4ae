# Every verb a person needs. `make` alone lists them.
PYTHON ?= $(or $(shell command -v python3.11),python3)
PORT   ?= 3000
DATA   ?= ../shared/data

SERVE_ENV := .venv
DEV_ENV   := .venv-dev
SERVE     := $(SERVE_ENV)/bin
DEV       := $(DEV_ENV)/bin

.DEFAULT_GOAL := help
.PHONY: help serve test clusters-test airflow-test stores-test check format train bench bench-online bench-batch bento image bento-image image-test release audit fuzz clean

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(SERVE_ENV)/.ready: requirements/serve.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "gounmal needs Python 3.11: install it, or say PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(SERVE_ENV)
	$(SERVE)/pip install --quiet --require-hashes -r requirements/serve.txt
	$(SERVE)/pip install --quiet --no-deps -e .
	touch $@

$(DEV_ENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "gounmal needs Python 3.11: install it, or say PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(DEV_ENV)
	$(DEV)/pip install --quiet -r requirements/dev.txt
	$(DEV)/pip install --quiet --no-deps -e .
	touch $@

serve: $(SERVE_ENV)/.ready  ## set up if need be and serve on PORT (3000)
	@$(SERVE)/gounmal serve --port $(PORT)

test: $(SERVE_ENV)/.ready $(DEV_ENV)/.ready  ## set up if need be and run every test
	GOUNMAL_SERVE_BIN=$(CURDIR)/$(SERVE) $(DEV)/pytest $(ARGS)

check: $(DEV_ENV)/.ready  ## lint and types
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy

format: $(DEV_ENV)/.ready  ## let ruff rewrite what it can
	$(DEV)/ruff format .
	$(DEV)/ruff check --fix .

CLUSTERS_ENV := runs/clusters-env
STORES_ENV   := runs/stores-env

runs/%-env/.ready: requirements/%.txt | $(SERVE_ENV)/.ready
	$(SERVE)/uv venv --quiet --clear --python $(PYTHON) $(@D)
	$(SERVE)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	$(SERVE)/uv pip install --quiet --python $(@D)/bin/python --no-deps -e .
	touch $@

clusters-test: $(CLUSTERS_ENV)/.ready  ## hold Spark and Ray to a scan; wants Java 17
	GOUNMAL_SERVE_BIN=$(CURDIR)/$(SERVE) $(CLUSTERS_ENV)/bin/python -m pytest tests/clusters $(ARGS)

stores-test: $(STORES_ENV)/.ready  ## read and write files in an S3 server of its own
	$(STORES_ENV)/bin/python -c "import moto.server, s3fs"
	$(STORES_ENV)/bin/python -m pytest tests/unit/test_sources.py $(ARGS)

airflow-test: $(SERVE_ENV)/.ready  ## run the DAG under Airflow 3, against a service on PORT
	PORT=$(PORT) GOUNMAL_SERVE_BIN=$(CURDIR)/$(SERVE) deploy/airflow/try.sh

train: $(DEV_ENV)/.ready  ## train, evaluate and export the model from DATA
	$(DEV)/python -m train --data $(DATA)

bench: $(DEV_ENV)/.ready  ## compare engines, and the model with filters, on DATA
	$(DEV)/pip install --quiet -r requirements/bench.txt
	$(DEV)/python -m benchmarks.engine.measure
	$(DEV)/python -m benchmarks.quality.compare --data $(DATA)

bench-online: $(SERVE_ENV)/.ready $(DEV_ENV)/.ready  ## compare ways to serve, on two idle cores (40 min; installs 5 GB)
	OMP_NUM_THREADS=1 $(DEV)/python -m benchmarks.online.compare

bench-batch: $(DEV_ENV)/.ready  ## scans and jobs at scale, on an idle machine (15 min)
	$(DEV)/python -m benchmarks.batch.suite

bento: $(SERVE_ENV)/.ready  ## build the Bento with its model in it
	$(SERVE)/gounmal models import models/gounmal-ko
	$(SERVE)/bentoml build

IMAGE      ?= gounmal:latest
DEPLOY_ENV := .venv-deploy

$(DEPLOY_ENV)/.ready: deploy/requirements.txt
	$(PYTHON) -m venv $(DEPLOY_ENV)
	$(DEPLOY_ENV)/bin/pip install --quiet --require-hashes -r $<
	touch $@

image: $(SERVE_ENV)/.ready  ## build the slim image IMAGE (gounmal:latest), with Docker or buildah
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && deploy/image/build.sh $(IMAGE) "$$folder"

bento-image: $(SERVE_ENV)/.ready  ## build IMAGE-bento, the larger one, by bentoml containerize
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && deploy/image/containerize.sh $(IMAGE)-bento "$$folder"

image-test: $(SERVE_ENV)/.ready $(DEPLOY_ENV)/.ready  ## build it and try it, and the manifests (CONTAINERIZE=1: IMAGE-bento too)
	@IMAGE=$(IMAGE) deploy/image/test.sh

release: $(SERVE_ENV)/.ready  ## wheel, Bento, image, bill of materials and checksums into dist/
	@IMAGE=$(IMAGE) deploy/image/release.sh

AUDIT_ENV := runs/audit
PIP_AUDIT := pip-audit==2.10.1

audit:  ## known holes in the locked packages, by PyPI's advisories (AUDIT="-s osv": by OSV's)
	@[ -e $(AUDIT_ENV)/$(PIP_AUDIT) ] || { $(PYTHON) -m venv $(AUDIT_ENV) && \
	  $(AUDIT_ENV)/bin/pip install --quiet $(PIP_AUDIT) && touch $(AUDIT_ENV)/$(PIP_AUDIT); }
	@# Strict: where a mirror knows no advisories, it would find none and call that good.
	@$(AUDIT_ENV)/bin/pip-audit $(AUDIT) --strict --disable-pip --require-hashes -r requirements/serve.txt && \
	  $(AUDIT_ENV)/bin/pip-audit $(AUDIT) --strict --disable-pip --no-deps -r requirements/dev.txt || \
	  { echo "audit: not clean: either holes are listed above, or the advisories could not be asked for" >&2; exit 1; }

fuzz: $(SERVE_ENV)/.ready $(DEV_ENV)/.ready  ## some 10,000 cases of schemathesis against a served Bento
	GOUNMAL_SERVE_BIN=$(CURDIR)/$(SERVE) GOUNMAL_SCHEMATHESIS_EXAMPLES=$(or $(CASES),650) \
	  GOUNMAL_SCHEMATHESIS_RESULTS=$(CURDIR)/docs/fuzz.json $(DEV)/pytest tests/e2e/test_openapi.py -k documented -s

clean:  ## remove the environments and caches (the Bento store stays)
	rm -rf $(SERVE_ENV) $(DEV_ENV) $(DEPLOY_ENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
