# The benchmark: archive → prepared arrays → weights → scores → tables → figures.
import atexit
import os
import shutil
from pathlib import Path

from snakemake.utils import min_version

from seunet.runtime import environment, provenance, result_cache
from seunet.runtime.device import visible_cards
from seunet.runtime.slurm import check_accounting

min_version("9.0")
RECORD = {}  # of this run, for results/run.json
environment.set_environment()
# that of the working folder; from any other folder (-s, --directory), the one beside this file
BASE = Path("config", "config.yaml")
if not BASE.is_file():
    BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)) / BASE


configfile: str(BASE)


report: "workflow/report/workflow.rst"


container: "seunet.sif"  # for --sdm apptainer alone: docs/cluster.md


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/page.smk"


localrules:
    all,
    download,
    missing,
    tables,
    per_image,
    claims,
    equivariance_table,
    page,


onstart:
    shutil.rmtree(ERRORS_FOLDER, ignore_errors=True)
    if workflow.local_exec and not visible_cards():
        logger.info("No GPU is visible here: networks are trained and tested on the CPU.")
    if workflow.dag_settings.forceall or workflow.dag_settings.forcetargets or workflow.dag_settings.forcerun:
        os.environ[result_cache.RECOMPUTE] = "yes"  # jobs inherit it, and take nothing from results/kept
    try:
        if workflow.executor_plugin.name == "slurm":
            slurm = workflow.executor_settings
            check_accounting(slurm.status_command, slurm.init_seconds_before_status_checks)
        record = provenance.begin(WHOLE.model_dump(mode="json"), Path("results"), run_hooks.rules_of(workflow.dag))
        RECORD.update(record)
    except UserError as error:
        raise WorkflowError(str(error))


onsuccess:
    finish_record(RECORD, "complete")
    if note := run_hooks.left_over_note(TABLES + FIGURES):
        logger.info(note)
    if UNFINISHED:
        logger.warning(finished.left_out_note(UNFINISHED))


onerror:
    finish_record(RECORD, "failed")
    # at exit, --directory no longer counts
    atexit.register(run_hooks.say_last, ERRORS_FOLDER.resolve(), finished.unfinished_note(CONFIG))


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
