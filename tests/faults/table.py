"""The tables of docs/reliability.md, from records of the campaign: `python -m faults.table faults.json …`.

Prints, for each seed, what came of every fault at every stage, and the messages that the cells number; `--csv` writes
all combinations to one file. Of a combination in several records the last one counts.
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
    if "clock skew" in said:
        return "Snakemake: Output … has older modification time than input … This could indicate a clock skew problem"
    if "At least one job" in said:
        return "Snakemake: At least one job did not complete successfully."
    said = re.sub(r"[^ ]*/(\S+):(?= (damaged|another|the disk|no permission))", r"\1:", said)
    said = re.sub(r" \(its sha256 is not that of \S+\)|(?<=sha256\.)sha256|, \d+ bytes", "", said)
    said = re.sub(r"(?<=delete )\S+$", "its checksum", said)
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
    messages = [text for text in table["message"].map(general).unique() if text]
    stages = [stage for stage in STAGES if stage in set(table["stage"])]
    cells = {(row.fault, row.stage): cell(row, messages) for row in table.itertuples()}
    found = [f"| fault | {' | '.join(stages)} |", "|---" * (len(stages) + 1) + "|"]
    for fault in FAULTS:
        if fault in set(table["fault"]):
            found.append(f"| {fault} | {' | '.join(cells.get((fault, stage), '') for stage in stages)} |")
    return [*found, "", *(f"{i}. {text}" for i, text in enumerate(messages, 1))]


def general(text: str) -> str:
    """Return a message without the stage and the file that it names."""
    text = re.sub(r"^error in rule \w+: (\S+\.\w+:)?", lambda found: "FILE:" if found[1] else "", text)
    return text.partition(" It was removed")[0].partition(", got …")[0].split(" in file ")[0]


def cell(row, messages: list[str]) -> str:
    """Return when the fault came, and what came of it."""
    number = f" ({messages.index(general(row.message)) + 1})" if row.message else ""
    return f"{row.moment}: {row.outcome}{number}" + (f" **{row.wrong}**" if row.wrong else "")


def main() -> None:
    """Print the tables of the records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    frames = [frame(json.loads(path.read_text(encoding="utf-8"))) for path in options.records]
    table = pd.concat(frames).drop_duplicates(["seed", "stage", "fault"], keep="last")
    for seed, part in table.groupby("seed"):
        print(f"Seed {seed}:\n", *lines(part), "", sep="\n")
    if options.csv:
        table.to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
