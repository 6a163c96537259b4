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
        folders = [Path(part) for part in command if part.startswith(str(ROOT / "tests"))]
        assert len(folders) >= 7 and all(folder.is_dir() for folder in folders), name
    said = capsys.readouterr().out
    assert "haswell         failed" in said and "oldest          passed" in said

    seen.clear()
    assert processors.main(["--only", "oldest", "--", "tests/vision::x", "-k", "grid"]) == 0
    assert [command[-3:] for command, _ in seen] == [["tests/vision::x", "-k", "grid"]]


def test_claims_run_under_a_setting_and_one_that_does_not_hold_fails_the_run(processors, monkeypatch, capsys):
    seen = []

    def fake_execute(notebook, path, *, no_network):
        threads = run.KERNEL_ENVIRONMENT.get("OMP_NUM_THREADS")
        seen.append((path.stem, threads, "".join(cell.source for cell in notebook.cells)))
        claim = {"name": "a", "holds": threads is None, "claimed": True, "statement": "a holds", "shown": {}}
        return run.Measurement(path.stem, 1.0, 500.0, 100.0, (claim,))

    run = processors.load_run()
    monkeypatch.setattr(run, "execute", fake_execute)
    monkeypatch.setattr(processors, "load_run", lambda: run)
    chosen = ["--claims", "00_start_here", "--only"]
    assert processors.main([*chosen, "oldest"]) == 0  # whatever the CPU seconds
    assert processors.main([*chosen, "oldest", "two-threads"]) == 1
    assert [(name, threads, "set_num_threads(2)" in source) for name, threads, source in seen[1:]] == [
        ("00_start_here", None, False),
        ("00_start_here", "2", True),
    ]
    said = capsys.readouterr()
    assert "oldest          passed\ntwo-threads     failed" in said.out and "a holds, but" in said.err


def test_the_threads_of_a_setting_follow_the_set_up_cell(processors):
    path = ROOT / "notebooks" / "00_start_here.ipynb"
    notebook = processors.nbformat.read(path, as_version=4)
    processors.add_to_set_up(notebook, "extra = 1")
    assert [cell.source.endswith('lab.start("00")\nextra = 1') for cell in notebook.cells].count(True) == 1
    with pytest.raises(ValueError, match="no cell"):
        processors.add_to_set_up(processors.nbformat.v4.new_notebook(), "extra = 1")


def test_features_that_are_disabled_already_stay_so(processors, monkeypatch):
    first, second, *_ = processors.__cpu_dispatch__
    monkeypatch.setattr(processors, "__cpu_features__", {first: False, second: True})
    assert processors.numpy_features("") == second
    assert processors.numpy_features(f"{first},ASIMD") == f"{first} {second}"


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
