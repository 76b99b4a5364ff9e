"""Black and white of images of more than 8 bits, guessed from their values: no-data and single hot pixels left out."""

import contextlib
from collections.abc import Sequence

import numpy as np

from seunet.data.formats.picture import Picture

WINDOWS = (255, 1023, 4095, 16383, 65535)  # largest values of 8, 10, 12, 14 and 16 bits
TAIL = 0.05  # percent of the values that may lie beyond black, and as many beyond white
GDAL_NODATA = 42113
MOST_VALUES = 4_000_000
# A value says that there is no data where it stands alone so many times the range of the others away: less far beside
# many different ones, or where programs write it for no data.
FAR, FAR_OF_FEW, FEW = 2.0, 100.0, 32
NO_DATA = (-9999, -99999, -32768, 32767, 65535)


def guess_range(pictures: Sequence[Picture]) -> tuple[list[float], str]:
    """Return [low, high] for the images, and a reason."""
    stored = [picture.stored().ravel() for picture in pictures]
    step = max(1, sum(map(len, stored)) // MOST_VALUES)
    values = np.concatenate([part[::step] for part in stored]).astype(np.float64)
    whole = pictures[0].kind != "f"
    tags = {value for picture in pictures if (value := no_data_tag(picture)) is not None}
    tagged = sorted(value for value in tags if value in values)
    values, far = without_no_data(values[np.isfinite(values) & ~np.isin(values, tagged)])
    no_data = [*tagged, *far]
    low, high = np.percentile(values, [TAIL, 100 - TAIL])
    most, least = float(values.max()), float(values.min())
    if whole:
        window = next((w for w in WINDOWS if most <= w), None)
        used = window is not None and high >= 0.2 * window
        high = float(window if used and window else min(most, np.ceil(high + 0.05 * (high - low))))
        low = float(min(0, np.floor(low)) if low <= 0.1 * (high or 1) else np.floor(low - 0.02 * (high - low)))
        low = max(0.0, low) if least >= 0 else low
    if high <= low:
        high = low + 1
    words = f"{pictures[0].depth_name} images with values {least:g} to {most:g}"
    words += f" beside {', '.join(f'{value:g}' for value in no_data)} (no data, or hot pixels)" if no_data else ""
    beyond = float(np.mean((values < low) | (values > high)))
    level = np.rint((values - low).clip(0, high - low) * (255 / (high - low))).astype(int)
    share = len(np.unique(level)) / 256
    words += f": {low:g} and {high:g} become black and white"
    words += f", {beyond:.2%} lie beyond" if beyond else ""
    return [tidy(low, whole), tidy(high, whole)], f"{words}; {share:.0%} of the grey levels are used"


def without_no_data(values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return values without the smallest or largest one where it stands alone far from all others, and these.

    So are -9999, -32768 and 65535 of pixels without data, and single hot pixels.
    """
    left_out = []
    for _ in range(3):
        order, counts = np.unique(values, return_counts=True)
        if len(order) < 3:
            break
        for index, rest in ((0, order[1:]), (-1, order[:-1])):
            gap = abs(order[index] - rest[0 if index == 0 else -1])
            far = FAR if len(order) > FEW or order[index] in NO_DATA else FAR_OF_FEW
            if gap > far * max(rest[-1] - rest[0], 1e-12) and (counts[index] > 1 or len(values) > 10_000):
                left_out.append(float(order[index]))
                values = values[values != order[index]]
                break
        else:
            break
    return values, left_out


def no_data_tag(picture: Picture) -> float | None:
    """Return the value that GDAL's tag of a TIFF calls no data, or None."""
    if picture.format == "TIFF":
        import tifffile

        with contextlib.suppress(Exception), tifffile.TiffFile(picture.name) as file:  # a wrong tag says nothing
            return float(file.pages.first.tags.valueof(GDAL_NODATA))
    return None


def tidy(value: float, whole: bool) -> float:
    """Return a value of a window, with four digits where it is no whole number."""
    return int(value) if whole or value == int(value) else float(f"{value:.4g}")
