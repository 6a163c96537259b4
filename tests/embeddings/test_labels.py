"""Labels in every form that people have: by position, by name, of any type; what does not fit is refused."""

import datetime
import pathlib

import numpy as np
import pyarrow
import pytest

from phi3lib.embeddings.compare import knn_accuracy, mean_average_precision, probe_accuracy
from phi3lib.embeddings.embed import embed_images
from phi3lib.embeddings.groups import groups_of
from phi3lib.embeddings.labels import labels_of, printable, shown
from phi3lib.embeddings.search import few_shot
from phi3lib.embeddings.table import EmbeddingTable

DAY = "2024-01-01"
IDS = ("x/a.png", "x/b.png", "y/c.png")
NEVER = datetime.datetime(9999, 12, 31)
pandas = pytest.importorskip("pandas")


def column(values, ids=IDS):
    return labels_of({"k": values}, ids)["k"]


@pytest.mark.parametrize(
    "values",
    [
        pandas.Series(list("abc"), index=[2, 1, 0]),
        pandas.Categorical(list("abc")),
        pandas.array(list("abc"), dtype="string"),
        pyarrow.array(list("abc")),
        pyarrow.chunked_array([["a"], ["b", "c"]]),
        np.array(list("abc"), dtype=object),
        (letter for letter in "abc"),
        {"a.png": "a", "y/c.png": "c", "b.png": "b", "other.png": "z"},
    ],
    ids=lambda values: type(values).__name__,
)
def test_every_sequence_is_taken_by_position_and_a_mapping_by_name(values):
    assert column(values).tolist() == ["a", "b", "c"]


FRAME = pandas.DataFrame({"file_name": ["c.png", "a.png", "b.png"], "k": list("cab"), "n": [3, 1, 2]})


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.set_index("file_name"),
        pyarrow.Table.from_pandas(FRAME, preserve_index=False),
        FRAME.assign(file_name=["y/c.png", "x/a.png", "x/b.png"]),
    ],
)
def test_a_frame_that_names_files_is_matched_by_them(frame):
    found = labels_of(frame, IDS)
    assert found["k"].tolist() == ["a", "b", "c"] and found["n"].tolist() == [1, 2, 3]
    assert set(found) == {"k", "n"}


def test_a_frame_without_names_is_taken_by_position():
    assert labels_of(FRAME[["k"]][::-1], IDS)["k"].tolist() == ["b", "a", "c"]
    numbered = FRAME[["k"]].assign(id=[7, 8, 9])  # of a data base: it names no images, and cannot be a label
    assert {name: values.tolist() for name, values in labels_of(numbered, IDS).items()} == {"k": list("cab")}


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.assign(id=[7, 8, 9]),
        FRAME.assign(id=["u", "u", "w"]),
        FRAME.set_axis(["r1", "r2", "r3"]),
        FRAME.assign(file_name=["c.png", pathlib.Path("a.png"), b"b.png"]),
        FRAME.set_index(pandas.Index(map(pathlib.Path, FRAME["file_name"]), dtype=object))[["k"]],
        FRAME.rename(columns={"file_name": "File_Name"}),
        pandas.concat([FRAME, FRAME[:2].assign(file_name=None)]),
    ],
)
def test_what_names_all_images_is_what_a_frame_is_matched_by(frame):
    assert labels_of(frame, IDS)["k"].tolist() == ["a", "b", "c"]


TWO = ("x/a.png", "y/a.png")


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["./x/a.png", "./y/a.png"], TWO),
        (["../photos/x/a.png", "../photos/y/a.png"], TWO),
        (["/home/me/x/a.png", "/home/me/y/a.png"], TWO),
        ([r"C:\photos\x\a.png", r"C:\photos\y\a.png"], TWO),
        (TWO, ("/home/me/x/a.png", "../y/a.png")),
        (["a.png", "y/a.png"], ("a.png", "y/a.png")),
        ([b"x/a.png", pathlib.Path("y/a.png")], TWO),
    ],
)
def test_folders_of_names_may_be_written_in_many_ways(names, ids):
    assert column(dict(zip(names, [1, 2], strict=True)), ids).tolist() == [1, 2]


