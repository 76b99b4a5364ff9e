"""Claims over all trainings of docs/reproduction.md: the lead of one network over another, training by training.

Where the counts per image of all these trainings are kept, the interval is over seeds and images: it speaks of new
images. Where they are not, it is Student's over seeds: it speaks of these test images alone, and is called so.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from reproduction_tables import digits, half_width, signed

from seunet.report.claims import CONTRADICTED, SUPPORTED, UNDECIDED, Bootstrap, compare
from seunet.report.tables import unseen_scales
from seunet.settings.configuration import Configuration
from seunet.settings.scales import SEEN

JITTERED = 2  # the range of jitter 2: scales nearer to 1 than this factor do not count
PUBLISHED, PLAIN, OCTAVE, JITTER = "seunet", "seunet-windows", "seunet-windows-jitter1.4", "seunet-windows-jitter2"
DOWN, REGION = "seunet-windows-jitter-down", "windows-region"
CLAIMS = [  # claim, the network that it says is better, the other, and the factor from 1 beyond which scales count
    ("(a) SEU-Net beats U-Net", PUBLISHED, "unet", SEEN),
    ("(b) … U-Net, jitter 1.5", PUBLISHED, "unet-jitter1.5", SEEN),
    ("… jitter 2", PUBLISHED, "unet-jitter2", SEEN),
    ("… jitter 4", PUBLISHED, "unet-jitter4", SEEN),
    ("… jitter 2, outside of its range", PUBLISHED, "unet-jitter2", JITTERED),
    ("(c) … SResNet", PUBLISHED, "sresnet", SEEN),
    ("(d) Scale-dropout helps on Pet, not on HeLa", PUBLISHED, "seunet-nodropout", SEEN),
    ("The exact geometry beats the released one", "seunet-exact", PUBLISHED, SEEN),
    ("A pyramid beats dense maps", "seunet-pyramid", "seunet-exact", SEEN),
    ("Border pixels beat zeros, in a pyramid", "seunet-pyramid", "seunet-pyramid-zeros", SEEN),
    ("Windows beat the maximum over four scales", PLAIN, "seunet-pyramid", SEEN),
    ("… the published SEU-Net", PLAIN, PUBLISHED, SEEN),
    ("… SResNet", PLAIN, "sresnet", SEEN),
    ("… U-Net", PLAIN, "unet", SEEN),
    ("… U-Net, jitter 2, outside of its range", PLAIN, "unet-jitter2", JITTERED),
    ("Windows with jitter 2 beat U-Net, jitter 2", JITTER, "unet-jitter2", SEEN),
    ("… trained longer", JITTER, "unet-jitter2-longer", SEEN),
    ("… at three octaves, their mean", JITTER, "unet-octaves", SEEN),
    ("… at its most informative octave", JITTER, "unet-octaves-information", SEEN),
    ("Windows with jitter ×.35 to ×1.4 beat that of U-Net with the same", DOWN, "unet-down-octaves-information", SEEN),
    ("Windows with jitter 1.4 beat that of U-Net, jitter ×.35 to ×1.4", OCTAVE, "unet-down-octaves-information", SEEN),
    ("U-Net at one factor for all images beats U-Net", "unet-one-factor", "unet", SEEN),
    ("… windows with jitter 1.4", "unet-one-factor", OCTAVE, SEEN),
    ("… these at one factor for all", "unet-one-factor", "windows-one-factor", SEEN),
    ("… U-Net with jitter 2 at one factor for all", "unet-one-factor", "unet-jitter2-one-factor", SEEN),
    ("… at a factor for each image", "unet-one-factor", "unet-own-factor", SEEN),
    ("Windows at one factor for all beat their choice for each image", "windows-one-factor", OCTAVE, SEEN),
    ("Windows at a factor for each image beat U-Net at one for each", "windows-own-factor", "unet-own-factor", SEEN),
    ("A window for each region beats one for each image", REGION, OCTAVE, SEEN),
    ("… one for each pixel", REGION, "windows-pixel", SEEN),
    ("… U-Net at one factor for all", REGION, "unet-one-factor", SEEN),
    ("… U-Net with jitter 2", REGION, "unet-jitter2", SEEN),
    ("… U-Net with jitter 2 at one factor for all", REGION, "unet-jitter2-one-factor", SEEN),
]


class Evidence:
    """What is known of all trainings.

    scores: rows with true scales. counts: folder of counts per image, {dataset}/{model}/seed{seed}.npz, of the runs
    that have them. verdicts: by data set, networks and scales, what one run says of a claim over seeds and images.
    """

    def __init__(self, scores: pd.DataFrame, claims: pd.DataFrame, counts: Path, config: Configuration):
        self.scores = dict(list(scores.groupby("dataset", sort=False)))
        self.counts = counts
        self.bootstraps = {name: Bootstrap(config.datasets[name].metric) for name in self.scores}
        beyond = {claim.claim: claim.beyond for claim in config.claims}
        self.verdicts = {
            (row.dataset, row.better, row.worse, beyond.get(row.claim, SEEN)): row.verdict
            for row in claims[claims["seeds"] > 1].itertuples()
        }

    def leads(self, dataset: str, better: str, worse: str, beyond: float) -> pd.Series:
        """Return the lead of each training over the other network's of the same seed, by seed."""
        rows = self.scores[dataset]
        ahead, behind = (by_scale(rows, model) for model in (better, worse))
        if len(ahead) and len(behind) and list(ahead.index) != list(behind.index):
            raise SystemExit(f"{dataset}: {better} and {worse} were tested at other scales; they have no common mean")
        return (over_unseen(ahead, beyond) - over_unseen(behind, beyond)).dropna()

    def over_images(
        self, dataset: str, better: str, worse: str, beyond: float, seeds: Sequence[int]
    ) -> Mapping[str, Any] | None:
        """Return estimate, interval and verdict over seeds and images, where all these runs have counts."""
        files = [[self.counts / dataset / model / f"seed{s}.npz" for s in seeds] for model in (better, worse)]
        if not all(file.exists() for file in (*files[0], *files[1])):
            return None
        bootstrap = self.bootstraps[dataset]
        runs = [[bootstrap.run(file, beyond) for file in group] for group in files]
        return compare(*runs, bootstrap.images)

    def cell(self, dataset: str, better: str, worse: str, beyond: float) -> str:
        """Return lead, interval and number of seeds; bold: decided for new images, †: for these test images."""
        lead = self.leads(dataset, better, worse, beyond)
        if len(lead) < 2:
            return f"{signed(lead.mean())} (1)" if len(lead) else ""
        if found := self.over_images(dataset, better, worse, beyond, list(lead.index)):
            text = f"{signed(found['estimate'])}, {signed(found['low'])} to {signed(found['high'])}"
            return f"{f'**{text}**' if found['verdict'] != UNDECIDED else text} ({len(lead)})"
        text = f"{signed(lead.mean())} ± {digits(half_width(lead))}"
        of_one_run = self.verdicts.get((dataset, better, worse, beyond))
        if of_one_run == (SUPPORTED if lead.mean() > 0 else CONTRADICTED):
            return f"**{text}** ({len(lead)})"
        return f"{text}{' †' if abs(lead.mean()) > half_width(lead) else ''} ({len(lead)})"


def claim_lines(evidence: Evidence) -> Iterator[str]:
    """Yield a line per claim: on each data set the lead over the unseen scales with its interval."""
    datasets = [name for name in evidence.scores if name != "hela-gold"]  # the same networks and images as hela
    yield f"| claim | {' | '.join(datasets)} |"
    yield "|---" * (len(datasets) + 1) + "|"
    for claim, better, worse, beyond in CLAIMS:
        yield f"| {claim} | {' | '.join(evidence.cell(name, better, worse, beyond) for name in datasets)} |"


def by_scale(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the scores of a model, a row for each true scale and a column for each seed."""
    return rows[rows["model"] == model].pivot(index="true_scale", columns="seed", values="iou")


def over_unseen(scores: pd.DataFrame, beyond: float) -> pd.Series:
    """Return each seed's mean score over the scales further from 1 than a factor, as claims are computed."""
    chosen, weights = unseen_scales(scores.index.to_numpy(), beyond)
    return scores.iloc[chosen].mul(weights, axis=0).sum(skipna=False)
