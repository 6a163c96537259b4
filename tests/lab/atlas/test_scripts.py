"""The explorer's JavaScript without a browser: its data and its arithmetic under node, and its syntax."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from phi3lib.lab.figures import palette

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_data_plane_and_selection_under_node():
    tests = Path(__file__).with_name("scripts.test.mjs")
    env = {**os.environ, "PALETTE_SCRIPT": palette.script()}
    done = subprocess.run([NODE, "--test", str(tests)], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
