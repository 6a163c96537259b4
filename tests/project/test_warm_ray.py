"""The program that takes the place of Python where Ray starts the processes of a test's cluster."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.warm_ray import executable_for_ray


def test_files_of_ray_get_forks_and_other_programs_the_usual_python(tmp_path):
    spec = find_spec("ray") or pytest.skip("Ray is not installed")
    program = executable_for_ray(["/bin/echo", "a fork:"], tmp_path)

    def said(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout

    worker = str(Path(spec.origin).with_name("a worker.py"))
    assert said("-u", worker, "--type='x y'") == f"a fork: -u {worker} --type='x y'\n"
    assert said("-c", "import sys; print(sys.argv[1], end='')", "a b") == "a b"


def test_without_forks_it_is_the_usual_python(tmp_path):
    assert executable_for_ray([sys.executable], tmp_path) == sys.executable
    assert not any(tmp_path.iterdir())
