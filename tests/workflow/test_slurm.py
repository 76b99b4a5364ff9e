"""The shipped Slurm profile on a real Slurm of one node, with jobs that are ended in every way a cluster has."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from seunet.runtime.files import sha256

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "tests" / "slurm" / "cluster.sh"
NEEDED = ("Snakefile", "config", "envs", "seunet", "slurm", "workflow")
MODELS = "results/models/reef/slow/seed{}/{}"
SEEDS = (0, 1)
FIGURE = "results/figures/reef_iou.png"


@pytest.fixture(scope="module")
def cluster():
    """Start the Slurm of cluster.sh, and stop it at the end; skip where it cannot be."""
    if shutil.which("slurmctld") is None or shutil.which("munged") is None:
        pytest.skip("slurmctld is not installed (tests/slurm/cluster.sh install, as root)")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of its own needs root")
    started = subprocess.run([CLUSTER, "start"], capture_output=True, text=True, timeout=60, check=False)
    if started.returncode == 3:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield
    slurm("scancel", "--user=root", "--full", "--signal=KILL")
    subprocess.run([CLUSTER, "stop"], check=True, timeout=60)


@pytest.mark.slurm
@pytest.mark.root
@pytest.mark.slow
def test_trainings_survive_the_cluster(cluster, tmp_path):
    """Two trainings at once, ended by a signal, a requeue and a time limit, end with the weights of calm ones."""
    disturbed, calm = clone(tmp_path / "disturbed"), clone(tmp_path / "calm")
    options = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
    on_cluster = start(disturbed, ["--profile", "slurm", *options, "--", FIGURE], slow="0.5")
    in_peace = start(calm, ["--cores", "1", *(MODELS.format(seed, "model.safetensors") for seed in SEEDS)])
    try:
        first = [wait(lambda s=seed: running_training(disturbed, s), 600, on_cluster) for seed in SEEDS]
        check_requests(first, attempt=1)
        check_own_gpus(first)

        subprocess.run([CLUSTER, "restart-controller", "3"], check=True, timeout=60)
        assert [state(job) for job in first] == ["RUNNING", "RUNNING"]

        slurm("scontrol", "update", f"JobId={first[1]}", "TimeLimit=1")
        slurm("scancel", "--signal=KILL", first[0])
        wait(lambda: state(first[0]) in ("FAILED", "CANCELLED"), 60, on_cluster)
        second = wait(lambda: running_training(disturbed, 0, resumed=True), 600, on_cluster)
        assert second != first[0]
        check_requests([second], attempt=2)

        epoch = resumed_after(disturbed, 0)
        slurm("scontrol", "requeue", second)
        wait(lambda: resumed_after(disturbed, 0) > epoch, 600, on_cluster)
        assert field(second, "Restarts") == "1"

        assert on_cluster.wait(timeout=1200) == 0, tail(disturbed)
        assert state(first[1]) == "TIMEOUT" and resumed_after(disturbed, 1) > 0
        assert in_peace.wait(timeout=300) == 0, tail(calm)
    finally:
        for process in (on_cluster, in_peace):
            process.kill()
            process.wait()
    for seed in SEEDS:
        weights = MODELS.format(seed, "model.safetensors")
        assert sha256(disturbed / weights) == sha256(calm / weights)
    assert (disturbed / FIGURE).exists()
    rules = {job.rule for job in all_jobs()}
    assert {"prepare", "train", "evaluate", "figure"} <= rules and "tables" not in rules


@pytest.mark.slurm
@pytest.mark.root
@pytest.mark.slow
def test_a_cluster_without_accounting_is_refused_before_any_job(cluster, tmp_path):
    folder = clone(tmp_path / "clone")
    assert start(folder, ["--profile", "slurm", "--", FIGURE]).wait(timeout=300) != 0
    assert "no accounting" in tail(folder) and "slurm-status-command: squeue" in tail(folder)
    assert not (folder / "results" / "datasets").exists()


def clone(folder):
    """Copy what a clone has to `folder`, with the test's network and configuration."""
    folder.mkdir()
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for file in ("slow_network.py", "config.yaml"):
        shutil.copy(ROOT / "tests" / "slurm" / file, folder)
    return folder


