"""The command line: results, exit codes, JSON, hostile names, mistakes, interruption and resuming."""

import json
import logging
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import EmbeddingTable
from phi3lib.cli import main
from phi3lib.cli.arguments import parser
from phi3lib.cli.commands import _disagreements
from phi3lib.cli.terminal import Terminal, shown, terminal_of
from phi3lib.cli.vectors import Embedded, _labels_file, folder_labels
from phi3lib.embeddings.costs import estimate_cost
from phi3lib.embeddings.disagreement import disagreements
from phi3lib.embeddings.labels import labels_of
from phi3lib.encoders.encoder import Recipes, recipes_of
from phi3lib.lab import check_up, grading
from phi3lib.lab.atlas.stages import Costs
from tests.cli.conftest import Colors, Middle, save
from tests.exported_page import data_of


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
    code, out, err = shell("duplicates", "v.parquet")
    assert "groups of near duplicates: 1, with 2 of 8 images (cosine at least 0.98)" in err
    code, out, err = shell("duplicates", "v.parquet", "--least", "-1")
    assert code == 0 and len(out.splitlines()) == 8 and "1, with 8 of 8 images (cosine at least -1)" in err


def test_atlas_is_one_file_that_loads_nothing(shell, tmp_path):
    code, out, _ = shell("atlas", "photos", "--out", "sub/page.html", "--title", "</title><script>")
    page = (tmp_path / "sub/page.html").read_text(encoding="utf-8")
    assert code == 0 and out.strip().endswith("page.html")
    assert "default-src &#x27;none" in page and "</title><script>" not in page


def test_an_atlas_can_rank_by_texts_answer_queries_and_lay_out_selections(
    shell, tmp_path, colors, monkeypatch
):
    reading = Recipes(recipes_of(colors.family), shared_with_text="squares")
    monkeypatch.setattr(Colors, "recipes", reading)
    colors.encode_texts = lambda text: torch.ones(1, 9)
    shell("embed", "photos", "--out", "v.parquet")
    options = ("--sql", "--selection-maps")
    for source in ("photos", "v.parquet"):
        code, _, err = shell("atlas", source, "--query", "a red car", "--query", "a dog", *options)
        page = (tmp_path / "atlas.html").read_text(encoding="utf-8")
        assert code == 0 and "wasm-unsafe-eval" in page, err
        spec = data_of(page)["spec"]
        assert [one["text"] for one in spec["queries"]] == ["a red car", "a dog"]
        assert len(spec["layouts"]["vectors"]) == 1


def test_search_by_image(shell):
    code, out, err = shell("search", "photos", "--image", "photos/cats/1.png", "-k", "2", "--json")
    hits = json.loads(out)["hits"]
    assert code == 0 and len(hits) == 2
    assert hits[0]["id"] == "cats/1.png" and hits[0]["cosine"] == pytest.approx(1)
    assert "even if none fits" in err


def test_a_search_says_how_far_its_best_image_stands_out(shell):
    _, out, _ = shell("search", "photos", "--image", "photos/cats/1.png", "--json")
    found = json.loads(out)
    cosines = np.array([hit["cosine"] for hit in found["hits"]])
    assert len(cosines) == 8  # fewer than the ten that are listed at most
    assert found["standing"] == pytest.approx((cosines[0] - cosines.mean()) / cosines.std(), rel=1e-4)


def test_the_maps_of_all_models_are_in_the_estimate(shell, monkeypatch):
    models = {name: Colors(name, network=torch.nn.Identity()) for name in ("one", "two")}
    monkeypatch.setattr("phi3lib.cli.vectors.load", lambda name, revision=None: models[name])
    for trial in ("slowness", "core_slowness"):
        monkeypatch.setattr(f"phi3lib.lab.atlas.stages.{trial}", lambda: 1.0)
    both = ("--model", "one", "--model", "two")
    _, out, _ = shell("atlas", "photos", "--estimate", "--json", *both)
    assert json.loads(out)["maps_seconds"] == pytest.approx(
        2 * Costs(9, 9).all()
    )  # nine images, nine numbers


def test_the_estimate_of_an_atlas_has_its_maps(shell):
    code, out, _ = shell("atlas", "photos", "--estimate", "--json")
    assert code == 0 and json.loads(out)["maps_seconds"] > 0
    code, out, _ = shell("atlas", "photos", "--estimate")
    assert code == 0 and "maps, afterwards: about " in out


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
    code, out, _ = shell("report", "photos", "--json", "--least", "-1")
    found = {one["kind"]: one["ids"] for one in json.loads(out)["findings"]}
    assert code == 0 and len(found["duplicates"]) == 9


