"""Colours that stay apart for colour-blind readers, on white and on dark paper."""

import colorsys

# Okabe and Ito's set: https://jfly.uni-koeln.de/color/
SPLIT_COLOURS = {"train": "#0072B2", "validation": "#D55E00", "test": "#009E73"}
OTHER_SPLIT = "#7F7F7F"
RIGHT, WRONG = "#0072B2", "#C03A00"
INK, FAINT, GRID = "#222222", "#666666", "#DDDDDD"

# Petroff's ten-colour sequence, chosen for accessibility: https://arxiv.org/abs/2107.02270
_TEN = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
_GOLDEN_ANGLE = 0.381966


def class_colours(count: int) -> list[str]:
    """One colour a class as #rrggbb: a set chosen for accessibility up to ten, spread hues beyond.

    Neighbours in the list differ in lightness as well as in hue. No set of this size is safe by
    colour alone, so whatever uses it labels the classes directly too.
    """
    if count <= len(_TEN):
        return list(_TEN[:count])
    return [_spread(i) for i in range(count)]


def _spread(i: int) -> str:
    lightness, saturation = ((0.46, 0.75), (0.62, 0.70), (0.34, 0.60))[i % 3]
    red, green, blue = colorsys.hls_to_rgb((0.58 + i * _GOLDEN_ANGLE) % 1, lightness, saturation)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
