"""The server for a room, without Docker and without JupyterHub: its settings, its copies, its files."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "notebooks" / "instructor" / "room"
PASSWORD = "for the class"
pwd = pytest.importorskip("pwd", reason="JupyterHub does not run on Windows")


@pytest.fixture
def settings(monkeypatch):
    """A function that reads the configuration with these environment variables: (settings, its names)."""

    def read(**environment):
        for name in ("ROOM_ACCOUNTS", "ROOM_TEACHERS", "ROOM_GPU", "CUDA_VISIBLE_DEVICES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"ROOM_PASSWORD": PASSWORD, **environment}.items():
            monkeypatch.setenv(name, value)
        config = Config()
        names = runpy.run_path(
            str(ROOM / "jupyterhub_config.py"), init_globals={"get_config": lambda: config}
        )
        return config, names

    return read


def spawner(name="ann", *, admin=False, home=""):
    return SimpleNamespace(user=SimpleNamespace(name=name, admin=admin), home_dir=str(home))


def test_without_a_password_the_server_does_not_start(settings):
    with pytest.raises(SystemExit, match="ROOM_PASSWORD is not set"):
        settings(ROOM_PASSWORD="")


def test_learners_have_accounts_of_their_own_and_none_is_of_the_system(settings):
    config, _ = settings(ROOM_TEACHERS="eve, zoe")
    assert config.JupyterHub.spawner_class == "localprocess"
    assert config.Authenticator.admin_users == {"eve", "zoe"}
    people = {one.pw_name for one in pwd.getpwall() if 1000 <= one.pw_uid < 60_000}
    assert {"root", "daemon", "nobody"} <= config.Authenticator.blocked_users
    assert not people & config.Authenticator.blocked_users
    allowed = re.compile(config.Authenticator.username_pattern)
    assert allowed.match("ann-2")
    assert not any(allowed.match(name) for name in ("", "-r", "../x", "a b", "a;b", "0", "Ann", "a" * 40))


def test_passwords_are_not_passed_on(settings):
    config, _ = settings(ROOM_TEACHER_PASSWORD="t" * 32)
    assert not any("PASSWORD" in name for name in [*config.Spawner.env_keep, *config.Spawner.environment])


@pytest.mark.parametrize(
    ("choice", "learner", "teacher"), [("teachers", "", "0"), ("all", "0", "0"), ("nobody", "", "")]
)
def test_who_sees_the_gpu(settings, choice, learner, teacher):
    config, _ = settings(ROOM_GPU=choice)
    visible = config.Spawner.environment["CUDA_VISIBLE_DEVICES"]
    assert (visible(spawner()), visible(spawner(admin=True))) == (learner, teacher)


def test_missing_notebooks_are_copied_and_what_is_there_stays(settings, tmp_path):
    config, _ = settings(ROOM_ACCOUNTS="none")
    assert config.JupyterHub.spawner_class == "simple"
    mine = tmp_path / "notebooks" / "00_start_here.ipynb"
    mine.parent.mkdir()
    mine.write_text("my work")
    elsewhere = tmp_path / "notebooks" / "glossary.md"
    elsewhere.symlink_to(tmp_path / "elsewhere")
    config.Spawner.pre_spawn_hook(spawner(home=tmp_path))
    assert mine.read_text() == "my work" and not (tmp_path / "elsewhere").exists()
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in mine.parent.glob("*.ipynb")} == names
    assert (tmp_path / config.Spawner.default_url.removeprefix("/lab/tree/")).is_file()


@pytest.mark.parametrize(
    ("account", "accounts", "given"), [(0, "none", True), (0, "system", False), (1000, "none", False)]
)
def test_a_room_that_is_tried_as_root_lets_jupyter_start(settings, monkeypatch, account, accounts, given):
    monkeypatch.setattr(os, "geteuid", lambda: account)
    config, _ = settings(ROOM_ACCOUNTS=accounts)
    assert (config.Spawner.args == ["--allow-root"]) is given


def test_accounts_are_made_without_a_shell_and_the_copy_does_not_run_as_root(settings, monkeypatch):
    config, _ = settings()
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda program, **options: calls.append((program, options)))
    monkeypatch.setattr(pwd, "getpwall", list)
    monkeypatch.setattr(Path, "chmod", lambda path, mode: calls.append((str(path), mode)))
    config.Spawner.pre_spawn_hook(spawner("ann-of-the-class"))
    (made, _), closed, (copied, options) = calls
    assert made[0] == "useradd" and made[-1] == "ann-of-the-class" and "--create-home" in made
    assert closed == ("/home/ann-of-the-class", 0o700)
    assert copied[0] == sys.executable and options["user"] == options["group"] == "ann-of-the-class"
    assert options["extra_groups"] == [] and set(options["env"]) == {"PATH"}


def test_a_home_folder_of_the_system_is_not_given_to_a_learner(settings, monkeypatch, tmp_path):
    _, names = settings()
    monkeypatch.setattr(Path, "lstat", lambda path: SimpleNamespace(st_uid=0))
    with pytest.raises(ValueError, match="belongs to account 0, which is of the system"):
        names["make_account"]("no-such-account", tmp_path)


def test_the_image_is_made_of_files_that_are_there():
    ignored = (ROOM / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert kept and all((ROOT / name).exists() for name in kept)
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.lock"} <= set(kept)
    dockerfile = (ROOM / "Dockerfile").read_text("utf-8")
    for path in re.findall(r"/opt/course/(\S+?)[\s\"]", dockerfile):
        assert (ROOT / path).is_file(), path
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == [
        "node:22-bookworm-slim",
        "python:3.12-slim-bookworm",
    ]


def test_the_page_names_every_variable_of_the_configuration():
    used = set(re.findall(r"\bROOM_[A-Z_]+\b", (ROOM / "jupyterhub_config.py").read_text("utf-8")))
    page = (ROOM / "README.md").read_text("utf-8")
    assert used - {"ROOM_COURSE"} <= set(re.findall(r"\bROOM_[A-Z_]+\b", page))
