"""Colours of classes in pictures: in figures, and in the palettes of class maps."""

# The colour-blind tell them apart: seaborn's palette "colorblind" without its grey and its pink, orange first.
CLASS_COLOURS = ("#de8f05", "#0173b2", "#029e73", "#cc78bc", "#d55e00", "#56b4e9", "#ece133", "#ca9161")
