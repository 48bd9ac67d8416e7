"""Which pixels of a mask are the object: masks of two levels, of numbers that are classes, and of colours."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.labels.mask_levels import HIDDEN, Levels
from cdpnet.labels.reading_options import ReadingOptions
from cdpnet.runtime.constants import IGNORE_INDEX

Pixels = NDArray[np.uint8]
_SMALL_NUMBERS = 63  # a mask of no greater numbers but that of ignored pixels holds classes, not grey values
DEEP = 65535  # white in 16 bits, and what such masks have for ignored pixels
_BLACK = 64  # no channel of what is darker is seen as a colour
_TWO = 2
_COLOUR = "#{:06x}"
_NUMBERS = ("1", "P", "L", "F")  # modes of Pillow, beside those of whole numbers of more bits, I and I;16


class NoSuchLevelError(DataError):
    """A mask without the number or the colour that is chosen."""


def holds_classes(image: Image.Image) -> bool:
    """Whether a mask is one of numbers that are classes: of a palette other than black and white, or small numbers."""
    if image.mode == "P":
        return black_and_white(image) is None
    if image.mode not in _NUMBERS and not image.mode.startswith("I"):
        return False
    held = set(np.unique(np.array(image)).tolist()) - {0, IGNORE_INDEX}
    return bool(held) and max(held) <= _SMALL_NUMBERS


def black_and_white(image: Image.Image) -> Pixels | None:
    """The object (H, W), 0 or 1, of a mask in black and white, or in greys with soft edges; None for another one."""
    if image.mode == "P":
        return _of_greys(np.array(image.convert("RGB")))
    if image.mode.startswith("F") or holds_classes(image):
        return None
    if image.mode.startswith("I"):
        numbers = np.array(image)
        return _of_levels(numbers) if numbers.min() >= 0 and numbers.max() <= DEEP else None
    colours, is_visible = _colours(image)
    return _of_greys(colours) if is_visible.all() else None


def pixels_of_image(image: Image.Image, name: str, options: ReadingOptions) -> Pixels:
    """The object in a mask (H, W): 1, 0 for background, 255 for ignored pixels.

    DataError, naming the mask, where it holds several classes and none is chosen, lacks the one that is chosen, or is
    a photograph.
    """
    if options.colour is not None:
        return _of_colour(image, name, options.colour)
    if image.mode == "P" and options.index is None:
        if (grey := black_and_white(image)) is not None:
            return grey
        if _has_black_elsewhere(image):
            return _of_colours(*_colours(image), name)
    if image.mode in _NUMBERS or image.mode.startswith("I"):
        return pixels_of_numbers(np.array(image), name, options, is_palette=image.mode == "P")
    colours, is_visible = _colours(image)
    is_grey = bool((colours == colours[..., :1]).all())
    if is_grey and is_visible.all():
        return pixels_of_numbers(colours[..., 0], name, options)
    if options.index is not None:
        raise DataError(f"{name} holds colours and no numbers; give --colour, such as --colour '#ff0000'.")
    return _of_colours(colours, is_visible, name)


def pixels_of_numbers(
    numbers: NDArray[np.generic], name: str, options: ReadingOptions, *, is_palette: bool = False
) -> Pixels:
    """As `pixels_of_image`, of numbers (H, W), which are grey values or classes; is_palette: they are classes."""
    whole = _whole(numbers, name)
    highest = _white(whole)
    levels = Levels.of_numbers(whole, highest)
    held = set(levels.values.tolist())
    ignored = highest if is_palette or held - {0, highest} else None  # black and white have no ignored pixels
    if options.index is not None:
        return _select(levels, options.index, ignored, name)
    small = all(number <= _SMALL_NUMBERS for number in held - {highest})
    if is_palette or (small and held - {0, highest}):
        return _only_class(levels, held - {0, highest}, ignored, name)
    if len(held - {0}) <= 1:
        return (whole > 0).astype(np.uint8)
    soft = levels.split_soft()
    return _only_class(levels, held - {0}, None, name) if soft is None else soft.is_light.astype(np.uint8)


def _whole(numbers: NDArray[np.generic], name: str) -> NDArray[np.integer]:
    """Numbers as whole ones; fractions are shares of white. DataError where they are neither, or out of range."""
    whole = numbers.astype(np.uint8) if numbers.dtype == np.bool_ else numbers
    if np.issubdtype(numbers.dtype, np.floating):
        shares = np.asarray(numbers, np.float64)
        if not np.isfinite(shares).all():
            raise DataError(f"{name} holds numbers that are not finite; a mask holds whole numbers from 0 on.")
        is_share = shares.max() <= 1 and bool((np.rint(shares) != shares).any())
        whole = np.rint(shares * IGNORE_INDEX if is_share else shares)
        if not is_share and bool((whole != shares).any()):
            raise DataError(f"{name} holds fractions; a mask holds whole numbers, or shares from 0 to 1.")
    lowest, highest = int(whole.min()), int(whole.max())
    if lowest < 0 or highest >= HIDDEN:
        raise DataError(f"{name} holds the numbers {lowest} to {highest}; the numbers of a mask are 0 to {HIDDEN - 1}.")
    return cast("NDArray[np.integer]", whole) if np.issubdtype(whole.dtype, np.integer) else whole.astype(np.int64)


def _only_class(levels: Levels, classes: set[int], ignored: int | None, name: str) -> Pixels:
    """The only class of a mask. DataError where it has several, or is a photograph."""
    if levels.look_like_a_photograph():
        raise _no_photograph(levels, name)
    if len(classes) > 1:
        shown = levels.shown([i for i, value in enumerate(levels.values) if int(value) in classes], "{}")
        raise DataError(
            f"{name} holds several classes; their numbers and shares of the pixels are {shown}; choose one, such as by "
            f"--index {min(classes)}."
        )
    found = np.array([int(value) in classes for value in levels.values], np.uint8)
    return _with_ignored(levels, found, ignored)


def _select(levels: Levels, number: int, ignored: int | None, name: str) -> Pixels:
    """The pixels of a number. DataError where there are none."""
    if number not in levels.values:
        shown = levels.shown(list(range(len(levels.values))), "{}")
        raise NoSuchLevelError(f"{name} has no pixel of the number {number}; its numbers and their shares are {shown}.")
    return _with_ignored(levels, (levels.values == number).astype(np.uint8), None if ignored == number else ignored)


def _with_ignored(levels: Levels, found: NDArray[np.uint8], ignored: int | None) -> Pixels:
    """The pixels of the levels that are found (n,), and those of the level that is ignored."""
    if ignored is not None:
        found[levels.values == ignored] = IGNORE_INDEX
    pixels: Pixels = found[levels.at]
    return pixels


def _of_greys(colours: NDArray[np.uint8]) -> Pixels | None:
    """The object in colours (H, W, 3) that are only black and white, or greys of a mask with soft edges; else None."""
    if not (colours == colours[..., :1]).all():
        return None
    return _of_levels(colours[..., 0])


def _of_levels(numbers: NDArray[np.integer]) -> Pixels | None:
    """As `_of_greys`, of numbers (H, W) from 0 to white in 8 bits or in 16."""
    levels = Levels.of_numbers(numbers, _white(numbers))
    if set(levels.values.tolist()) <= {0, _white(numbers)}:
        return (numbers > 0).astype(np.uint8)
    soft = levels.split_soft() if len(levels.values) > _TWO else None  # two greys are numbers
    return None if soft is None else soft.is_light.astype(np.uint8)


def _white(numbers: NDArray[np.integer]) -> int:
    """The number of white, in 16 bits where there are numbers that 8 bits have not."""
    return DEEP if numbers.max() > IGNORE_INDEX else IGNORE_INDEX


def _has_black_elsewhere(image: Image.Image) -> bool:
    """Whether black, the ground of masks in colours, has not the number 0, as tools write that choose a palette."""
    palette = np.array(image.getpalette()).reshape(-1, 3)
    used = [number for number in np.unique(np.array(image)).tolist() if number < len(palette)]
    return 0 in used and bool(palette[0].any()) and not palette[used].any(axis=1).all()


def _colours(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The RGB colours of an image (H, W, 3), and which pixels are visible (H, W): at least half as opaque as any."""
    rgba = np.array(image.convert("RGBA"))
    alpha = rgba[..., 3]
    if alpha.min() == alpha.max():
        return rgba[..., :3], np.ones(alpha.shape, np.bool_)
    return rgba[..., :3], alpha >= (int(alpha.max()) + 1) // 2


