# Two commands on a fresh machine: make demo, make test. Each sets up .venv first if needed.
PYTHON ?= python3.11
CORES ?= 2
CONFIG ?= config/config.yaml
BIN = .venv/bin
# Snakemake writes to the home folder before it reads anything of ours. Where there is none that can be written, as of a
# user without a name in a container, this one is.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.snakemake/home
endif
# Where this is set, every job compiles what it imports anew: half of torch once an optimizer is made. To write it once is
# faster than to compile all at installation.
unexport PYTHONDONTWRITEBYTECODE
TEST = $(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

.PHONY: setup demo laptop report test test-all lint format bench faults reference

setup: .venv/all

# What the workflow runs, at the versions of the lock file; on a machine with an NVIDIA GPU the pin of torch is its CUDA
# build.
.venv/run: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock --editable '.[workflow]'
	touch $@

# The rest of the lock file: what tests and checks need.
.venv/all: .venv/run
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	touch $@

demo: .venv/run
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --quiet rules --configfile config/demo.yaml
	@echo "The figures are in results/figures/."

laptop: .venv/run
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --configfile config/laptop.yaml

# One page of everything that CONFIG asks for; what is not computed yet is computed before.
report: .venv/run
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --quiet rules --configfile $(CONFIG) -- results/report.html
	@echo "The report is results/report.html."

# What to run after a change: golden values, laws, every unit, one workflow from end to end. tests/README.md says more.
test: setup
	$(TEST) -m "not slow and not slurm and not root"

# Everything, as continuous integration does; Slurm by itself, since its jobs want the cores.
test-all: setup
	$(TEST) -m "not slurm"
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

bench: .venv/run
	$(BIN)/python -m benchmarks

# Every stage × every fault: see docs/reliability.md. Half an hour, as root on Linux.
faults: setup
	PYTHONPATH=tests:tests/unit $(BIN)/python -m faults.campaign
