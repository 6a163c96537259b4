"""A repair that the learner writes: the lines of the page's class about stored sizes, and what they do."""

import textwrap
from typing import Any

import torch

from phi3lib.lab.lessons.a1.original_class import attempt
from phi3lib.lab.lessons.a1.original_text import REPAIRS
from phi3lib.lab.lessons.a1.same_weights import small_pair

((SIZES_LINES, _),) = REPAIRS[13]


def try_sizes_lines(lines: str, ids: Any, pixels: Any, sizes: Any, stored: Any) -> bool:
    """Put these lines in the place of the two about `self.img_sizes`, call the class twice, and report.

    lines: Python of the method `forward`, with any indentation. The sizes `stored` are stored once; the first
    call passes no sizes, the second one passes `sizes`. Return whether the first call used the stored sizes
    and the second one its own, and print both counts of placeholders without a visual token.
    """
    text = textwrap.indent(textwrap.dedent(lines).strip("\n"), " " * 8) + "\n"
    try:
        changed, ours = small_pair([1, 2], changes=[(SIZES_LINES, text)])
    except SyntaxError as error:
        print(f"These lines are no Python: {error.msg}")
        return False
    changed.set_img_sizes(stored)
    empty = []
    for passed, said in ((None, "no sizes passed"), (sizes, "right sizes passed")):
        with torch.inference_mode():
            result = attempt(changed, ids.clone(), pixels, passed)
        if result is None:
            return False
        left = int((result[0] == changed.wte.weight[0]).all(-1).sum())
        print(f"  {said}: {left} placeholders without a visual token")
        empty.append(left)
    with torch.inference_mode():
        wanted = len((ids < 0).nonzero()) - sum(map(len, ours.image_tokens(pixels, stored)))
    right = empty == [wanted, 0]
    print(
        "repaired" if right else "not repaired: the stored sizes must serve the first call, and no other one"
    )
    return right
