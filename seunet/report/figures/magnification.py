"""The score of every factor at which images were shown to a network, and the one that is taken."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.ticker import FixedLocator, NullLocator

from seunet.report.figures import style
from seunet.report.figures.axes import Paths


def draw_magnification(
    trials: Sequence[Mapping[str, float]], chosen: float, paths: Paths, commit: str | None = None
) -> None:
    """Draw score, half the information and minus the distance (nats) against the factor of the images' own pixels.

    Args: trials, mappings with the keys factor, score, information and distance, by increasing factor; chosen, the
    factor that is taken; paths, of the figure (.png, .svg); commit, of the code, for the metadata.
    """
    factors = [trial["factor"] for trial in trials]
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.COLUMN, 2.2)
        axes = figure.subplots()
        axes.axvline(chosen, color=style.GREY, linewidth=0.8)
        axes.text(chosen, 0.02, f" ×{chosen:.2g}", va="bottom", transform=axes.get_xaxis_transform())
        parts = {
            "score": (style.BLUE, "o", [trial["score"] for trial in trials]),
            "½ information": (style.GREEN, "^", [trial["information"] / 2 for trial in trials]),
            "− distance": (style.ORANGE, "s", [-trial["distance"] for trial in trials]),
        }
        for label, (colour, marker, values) in parts.items():
            axes.plot(factors, values, color=colour, marker=marker, markersize=3, label=label)
        axes.set_xscale("log", base=2)
        octaves = [factor for factor in factors if abs(round(factor * 64) - factor * 64) < 1e-6]
        axes.xaxis.set_major_locator(FixedLocator(octaves))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"×{factor:g}" for factor in octaves])
        axes.set_xlabel("Factor of the images' own pixels")
        axes.set_ylabel("nats")
        style.legend_below(figure, axes.get_lines()[1:])
        style.save(figure, paths, "score against factor", commit)
