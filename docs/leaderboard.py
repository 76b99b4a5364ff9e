"""Write the tables and the figure of docs/leaderboard.md from docs/scores/networks*.csv: python docs/leaderboard.py.

python docs/leaderboard.py RESULTS first adds the scores of a run of config/networks.yaml; the rows of other
networks it prints.
python docs/leaderboard.py --cost measures parameters, products and seconds anew; it needs envs/networks.yaml.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pandas as pd
import torch
import yaml
from reproduction import TITLES, evidence, joined, replaced
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seunet.config.plan import network_options
from seunet.models import build_model
from seunet.report.figures import style
from seunet.report.figures.axes import draw_band, mark_training, scale_axis
from seunet.report.leaderboard import AT, HEADER, cells_of, line, row
from seunet.report.sentences import KEPT
from seunet.report.tables import with_true_scale
from seunet.runtime.tables import read_table, write_table

HERE = Path(__file__).parent
PAGE, SCORES, COST = HERE / "leaderboard.md", HERE / "scores" / "networks.csv", HERE / "scores" / "networks-cost.csv"
ONE_FACTOR = "-one-factor"
OURS = ("unet", "unet-jitter2", "seunet-windows-jitter1.4", "sresnet")
TWINS = {"seunet-windows-jitter1.4": "windows"}  # of the twin's name, where it is another
FAMILIES = {"monai": "MONAI", "nnunet": "nnU-Net", "smp": "smp", "unet-": "U-Net, one part swapped"}  # by prefix
REFERENCE = "unet-jitter2"  # in every panel
SIDE, BATCH, REPEATS = 64, 8, 5  # of the images on which the cost is measured


def networks() -> list[str]:
    """Return the networks of the page: ours, then those of config/networks.yaml in its order."""
    models = yaml.safe_load((HERE.parent / "config" / "networks.yaml").read_text(encoding="utf-8"))["models"]
    return [*OURS, *(name for name in models if not name.endswith(ONE_FACTOR))]


def twin(name: str) -> str:
    """Return the name of a network at one factor for all images."""
    return f"{TWINS.get(name, name)}{ONE_FACTOR}"


def add(results: Path) -> None:
    """Add the scores of a run."""
    new = read_table(results / "tables" / "scores.csv")
    shown = [run for name in networks() for run in (name, twin(name))]
    new = new[new["dataset"].isin(TITLES)]
    print_rows(new[~new["model"].isin(shown)])
    new = new[new["model"].isin(shown)]
    key = ["dataset", "model", "seed", "scale"]
    write_table(joined(read_table(SCORES), new, key) if SCORES.exists() else new, SCORES)


def print_rows(scores: pd.DataFrame) -> None:
    """Print the row of each network that is not of the page, as `seunet measure` does."""
    for (dataset, label), part in over_seeds(scores).groupby(["dataset", "label"]):
        print(f"{dataset}:", HEADER, line(label, row(part)), sep="\n")


def over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of all networks, as of one seed: the mean over seeds."""
    keys = ["dataset", "model", "label", "scale", "height", "width"]
    return scores.groupby(keys, as_index=False)["iou"].mean().assign(seed=0)


def measure_cost() -> None:
    """Measure each network, as on the generated scenes: parameters, products of a forward pass, seconds of a step."""
    config, torch_threads = evidence("networks"), torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    for name in networks():
        torch.manual_seed(0)
        entry = config.models[name]
        network = build_model(str(entry.architecture), 3, 3, **network_options(config, "reef", name))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.eval()(torch.rand(1, 3, SIDE, SIDE))
        rows.append(
            {
                "model": name,
                "parameters": sum(parameter.numel() for parameter in network.parameters()),
                "gflop": counter.get_total_flops() / 1e9,
                "seconds": min(step(network.train()) for _ in range(REPEATS)) / BATCH * 1000,
            }
        )
    torch.set_num_threads(torch_threads)
    write_table(pd.DataFrame(rows), COST)


