"""A grid of cells, each pooled by itself: features that keep where things are."""

from fewshot.errors import UserError


def checked_grid(
    owner: str, grid: tuple[int, int], image_size: tuple[int, int], last: tuple[int, int]
) -> tuple[int, int]:
    """The grid (rows, columns) of cells over an encoder's last map of that size.

    Raises UserError for what is no such pair, or has more cells than the map has places.
    """
    pair = isinstance(grid, (tuple, list)) and [type(n) for n in grid] == [int, int]
    if not pair or not all(1 <= n <= most for n, most in zip(grid, last, strict=True)):
        raise UserError(
            f"{owner}.grid is {grid!r}, but the last map of {image_size} images is {last}: "
            "bind two whole numbers (rows, columns) of at least (1, 1) and at most that."
        )
    return grid[0], grid[1]
