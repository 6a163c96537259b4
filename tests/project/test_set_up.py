"""`tools/set_up.py`: what it says when something is missing, and that it mends what was interrupted."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def set_up():
    """The module, fresh for each test because tests replace parts of it."""
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "tools" / "set_up.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path):
    """A folder with the three files that the set-up depends on, and nothing to install."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "tools" / "set_up.py").write_text("")
    return tmp_path


@pytest.fixture
def installs(set_up, monkeypatch):
    """Replaces pip: the calls that it would have got."""
    calls = []
    make = subprocess.check_call
    monkeypatch.setattr(set_up.subprocess, "check_call", lambda command: make([*command, "--without-pip"]))
    monkeypatch.setattr(set_up, "pip_install", lambda python, arguments, total=0: calls.append(arguments))
    monkeypatch.setattr(set_up, "find_uv", lambda python, pip_arguments: None)
    return calls


def test_an_unsuitable_python_gives_way_to_one_on_the_path(set_up, monkeypatch, capsys):
    monkeypatch.setattr(set_up.sys, "version_info", (3, 8, 18))
    monkeypatch.setattr(set_up.shutil, "which", lambda name: f"/opt/{name}" if name != "python3.13" else None)
    monkeypatch.setattr(set_up, "version_of", lambda python: tuple(map(int, python[11:].split("."))))
    assert set_up.choose_python() == "/opt/python3.12"
    assert "is 3.8; using /opt/python3.12 instead" in capsys.readouterr().out


def test_a_python_that_does_not_run_is_passed_over(set_up, monkeypatch, tmp_path):
    """Version managers leave a python3.13 on the PATH that only says that it is not there."""
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(set_up.sys, "version_info", (3, 14, 0))
    with pytest.raises(set_up.SetUpError, match=r"3\.11, 3\.12 or 3\.13 is needed, but .* is 3\.14"):
        set_up.choose_python()


def test_a_missing_venv_module_names_the_debian_package(set_up, monkeypatch):
    monkeypatch.setattr(set_up.subprocess, "call", lambda *_, **__: 1)
    package = f"python3.{sys.version_info[1]}-venv"
    with pytest.raises(set_up.SetUpError, match=f"sudo apt install {package}"):
        set_up.check_venv_module(sys.executable)


def test_too_little_disk_is_said_before_anything_is_made(set_up, monkeypatch, checkout, installs):
    monkeypatch.setattr(set_up.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 4e8}))
    with pytest.raises(set_up.SetUpError, match=r"Only 0\.4 GB are free .* about 3 GB"):
        set_up.set_up(checkout, [])
    assert not (checkout / ".venv").exists()
    assert installs == []


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("WARNING: Retrying: NewConnectionError(...): Failed to establish", "cannot be reached"),
        ("Max retries exceeded with url: /simple/torch/", "cannot be reached"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "Not enough disk space"),
        (
            "ERROR: Could not find a version (from versions: 2.2.0, 2.2.2)",
            "could not install the pinned packages",
        ),
    ],
)
def test_what_pip_says_becomes_one_sentence(set_up, log, sentence):
    assert sentence in set_up.explain(log)
    assert "\n" not in set_up.explain(log)


def test_the_second_call_does_nothing_and_a_changed_lock_updates(set_up, checkout, installs, monkeypatch):
    monkeypatch.setattr(set_up, "check_disk", lambda _: None)
    set_up.set_up(checkout, ["--pre"])
    assert [call[0] for call in installs] == ["--requirement", "--no-build-isolation"]
    assert installs[0][-1] == "--pre"
    set_up.set_up(checkout, [])
    assert len(installs) == 2

    marker = checkout / ".venv" / "kept"
    marker.touch()
    (checkout / "requirements.lock").write_text("six==1.17.0\n")
    set_up.set_up(checkout, [])
    assert len(installs) == 4
    assert marker.exists()  # brought up to date, not made anew


def test_exports_of_the_environment_restore_figures(set_up, checkout, installs, monkeypatch):
    monkeypatch.setattr(set_up, "check_disk", lambda _: None)
    set_up.set_up(checkout, [])
    settings = json.loads((checkout / ".venv" / "etc" / "jupyter" / "jupyter_config.json").read_text())
    (name,) = settings["LatexExporter"]["preprocessors"]
    module, _, attribute = name.rpartition(".")  # not imported: it needs nbconvert
    assert f"class {attribute}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def test_another_folder_holds_an_environment_of_its_own(set_up, checkout, installs, monkeypatch):
    monkeypatch.setattr(set_up, "check_disk", lambda _: None)
    set_up.set_up(checkout, [], ".venv-3.12")
    assert set_up.venv_python(checkout / ".venv-3.12").exists()
    assert not (checkout / ".venv").exists()


def test_an_interrupted_set_up_is_started_over(set_up, checkout, installs, monkeypatch):
    monkeypatch.setattr(set_up, "check_disk", lambda _: None)
    with monkeypatch.context() as interrupted:

        def interrupt(*_):
            raise KeyboardInterrupt

        interrupted.setattr(set_up, "pip_install", interrupt)
        with pytest.raises(KeyboardInterrupt):
            set_up.set_up(checkout, [])
    half_done = checkout / ".venv" / "half-unpacked"
    half_done.touch()
    set_up.set_up(checkout, [])
    assert not half_done.exists()
    assert len(installs) == 2


def test_an_environment_that_lost_its_python_is_made_anew(set_up, checkout, installs, monkeypatch):
    monkeypatch.setattr(set_up, "check_disk", lambda _: None)
    set_up.set_up(checkout, [])
    python = set_up.venv_python(checkout / ".venv")
    python.unlink()
    set_up.set_up(checkout, [])
    assert python.exists()
    assert len(installs) == 4


