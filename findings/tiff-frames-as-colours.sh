#!/usr/bin/env bash
# How many frames a stack of grey images has decides what tifffile makes of it: two or five frames become a file of so many
# grey images; three become one image in RGB, and four one in RGBA, whose "transparency" is the last frame. The warning is a
# DeprecationWarning, which Python hides where a library calls tifffile. With photometric="minisblack" all are stacks.
#
# Versions: tifffile 2026.3.3, pillow 13.0.0, numpy 2.4.6
# Date: 30 November 2026
# Who meets it: who saves a short time series, a focus stack or the channels of a microscope with tifffile.imwrite(file, array).
# Here: the file says that it is a colour image, and is read as one; stacks of other numbers of frames are refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6

env/bin/python -W ignore - <<'END'
import numpy, tifffile
from PIL import Image

print("tifffile", tifffile.__version__)


def written(frames, **options):
    tifffile.imwrite("stack.tif", numpy.zeros((frames, 40, 50), "uint8"), **options)
    with Image.open("stack.tif") as image:
        return f"{image.n_frames} of {image.mode}"


found = {frames: written(frames) for frames in (2, 3, 4, 5)}
for frames, kind in found.items():
    print(f"{frames} frames: {kind}")
meant = {frames: written(frames, photometric="minisblack") for frames in (2, 3, 4, 5)}
assert found == {2: "2 of L", 3: "1 of RGB", 4: "1 of RGBA", 5: "5 of L"}, found
assert meant == {frames: f"{frames} of L" for frames in meant}, meant
END
# Output seen:
# 2 frames: 2 of L
# 3 frames: 1 of RGB
# 4 frames: 1 of RGBA
# 5 frames: 5 of L
