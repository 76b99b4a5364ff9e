"""GPUs are shared out among the jobs of one machine; shown without any, by their names."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from seunet.runtime import device

ROOT = Path(__file__).parents[2]
JOB = """
import sys, time
from pathlib import Path
from seunet.runtime import device
device.POLL_SECONDS = 0.1
print(device.claim(["GPU-a", "GPU-b"], Path(sys.argv[1])), flush=True)
time.sleep(3600)
"""


@pytest.fixture
def job(tmp_path):
    """Return a function that starts a process which claims one of two GPUs and keeps it; end them all after."""
    processes = []

    def start():
        command = [sys.executable, "-c", JOB, str(tmp_path)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_each_job_has_its_own_gpu_and_one_too_many_waits(job):
    first = job()
    assert first.stdout.readline() == "0\n"
    second = job()
    assert second.stdout.readline() == "1\n"
    third = job()
    assert third.stderr.readline() == "waiting: other jobs hold all 2 visible GPUs\n"
    second.kill()  # even so its GPU is free again
    assert third.stdout.readline() == "1\n"


def test_a_process_that_asks_twice_does_not_wait_for_itself(monkeypatch, tmp_path, capsys):
    device.best_device.cache_clear()
    monkeypatch.setattr(device, "visible_cards", lambda: ["GPU-a"])
    monkeypatch.setattr(device, "device_name", lambda device: "a card")
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)
    started = time.monotonic()
    assert device.best_device() == device.best_device() == torch.device("cuda", 0)
    assert time.monotonic() - started < 1
    assert capsys.readouterr().err == "device: cuda:0, a card, GPU-a\n"
    device.best_device.cache_clear()
    device._held.clear()


def test_without_a_gpu_the_cpu_is_used_and_said_once(monkeypatch, capsys):
    device.best_device.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.best_device() == device.best_device() == torch.device("cpu")
    assert capsys.readouterr().err == "device: cpu (no GPU is visible)\n"
    device.best_device.cache_clear()