@pytest.mark.parametrize("move", [Path.rename, shutil.copytree], ids=["moved", "copied"])
def test_a_moved_checkout_says_so_and_gets_an_environment_of_its_own(
    set_up, checkout, installs, monkeypatch, capsys, move
):
    """Its commands, such as lint-imports, begin with the path of an interpreter that is gone."""
    monkeypatch.setattr(set_up, "check_disk", lambda _: None)
    first, second = checkout / "first place", checkout / "second place"
    first.mkdir()
    for name in ("tools", "requirements.lock", "pyproject.toml"):
        (checkout / name).rename(first / name)
    set_up.set_up(first, [])
    set_up.set_up(first, [])
    assert len(installs) == 2 and "was moved" not in capsys.readouterr().out
    (first / ".venv" / "stale").touch()
    move(first, second)
    set_up.set_up(second, [])
    assert f"moved or copied: {second / '.venv'} was made as {first / '.venv'}" in capsys.readouterr().out
    assert not (second / ".venv" / "stale").exists()
    assert set_up.location_of(second / ".venv") == second / ".venv"
    set_up.set_up(second, [])
    assert len(installs) == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows users have the conda way")
@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ("", []),
        ("--pre", ["--pre"]),
        ("--index-url 'https://a b/simple' --pre", ["--index-url", "https://a b/simple", "--pre"]),
        ('--find-links "my wheels"', ["--find-links", "my wheels"]),
        ("--index-url https://user:a;b@host", ["--index-url", "https://user:a;b@host"]),
    ],
)
def test_arguments_for_pip_come_through_make_as_they_are(set_up, checkout, monkeypatch, given, arguments):
    shutil.copy(ROOT / "Makefile", checkout)
    show = "import json, os, pathlib; pathlib.Path('seen').write_text(json.dumps(os.environ['PIP_ARGS']))"
    (checkout / "tools" / "set_up.py").write_text(show)
    make = ["make", "set-up", f"PYTHON={sys.executable}", f"PIP_ARGS={given}"]
    subprocess.run(make, cwd=checkout, check=True, capture_output=True)
    monkeypatch.setenv("PIP_ARGS", json.loads((checkout / "seen").read_text()))
    monkeypatch.setattr(sys, "argv", ["set_up.py"])
    got = []
    monkeypatch.setattr(set_up, "set_up", lambda root, pip_arguments, folder: got.append(pip_arguments))
    assert set_up.main() == 0
    assert got == [arguments]


def test_an_open_quote_is_said_in_one_sentence(set_up, monkeypatch, capsys):
    monkeypatch.setenv("PIP_ARGS", "--index-url 'https://host")
    monkeypatch.setattr(sys, "argv", ["set_up.py"])
    assert set_up.main() == 1
    assert "PIP_ARGS is" in capsys.readouterr().err


def test_a_foreign_environment_is_left_alone(set_up, checkout, installs):
    own = checkout / ".venv" / "bin" / "something-of-mine"
    own.parent.mkdir(parents=True)
    own.touch()
    with pytest.raises(set_up.SetUpError, match="was not made by `make`"):
        set_up.set_up(checkout, [])
    assert own.exists()


def test_an_unreachable_index_ends_in_one_sentence(set_up, checkout):
    arguments = ["--index-url", "http://127.0.0.1:9/simple", "--retries", "0", "--isolated", "six==1.17.0"]
    with pytest.raises(set_up.SetUpError, match="the package index cannot be reached"):
        set_up.pip_install(Path(sys.executable), ["--target", str(checkout / "out"), *arguments])


@pytest.mark.skipif(os.name == "nt", reason="Windows users have the conda way")
def test_make_says_which_python_is_missing():
    process = subprocess.run(
        ["make", "set-up", "PYTHON=no-such-python"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode != 0
    assert "no-such-python is not on the PATH: install Python 3.11, 3.12 or 3.13" in process.stderr


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """Stands for uv on the PATH: it writes down its arguments, and fails where `fails` exists beside it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "uv"
    program.write_text('#!/bin/sh\nset -e\nprintf "%s\\n" "$@" > "$0.said"\n[ ! -e "$0.fails" ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # no settings of this machine
    for name in [name for name in os.environ if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"]:
        monkeypatch.delenv(name)
    return program


@pytest.fixture
def pip_calls(set_up, monkeypatch):
    calls = []
    monkeypatch.setattr(set_up, "pip_install", lambda python, arguments, total=0: calls.append(arguments))
    return calls


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a shell script")
def test_uv_installs_the_pins_where_it_is_present(set_up, uv, pip_calls, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("one==1.0\n")
    set_up.install_pins(sys.executable, lock, [])
    assert uv.with_name("uv.said").read_text().split() == [
        *("pip", "install", "--python", sys.executable, "--requirement", str(lock))
    ]
    assert pip_calls == []


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a shell script")
def test_pip_goes_on_where_uv_fails(set_up, uv, pip_calls, tmp_path, capsys):
    lock = tmp_path / "requirements.lock"
    lock.write_text("one==1.0\n")
    uv.with_name("uv.fails").touch()
    set_up.install_pins(sys.executable, lock, [])
    assert pip_calls == [["--requirement", str(lock)]]
    assert "uv could not install the packages; pip tries now" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a shell script")
def test_uv_would_not_see_what_pip_was_told(set_up, uv, monkeypatch):
    assert set_up.find_uv(sys.executable, []) == str(uv)
    assert set_up.find_uv(sys.executable, ["--pre"]) is None
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    assert set_up.find_uv(sys.executable, []) is None
