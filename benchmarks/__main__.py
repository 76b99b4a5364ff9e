"""Run every benchmark: print a table, write benchmarks/latest.json, and put the table into docs/performance.md.

With names, such as steps, print those alone.
"""

import json
import sys
import time
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
from benchmarks.measure import Row
from seunet.runtime.provenance import commit, hardware, versions

RECORD = Path(__file__).with_name("latest.json")
ALL = (
    *(steps, kernels, operators, pooling, memory, loading, evaluation, planning, overhead),
    *(prediction, windows, passes, exported, command),
)
SUBJECTS = {module.__name__.rpartition(".")[2]: module for module in ALL}


PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
START, END = "<!-- made by make bench -->\n", "<!-- end of what make bench made -->\n"


def main() -> None:
    """Print the table as it grows."""
    names = sys.argv[1:]
    facts = {"commit": commit(), "threads": torch.get_num_threads(), "hardware": hardware(), "versions": versions()}
    begin = time.monotonic()
    rows = []
    print("| what | measured | target |\n|---|---|---|")
    for name in names or SUBJECTS:
        start = time.monotonic()
        for row in SUBJECTS[name].rows():
            rows.append(row)
            print(row.as_text(), flush=True)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if names:
        return
    record = facts | {"rows": [row.as_json() for row in rows]}
    RECORD.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(facts, rows, (time.monotonic() - begin) / 60)
    print(f"\nwritten to {RECORD} and {PAGE}", file=sys.stderr)


def write_page(facts: dict, rows: list[Row], minutes: float) -> None:
    """Replace what an earlier run made in docs/performance.md."""
    machine = facts["hardware"]
    where = (
        f"{machine['cores']} cores of an {machine['processor']} ({machine['instructions']}), {facts['threads']} threads"
    )
    made = f"Measured in one run of {minutes:.0f} minutes at commit {(facts['commit'] or 'unknown')[:7]} on {where},\n"
    made += f"torch {facts['versions']['torch'].partition('+')[0]}; **bold: target missed**.\n\n"
    table = ["| what | measured | target |", "|---|---|---|", *(row.as_text() for row in rows)]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + made + "\n".join(table) + "\n" + END + after, encoding="utf-8")


main()
