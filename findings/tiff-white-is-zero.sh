#!/usr/bin/env bash
# A TIFF whose PhotometricInterpretation is WhiteIsZero is read with three different rules by two libraries: Pillow inverts its
# pixels at 1 and 8 bits but not at 16, tifffile never inverts. So a mask or image changes its meaning with the reader, and
# within one reader with the depth of the file.
#
# Versions: pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.6
# Date: 30 November 2026
# Who meets it: users of scanners, of ImageJ with an inverting LUT, and of one-bit masks, whose files are white-is-zero.
# Here: seunet/data/formats/tiff.py gives the values that the file stores, at every depth.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6

env/bin/python - <<'END'
import numpy, PIL, tifffile
from PIL import Image

print(f"pillow {PIL.__version__}, tifffile {tifffile.__version__}")
stored, inverted = [0, 1, 1, 0], {}
for bits, kind in {1: bool, 8: numpy.uint8, 16: numpy.uint16}.items():
    tifffile.imwrite("white.tif", numpy.array([stored], kind), photometric="miniswhite")
    by_tifffile = tifffile.imread("white.tif")[0].astype(int).tolist()
    with Image.open("white.tif") as image:
        by_pillow = numpy.asarray(image)[0].astype(int).tolist()
    print(f"{bits:2} bits: stored {stored}, tifffile {by_tifffile}, Pillow {by_pillow}")
    assert by_tifffile == stored
    inverted[bits] = by_pillow != stored
assert inverted == {1: True, 8: True, 16: False}, inverted
END
# Output seen:
#  1 bits: stored [0, 1, 1, 0], tifffile [0, 1, 1, 0], Pillow [1, 0, 0, 1]
#  8 bits: stored [0, 1, 1, 0], tifffile [0, 1, 1, 0], Pillow [255, 254, 254, 255]
# 16 bits: stored [0, 1, 1, 0], tifffile [0, 1, 1, 0], Pillow [0, 1, 1, 0]