@pytest.mark.parametrize("names", [["train/x/a.png", "test/x/a.png", "y/a.png"], ["z/x/a.png", "x/b.png"]])
def test_a_name_in_another_folder_is_another_image(names):
    with pytest.raises(ValueError, match=r"no entry for \d of 2"):
        column(dict.fromkeys(names, 1), ("x/a.png", "y/b.png"))


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([1, 2, 3], "i", ["1", "2", "3"]),
        ([True, False, True], "b", ["True", "False", "True"]),
        ([1, 2.5, True], "f", ["1.0", "2.5", "1.0"]),
        (pandas.Series([1, None, 3], dtype="Int64"), "f", ["1.0", None, "3.0"]),
        (pandas.array(["a", None, "b"], dtype="string"), "O", ["a", None, "b"]),
        (pandas.Categorical(["a", None, "b"]), "O", ["a", None, "b"]),
        ([True, pandas.NA, None], "O", ["True", None, None]),
        ([None, float("nan"), pandas.NaT], "O", [None, None, None]),
        (np.array([DAY, "NaT", DAY], "datetime64[ns]"), "M", [DAY, None, DAY]),
        (np.array([DAY, "1800-01-02", "9999-01-02"], "M8[D]"), "M", [DAY, "1800-01-02", "9999-01-02"]),
        (np.ma.array(np.array([DAY] * 3, "datetime64[D]"), mask=[0, 1, 0]), "M", [DAY, None, DAY]),
        ([datetime.date(2024, 1, 1), None, datetime.datetime(2024, 1, 1, 3)], "M",
         [f"{DAY}T00:00:00", None, f"{DAY}T03:00:00"]),
        (pandas.Series(pandas.to_datetime(["2024-01-01T02:00+02:00"] * 3)), "M", [DAY] * 3),
        (["caf\udce9", "\ud800", "a\0b"], "U", ["caf\\xe9", "\\ud800", "a\0b"]),
    ],
)  # fmt: skip
def test_types_and_missing_values_survive_a_file(values, kind, texts, tmp_path):
    found = column(values)
    assert found.dtype.kind == kind and shown(found) == texts
    EmbeddingTable(np.eye(3), IDS, {"k": found}).save(tmp_path / "t.parquet")
    again = EmbeddingTable.load(tmp_path / "t.parquet").labels["k"]
    assert shown(again) == texts


def test_a_date_keeps_its_year_beside_one_in_nanoseconds():
    values = column([pandas.Timestamp(DAY).as_unit("ns"), None, NEVER])
    assert shown(values) == [DAY, None, "9999-12-31"]


def test_an_index_of_several_levels_names_files():
    names = [("y", "c.png"), ("x", "b.png"), ("x", "a.png")]
    frame = pandas.DataFrame({"k": list("cba")}, index=pandas.MultiIndex.from_tuples(names))
    assert labels_of(frame, IDS)["k"].tolist() == list("abc")
    with pytest.raises(ValueError, match="index has no entry for 3"):
        labels_of(frame.set_axis([("z", one) for one in range(3)]), IDS)