def test_report_of_two_models_lists_where_they_disagree(shell, monkeypatch):
    vectors = {
        "one": Colors("one", network=torch.nn.Identity()),
        "two": Middle("two", network=torch.nn.Identity()),
    }
    monkeypatch.setattr("phi3lib.cli.vectors.load", lambda name, revision=None: vectors[name])
    code, out, _ = shell("report", "photos", "--model", "one", "--model", "two", "--json")
    pairs = json.loads(out)["disagreements"]
    assert code == 0 and {pair["near_for"] for pair in pairs} <= {"one", "two"}


def test_a_disagreement_names_the_model_for_which_the_images_are_near():
    rng = np.random.default_rng(0)
    groups = np.repeat(5 * np.eye(4, 24), 12, axis=0) + 0.3 * rng.normal(size=(48, 24))
    near = groups.copy()
    near[3] = near[40] = np.eye(24)[20]
    names = tuple(map(str, range(48)))
    one, two = (
        Embedded(name, EmbeddingTable(vectors.astype(np.float32), names), Path(f"{name}.parquet"), None)
        for name, vectors in (("one", near), ("two", groups))
    )
    for found in ([one, two], [two, one]):
        assert _disagreements(found, 20)[0] == ("3", "40", "one", "two")
    wanted = disagreements(one.table, two.table, k=10, most=3)
    listed = _disagreements([one, two], 3)
    assert len(wanted) > len(listed) == 3  # most of both directions together
    assert [pair[:2] for pair in listed] == [(pair.first, pair.second) for pair in wanted[:3]]


@pytest.mark.parametrize("count", [31, 32])
def test_only_a_long_run_begins_with_an_estimate(shell, tmp_path, monkeypatch, count):
    asked = []
    monkeypatch.setattr(
        "phi3lib.cli.vectors.estimate_cost", lambda *a, **k: asked.append(a) or estimate_cost(*a, **k)
    )
    for number in range(count):
        save(tmp_path / "many" / f"{number}.png", number)
    assert shell("embed", "many")[0] == 0
    assert len(asked) == (count == 32)


def test_as_many_images_are_listed_as_are_asked_for(shell):
    code, out, _ = shell("search", "photos", "--image", "photos/cats/1.png", "-k", "3")
    assert code == 0 and len(out.splitlines()) == 3
    code, out, _ = shell("search", "photos", "--image", "photos/cats/1.png", "-k", "3", "--json")
    assert code == 0 and len(json.loads(out)["hits"]) == 3


def test_numbers_have_the_defaults_that_the_guide_names():
    wanted = {
        "search x": {"k": 10},
        "duplicates x": {"least": 0.98},
        "report x": {"least": 0.98, "pairs": 10},
        "grade x": {"seconds": 900, "cell_seconds": 120, "megabytes": 4096, "jobs": 1},
        "search x y -k 1": {"k": 1},
        "duplicates x --least -1": {"least": -1},
        "grade x --megabytes 256 --jobs 1": {"megabytes": 256, "jobs": 1},
    }
    for line, values in wanted.items():
        assert vars(parser().parse_args(line.split())).items() >= values.items()


def test_a_recipe_has_a_file_of_its_own_and_the_result_tells_its_width(shell, tmp_path):
    code, out, _ = shell("embed", "photos", "--pooling", "squares", "--json")
    told = json.loads(out)
    assert code == 0 and (tmp_path / "photos.colors.squares.parquet").is_file()
    assert (told["images"], told["dimension"], len(told["not_read"])) == (8, 9, 1)


def test_a_file_of_vectors_names_the_model_and_the_revision_that_it_needs(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "phi3lib.cli.vectors.load", lambda name, revision=None: asked.append((name, revision))
    )
    table = EmbeddingTable(
        np.eye(4, dtype=np.float32), tuple("abcd"), {}, {"model": "one", "revision": "f00"}
    )
    Embedded("one", table, Path("v.parquet"), None).with_encoder()
    assert asked == [("one", "f00")]


# --------------------------------------------------------------------------- exit codes


def test_strict_reports_unreadable_files_by_its_exit_code(shell, photos):
    assert shell("embed", "photos", "--strict")[0] == 3
    (photos / "broken.jpg").unlink()
    assert shell("embed", "photos", "--strict")[0] == 0


def test_strict_counts_what_any_of_the_models_could_not_take(shell, photos, monkeypatch):
    class Picky(Colors):
        def features(self, images):
            found = super().features(images)
            return [
                one * np.nan if image.height > 500 else one for one, image in zip(found, images, strict=True)
            ]

    (photos / "broken.jpg").unlink()
    Image.new("RGB", (24, 600), "red").save(photos / "high.png")
    models = {
        "one": Colors("one", network=torch.nn.Identity()),
        "two": Picky("two", network=torch.nn.Identity()),
    }
    monkeypatch.setattr("phi3lib.cli.vectors.load", lambda name, revision=None: models[name])
    for asked, code in ((("one",), 0), (("one", "two"), 3)):
        assert shell("report", "photos", "--strict", *(f"--model={name}" for name in asked))[0] == code


