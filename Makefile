# The two commands are `make study` and `make test`; `make` alone lists all of them.
# Everything is installed into one virtual environment inside this folder, once, under constraints.txt.

PYTHON  ?= python3
VENV     = .venv
OUT     ?= runs/study
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Real data: DATA=folder on the command line, or HYBRID_LIT_DATA from outside. Notebooks run in their own folders, so
# the path has to be absolute.
DATA ?= $(HYBRID_LIT_DATA)
ifneq ($(DATA),)
export HYBRID_LIT_DATA := $(shell CDPATH= cd "$(DATA)" 2>/dev/null && pwd)
ifeq ($(HYBRID_LIT_DATA),)
$(error no such folder: DATA=$(DATA))
endif
# The cells marked `data` need the folder; FLAGS='slow data' runs the slow ones too.
FLAGS ?= data
endif
FLAGS ?=

export HF_HUB_OFFLINE ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Recipes find the environment's own commands first, whatever was active outside.
RUN  = PATH="$$(cd $(VENV)/bin && pwd):$$PATH"; export PATH
LOG  = $(VENV)/install.log
PIP  = $(VENV)/bin/python -m pip install --progress-bar off -c constraints.txt
FELL = { tail -n 15 $(LOG) >&2; echo "error: the install failed; all that pip said is in $(LOG)" >&2; exit 1; }

# The environment remembers the folder it was made for (its scripts hold paths, so in a moved folder it is made anew) and
# the TORCH that was last named for it, so that a plain `make test` later keeps that torch. Another TORCH: install again.
NAMED := $(shell sed -n 2p $(VENV)/made-for 2>/dev/null)
TORCH ?= $(or $(NAMED),torch==2.13.0)
ifneq ($(origin TORCH),file)
override NAMED := $(TORCH)
endif
STALE := $(shell [ -x $(VENV)/bin/python ] && printf '%s\n' "$$(pwd)" '$(NAMED)' | cmp -s - $(VENV)/made-for || echo FORCE)

# A PYTHON that is named but is not the environment's would be ignored without a word.
ifeq ($(origin PYTHON)$(filter clean help,$(MAKECMDGOALS)),command line)
HAS := $(shell sed -n 's/^version = \(3\.[0-9]*\).*/\1/p' $(VENV)/pyvenv.cfg 2>/dev/null)
ifneq ($(filter-out $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null),$(HAS)),)
$(error $(VENV) has Python $(HAS), not $(PYTHON); make clean first, or name another folder: VENV=/tmp/env)
endif
endif

RIGHT_PYTHON := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

.PHONY: help study reproduce test export quarto docs clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'
	@echo
	@echo "Variables: PYTHON=python3.12  TORCH='torch==2.13.0'  DATA=folder  FLAGS='slow data'  VENV=.venv  OUT=runs/study  CELL=cpu/x-x-mono/0"

study: $(VENV)/runtime ## install what is needed, then run the study and write its report to runs/study
	@$(RUN); hybrid-lit study --out "$(OUT)"

reproduce: $(VENV)/dev ## make the runs behind a figure again and compare: CELL=cpu/x-x-mono/0 (without CELL: list the cells)
	@$(RUN); python tools/reproduce.py "$(CELL)"

test: $(VENV)/dev ## sources agree, notebooks run, pytest passes; every stage runs, one failure fails
	@$(RUN); failed=; began=$$(date +%s); \
	python -c 'import platform, torch; print("Python", platform.python_version(), "torch", torch.__version__)'; \
	stage() { name=$$1; shift; echo "== $$name"; start=$$(date +%s); \
	  if "$$@" </dev/null; then said=ok; else said=FAILED; failed="$$failed, $$name"; fi; \
	  echo "== $$name: $$said, $$(( $$(date +%s) - start )) s"; }; \
	stage sources python tests/check_sources.py; \
	stage notebooks nbdev_test --n_workers $(WORKERS) --timing --flags "$(FLAGS)"; \
	stage pytest python -m pytest -q -rs tests; \
	echo "== all of it: $$(( $$(date +%s) - began )) s"; \
	if [ -n "$$failed" ]; then echo "FAILED: $${failed#, }" >&2; exit 1; fi

# Cleaning comes first: it gives new cells their ids, and the modules repeat those.
export: $(VENV)/dev ## clean the notebooks, write the modules and the README from them
	@$(RUN); nbdev_clean && nbdev_export && python tools/readme.py

# Asked for first, so that nobody waits for an install to be told. nbdev would fetch Quarto by itself, with sudo.
quarto:
	@PATH="$(abspath $(VENV))/bin:$$PATH"; command -v quarto >/dev/null || { \
	  echo "error: Quarto is not installed: see https://quarto.org/docs/download/ or run pip install quarto-cli; CONTRIBUTING.md says how to look at pages without it" >&2; exit 1; }

# Stored outputs are shown as they are; of the code, nbdev runs imports and definitions alone. README.md is touched
# because nbdev would have Quarto write an older one anew. What was processed before goes: a page may have gone since.
docs: quarto $(VENV)/dev ## build the site into _docs (needs Quarto)
	@$(RUN); rm -rf _proc; touch README.md; nbdev_docs

clean: ## remove the environment and what was built; runs/ and results/ stay
	rm -rf $(VENV) build dist _docs _proc *.egg-info .pytest_cache
	find nbs hybrid_lit tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is written last, so an install that was cut off is done again, and one that is done is left alone.
#
# --no-build-isolation: otherwise pip fetches the newest setuptools for the build of this package alone, which needs
# the network every time and is not held by the constraints. So setuptools goes in first, under them. pyproject.toml is
# no prerequisite, because nbdev_export writes it anew each time.
$(VENV)/runtime: settings.ini setup.py constraints.txt $(STALE)
	@{ [ ! -e $(VENV)/made-for ] || [ "$$(sed -n 1p $(VENV)/made-for)" = "$$(pwd)" ]; } && \
	$(VENV)/bin/python -c "import pip; $(RIGHT_PYTHON)" 2>/dev/null || { \
	  command -v "$(PYTHON)" >/dev/null || { echo "error: no $(PYTHON) here; name a Python 3.10 to 3.13: make PYTHON=/path/to/python3.12" >&2; exit 1; }; \
	  "$(PYTHON)" -c "$(RIGHT_PYTHON)" || { echo "error: $$("$(PYTHON)" --version 2>&1) is not one of 3.10 to 3.13; name another: make PYTHON=python3.12" >&2; exit 1; }; \
	  "$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
	  echo "making $(VENV) with $$("$(PYTHON)" --version)"; \
	  "$(PYTHON)" -m venv --clear $(VENV); }
	@rm -f $(VENV)/runtime $(VENV)/dev; : >$(LOG)
	@echo "installing hybrid_lit with $(TORCH) into $(VENV): the first time takes minutes (with CUDA, gigabytes)"
	@{ $(PIP) pip && $(PIP) setuptools && $(PIP) --no-build-isolation '$(TORCH)' -e .; } >>$(LOG) 2>&1 || $(FELL)
	@printf '%s\n' "$$(pwd)" '$(NAMED)' >$(VENV)/made-for
	@touch $@

$(VENV)/dev: $(VENV)/runtime tests/requirements.txt
	@echo "installing the tools for development into $(VENV)"
	@$(PIP) --no-build-isolation -e '.[dev]' -r tests/requirements.txt >>$(LOG) 2>&1 || $(FELL)
	@touch $@
