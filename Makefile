# Each target sets up what it needs, from nothing but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install sandbox test check docs screenshots bench lock sbom audit clean
help: ## Say what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found %d.%d: run make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "==> creating $(VENV) and installing the locked dependencies"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(STAMP) ## Create .venv with the locked dependencies
	@:

sandbox: $(STAMP) ## Start Slack, ClearML, a real control plane and the bot on 127.0.0.1
	@$(BIN)/clearml-chatops sandbox

TEST_WORKERS ?= auto
test: $(STAMP) ## Run the whole suite, a worker for each core, four at most
	@$(BIN)/clearml-chatops tools install
	@$(BIN)/python -m sandbox.controlplane || [ -z "$$CI" ]
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --maxprocesses 4 --dist loadgroup

check: $(STAMP) ## ruff, mypy strict, import-linter
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(STAMP) ## Write docs/commands.md and docs/configuration.md anew
	@$(BIN)/python -m bot.reference docs

screenshots: $(STAMP) ## Take the README's pictures anew, in chromium
	@CLEARML_CHATOPS_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/scenario/test_page_story.py

bench: $(STAMP) ## Timings as ratios, side by side in one run; BENCH_NODES=500,1500,5000 sizes capacity
	@$(BIN)/clearml-chatops tools install
	@$(BIN)/python -m bench

lock: $(STAMP) ## Re-lock the dependencies, with hashes
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --extra sandbox --extra tracing pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --extra sandbox --extra tracing --group dev --group build pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --group build --constraint requirements-dev.lock -o requirements-build.lock

sbom: $(STAMP) ## Write sbom.json: what the locked dependencies are (CycloneDX)
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uvx --quiet --from 'cyclonedx-bom>=7,<8' cyclonedx-py requirements requirements.lock --of JSON -o sbom.json
	@echo "sbom.json written"

audit: $(STAMP) ## Look the locked dependencies up among known advisories; needs PyPI
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uvx --quiet --from 'pip-audit>=2.10,<3' pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements.lock \
		|| { echo "make audit failed: either an advisory stands above, or PyPI could not be asked, and then nothing was audited"; exit 1; }

clean: ## Remove what make created in this folder
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