MISTAKES = {
    "no folder": (["embed", "nowhere"], "no folder 'nowhere'"),
    "no images": (["embed", "empty"], "no images found"),
    "a file": (["embed", "photos/notes.txt"], "is a file; give a folder"),
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
    "a query of a model without texts": (["atlas", "photos", "--query", "cat"], "--query needs vectors"),
    "no words": (["report", "photos", "--words", ","], "no words"),
    "empty words": (["report", "photos", "--words", ""], "no words"),
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
    [
        [],
        ["fly"],
        ["embed"],
        ["atlas", "x", "--query", " "],
        ["search", "x", "y", "-k", "0"],
        ["duplicates", "x", "--least", "2"],
    ],
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


def test_labels_of_folders_are_whole_paths():
    assert folder_labels(["a/x/1.png", "b/x/2.png", "3.png"]) == {"folder": ["a/x", "b/x", None]}


@pytest.mark.parametrize(("ending", "between"), [("csv", ","), ("tsv", "\t"), ("TAB", "\t")])
def test_the_ending_of_a_file_of_labels_names_its_separator(tmp_path, ending, between):
    file = tmp_path / f"labels.{ending}"
    file.write_text(f"file_name{between}kind\n007{between}a cat\n")
    assert _labels_file(file).to_dict("list") == {"file_name": ["007"], "kind": ["a cat"]}


def test_a_column_of_file_names_may_be_written_in_capitals(tmp_path):
    (tmp_path / "labels.csv").write_text("File_Name,kind\n007,a cat\n")
    frame = _labels_file(tmp_path / "labels.csv")
    assert frame.to_dict("list") == {"File_Name": ["007"], "kind": ["a cat"]}
    assert labels_of(frame, ["007"])["kind"].tolist() == ["a cat"]


def test_five_names_of_one_reason_are_listed_and_more_are_counted(capsys):
    pairs = [(f"{n}.png", "empty") for n in range(5)] + [(f"{n}.jpg", "cut short") for n in range(7)]
    Terminal().say_left_out("not read", pairs)
    assert capsys.readouterr().err.splitlines() == [
        "not read (7): cut short: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 2 more",
        "not read (5): empty: 0.png, 1.png, 2.png, 3.png, 4.png",
    ]


def test_warnings_for_users_are_notes_wherever_they_arise_and_others_are_not_shown(capsys):
    with terminal_of(parser().parse_args(["doctor"])):
        for words, kind in (
            ("the disk is nearly full", UserWarning),
            ("2 of them, see .notes of the table", UserWarning),
            ("a name has changed", DeprecationWarning),
        ):
            warnings.warn(words, kind, stacklevel=1)
        logging.getLogger("phi3lib").info("a message")
    assert capsys.readouterr().err == "note: the disk is nearly full\na message\n"


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


@pytest.mark.parametrize(("state", "wanted"), [("attention", 1), ("ok", 0)])
def test_doctor_fails_if_something_needs_attention(shell, monkeypatch, state, wanted):
    report = check_up.Report((check_up.Finding(state, "4 GB are free"),))
    monkeypatch.setattr(check_up, "doctor", lambda details: report)
    code, out, _ = shell("doctor")
    assert code == wanted and "4 GB are free" in out


@pytest.mark.parametrize("problem", ["", "took too long"])
def test_grade_passes_its_limits_on_and_lists_the_ten_commonest_mistakes(shell, monkeypatch, problem):
    asked = {}
    made = SimpleNamespace(
        to_html=lambda out: asked.update(out=out) or out,
        to_csv=lambda out: out,
        missing_measures=["no limit of memory"],
        totals=[SimpleNamespace(exercise=SimpleNamespace(number="01.1"), counts={"right": 3, "wrong": 0})],
        commonest=[("01.1", f"mistake {n}", 20 - n) for n in range(12)],
        notebooks=[SimpleNamespace(problem=problem)],
        as_dict=dict,
    )
    monkeypatch.setattr(grading, "grade", lambda source, **options: asked.update(options) or made)
    code, out, err = shell(
        "grade", "photos", "--seconds", "7", "--cell-seconds", "5", "--jobs", "2", "--strict"
    )
    assert code == (3 if problem else 0) and "not on this machine: no limit of memory" in err
    assert asked["limits"] == grading.Limits(7, 5, 4096) and asked["jobs"] == 2
    mistakes = [f"{20 - n} × 01.1: mistake {n}" for n in range(10)]
    assert out.splitlines() == ["01.1  3 right", *mistakes, "grades.html"]


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
