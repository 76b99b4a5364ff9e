"""The simulated cluster: schedules known by hand, and the plan as Snakemake prints it."""

import pytest

from benchmarks.cluster import CONFIG, Job, longest_chains, makespan, planned, read_along


def chained(seconds: list[float], needs: list[set[int]], gpu: bool = True) -> list[Job]:
    """Return jobs of given lengths."""
    jobs = [Job("rule", {}, [], [], gpu, 0, time, set(need)) for time, need in zip(seconds, needs, strict=True)]
    for index, need in enumerate(needs):
        for other in need:
            jobs[other].serves.add(index)
    return jobs


def test_independent_jobs_share_the_gpus():
    jobs = chained([3, 3, 2, 2, 2], [set()] * 5)
    assert makespan(jobs, 1, [0] * 5) == 12
    assert makespan(jobs, 2, [0, 1, 2, 3, 4]) == 7  # 3 2 2 | 3 2: longest first is not always best
    assert makespan(jobs, 2, [0, 0, 1, 1, 1]) == 7 and makespan(jobs, 2, [0, 4, 1, 2, 3]) == 7
    assert makespan(jobs, 5, [0] * 5) == 3


def test_a_job_waits_for_what_it_needs():
    jobs = chained([1, 2, 4, 1], [set(), {0}, {0}, {1, 2}])
    assert longest_chains(jobs) == [6, 3, 5, 1]
    assert makespan(jobs, 8, [0] * 4) == 6
    assert makespan(jobs, 1, [0] * 4) == 8


def test_jobs_without_a_gpu_never_wait_for_one():
    assert makespan(chained([5] * 6, [set()] * 6, gpu=False), 1, [0] * 6) == 5


def test_tiles_read_their_margins_too():
    tile = {"size": 448, "margin": 224}
    assert read_along(896, tile) == read_along(896, None) == 896  # no larger than a tile with its margins
    assert read_along(1024, tile) == (448 + 224) + (224 + 448 + 128) + (224 + 128)


@pytest.mark.slow
def test_the_plan_is_what_snakemake_prints():
    assert CONFIG.exists()
    jobs = planned()
    trainings = [job for job in jobs if job.rule == "train"]
    assert all(job.gpu and {jobs[i].rule for i in job.needs} == {"prepare"} for job in trainings)
    assert {jobs[i].rule for job in trainings for i in job.serves} == {"evaluate", "equivariance", "tables"}
    priorities = {(job.wildcards["dataset"], job.wildcards["model"]): job.priority for job in trainings}
    assert priorities["pet", "seunet"] == priorities["pet", "seunet-pyramid"] == priorities["pet", "sresnet"] == 4 * 112
    assert priorities["pet", "unet"] == priorities["pet", "unet-matched"] == 112
    assert priorities["hela", "seunet"] == 4 * 512  # whole frames
    assert all(job.priority == 0 for job in jobs if job.rule != "train")
    assert sum(not job.serves for job in jobs) == 1  # `all`
