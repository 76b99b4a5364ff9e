"""Freed memory stays with the process."""

import os
import subprocess
import sys

import pytest

CODE = """
import resource, torch
from seunet.runtime.memory import keep_freed_memory
keep_freed_memory()
def step(): return sum(float(x.mean()) for x in [torch.ones(3_000_000) for _ in range(8)])
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(pages() for _ in range(12)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_later_steps_take_no_new_pages_unless_the_environment_says_so() -> None:
    def pages(**variables: str) -> int:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        command = [sys.executable, "-c", CODE]
        return int(subprocess.run(command, env=environment | variables, check=True, capture_output=True).stdout)

    assert pages() < 100 < 1000 < pages(MALLOC_TOP_PAD_="0")
