# What the rules share: the checked configuration, and how a rule asks it. What it answers is computed in seunet/config.
import inspect
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from seunet.config import checks, digests, figures, finished, parameters, paths, plan, run_hooks, triggers
from seunet.config.files import check_files
from seunet.config.flags import check_flags
from seunet.runtime import integrity
from seunet.runtime.errors import ERRORS_FOLDER, UserError

try:
    # Every job reads this file again: all is checked, and networks are built, in the process that started it.
    if workflow.is_main_process:
        check_flags(sys.argv[1:])
        check_files(workflow.configfiles)
    WHOLE = checks.check(config) if workflow.is_main_process else checks.read(config)
    CONFIG, UNFINISHED = finished.split_finished(WHOLE)
    if workflow.is_main_process:
        finished.check_some(CONFIG)
except UserError as error:
    raise WorkflowError(str(error))

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]  # also where this is a module
if workflow.is_main_process:
    if UNFINISHED:
        logger.warning(finished.left_out_note(UNFINISHED))
    integrity.restore_times()
    if ROOT.resolve() == Path(workflow.basedir).resolve():
        triggers.ignore_places(workflow)  # `code` says what scripts and environments do

RUNS, TRAININGS, MEASURED = plan.all_runs(CONFIG), plan.all_trainings(CONFIG), plan.measured_runs(CONFIG)
MISSING = [paths.MISSING] * bool(UNFINISHED)
TABLES, FIGURES = paths.tables(CONFIG) + MISSING, figures.figure_files(CONFIG)


wildcard_constraints:
    dataset="|".join(map(re.escape, CONFIG.datasets)),
    model="|".join(map(re.escape, CONFIG.models)),
    seed=r"\d+",


def of(function):
    """Return a function of a job's wildcards: `function` of the configuration and of the wildcards that it names."""
    names = list(inspect.signature(function).parameters)[1:]
    kinds = {"seed": int}
    return lambda wildcards: function(CONFIG, *(kinds.get(name, str)(getattr(wildcards, name)) for name in names))


def weights(wildcards):
    """Return the network that is tested; the time of a given file says nothing, that of one that is made here counts."""
    files = of(paths.weights)(wildcards)
    return {key: path if paths.is_made_here(path) else ancient(path) for key, path in files.items()}


def code(script, environment):
    """Return the digest of what a script runs, with conda also of its packages; read when a job needs it."""
    installs = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    return lambda wildcards: digests.script_code(script, ROOT, environment if installs else None)


def network_code(wildcards):
    """Return the digest of a network of the user's own, in this workflow or, where it has none, the working folder."""
    return digests.network_code(CONFIG, wildcards.model, (ROOT, Path.cwd()))


def finish_record(record, status):
    """Complete results/run.json; where it cannot be written, say so, and let what went wrong before be the end."""
    try:
        provenance.finish(record, Path("results"), status)
    except UserError as error:
        logger.error(str(error))
