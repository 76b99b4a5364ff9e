"""The fault campaign: every stage of the workflow × every fault, at random moments.

For each combination the workflow is run from the state before the stage, hurt, restarted with the command that
users type, and its results are compared with those of an undisturbed run. A moment is so many seconds of processor
time after the start of the job, or its n-th write; which of the two alternates with the seed. Needs root and Linux
for the faults of disks (tmpfs, read-only mounts). `python -m faults.campaign --seed 1` writes a record, from which
`python -m faults.table` makes the table of docs/reliability.md.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml
from faults.judge import differences
from test_data import pet_archives, pet_files

from seunet.runtime import provenance
from seunet.runtime.files import sha256

ROOT = Path(__file__).parents[2]
INJECT = Path(__file__).parent / "inject"
# What Snakemake says where its own files, not the job's, meet the fault.
SNAKEMAKES_OWN = {
    "disk full": "No space left on device",
    "read-only folder": "Read-only file system",
    "clock jump": "This could indicate a clock skew problem",
}
PATIENCE = 1200  # seconds for one run of the workflow, which takes 20 on an idle processor
ATTEMPTS = 6  # of drawing a moment before the end of the job
PARTS = ("Snakefile", "workflow", "seunet", "config", "envs")
RUN = "pet/unet/seed0"
TABLES = [f"results/tables/{name}.csv" for name in ("scores", "class_iou", "warnings", "history", "crops", "windows")]
TARGETS = ["results/figures/pet_iou.png", "results/figures/pet_iou.svg", *TABLES]
FAULTS = [
    "kill job",
    "kill all",
    "terminate job",
    "terminate all",
    "disk full",
    "read-only folder",
    "input truncated",
    "input corrupted",
    "out of memory",
    "clock jump",
    "second Snakemake",
]


@dataclass(frozen=True)
class Stage:
    """A rule, what it makes first and where, and what it reads."""

    made: str
    folder: str
    inputs: tuple[str, ...]


ARRAYS = tuple(f"results/datasets/pet/{split}/{kind}.npy" for split in ("train", "val") for kind in ("images", "masks"))
TEST = tuple(f"results/datasets/pet/test/{kind}.npy" for kind in ("images", "masks"))
MODEL = tuple(f"results/models/{RUN}/model.{suffix}" for suffix in ("safetensors", "json"))
DATASET = "results/datasets/pet/dataset.json"
STAGES = {
    "download": Stage("resources/pet/images.tar.gz", "resources/pet", ("archives/images.tar.gz",)),
    "prepare": Stage(DATASET, "results/datasets", ("resources/pet/images.tar.gz", "resources/pet/annotations.tar.gz")),
    "train": Stage(MODEL[0], "results/models", (*ARRAYS, DATASET)),
    "evaluate": Stage(f"results/scores/{RUN}.csv", "results/scores", (*MODEL, *TEST, DATASET)),
    "tables": Stage(TABLES[0], "results/tables", (f"results/scores/{RUN}.csv", f"results/models/{RUN}/history.csv")),
    "figure": Stage(TARGETS[0], "results/figures", ("results/tables/scores.csv",)),
}


def configuration(archives: dict[str, Path]) -> dict:
    """Return a tiny configuration on archives of a few images."""
    sources = {key: {"url": f"archives/{path.name}", "sha256": sha256(path)} for key, path in archives.items()}
    return {
        "datasets": {
            "pet": {
                "archives": sources,
                "image_size": 32,
                "network": {"width": 2, "depth": 1},
                "training": {"crop": 16, "batch_size": 4, "epochs": 8, "schedule": "constant"},
                "test_scales": [0.5, 1, 2],
                "size_multiple": 8,
            }
        },
        "runs": [{"datasets": ["pet"], "models": ["unet"], "seeds": [0]}],
        "claims": [],
    }


class Campaign:
    """A copy of the project, an undisturbed run, and the state of its folder before every stage."""

    def __init__(self, home: Path):
        self.home, self.clone, self.expected = home, home / "clone", home / "expected"
        for part in PARTS:
            source, ignore = ROOT / part, shutil.ignore_patterns("__pycache__")
            (self.clone).mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, self.clone / part, ignore=ignore)
            else:
                shutil.copy2(source, self.clone / part)
        (self.expected / "archives").mkdir(parents=True)
        config = configuration(pet_archives(self.expected / "archives", *pet_files()))
        (self.expected / "config.yaml").write_text(yaml.safe_dump(config))
        for name, stage in STAGES.items():
            copy(self.expected, home / "before" / name)
            counting = injection(name, "nothing", "count", home / f"{name}.mark")
            run(self.command(self.expected, stage.made), self.expected, counting)
        run(self.command(self.expected), self.expected)

    def command(self, folder: Path, *arguments: str) -> list[str]:
        """Return the command that users type, for a folder."""
        start = [sys.executable, "-m", "snakemake", "--snakefile", self.clone / "Snakefile", "--cores", "1"]
        start += ["--rerun-incomplete", "--directory", folder]
        files = ["--configfile", self.clone / "config" / "config.yaml", folder / "config.yaml"]
        return [*map(str, [*start, *(arguments or TARGETS), *files])]

    def combination(self, rule: str, fault: str, seed: int) -> dict:
        """Hurt one stage in one way; return what came of it. Where the job ends before the fault, draw again."""
        for attempt in range(ATTEMPTS):
            draw = random.Random(f"{seed} {rule} {fault} {attempt}")
            folder = self.home / f"{rule} {fault} {seed} {attempt}".replace(" ", "-")
            hurt = Hurt(rule, fault, self.moment(rule, fault, seed, draw), draw, folder)
            folder.mkdir()
            mount(["-t", "tmpfs", "-o", "size=40m", "tmpfs"], folder)
            try:
                outcome = self._hurt(hurt)
            finally:
                unmount(folder / STAGES[rule].folder)
                unmount(folder)
            if hurt.struck or outcome["wrong"]:
                break
        else:
            outcome["wrong"].append("the fault never struck")
        return {"stage": rule, "fault": fault, "seed": seed, "moment": hurt.moment} | outcome

    def moment(self, rule: str, fault: str, seed: int, draw: random.Random) -> str:
        """Draw when a fault strikes: by the clock or by writes, alternately over stages, faults and seeds."""
        if fault.startswith("input"):
            return "before it is read"
        writes, seconds = (self.home / f"{rule}.mark.undisturbed").read_text().split()
        if fault == "second Snakemake" or (list(STAGES).index(rule) + FAULTS.index(fault) + seed) % 2:
            return f"{draw.uniform(0, float(seconds)):.2f} s"
        return f"write {draw.randint(1, int(writes))}"

    def _hurt(self, hurt: "Hurt") -> dict:
        """Run, hurt, look at what is left, restart; return whether the run finished, what it said, what is wrong."""
        folder, stage, damaged = hurt.folder, hurt.stage, hurt.damaged
        copy(self.home / "before" / hurt.rule, folder)
        if hurt.fault == "read-only folder":
            (folder / stage.folder).mkdir(parents=True, exist_ok=True)
            mount(["--bind", str(folder / stage.folder)], folder / stage.folder)
        first = start(self.command(folder), folder, hurt.environment)
        second = self._second(hurt, first) if hurt.fault == "second Snakemake" else None
        text, code = first.communicate(timeout=PATIENCE)[0], first.returncode
        (folder / "ballast").unlink(missing_ok=True)
        unmount(folder / stage.folder)
        set_right(folder)
        wrong = [f"half-written: {name}" for name in differences(self.expected, folder, code == 0, damaged)]
        wrong += unclear(hurt.fault, text, code, damaged, second)
        if code:
            if damaged:
                repair(damaged, folder, self.expected)
            wrong += self._restart(folder)
        return {"finished": code == 0, "said": said(text) if code else "", "wrong": wrong}

    def _second(self, hurt: "Hurt", first: subprocess.Popen) -> tuple[str, int]:
        """Start the same command again beside the first, when that is at the stage; return what it says."""
        while not hurt.mark.exists() and first.poll() is None:
            time.sleep(0.05)
        time.sleep(float(hurt.moment.split()[0]))
        process = start(self.command(hurt.folder), hurt.folder, {})
        return process.communicate(timeout=PATIENCE)[0], process.returncode

    def _restart(self, folder: Path) -> list[str]:
        """Run the same command again, unlocked first where Snakemake asks for it; say what is wrong then."""
        code, text = attempt(self.command(folder), folder)
        if code and "--unlock" in text:
            attempt(self.command(folder, "--unlock"), folder)
            code, text = attempt(self.command(folder), folder)
        if code:
            return [f"the restart failed: {text[-1500:]}"]
        return differences(self.expected, folder, complete=True)


class Hurt:
    """One fault: where, when and on what; drawn, but for the moment, in a fixed order."""

    def __init__(self, rule: str, fault: str, moment: str, draw: random.Random, folder: Path):
        self.rule, self.fault, self.moment, self.folder = rule, fault, moment, folder
        self.stage, self.mark = STAGES[rule], folder.with_suffix(".mark")
        self.damaged = draw.choice(self.stage.inputs) if fault.startswith("input") else None
        target = {"read-only folder": self.stage.folder}.get(fault, self.damaged or str(folder))
        self.environment = injection(rule, fault, moment, self.mark, target, draw.randrange(2**31))

    @property
    def struck(self) -> bool:
        """Tell whether the fault came before the end of the job."""
        return Path(f"{self.mark}.struck").exists()


def injection(rule: str, kind: str, moment: str, mark: Path, target: str = "", seed: int = 0) -> dict[str, str]:
    """Return the variables of a run's environment that faults/inject/sitecustomize.py reads."""
    told = {"RULE": rule, "KIND": kind, "MOMENT": moment, "MARK": mark, "TARGET": target, "SEED": seed}
    return {f"FAULT_{name}": str(value) for name, value in told.items()} | {"PYTHONPATH": str(INJECT)}


