"""What a cluster of n GPUs gives: the jobs that Snakemake plans for config.yaml, scheduled in a simulation.

`python -m benchmarks.cluster` prints a table and draws docs/figures/cluster_scaling.png. Job times come from
benchmarks/cluster.yaml, which says what is measured and what assumed. Not part of `make bench`: it measures nothing.
"""

import heapq
import math
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import yaml

from seunet.data.rescaling import rescaled_size

CONFIG, TIMES = Path("config/config.yaml"), Path(__file__).with_suffix(".yaml")
FIGURE = Path("docs/figures/cluster_scaling.png")
GPUS = (1, 2, 4, 8, 16, 32, 64, 128)
U_SHAPES = ("unet", "seunet")  # predicted in bands, which read no pixel twice; others in tiles
DRAWS = 50  # random orders of submission


@dataclass
class Job:
    """A job of the plan: times in seconds, `needs` and `serves` by index into the list of all jobs."""

    rule: str
    wildcards: dict[str, str]
    inputs: list[str]
    outputs: list[str]
    gpu: bool
    priority: int
    seconds: float = 0.0
    needs: set[int] = field(default_factory=set)
    serves: set[int] = field(default_factory=set)


def main() -> None:
    """Print the table and draw the figure."""
    jobs = planned()
    estimate = Estimate(
        yaml.safe_load(CONFIG.read_text(encoding="utf-8")), yaml.safe_load(TIMES.read_text(encoding="utf-8"))
    )
    for job in jobs:
        job.seconds = estimate.start + estimate.work(job)
    chain = longest_chains(jobs)
    total, critical = sum(job.seconds for job in jobs if job.gpu), max(chain)
    of_gpu = sum(job.gpu for job in jobs)
    print(f"{len(jobs)} jobs, {of_gpu} of them on a GPU for {total / 3600:.1f} h in all; ", end="")
    print(f"longest chain of jobs {critical / 60:.0f} min\n")
    print("| GPUs | with the rules' priorities | efficiency | any order | any order, worst | longest chain first |")
    print("|---|---|---|---|---|---|")
    found = []
    for gpus in GPUS:
        ranked = [makespan(jobs, gpus, shuffled(jobs, seed, lambda job: -job.priority)) for seed in range(DRAWS)]
        drawn = [makespan(jobs, gpus, shuffled(jobs, seed, lambda job: 0)) for seed in range(DRAWS)]
        best = makespan(jobs, gpus, [-length for length in chain])
        found.append((statistics.median(ranked), statistics.median(drawn), max(drawn), best))
        with_priorities, *rest = (f"{value / 3600:.2f} h" for value in found[-1])
        print(f"| {gpus} | {with_priorities} | {total / (gpus * found[-1][0]):.0%} | {' | '.join(rest)} |")
    draw(found, total, critical)


def planned() -> list[Job]:
    """Return the jobs of a dry run of the whole configuration; each needs those whose outputs it reads."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--configfile", str(CONFIG)]
    text = subprocess.run(command, check=True, capture_output=True, text=True)
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", text.stdout + text.stderr, re.MULTILINE)
    jobs = sorted((parsed(rule, block) for rule, block in blocks), key=lambda job: (job.rule, job.outputs))
    maker = {file: index for index, job in enumerate(jobs) for file in job.outputs}
    for index, job in enumerate(jobs):
        job.needs = {maker[file] for file in job.inputs if file in maker}
        for other in job.needs:
            jobs[other].serves.add(index)
    return jobs


def parsed(rule: str, block: str) -> Job:
    """Return the job that the lines `key: value, value, …` describe."""
    values = {key: value.split(", ") for key, value in re.findall(r"^ {4}(\w+): (.*)$", block, re.MULTILINE)}
    wildcards = dict(pair.split("=") for pair in values.get("wildcards", []))
    gpu, priority = "gpu=1" in values.get("resources", []), int(values.get("priority", ["0"])[0])
    return Job(rule, wildcards, values.get("input", []), values.get("output", []), gpu, priority)


class Estimate:
    """How long jobs take, from the settings of a configuration and the times of cluster.yaml."""

    def __init__(self, config: dict, times: dict):
        self.config, self.times, self.start = config, times, times["start"]

    def work(self, job: Job) -> float:
        """Return the seconds of a job's work."""
        if not job.gpu:
            return self.times["seconds"].get(job.rule, self.times["seconds_of_other_rules"])
        dataset, model = job.wildcards["dataset"], self.config["models"][job.wildcards["model"]]
        trained = model.get("weights_of", job.wildcards["model"])
        ratio = self.times["ratios"][trained] / self.times["ratios"]["seunet"]
        training = self.times["seunet_training"][dataset] * ratio
        if job.rule == "train":
            return training
        factors = sum(factor**2 for factor in model.get("ensemble", [1]))
        banded = self.config["models"][trained]["architecture"] in U_SHAPES
        return training * factors * self.tested(job.rule, dataset, banded) / self.trained(dataset)

    def trained(self, dataset: str) -> float:
        """Return the pixels of a training, validation included, in pixels of a forward pass."""
        settings, images = self.config["datasets"][dataset], self.times["images"][dataset]
        training, side = settings["training"], settings["image_size"]
        steps = math.ceil(images["train"] / training["batch_size"])
        step = training["batch_size"] * training.get("crop", side) ** 2 * self.times["step_over_forward"]
        return training["epochs"] * (steps * step + images["val"] * side**2)

    def tested(self, rule: str, dataset: str, banded: bool) -> float:
        """Return the pixels of an evaluation at all scales, or of a measurement of equivariance (32 images)."""
        settings, images = self.config["datasets"][dataset], self.times["images"][dataset]["test"]
        side = settings["image_size"]
        if rule == "equivariance":
            low, high = min(settings["test_scales"]), max(settings["test_scales"])
            scales = settings.get("equivariance_scales", [s for s in (0.25, 0.5, 2, 4) if low <= s <= high])
            return min(images, 32) * sum(side**2 * (1 + scale**2) for scale in scales)
        sizes = {rescaled_size(side, scale, settings["size_multiple"]) for scale in settings["test_scales"]}
        tile = None if banded else settings.get("tile")
        return images * sum(read_along(size, tile) ** 2 for size in sizes)


