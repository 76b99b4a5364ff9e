# Two commands on a fresh machine: make demo, make test. Each sets up .venv first if needed.
# The newest Python that can make an environment (pyenv's shims may be there and not run). Where there is none, uv
# has one; not 3.14, under which a package of Snakemake's has to be compiled.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& echo $$python && break; done)
UV = uv venv --quiet --seed --clear --python '>=3.11,<3.14'
MAKE_VENV = $(if $(PYTHON),$(PYTHON) -m venv --clear,$(UV))
NO_PYTHON = No Python of 3.11 to 3.14 that can make environments was found, nor uv. Debian, Ubuntu: apt install python3-venv
CORES ?= 2
CONFIG ?= config/config.yaml
VENV ?= .venv
BIN = $(VENV)/bin
# Snakemake writes to the home folder before it reads anything of ours. Where there is none that can be written, as of a
# user without a name in a container, this one is.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.snakemake/home
endif
# Where this is set, every job compiles what it imports anew: half of torch once an optimizer is made. To write it once is
# faster than to compile all at installation.
unexport PYTHONDONTWRITEBYTECODE
TEST = $(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

.PHONY: setup demo laptop report test test-all lint format bench faults findings reference

setup: $(VENV)/all

# What the workflow runs, at the versions of the lock file; on a machine with an NVIDIA GPU the pin of torch is its CUDA
# build. An environment that is there keeps its Python: to change it, delete the folder.
$(VENV)/run: requirements.lock pyproject.toml
	@command -v $(firstword $(MAKE_VENV)) >/dev/null || { echo "$(NO_PYTHON)" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(MAKE_VENV) $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock --editable '.[workflow]'
	touch $@

# The rest of the lock file: what tests and checks need.
$(VENV)/all: $(VENV)/run
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	touch $@

demo: $(VENV)/run
	$(BIN)/seunet demo . --cores $(CORES)

laptop: $(VENV)/run
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --configfile config/laptop.yaml

# One page of everything that CONFIG asks for; what is not computed yet is computed before.
report: $(VENV)/run
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --quiet rules --configfile $(CONFIG) -- results/report.html
	@echo "The report is results/report.html."

# What to run after a change: golden values, laws, every unit, one workflow from end to end. tests/README.md says more.
test: setup
	$(TEST) -m "not slow and not slurm and not root and not foreign" $(TESTS)

# Everything, as continuous integration does; Slurm by itself, since its jobs want the cores.
test-all: setup
	$(TEST) -m "not slurm and not foreign"
	$(BIN)/python -m pytest -m slurm

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/snakefmt --check --line-length 120 Snakefile workflow/rules
	$(BIN)/snakemake --lint --configfile config/config.yaml

# The tables of config/README.md and the JSON schema, from seunet/settings/; the page of all commands, from their help.
reference: setup
	$(BIN)/python -m seunet.config
	$(BIN)/typer seunet.cli utils docs --name seunet --output docs/reference/commands.md

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt --line-length 120 Snakefile workflow/rules

bench: $(VENV)/run
	$(BIN)/python -m benchmarks

# Every stage × every fault: see docs/reliability.md. Half an hour, as root on Linux.
faults: setup
	PYTHONPATH=tests:tests/unit $(BIN)/python -m faults.campaign

# What other people's programs do, each in an environment of its own: findings/README.md. Minutes, and PyPI.
findings:
	@failed=; for script in findings/*.sh; do echo "== $$script"; bash $$script || failed="$$failed $$script"; done; \
	test -z "$$failed" || { echo "Another behaviour than was found:$$failed" >&2; exit 1; }