def unclear(fault: str, text: str, code: int, damaged: str | None, second: tuple | None) -> list[str]:
    """Say what a user would not understand, or would be misled by."""
    if second:
        other, refused = second
        return ["the first run failed"] * bool(code) + ["no word of a lock"] * (refused and "lock" not in other)
    if damaged and code == 0:
        return ["the damage went unnoticed"]
    if damaged and Path(damaged).name not in text:
        return ["the damaged file is not named"]
    killed = fault.startswith(("kill", "terminate"))
    clear = code == 0 or killed or "error in rule" in text or SNAKEMAKES_OWN.get(fault, "error in rule") in text
    # on a read-only folder Snakemake adds one of its own, since it cannot remove what the job had made
    traceback = re.search(r'File "\S+(/seunet/|/\.snakemake/scripts/)', text) and not killed
    return ["no clear error"] * (not clear) + ["a traceback"] * bool(traceback)


def said(text: str) -> str:
    """Return what the terminal says of a failure: our own line, else Snakemake's."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] + [""]
    for sign in ("error in rule", "died with", *SNAKEMAKES_OWN.values(), "WorkflowError", "Error", "Terminating"):
        for line, following in zip(lines, lines[1:], strict=False):
            if sign in line:
                return f"{line} {following}" if line.endswith(":") else line
    return ""


def repair(damaged: str, folder: Path, expected: Path) -> None:
    """Do what the error asks for: delete the file, so that it is made again; an archive comes from elsewhere."""
    if damaged.startswith("archives/"):
        shutil.copy2(expected / damaged, folder / damaged)
    else:
        (folder / damaged).unlink()


def set_right(folder: Path) -> None:
    """Do what one does after a clock jump: no file stays from the future, or Snakemake refuses to go on."""
    now = time.time()
    for path in [*(folder / "results").rglob("*"), *(folder / "resources").rglob("*")]:
        if path.stat().st_mtime > now:
            os.utime(path, (now, now))


def copy(source: Path, to: Path) -> None:
    """Copy a folder with all times, and files of two names (results/kept) as one file."""
    to.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", f"{source}/.", str(to)], check=True)


def start(command: list[str], folder: Path, extra: dict[str, str]) -> subprocess.Popen:
    """Start a command in its own session."""
    environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1", "TMPDIR": "/tmp"} | extra
    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def attempt(command: list[str], folder: Path, extra: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command; return its exit code and what it said."""
    process = start(command, folder, extra or {})
    text = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, text


