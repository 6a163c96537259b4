"""`tools/processors.py` and `tools/other_pythons.py`: what they run, and what they make of it."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def processors():
    return load("processors")


@pytest.fixture
def pythons():
    return load("other_pythons")


def test_every_setting_reaches_pytest_and_one_failure_fails_the_run(processors, monkeypatch, capsys):
    seen = []

    def fake_run(command, *, env, check):
        seen.append((command, env))
        return SimpleNamespace(returncode=1 if env.get("ATEN_CPU_CAPABILITY") == "avx2" else 0)

    monkeypatch.setattr(processors.subprocess, "run", fake_run)
    assert processors.main([]) == 1
    assert len(seen) == len(processors.SETTINGS) >= 7
    for (command, env), (name, variables) in zip(seen, processors.SETTINGS.items(), strict=True):
        assert variables.items() <= env.items()
        assert str(ROOT / "tests" / "vectors") in command, name
    said = capsys.readouterr().out
    assert "haswell         failed" in said and "oldest          passed" in said

    seen.clear()
    assert processors.main(["--only", "oldest", "--", "tests/vision::x", "-k", "grid"]) == 0
    assert [command[-3:] for command, _ in seen] == [["tests/vision::x", "-k", "grid"]]


@pytest.mark.slow
def test_torch_and_numpy_obey_the_oldest_setting(processors):
    program = (
        "import torch; print(torch.backends.cpu.get_cpu_capability())\n"
        "from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__\n"
        "print(sum(__cpu_features__[name] for name in __cpu_dispatch__))"
    )
    env = {**processors.os.environ, **processors.OLDEST}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=env, capture_output=True, text=True
    )
    assert done.stdout.split() == ["DEFAULT", "0"], done.stderr


def test_pythons_are_found_on_the_path_and_with_pyenv_and_shims_are_not(pythons, monkeypatch, tmp_path):
    real = tmp_path / "versions" / "3.12.1" / "bin" / "python3"
    real.parent.mkdir(parents=True)
    real.write_text("#!/bin/sh\necho 12\n")
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    for script in (real, shim):
        script.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(pythons, "MINORS", (12,))
    monkeypatch.setattr(pythons.sys, "version_info", (3, 11, 7))
    monkeypatch.setattr(pythons.shutil, "which", lambda name: str(shim))
    assert pythons.interpreters() == {12: str(real)}
    monkeypatch.setattr(pythons.sys, "version_info", (3, 12, 1))
    assert pythons.interpreters() == {}


def test_a_warning_of_the_compiler_fails(pythons, monkeypatch, tmp_path):
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    monkeypatch.setattr(pythons, "SOURCES", ("good.py",))
    (tmp_path / "good.py").write_text("x = 1\n")
    assert pythons.compiles(sys.executable)
    assert [path.name for path in tmp_path.iterdir()] == ["good.py"]  # no __pycache__
    (tmp_path / "good.py").write_text("x = '\\d'\n")
    assert not pythons.compiles(sys.executable)


def test_the_status_names_the_python_that_failed(pythons, monkeypatch, capsys):
    monkeypatch.setattr(pythons, "interpreters", lambda: {12: "/a", 13: "/b"})
    monkeypatch.setattr(pythons, "compiles", lambda python: True)
    monkeypatch.setattr(pythons, "passes", lambda python, minor: minor == 12)
    assert pythons.main() == 1
    assert "Failed on Python 3.13" in capsys.readouterr().err
    monkeypatch.setattr(pythons, "interpreters", dict)
    assert pythons.main() == 0
    assert "nothing was checked" in capsys.readouterr().out
