"""The commands of notebook A2 that carry checkpoints to a computer without a network, run as printed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from phi3lib.lab.lessons import a2_offline
from tests.hub_stand_in import HubStandIn
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

ROOT = Path(__file__).resolve().parents[3]
NEEDED = ("bash", "tar", "sha256sum")


def run_commands(commands: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run them with bash, `python` being this one, in an environment without any setting of a hub."""
    folder.mkdir(exist_ok=True)
    programs = folder / ".programs"
    programs.mkdir(exist_ok=True)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PHI3LIB_"))}
    path = f"{programs}{os.pathsep}{own['PATH']}"
    environment = {**own, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder / "home"), **variables}
    return subprocess.run(
        ["bash", "-eu", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(any(shutil.which(name) is None for name in NEEDED), reason="needs bash, tar, sha256sum")
def test_the_printed_commands_carry_both_checkpoints_into_a_room_without_a_network(tmp_path):
    make_clip_checkpoint(tmp_path / "clip")
    make_phi3_checkpoint(tmp_path / "phi3", tokenizer=True)
    outside, room = tmp_path / "outside", tmp_path / "room"
    with HubStandIn() as hub:
        hub.add("openai/clip-vit-base-patch32", tmp_path / "clip")
        hub.add("microsoft/Phi-3.5-vision-instruct", tmp_path / "phi3")
        fetched = run_commands(a2_offline.WITH_NETWORK, outside, HF_ENDPOINT=hub.url)
        assert fetched.returncode == 0, fetched.stderr
    room.mkdir()
    for name in ("carry.tar", "carry.tar.sha256"):
        shutil.move(outside / name, room / name)
    shutil.rmtree(outside)
    carried = run_commands(a2_offline.IN_THE_ROOM, room)
    assert carried.returncode == 0, carried.stderr
    assert carried.stdout.splitlines() == ["carry.tar: OK", "both load"]


def test_the_download_covers_what_the_course_loads():
    """The notebooks that load all of Phi-3-vision are the ones that A2 names, and its commands fetch it."""
    wholes = [
        path.stem.partition("_")[0]
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        if any(
            "load_phi3_model(language_model=True)" in cell.source
            for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code"
        )
    ]
    said = f"Notebooks {', '.join(wholes[:-1])} and {wholes[-1]} load all of Phi-3-vision"
    notebook = nbformat.read(ROOT / "notebooks" / "A2_real_checkpoints.ipynb", as_version=4)
    assert any(said in cell.source for cell in notebook.cells)
    for commands in (a2_offline.WITH_NETWORK, a2_offline.IN_THE_ROOM):
        assert commands.count("language_model=True") == 1


def test_commands_and_variables_agree(capsys):
    for name in ("HF_HOME", "HF_HUB_OFFLINE", "PHI3LIB_MODELS"):
        assert name in a2_offline.IN_THE_ROOM and name in a2_offline.VARIABLES
    a2_offline.show_commands(a2_offline.WITH_NETWORK)
    a2_offline.show_variables()
    printed = capsys.readouterr().out
    assert printed.startswith(a2_offline.WITH_NETWORK) and "HF_ENDPOINT" in printed