def start(folder, arguments, slow="0"):
    """Start Snakemake in a clone."""
    command = [sys.executable, "-m", "snakemake", "--configfile", "config.yaml", *arguments]
    with (folder / "snakemake.log").open("w") as log:
        return subprocess.Popen(
            command, cwd=folder, env=os.environ | {"SLOW_SECONDS": slow}, stdout=log, stderr=subprocess.STDOUT
        )


def wait(condition, seconds, process):
    """Return the first true value of a condition; fail when it takes too long or Snakemake has ended."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert process.poll() is None, "snakemake has ended"
        assert time.monotonic() < end, f"not within {seconds} s; jobs: {all_jobs()}"
        time.sleep(0.5)
    return value


class Job(NamedTuple):
    """A Slurm job as squeue lists it."""

    id: str
    state: str
    rule: str
    wildcards: str


def all_jobs():
    """Return all jobs that the controller remembers, the newest first."""
    lines = slurm("squeue", "--states=all", "--noheader", "--sort=-i", "--format=%i|%T|%k").splitlines()
    jobs = [re.fullmatch(r"(\d+)\|(\w+)\|rule_([a-z_]+?)(?:_wildcards_(.*))?", line) for line in lines]
    return [Job(*job.groups()) for job in jobs if job]


def running_training(folder, seed, resumed=False):
    """Return the id of the seed's running job once its start (or, resumed, its resumption) has finished an epoch."""
    log = log_of(folder, seed)
    if "\nepoch " not in log or (resumed and "resumed" not in log):
        return None
    jobs = [job.id for job in all_jobs() if job.wildcards == f"reef_slow_{seed}" and job.state == "RUNNING"]
    return jobs[0] if jobs else None


def resumed_after(folder, seed):
    """Return after which epoch the training's last start resumed, by its log; 0 when it began anew."""
    found = re.search(r"resumed after epoch (\d+)", log_of(folder, seed))
    return int(found[1]) if found else 0


def log_of(folder, seed):
    """Return the log of the training's last start, or nothing."""
    try:
        return (folder / f"logs/train/reef/slow/seed{seed}.log").read_text()
    except FileNotFoundError:
        return ""


def check_requests(jobs, attempt):
    """Check that memory and time of the rule, of the n-th attempt, and the profile's partition reached Slurm."""
    for job in jobs:
        assert field(job, "MinMemoryNode") == f"{8000 * attempt}M"
        assert field(job, "TimeLimit") == {1: "12:00:00", 2: "1-00:00:00"}[attempt]
        assert field(job, "Partition") == "gpu"


def check_own_gpus(jobs):
    """Check that every process of the jobs sees one GPU, its job's own."""
    seen = {job: set() for job in jobs}
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = dict(entry.split("=", 1) for entry in process.read_text().split("\0") if "=" in entry)
        except OSError:
            continue  # it has ended
        if variables.get("SLURM_JOB_ID") in seen:
            seen[variables["SLURM_JOB_ID"]].add(variables.get("CUDA_VISIBLE_DEVICES"))
    assert sorted(seen.values(), key=str) == [{"0"}, {"1"}]


def field(job, name):
    """Return one field of `scontrol show job`."""
    return re.search(rf"\b{name}=(\S+)", slurm("scontrol", "show", "job", job))[1]


def state(job):
    """Return a job's state, such as RUNNING."""
    return field(job, "JobState")


def slurm(*command):
    """Run a Slurm command; return what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def tail(folder):
    """Return the end of Snakemake's output."""
    return (folder / "snakemake.log").read_text()[-3000:]