def test_nanoseconds_that_matter_are_kept():
    values = np.array(["2024-01-01T00:00:00.000000001"] * 3, "datetime64[ns]")
    assert (column(values) == values).all()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"id": [1, 2, 3]}, "'id' cannot be the name"),
        ({"vector": [1, 2, 3]}, "'vector' cannot be the name"),
        ({"": [1, 2, 3]}, "cannot be the name"),
        ({"k": [1, 2]}, "2 values for 3 images"),
        ({"k": [[1], [1, 2], []]}, "holds a list"),
        ({"k": np.zeros((3, 2))}, "holds a list"),
        ({"k": [{}, {}, {}]}, "holds a dict"),
        ({"k": pandas.Series(pandas.period_range("2024", periods=3))}, "holds a Period.*convert others"),
        ({"k": [b"a", b"b", b"c"]}, "holds a bytes"),
        ({"k": [1, "a", 2]}, "mixes values of types int and str"),
        ({"k": "abc"}, "got str"),
        ({"k": {1, 2, 3}}, "got set"),
        ({"k": [2**70, 1, 2]}, "64 bits"),
        ({"k": {"a.png": 1, "b.png": 2}}, "no entry for 1 of 3 images, such as 'y/c.png'"),
        (["a", "b", "c"], "mapping from names"),
        ("kind", "mapping from names"),
        (FRAME.assign(file_name=["a.png", "a.png", "b.png"]), "holds a name twice"),
        (FRAME[:2], "no entry for 1 of 3"),
        (FRAME[["k"]].set_axis(["c.png", None, "b.png"]), "index has no entry for 1 of 3"),
        ({"k": FRAME}, "got a DataFrame; pass one column"),
        (pandas.DataFrame([[1, 2]] * 3, columns=["n", "n"]), "name 'n' occurs 2 times"),
        (pyarrow.table([pyarrow.array([1, 2, 3])] * 2, names=["n", "n"]), "name 'n' occurs 2 times"),
        ({1: [1, 2, 3], "1": [4, 5, 6]}, "name '1' occurs 2 times"),
        (
            {"k": [NEVER, NEVER, pandas.Timestamp(DAY) + pandas.Timedelta(1, "ns")]},
            "dates that are too far apart",
        ),
        ({"k": np.array([300_000] * 3, "datetime64[Y]")}, "beyond all calendars"),
        ({"k": [NEVER, NEVER, NEVER.replace(tzinfo=datetime.UTC)]}, "with and without a time zone"),
        (pandas.DataFrame({("a", "k"): [1, 2, 3]}), "columns have several levels"),
        (type("LazyFrame", (), {"columns": ["k"], "collect": None})(), "pass frame.collect"),
    ],
)
def test_what_does_not_fit_is_refused(labels, words):
    with pytest.raises(ValueError, match=words):
        labels_of(labels, IDS)


def test_a_file_name_that_stands_in_two_folders_needs_its_folder():
    with pytest.raises(ValueError, match="no entry for 2"):
        column({"a.png": 1}, ("x/a.png", "y/a.png"))
    assert column({"x/a.png": 1, "y/a.png": 2}, ("x/a.png", "y/a.png")).tolist() == [1, 2]


def test_names_are_printable():
    assert printable("caf\udce9.png") == "caf\\xe9.png" and printable("ü😀") == "ü😀"


def test_labels_fail_before_anything_is_computed_or_opened(clip, photos, monkeypatch):
    from phi3lib.embeddings.sources import Item
    from phi3lib.encoders.clip import ClipEncoder

    monkeypatch.setattr(ClipEncoder, "encode", lambda *_: pytest.fail("computed first"))
    monkeypatch.setattr(Item, "load", lambda *_: pytest.fail("opened first"))
    for bad in ({"id": range(43)}, {"k": [[1]] * 43}, {"k": [1, 2]}, {"k": {"01.png": 1}}):
        with pytest.raises(ValueError):
            embed_images(photos, model=clip, labels=bad, progress=False)


@pytest.mark.parametrize(
    "measure",
    [
        knn_accuracy,
        probe_accuracy,
        mean_average_precision,
        groups_of,
        lambda vectors, labels: few_shot(vectors, labels, 2),
    ],
)
@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA])
def test_a_missing_label_is_no_kind_of_its_own(measure, missing):
    vectors = np.random.default_rng(0).normal(size=(24, 4))
    measure(vectors, pandas.Series(["a", "b", "c"] * 8, index=range(24)[::-1]))
    for kinds in ("ab", (1, 2)):
        with pytest.raises(ValueError, match="8 of 24 labels are missing, the first at position 2"):
            measure(vectors, [*kinds, missing] * 8)
    with pytest.raises(ValueError):
        measure(vectors, [{"a"}] * 24)


def test_labels_of_a_reversed_frame_stay_with_their_images(clip, photos):
    files = sorted((photos / "a").glob("*.png"))
    frame = pandas.DataFrame({"f": list(map(str, files)), "k": [file.stem for file in files]})[::-1]
    table = embed_images(frame["f"], model=clip, labels={"k": frame["k"]}, progress=False)
    assert [name[-6:-4] for name in table.ids] == table.labels["k"].tolist()
    rows = table.select(pandas.Series([True, False] * (len(files) // 2), index=range(len(files))[::-1]))
    assert [name[-6:-4] for name in rows.ids] == rows.labels["k"].tolist()
