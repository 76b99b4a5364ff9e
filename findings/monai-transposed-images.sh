#!/usr/bin/env bash
# MONAI's LoadImage gives a PNG, JPEG or BMP of width 3 and height 2 as an array (3, 2): axis 0 is the width. Pillow's own
# array, and that of nearly every other library, is (2, 3). With ensure_channel_first a colour image is (channels, width,
# height). So a network that was trained on its arrays has seen every image transposed, and answers worse, without any
# error, to images (channels, height, width). LoadImage(reverse_indexing=False) gives (height, width).
#
# Versions: monai 1.6.1, pillow 13.0.0, torch 2.13.0, numpy 2.4.6
# Date: 30 November 2026
# Who meets it: who trains with MONAI on photographs or microscope images, and predicts with another tool.
# Here: docs/how-to/foreign-networks.md says how such a network is asked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet monai==1.6.1 pillow==13.0.0 torch==2.13.0 numpy==2.4.6

env/bin/python -W ignore - <<'END'
import monai
import numpy as np
from monai.transforms import LoadImage
from PIL import Image

print("monai", monai.__version__)
pixels = np.array([[0, 1, 2], [3, 4, 5]], np.uint8)
Image.fromarray(pixels).save("grey.png")
Image.fromarray(np.stack([pixels] * 3, axis=2)).save("colour.png")
with Image.open("grey.png") as image:
    stored = np.asarray(image)
loaded = {
    "grey": LoadImage()("grey.png"),
    "colour": LoadImage(ensure_channel_first=True)("colour.png"),
    "reverse_indexing=False": LoadImage(reverse_indexing=False)("grey.png"),
}
print("Pillow:", stored.shape)
for name, array in loaded.items():
    print(f"LoadImage, {name}: {tuple(array.shape)}")
assert stored.tolist() == pixels.tolist() == loaded["reverse_indexing=False"].tolist()
assert loaded["grey"].tolist() == pixels.T.tolist()
assert loaded["colour"].shape == (3, 3, 2)
END
# Output seen:
# Pillow: (2, 3)
# LoadImage, grey: (3, 2)
# LoadImage, colour: (3, 3, 2)
# LoadImage, reverse_indexing=False: (2, 3)
