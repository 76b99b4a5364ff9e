"""Run every benchmark; print a table and write benchmarks/latest.json. With names, such as steps, print those alone."""

import json
import sys
from pathlib import Path

import torch

from benchmarks import (
    command,
    evaluation,
    exported,
    kernels,
    loading,
    memory,
    operators,
    overhead,
    passes,
    planning,
    pooling,
    prediction,
    steps,
    windows,
)
from seunet.runtime.provenance import commit, hardware, versions

RECORD = Path(__file__).with_name("latest.json")
ALL = (
    *(steps, kernels, operators, pooling, memory, loading, evaluation, planning, overhead),
    *(prediction, windows, passes, exported, command),
)
SUBJECTS = {module.__name__.rpartition(".")[2]: module for module in ALL}


def main() -> None:
    """Print the table as it grows."""
    facts = {"commit": commit(), "threads": torch.get_num_threads(), "hardware": hardware(), "versions": versions()}
    machine = facts["hardware"]
    print(
        f"{machine['processor']}, {facts['threads']} threads, torch {facts['versions']['torch']}, {facts['commit']}\n"
    )
    print("| what | measured | target | |\n|---|---|---|---|")
    rows = []
    names = sys.argv[1:]
    for subject in [SUBJECTS[name] for name in names] if names else SUBJECTS.values():
        for row in subject.rows():
            rows.append(row.as_json())
            print(row.as_text(), flush=True)
    if names:
        return
    RECORD.write_text(json.dumps(facts | {"rows": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten to {RECORD}", file=sys.stderr)


main()
