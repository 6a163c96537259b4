"""Set-up cell, photographs and figures."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from phi3lib import lab
from phi3lib.lab.figures import plots
from phi3lib.lab.photographs import credit


def test_the_set_up_cell_says_what_it_has(capsys):
    lab.start("03")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Notebook 03 · seed 0"
    assert [line.split(":")[0] for line in lines[1:]] == ["Checkpoints", "Threads", "Instruments"]


def test_small_models_get_one_thread_in_every_library():
    program = (
        "import numpy, threadpoolctl\n"
        "from phi3lib import lab\n"
        "lab.start('02', models='bundled')\n"
        "import scipy.linalg, sklearn.linear_model, torch\n"
        "print({pool['num_threads'] for pool in threadpoolctl.threadpool_info()} | {torch.get_num_threads()})"
    )
    left_out = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "{1}"


def test_real_models_get_the_threads_that_were_asked_for():
    program = (
        "from phi3lib import lab\n"
        "lab.start('02', models='bundled')\n"  # one thread in this notebook says nothing about the next
        "lab.start('02', models='real')\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("Threads")] == [
        "Threads: 1",
        "Threads: 3",
    ]


def test_real_checkpoints_get_fewer_pictures(monkeypatch):
    monkeypatch.setenv("PHI3LIB_MODELS", "bundled")
    assert lab.how_many(bundled=240, real=72) == 240
    monkeypatch.setenv("PHI3LIB_MODELS", "real")
    assert lab.how_many(bundled=240, real=72) == 72


@pytest.mark.parametrize("name", ["china", "flower"])
def test_photographs_come_with_their_credit(name):
    photo = lab.photograph(name)
    assert photo.mode == "RGB" and photo.size == (640, 427)
    assert "CC BY 2.0" in photo.info["credit"] and str(lab.credit(name)) == photo.info["credit"]


def test_a_picture_of_the_reader_is_turned_upright(tmp_path):
    picture = Image.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert lab.picture(tmp_path / "turned.jpg").size == (2, 4)


def test_what_is_no_picture_gets_one_sentence(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(ValueError, match="not a picture"):
        lab.picture(tmp_path / "text.jpg")
    with pytest.raises(FileNotFoundError, match="no file"):
        lab.picture(tmp_path / "nothing.jpg")
    with pytest.raises(ValueError, match="is a folder"):
        lab.picture(tmp_path)


def test_a_figure_needs_alt_text_and_labels():
    fig, axes = plots.figure()
    with pytest.raises(ValueError, match="alt is empty"):
        plots.still(fig, alt=" ")
    with pytest.raises(ValueError):
        plots.still(fig, alt="axes without labels")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    still = plots.still(fig, alt='a "quoted" <alt>')
    assert "&quot;quoted&quot; &lt;alt&gt;" in still.to_html()
    assert still.size[0] <= 800


def test_a_figure_may_not_be_too_wide():
    with pytest.raises(ValueError, match="8 inches"):
        plots.figure(width=9)


def test_a_credit_is_wrapped_between_words_only():
    text = str(credit("flower"))
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "flickr.com/photos/vultilion/6056698931" in text
    assert "\n" in text


def test_titles_have_the_size_of_the_course_outside_figure_too():
    _, axes = plots.figure()
    assert plots.write_title(axes, "a title").title.get_fontsize() == plots.STYLE["axes.titlesize"]
