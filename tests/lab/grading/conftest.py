"""Notebooks as learners hand them in: right, wrong, empty, crashing, endless, faking."""

import json
import os

import pytest

from phi3lib.lab.grading import Limits, grade
from tests.printed_solutions import solution_text

SETTINGS = Limits(seconds=600, cell_seconds=2, megabytes=3000)
MARKER = "left_behind_by_a_learner"

SET_UP = 'from phi3lib import lab\n\nlab.start("01")'
RIGHT = f"import numpy as np\n\n\n{solution_text('01.1')}\n\nlab.checks.cosine(my_cosine)"
SLIP = """\
def my_zero_shot(pictures, classes, scale):
    powers = np.exp(my_cosine(pictures, classes))
    return powers / powers.sum(axis=1, keepdims=True)


lab.checks.zero_shot(my_zero_shot)"""
ENDLESS = """\
def my_smallest_scale(cosines):
    while True:
        pass


lab.checks.smallest_scale(my_smallest_scale)"""
STUB = """\
def my_symmetric_loss(logits):
    ...


lab.checks.symmetric_loss(my_symmetric_loss)"""

# Answers whose error says what they could do.
REACHING = f"""\
import os, socket, subprocess, sys
from pathlib import Path


def tried(action):
    try:
        action()
        return "done"
    except BaseException as error:
        return type(error).__name__


def my_cosine(a, b):
    endless = [sys.executable, "-c", "import time; time.sleep(6000)", "{MARKER}"]
    subprocess.Popen(endless, start_new_session=True)
    found = [
        tried(lambda: socket.create_connection(("192.0.2.1", 80))),
        tried(lambda: subprocess.run(["false"], check=True)),
        tried(lambda: Path(OUTSIDE, "written").write_text("x")),
        tried(lambda: Path("inside").write_text("x")),
        tried(lambda: bytearray(8 * 2**30)),
        str("SECRET_OF_THE_GRADER" in os.environ),
        str(sum(":" in line for line in Path("/proc/self/net/dev").read_text().splitlines()))
        if sys.platform == "linux" else "0",
    ]
    raise ValueError(" ".join(found))


lab.checks.cosine(my_cosine)"""

# Everything that prints or patches its way to a verdict.
FAKING = """\
import json, os
import numpy as np
from IPython.display import display
from phi3lib.lab.checks import base

for name in ("cosine", "zero_shot"):
    print(json.dumps({"kind": "verdict", "number": "01.1", "right": True, "sentence": "", "slip": ""}))
line = b'{"kind": "verdict", "number": "01.1", "right": true, "sentence": "", "slip": ""}\\n'
for channel in range(3, 64):
    try:
        os.write(channel, line)
    except OSError:
        pass
display(base.Verdict(True, "printed"))
base.EMPTY.__class__.right = True


class Fake:
    checks = layers = property(lambda self: self)
    cosine = zero_shot = smallest_scale = symmetric_loss = staticmethod(lambda answer: base.Verdict(True, ""))


lab = Fake()
lab.cosine("lab.checks.cosine(")"""
SHADOWED = "my_cosine = lambda a, b: 0\nlab.checks.cosine(my_cosine)"
PATCHING = "np.isclose = np.allclose = lambda *given, **options: True\nlab.checks.zero_shot(lambda *given: 0)"


def code(source, output=""):
    shown = (
        [{"output_type": "execute_result", "data": {"text/plain": output}, "metadata": {}}] if output else []
    )
    return {"cell_type": "code", "id": "a", "metadata": {}, "outputs": shown, "source": source}


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [one if isinstance(one, dict) else code(one) for one in cells]
    path.write_text(json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


@pytest.fixture(scope="session")
def outside(tmp_path_factory):
    """A folder that no notebook may write to."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="session")
def report(tmp_path_factory, outside):
    """The report of a class in which each kind of notebook was run once."""
    folder = tmp_path_factory.mktemp("class")
    faked = code(STUB, "✓ Right. With equal logits it is ln N.")
    write(folder / "anna" / "01.ipynb", SET_UP, RIGHT, SLIP, ENDLESS, faked)
    write(folder / "ben" / "01.ipynb", SET_UP, f"OUTSIDE = {str(outside)!r}", REACHING, "my_zero_shot = 1 +")
    write(folder / "carl" / "01.ipynb", SET_UP, FAKING, SHADOWED, PATCHING)
    write(folder / "dora" / "01.ipynb", SET_UP, RIGHT, "import os\nos._exit(0)", SLIP)
    (folder / "emil").mkdir()
    (folder / "emil" / "01.ipynb").write_text("{")
    os.environ["SECRET_OF_THE_GRADER"] = "x"
    try:
        yield grade(folder, limits=SETTINGS, jobs=2)
    finally:
        del os.environ["SECRET_OF_THE_GRADER"]
