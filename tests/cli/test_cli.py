"""The command line: results, exit codes, JSON, hostile names, mistakes, interruption and resuming."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from phi3lib import EmbeddingTable
from phi3lib.cli import main
from phi3lib.cli.terminal import shown
from phi3lib.cli.vectors import folder_labels
from tests.cli.conftest import Colors, Middle, save


@pytest.fixture(autouse=True)
def _small(photos, colors):
    """All of these tests run on the folder, with the small encoder."""


def test_embed_writes_a_table_and_reports_what_was_left_out(shell, tmp_path):
    code, out, err = shell("embed", "photos", "--out", "vectors.parquet")
    table = EmbeddingTable.load(tmp_path / "vectors.parquet")
    assert code == 0 and len(table) == 8 and "8 vectors" in out
    assert "broken.jpg" in err and "no picture that Pillow can read" in err
    assert "notes.txt" in err
    assert dict(zip(table.ids, table.labels["folder"].tolist(), strict=True))["cats/1.png"] == "cats"
    assert set(table.labels["folder"].tolist()) == {"cats", "dogs", None}


def test_vectors_are_kept_in_the_working_directory_and_serve_the_next_command(shell, tmp_path, colors):
    shell("embed", "photos")
    assert (tmp_path / "photos.colors.parquet").is_file()
    colors.encode = lambda images, how: pytest.fail("an image was computed again")
    code, out, err = shell("duplicates", "photos", "--quiet")
    assert (code, out, err) == (0, "copy of 0.png\ndogs/0.png\n", "")


def test_duplicates_take_a_file_of_vectors(shell):
    shell("embed", "photos", "--out", "v.parquet")
    code, out, _ = shell("duplicates", "v.parquet", "--json")
    assert code == 0 and json.loads(out)["groups"] == [["copy of 0.png", "dogs/0.png"]]


def test_atlas_is_one_file_that_loads_nothing(shell, tmp_path):
    code, out, _ = shell("atlas", "photos", "--out", "sub/page.html", "--title", "</title><script>")
    page = (tmp_path / "sub/page.html").read_text(encoding="utf-8")
    assert code == 0 and out.strip().endswith("page.html")
    assert "default-src &#x27;none" in page and "</title><script>" not in page


def test_search_by_image(shell):
    code, out, err = shell("search", "photos", "--image", "photos/cats/1.png", "-k", "2", "--json")
    hits = json.loads(out)["hits"]
    assert code == 0 and len(hits) == 2
    assert hits[0]["id"] == "cats/1.png" and hits[0]["cosine"] == pytest.approx(1)
    assert "even if none fits" in err


def test_estimate_computes_nothing_but_a_sample(shell, tmp_path):
    code, out, _ = shell("embed", "photos", "--estimate", "--json")
    found = json.loads(out)["estimates"]["colors"]
    assert code == 0 and found["pending"] == found["images"] == 9 and found["low"] <= found["seconds"]
    assert not list(tmp_path.glob("*.parquet*"))


def test_estimate_of_a_folder_of_which_only_broken_images_are_left(shell):
    shell("embed", "photos")
    code, out, _ = shell("embed", "photos", "--estimate")
    assert code == 0 and "none of those sampled could be read" in out


def test_report_lists_what_is_in_the_folder(shell, photos):
    Image.new("RGB", (24, 24), "white").save(photos / "blank.png")
    code, out, _ = shell("report", "photos", "--json", "--least", "1")
    found = {one["kind"]: one["ids"] for one in json.loads(out)["findings"]}
    assert code == 0 and found["duplicates"] == ["copy of 0.png", "dogs/0.png"]
    assert found["empty"] == ["blank.png"] and "cluster" in found


def test_report_of_two_models_lists_where_they_disagree(shell, monkeypatch):
    vectors = {
        "one": Colors("one", network=torch.nn.Identity()),
        "two": Middle("two", network=torch.nn.Identity()),
    }
    monkeypatch.setattr("phi3lib.cli.vectors.load", lambda name, revision=None: vectors[name])
    code, out, _ = shell("report", "photos", "--model", "one", "--model", "two", "--json")
    pairs = json.loads(out)["disagreements"]
    assert code == 0 and {pair["near_for"] for pair in pairs} <= {"one", "two"}


# --------------------------------------------------------------------------- exit codes


def test_strict_reports_unreadable_files_by_its_exit_code(shell, photos):
    assert shell("embed", "photos", "--strict")[0] == 3
    (photos / "broken.jpg").unlink()
    assert shell("embed", "photos", "--strict")[0] == 0


MISTAKES = {
    "no folder": (["embed", "nowhere"], "no folder 'nowhere'"),
    "no images": (["embed", "empty"], "no images found"),
    "a file": (["embed", "photos/notes.txt"], "no folder"),
    "no query": (["search", "photos"], "nothing to search for"),
    "an empty query": (["search", "photos", " "], "the text is empty"),
    "a model without texts": (["search", "photos", "a cat"], "texts"),
    "no labels file": (["embed", "photos", "--labels", "no.csv"], "no file of labels 'no.csv'"),
    "labels without names": (["embed", "photos", "--labels", "nameless.csv"], "file_name"),
    "labels of other images": (["embed", "photos", "--labels", "others.csv"], "no entry for"),
    "damaged labels": (["embed", "photos", "--labels", "photos/cats/1.png"], "cannot be read as labels"),
    "an unknown recipe": (["embed", "photos", "--pooling", "gem"], "gem"),
    "no table": (["duplicates", "fake.parquet"], "no Parquet file"),
    "missing table": (["duplicates", "missing.parquet"], "no table"),
    "words of a model without texts": (["report", "photos", "--words", "cat"], "texts"),
    "no words": (["report", "photos", "--words", ","], "no words"),
    "two models": (["embed", "photos", "--model", "a", "--model", "b"], "one --model"),
    "one model twice": (["atlas", "photos", "--model", "a", "--model", "a"], "twice"),
    "page into a folder": (["atlas", "photos", "--out", "photos"], "photos"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_1(shell, tmp_path, mistake):
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake.parquet").write_text("no table")
    (tmp_path / "nameless.csv").write_text("a,b\n1,2\n")
    (tmp_path / "others.csv").write_text("file_name,kind\nx.png,cat\n")
    arguments, wanted = MISTAKES[mistake]
    code, out, err = shell(*arguments)
    assert code == 1 and not out
    assert wanted in err.splitlines()[-1] and err.splitlines()[-1].startswith("phi3lib: ")
    code, out, err = shell(*arguments, "--json")
    assert code == 1 and wanted in json.loads(out)["error"]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["embed"], ["search", "x", "y", "-k", "0"], ["duplicates", "x", "--least", "2"]],
)
def test_wrong_arguments_end_with_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage:" in capsys.readouterr().err


# --------------------------------------------------------------------------- hostile names


def test_hostile_names_are_escaped_in_all_output(shell):
    shell("embed", "photos")
    _, out, err = shell("search", "photos", "--image", "photos/cats/1.png")
    assert r"\x1b[31mred\nline\u202e.png" in out
    assert not re.search("[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202e]", out + err.replace("\r", ""))


def test_hostile_names_of_unreadable_files_are_escaped(shell, photos):
    (photos / "\x1b]0;title\x07.jpg").write_bytes(b"x")
    _, _, err = shell("embed", "photos")
    assert r"\x1b]0;title\x07.jpg" in err and "\x1b]0" not in err


def test_json_is_ascii(shell):
    _, out, _ = shell("search", "photos", "--image", "photos/cats/1.png", "--json")
    assert out.isascii() and "\x1b" not in out
    assert "\x1b[31mred\nline\u202e.png" in [hit["id"] for hit in json.loads(out)["hits"]]


def test_different_names_stay_different():
    assert shown("a\x1b") == r"a\x1b"
    assert shown("caf\udce9") == r"caf\xe9"
    assert shown("naïve 猫.png") == "naïve 猫.png"


# --------------------------------------------------------------------------- labels


def test_labels_from_a_file_match_by_name(shell, photos, tmp_path):
    names = [str(one.relative_to(photos)) for one in photos.rglob("*.png")] + ["broken.jpg"]
    import pandas

    pandas.DataFrame({"file_name": names, "stars": range(len(names))}).to_csv("labels.csv", index=False)
    assert shell("embed", "photos", "--labels", "labels.csv", "--out", "v.parquet")[0] == 0
    table = EmbeddingTable.load(tmp_path / "v.parquet")
    assert dict(zip(table.ids, table.labels["stars"].tolist(), strict=True)) == {
        name: number for number, name in enumerate(names) if name != "broken.jpg"
    }


def test_no_labels_if_none_are_wanted(shell, tmp_path):
    shell("embed", "photos", "--labels", "none", "--out", "v.parquet")
    assert not EmbeddingTable.load(tmp_path / "v.parquet").labels


def test_a_flat_folder_has_no_folder_labels():
    assert folder_labels(["a.png", "b.png"]) is None


# --------------------------------------------------------------------------- interruption


def test_ctrl_c_says_how_to_resume_and_the_same_command_resumes(shell, photos, colors, monkeypatch):
    for number in range(80):
        save(photos / "more" / f"{number}.png", 100 + number)
    whole, computed = colors.encode, []

    def until_the_second_batch(images, how):
        if len(computed) > 1:
            raise KeyboardInterrupt
        computed.append(len(images))
        return whole(images, how)

    monkeypatch.setattr("phi3lib.cli.vectors.SHORT_RUN", 10**6)
    monkeypatch.setattr(colors, "encode", until_the_second_batch, raising=False)
    code, out, err = shell("embed", "photos")
    assert code == 130 and not out
    assert "run the same command again to resume" in err.splitlines()[-1] and "Traceback" not in err
    again = []
    monkeypatch.setattr(colors, "encode", lambda images, how: again.append(len(images)) or whole(images, how))
    code, _, _ = shell("embed", "photos", "--json")
    assert code == 0 and sum(computed) > 0 and sum(again) == 88 - sum(computed)


# --------------------------------------------------------------------------- the process


def test_as_a_module_without_loading_torch():
    code = "import sys, phi3lib.cli.arguments as a; a.parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    told = subprocess.run(
        [sys.executable, "-m", "phi3lib", "--help"], check=True, capture_output=True, text=True
    )
    assert "exit codes" in told.stdout


def test_doctor_reports_as_json(shell):
    code, out, _ = shell("doctor", "--json")
    findings = json.loads(out)["findings"]
    assert code == (1 if any(one["state"] == "attention" for one in findings) else 0)


def test_the_bundled_clip_finds_a_picture_by_its_caption(shell, monkeypatch, photos):
    monkeypatch.undo()
    from phi3lib.loading.defaults import DATA_FOLDER

    monkeypatch.chdir(photos.parent)
    drawn = photos.parent / "drawn"
    drawn.mkdir()
    lines = (DATA_FOLDER / "pictures" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    pictures = [json.loads(line) for line in lines[:20]]
    first = pictures[0]
    for one in pictures:
        shutil.copy(DATA_FOLDER / "pictures" / one["file"], drawn)
    code, out, _ = shell("search", "drawn", first["caption"], "-k", "3", "--json")
    assert code == 0 and first["file"] in [hit["id"] for hit in json.loads(out)["hits"]]
