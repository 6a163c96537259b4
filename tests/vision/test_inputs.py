"""The door for sequences, texts and paths: taken by position, refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from phi3lib.vision.inputs import as_list, as_path, as_texts, is_missing, is_url


def test_sequences_are_taken_by_position():
    pandas = pytest.importorskip("pandas")
    import pyarrow

    series = pandas.Series(list("abc"), index=[2, 1, 0])
    for values in (
        series,
        series.array,
        pandas.Index(list("abc")),
        pandas.Categorical(list("abc")),
        np.array(list("abc")),
        pyarrow.array(list("abc")),
        pyarrow.chunked_array([["a"], ["b", "c"]]),
        (letter for letter in "abc"),
        dict.fromkeys("abc").keys(),
    ):
        assert as_list(values, "letters") == ["a", "b", "c"]
    assert as_list(torch.tensor([1, 2]), "numbers") == [1, 2]


@pytest.mark.parametrize("values", ["abc", b"abc", {"a": 1}, {1, 2}, 3, None, np.array(3), torch.tensor(3)])
def test_what_has_no_order_or_is_no_collection_is_refused(values):
    with pytest.raises(ValueError, match="^numbers: expected a sequence"):
        as_list(values, "numbers")


def test_one_string_is_one_text():
    assert as_texts("dog") == ["dog"]
    assert as_texts(np.array(["dog", "cat"])) == ["dog", "cat"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "no texts"),
        (["a", None], "entry 1 .* is missing"),
        (["a", float("nan")], "entry 1 .* is missing"),
        ([3], "entry 0 .* is a int"),
        ([["a"]], "entry 0 .* is a list"),
        (b"dog", "got bytes"),
    ],
)
def test_what_is_no_text_is_refused_by_position(texts, words):
    with pytest.raises(ValueError, match=words):
        as_texts(texts)


def test_missing_values_of_every_library():
    pandas = pytest.importorskip("pandas")
    missing = [None, float("nan"), np.nan, np.datetime64("NaT"), pandas.NA, pandas.NaT, np.ma.masked]
    assert all(map(is_missing, missing))
    assert not any(map(is_missing, ["", 0, False, "nan", np.datetime64("2024"), [None], np.array([1, 2])]))


def test_tilde_is_the_home_folder_and_other_names_stay(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert as_path("~/a.png") == tmp_path / "a.png"
    for name in ("~0.png", "a~", "folder/~/a.png"):
        assert as_path(name) == Path(name)


def test_urls():
    urls = ["http://x/a.png", "https://x", "s3://bucket/a", "file:///a", "data:image/png;base64,"]
    assert all(map(is_url, urls))
    assert not any(map(is_url, ["a.png", "C:\\a.png", "C:/a.png", "//server/share", "~/a"]))