def read_along(side: int, tile: dict | None) -> int:
    """Return how many pixels all tiles read along an axis: the side itself where there are none."""
    if tile is None or side <= tile["size"] + 2 * tile["margin"]:
        return side
    starts = range(0, side, tile["size"])
    return sum(min(start + tile["size"] + tile["margin"], side) - max(start - tile["margin"], 0) for start in starts)


def longest_chains(jobs: list[Job]) -> list[float]:
    """Return for each job the seconds from its start to the end of the longest chain of jobs that begins with it."""
    known: dict[int, float] = {}

    def chain(index: int) -> float:
        if index not in known:
            known[index] = jobs[index].seconds + max(map(chain, jobs[index].serves), default=0)
        return known[index]

    return [chain(index) for index in range(len(jobs))]


def shuffled(jobs: list[Job], seed: int, key: Callable[[Job], int]) -> list[tuple[int, float]]:
    """Return ranks: by the key, jobs of the same key in a random order."""
    generator = random.Random(seed)
    return [(key(job), generator.random()) for job in jobs]


def makespan(jobs: list[Job], gpus: int, rank: list) -> float:
    """Return when the last job ends, if a free GPU always takes the ready job of lowest rank; other jobs never wait."""
    missing = [len(job.needs) for job in jobs]
    ready: list[tuple] = []
    running: list[tuple[float, int]] = []
    time, free = 0.0, gpus

    def prepare(index: int) -> None:
        if jobs[index].gpu:
            heapq.heappush(ready, (rank[index], index))
        else:
            heapq.heappush(running, (time + jobs[index].seconds, index))

    for index, count in enumerate(missing):
        if not count:
            prepare(index)
    while running or ready:
        while ready and free:
            _, index = heapq.heappop(ready)
            heapq.heappush(running, (time + jobs[index].seconds, index))
            free -= 1
        time = running[0][0]
        while running and running[0][0] == time:  # all that end now, before any GPU is given away
            _, index = heapq.heappop(running)
            free += jobs[index].gpu
            for other in jobs[index].serves:
                missing[other] -= 1
                if not missing[other]:
                    prepare(other)
    return time


def draw(found: list[tuple[float, ...]], total: float, critical: float) -> None:
    """Draw the hours against the number of GPUs, with the bound that no schedule can beat."""
    ranked, drawn, worst = ([row[i] / 3600 for row in found] for i in range(3))
    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    bound = [max(total / gpus, critical) / 3600 for gpus in GPUS]
    axes.plot(GPUS, bound, color="0.4", linestyle="--", label="no schedule is faster")
    axes.fill_between(GPUS, drawn, worst, color="tab:orange", alpha=0.3, linewidth=0)
    axes.plot(GPUS, drawn, "s-", color="tab:orange", markersize=4, label="in any order (to the worst)")
    axes.plot(GPUS, ranked, "o-", color="tab:blue", markersize=4, label="with the rules' priorities")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(GPUS, [str(gpus) for gpus in GPUS])
    hours = [h for h in (1, 2, 4, 8, 16, 32) if h < 1.1 * ranked[0]]
    axes.set_yticks(hours, [f"{h:g}" for h in hours])
    axes.set_xlabel("GPUs")
    axes.set_ylabel("hours for the whole benchmark")
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_ylim(bottom=0.7)
    figure.savefig(FIGURE, dpi=150)


if __name__ == "__main__":
    main()