def step(network: nn.Module) -> float:
    """Return the processor's seconds of a forward and a backward pass of a batch."""
    images = torch.rand(BATCH, 3, SIDE, SIDE)
    started = time.process_time()
    network(images).sum().backward()
    return time.process_time() - started


def table(scores: pd.DataFrame, cost: pd.DataFrame) -> Iterator[str]:
    """Yield a line per network: cost, what it keeps as it is, and at one factor; the best beyond an octave first."""
    found = f"one factor: ×½ | ×4 | beyond | keeps {KEPT:.0%}"
    yield f"| network | parameters | GFLOP | s | {' | '.join(AT)} | beyond | keeps {KEPT:.0%} | {found} | seeds |"
    yield "|---" * (len(AT) + 11) + "|"
    rows = {name: row(part) for name, part in over_seeds(scores).groupby("model")}
    seeds, label = scores.groupby("model")["seed"].nunique(), dict(zip(scores["model"], scores["label"], strict=True))
    spent = cost.set_index("model")
    for name in sorted((name for name in networks() if name in rows), key=lambda name: -rows[name]["beyond"]):
        cells = cells_of(rows[name], (*AT, "beyond"))
        cells += cells_of(rows[twin(name)], ("×½", "×4", "beyond")) if twin(name) in rows else [""] * 4
        size = f"{spent.parameters[name] / 1e6:.2f} M | {spent.gflop[name]:.2f} | {spent.seconds[name]:.1f}"
        yield f"| {label[name]} | {size} | {' | '.join(cells)} | {seeds[name]} |"


def families(present: set[str]) -> dict[str, list[str]]:
    """Return the networks of each row of panels, by its title."""
    found = {"Ours": [name for name in OURS if name != REFERENCE]}
    for prefix, title in FAMILIES.items():
        found[title] = [name for name in networks() if name.startswith(prefix) and name not in OURS]
    found[FAMILIES["unet-"]].append("unet")
    members = {title: [name for name in names if name in present] for title, names in found.items()}
    return {title: names for title, names in members.items() if names}


def draw(scores: pd.DataFrame, path: Path) -> None:
    """Draw IoU against scale: a row of panels for each family, a column for each data set."""
    label = dict(zip(scores["model"], scores["label"], strict=True))
    panels = families(set(scores["model"]))
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.PAGE, 1.75 * len(panels))
        grid = figure.subplots(len(panels), len(TITLES), sharex="col", sharey=True)
        for strip, (title, members) in zip(grid, panels.items(), strict=True):
            colours = dict(zip(members, style.PALETTE, strict=False))
            for axes, dataset in zip(strip, TITLES, strict=True):
                rows = scores[scores["dataset"] == dataset]
                for name in (REFERENCE, *members):
                    looks = {"color": colours.get(name, style.GREY), "label": label[name]}
                    draw_band(axes, rows[rows["model"] == name], "true_scale", "iou", looks)
                    at_factor = rows[rows["model"] == twin(name)]
                    if name != REFERENCE:
                        draw_band(axes, at_factor, "true_scale", "iou", looks | {"linestyle": "--", "label": None})
                mark_training(axes)
                scale_axis(axes, rows["true_scale"])
                axes.set_ylim(0, 1)
            strip[0].set_ylabel(title)
            strip[-1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=6, frameon=False)
        for axes, title in zip(grid[0], TITLES.values(), strict=True):
            axes.set_title(title, loc="left", fontsize=7)
        grid[-1, 1].set_xlabel("Scale of the test images. Solid: as it is; dashed: one factor for all")
        style.save(figure, [path], "Who survives a change of scale")


def written(text: str) -> str:
    """Return the text of the page with its tables written anew."""
    scores, cost = with_true_scale(read_table(SCORES)), read_table(COST)
    for dataset in TITLES:
        text = replaced(text, f"networks on {dataset}", table(scores[scores["dataset"] == dataset], cost))
    return text


if __name__ == "__main__":
    if "--cost" in sys.argv:
        measure_cost()
    elif len(sys.argv) > 1:
        add(Path(sys.argv[1]))
    draw(with_true_scale(read_table(SCORES)), HERE / "figures" / "leaderboard.png")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
