"""The checks of notebook 02: patches counted, cut and put together again, layers ranked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.checks.base import Unanswered, Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.reading import array, as_array, number, whole
from phi3lib.lab.checks.registry import check_of

Pixels = NDArray[Any]


# ------------------------------------------------------------------------ 02.1 count patches


_COUNT_SLIPS: dict[str, Callable[[int, int], int]] = {
    "this is one side; patches fill a square": lambda size, patch: size // patch,
    "the class token is counted; it is a token, not a patch": lambda size, patch: (size // patch) ** 2 + 1,
    "these are the pixels of one patch": lambda size, patch: patch**2,
    "patches stand side by side; here they overlap": lambda size, patch: (size - patch + 1) ** 2,
}


_FITTING = ((28, 14), (48, 16), (112, 14), (224, 32), (224, 16), (336, 14))
_NOT_FITTING = ((100, 14), (42, 16), (30, 4), (14, 28))


@check_of("02.1", "Count patches", "lab.checks.n_patches(my_n_patches)")
@exercise
def n_patches(function: Callable[[int, int], int]) -> Verdict:
    """Check exercise 02.1: `function(image_size, patch_size)`; ValueError where the patches do not fit."""
    answers = {}
    for case in _FITTING:
        shown = f"size {case[0]} and patch {case[1]}"
        answers[case] = whole(ask(function, *case, shown=shown), shown)
    wrong = next((case for case in _FITTING if answers[case] != (case[0] // case[1]) ** 2), None)
    if wrong is not None:
        right = (wrong[0] // wrong[1]) ** 2
        said = (
            f"For {wrong[0]} pixels in patches of {wrong[1]} you have {answers[wrong]}, and there are {right}"
        )
        for slip, formula in _COUNT_SLIPS.items():
            if all(answers[case] == formula(*case) for case in _FITTING):
                return not_yet(said, slip)
        return not_yet(said)
    refusals = (_not_refused(function, *case) for case in _NOT_FITTING)
    return next(filter(None, refusals), Verdict(True, "And a size that does not fit is refused."))


def _not_refused(function: Callable[[int, int], int], size: int, patch: int) -> Verdict | None:
    """Return what is wrong with the answer for patches that do not fit; None if it raises ValueError."""
    try:
        rounded = function(size, patch)
    except ValueError:
        return None
    except NotImplementedError:
        raise Unanswered from None
    except (Exception, SystemExit) as error:
        error_name = type(error).__name__
        return not_yet(f"{size} pixels in patches of {patch} give {error_name}", "a ValueError is wanted")
    said = f"{size} pixels cannot be cut into patches of {patch}, but you answer {told(rounded)}"
    return not_yet(said, "raise a ValueError")


# --------------------------------------------------------------------- 02.2 rebuild a picture


def cut(pixels: Pixels, patch: int) -> Pixels:
    """Cut (height, width, 3) into (patches, patch, patch, 3), row by row."""
    rows, cols = pixels.shape[0] // patch, pixels.shape[1] // patch
    blocks = pixels.reshape(rows, patch, cols, patch, 3).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(rows * cols, patch, patch, 3)


def _join(patches: Pixels, rows: int, cols: int, order: tuple[int, ...]) -> Pixels:
    patch = patches.shape[1]
    return (
        patches.reshape(rows, cols, patch, patch, 3).transpose(order).reshape(rows * patch, cols * patch, 3)
    )


_REBUILD_SLIPS: dict[str, Callable[[Pixels, int, int], Pixels]] = {
    "a plain reshape lays each patch out as a line; its rows must go between the rows of its neighbors": (
        lambda p, rows, cols: p.reshape(rows * p.shape[1], cols * p.shape[2], 3)
    ),
    "each patch lies on its side: its rows and columns are swapped": lambda p, rows, cols: _join(
        p, rows, cols, (0, 3, 1, 2, 4)
    ),
    "patches are laid out column by column; the input is row by row": lambda p, rows, cols: (
        p.reshape(cols, rows, *p.shape[1:]).transpose(1, 2, 0, 3, 4).reshape(rows * p.shape[1], -1, 3)
    ),
}


@check_of("02.2", "Reassemble a picture", "lab.checks.rebuild(my_rebuild)")
@exercise
def rebuild(function: Callable[[Pixels, int, int], Pixels]) -> Verdict:
    """Check exercise 02.2: `function(patches, rows, cols)`: (patches, p, p, 3) → the picture, exactly."""
    rng = np.random.default_rng(0)
    for rows, cols, patch in ((1, 2, 2), (2, 3, 4), (3, 2, 5)):
        # Eight bits, as pictures have them: an answer may fill a canvas of uint8.
        picture = rng.integers(0, 256, (rows * patch, cols * patch, 3), dtype=np.uint8)
        shown = f"{rows} × {cols} patches of {patch} pixels"
        patches = cut(picture, patch)
        answer = as_array(given := ask(function, patches, rows, cols, shown=shown))
        if answer is not None and np.array_equal(answer, picture):
            continue
        for slip, formula in _REBUILD_SLIPS.items():
            if answer is not None and np.array_equal(answer, formula(patches, rows, cols)):
                return not_yet(f"With {shown}", slip)
        row, col = np.argwhere((array(given, picture.shape, shown) != picture).any(-1))[0]
        return Verdict(False, f"With {shown} the first wrong pixel is in row {row}, column {col}.")
    return Verdict(True, "Every pixel is back in its place.")


# ------------------------------------------------------------------------- 02.3 which layer?


@check_of(
    "02.3",
    "Colour before shape",
    "lab.layers.check_of_layers(states[1:], kept, shape_labels, color_labels)(my_best_layer)",
)
def best_layer(
    shape: dict[int, list[bool]],
    color: dict[int, list[bool]],
    *,
    names: tuple[str, str] = ("shape", "colour"),
) -> Callable[[Any], Verdict]:
    """Return the check "behind which layer does the first lead the second the most?" for these measurements.

    shape, color: for each layer, right or wrong for each picture; names: what the sentences call them.
    Every layer whose lead is within the noise of the best one is accepted.
    """
    lead = {layer: float(np.mean(shape[layer]) - np.mean(color[layer])) for layer in shape}
    best = max(lead, key=lambda layer: lead[layer])
    difference = {layer: _differences(shape[layer], color[layer]) for layer in shape}
    first, second = names

    @exercise
    def check(function: Callable[[], int]) -> Verdict:
        layer = number(ask(function, shown="no arguments"), "no arguments")
        if layer not in lead:
            return Verdict(False, f"There is no layer {layer:g}; there are {', '.join(map(str, lead))}.")
        layer = int(layer)
        gap = difference[best] - difference[layer]
        noise = 2 * gap.std() / len(gap) ** 0.5
        said = f"layer {layer}: {first} {np.mean(shape[layer]):.2f}, {second} {np.mean(color[layer]):.2f}"
        if gap.mean() <= noise:
            return Verdict(True, f"{said}; no other layer has a lead that is clearly larger.")
        if lead[layer] == min(lead.values()):
            return not_yet(said, f"here {second} leads the most. You may have taken the smallest")
        if np.mean(shape[layer]) == max(np.mean(v) for v in shape.values()):
            return not_yet(said, f"{first} is read best here, but {second} too; the difference is asked for")
        return Verdict(
            False, f"{said}; layer {best} leads by {gap.mean():.3f} more, and noise is {noise:.3f}."
        )

    return check


def _differences(shape: list[bool], color: list[bool]) -> NDArray[np.float64]:
    return np.asarray(shape, dtype=float) - np.asarray(color, dtype=float)
