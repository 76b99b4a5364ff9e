"""Run every benchmark; print a table and write benchmarks/latest.json."""

import json
import sys
from pathlib import Path

import torch

from benchmarks import (
    evaluation,
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


def main() -> None:
    """Print the table as it grows."""
    facts = {"commit": commit(), "threads": torch.get_num_threads(), "hardware": hardware(), "versions": versions()}
    machine = facts["hardware"]
    print(
        f"{machine['processor']}, {facts['threads']} threads, torch {facts['versions']['torch']}, {facts['commit']}\n"
    )
    print("| what | measured | target | |\n|---|---|---|---|")
    rows = []
    subjects = (
        steps,
        kernels,
        operators,
        pooling,
        memory,
        loading,
        evaluation,
        planning,
        overhead,
        prediction,
        windows,
        passes,
    )
    for subject in subjects:
        for row in subject.rows():
            rows.append(row.as_json())
            print(row.as_text(), flush=True)
    RECORD.write_text(json.dumps(facts | {"rows": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten to {RECORD}", file=sys.stderr)


main()