def run(command: list[str], folder: Path, extra: dict[str, str] | None = None) -> None:
    """Run a command that must end well."""
    code, text = attempt(command, folder, extra)
    if code:
        raise RuntimeError(text[-4000:])


def mount(arguments: list[str], place: Path) -> None:
    """Mount something at a place."""
    subprocess.run(["mount", *arguments, str(place)], check=True)


def unmount(place: Path) -> None:
    """Take away what is mounted at a place, if anything is. (Path.is_mount sees no bind mounts.)"""
    if str(place) in [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def can_mount() -> bool:
    """Tell whether this process may mount file systems."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
        unmount(Path(folder))
    return mounted.returncode == 0


def about() -> dict:
    """Return where a record was made."""
    return {"commit": provenance.commit(), "versions": provenance.versions(), "hardware": provenance.hardware()}


def main() -> int:
    """Run the combinations; print a row for each, and write a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stages", nargs="*", default=list(STAGES), choices=STAGES)
    parser.add_argument("--faults", nargs="*", default=FAULTS, choices=FAULTS)
    parser.add_argument("--workers", type=int, default=2, help="combinations at a time")
    parser.add_argument("--record", type=Path, default=Path("faults.json"))
    options = parser.parse_args()
    if not can_mount():
        print("the campaign mounts file systems: run it as root on Linux", file=sys.stderr)
        return 2
    outcomes = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, ThreadPoolExecutor(options.workers) as pool:
        made, campaign = about(), Campaign(Path(home))
        pairs = [(stage, fault) for fault in options.faults for stage in options.stages]
        for outcome in pool.map(lambda pair: campaign.combination(*pair, options.seed), pairs):
            outcomes.append(outcome)
            print(row(outcome), flush=True)
            record = made | {"seed": options.seed, "combinations": outcomes}
            options.record.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    bad = sum(bool(outcome["wrong"]) for outcome in outcomes)
    print(f"{len(outcomes)} combinations, {bad} bad, seed {options.seed}")
    return 1 if bad else 0


def row(outcome: dict) -> str:
    """Return a line for the terminal."""
    came = "finished" if outcome["finished"] else f"stopped: {outcome['said']}"
    return " | ".join(
        [outcome["stage"], outcome["fault"], outcome["moment"], came, "; ".join(outcome["wrong"]) or "ok"]
    )


if __name__ == "__main__":
    sys.exit(main())
