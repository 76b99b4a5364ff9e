"""The tables of docs/reliability.md, from records of the campaign: `python -m faults.table faults.json …`.

Prints, for each record, what came of every fault at every stage, and the messages that the cells number; `--csv`
writes all combinations to one file.
"""

import argparse
import json
import re
from pathlib import Path

import pandas as pd
from faults.campaign import FAULTS, STAGES


def message(said: str) -> str:
    """Return a message without what differs from run to run: names of temporary files, checksums."""
    if died := re.search(r"died with <Signals\.(\w+)", said):
        return f"Snakemake: the job died of {died[1]}"
    said = re.sub(r"\(its sha256 is not that of \S+\)", "(…)", said).removeprefix("error in rule ")
    said = re.sub(r"/tmp/\S+?/(?=results|resources|archives)", "", said)
    return re.sub(r"\b[0-9a-f]{64}\b", "…", said)


def frame(record: dict) -> pd.DataFrame:
    """Return the combinations of a record, one a row."""
    table = pd.DataFrame(record["combinations"])
    table["outcome"] = table["finished"].map({True: "finished", False: "stopped"})
    table["message"] = table["said"].map(message)
    table["wrong"] = table["wrong"].map("; ".join)
    table["commit"] = record["commit"]
    return table[["seed", "stage", "fault", "moment", "outcome", "message", "wrong", "commit"]]


def lines(table: pd.DataFrame) -> list[str]:
    """Return the table of one seed, faults by stages, and the list of its messages."""
    messages = [text for text in table["message"].unique() if text]
    stages = [stage for stage in STAGES if stage in set(table["stage"])]
    cells = {(row.fault, row.stage): cell(row, messages) for row in table.itertuples()}
    found = [f"| fault | {' | '.join(stages)} |", "|---" * (len(stages) + 1) + "|"]
    for fault in FAULTS:
        if fault in set(table["fault"]):
            found.append(f"| {fault} | {' | '.join(cells.get((fault, stage), '') for stage in stages)} |")
    return [*found, "", *(f"{i}. {text}" for i, text in enumerate(messages, 1))]


def cell(row, messages: list[str]) -> str:
    """Return when the fault came, and what came of it."""
    number = f" ({messages.index(row.message) + 1})" if row.message else ""
    return f"{row.moment}: {row.outcome}{number}" + (f" **{row.wrong}**" if row.wrong else "")


def main() -> None:
    """Print the tables of the records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    tables = [frame(json.loads(path.read_text(encoding="utf-8"))) for path in options.records]
    for table in tables:
        print(*lines(table), "", sep="\n")
    if options.csv:
        pd.concat(tables).to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