def _of_colour(image: Image.Image, name: str, colour: tuple[int, int, int]) -> Pixels:
    """The visible pixels of a colour. DataError where there are none."""
    colours, is_visible = _colours(image)
    found: NDArray[np.bool_] = (colours == np.array(colour, np.uint8)).all(axis=2) & is_visible
    if not found.any():
        levels = Levels.of_colours(colours, is_visible)
        raise NoSuchLevelError(
            f"{name} has no pixel of the colour #{bytes(colour).hex()}; its colours and their shares of the pixels are "
            f"{levels.shown(np.flatnonzero(levels.values != HIDDEN).tolist(), _COLOUR)}."
        )
    return found.astype(np.uint8)


def _of_colours(colours: NDArray[np.uint8], is_visible: NDArray[np.bool_], name: str) -> Pixels:
    """The object of a mask in colours: what is visible, if something is not; else what differs from black."""
    levels = Levels.of_colours(colours, is_visible)
    are_visible = levels.values != HIDDEN
    if not is_visible.all():
        if levels.are_one(are_visible) or levels.look_like_a_photograph():  # which was cut out
            return is_visible.astype(np.uint8)
    elif len(levels.values) == 1 or (len(levels.values) == _TWO and levels.values[0] == 0):
        return np.asarray(colours.any(axis=2), np.uint8)
    elif (soft := levels.split_soft()) is not None and soft.darker.max() < _BLACK:
        return soft.is_light.astype(np.uint8)
    if levels.look_like_a_photograph():
        raise _no_photograph(levels, name)
    listed = np.flatnonzero(are_visible).tolist()
    raise DataError(
        f"{name} holds several colours; they and their shares of the pixels are {levels.shown(listed, _COLOUR)}; "
        f"choose that of the object, such as by --colour '{_COLOUR.format(int(levels.values[listed[-1]]))}'."
    )


def _no_photograph(levels: Levels, name: str) -> DataError:
    return DataError(
        f"{name} looks like a photograph, not a mask: of its {len(levels.values):,} levels few fill an area; give a "
        "mask, in which the object is white (255) on black and at most 5 % of the pixels lie on soft edges."
    )
