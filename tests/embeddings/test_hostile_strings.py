"""Names, labels and queries of any content pass through tables and search: shown, kept, never executed."""

import numpy as np
import pytest
from PIL import Image

from phi3lib.embeddings.embed import embed_images, embed_texts
from phi3lib.embeddings.labels import shown
from phi3lib.embeddings.search import search, zero_shot
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.vision.inputs import printable
from tests.hostile_strings import HOSTILE

TEXTS = list(HOSTILE.values())
VECTORS = np.random.default_rng(0).normal(size=(len(TEXTS), 4)).astype(np.float32)


def is_unicode(text: str) -> bool:
    return text.encode("utf-8", "ignore").decode() == text


def through_a_file(table: EmbeddingTable, path) -> EmbeddingTable:
    table.save(path)
    return EmbeddingTable.load(path)


def test_there_are_twenty_eight():
    assert len(set(TEXTS)) == 28


def test_ids_and_labels_are_kept_through_a_file(tmp_path):
    table = EmbeddingTable(VECTORS, TEXTS, {"kind": TEXTS})
    again = through_a_file(table, tmp_path / "t.parquet")
    assert again.ids == table.ids == tuple(map(printable, TEXTS))
    assert shown(again.labels["kind"]) == shown(table.labels["kind"]) == list(table.ids)
    assert len(set(again.labels["kind"].tolist())) == len(TEXTS)
    for text, kept in zip(TEXTS, table.ids, strict=True):
        assert kept == text or not is_unicode(text)
    assert list(table.to_pandas().index) == list(table.ids)
    repr(table).encode()


@pytest.mark.parametrize("text", TEXTS, ids=HOSTILE)
def test_any_text_is_the_name_of_a_label_and_a_part_of_the_recipe(text, tmp_path):
    recipe = {"model": text, "pooling": text, text: [text]}
    table = EmbeddingTable(VECTORS[:2], ("a", "b"), {text: [1, 2]}, recipe, ((text, text),), ((text, text),))
    repr(table).encode()
    again = through_a_file(table, tmp_path / "t.parquet")
    assert list(again.labels) == [printable(text)] and again.labels[printable(text)].tolist() == [1, 2]
    shown_text = printable(text)
    assert again.recipe == {"model": shown_text, "pooling": shown_text, shown_text: [shown_text]}
    assert again.errors == again.notes == ((shown_text, shown_text),)
    assert table.with_labels({text: [3, 4]}).labels[shown_text].tolist() == [3, 4]


def test_files_of_any_name_are_rows_notes_or_errors(clip, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    pictures, others, broken = [], [], []
    for number, text in enumerate(TEXTS):
        start = text.lstrip(".").replace("/", "\u2044")[:100]  # not hidden, in no folder
        try:
            (folder / f"{start}.png").write_bytes(b"")
        except (ValueError, OSError):
            continue  # no name for a file here
        Image.new("RGB", (8, 6), (9 * number, 0, 99)).save(folder / f"{start}.png")
        (folder / f"{start}.bad").write_bytes(b"no picture")
        (folder / f"{start}.txt").write_bytes(b"no picture")
        pictures.append(f"{start}.png")
        broken.append(printable(f"{start}.bad"))
        others.append(printable(f"{start}.txt"))
    assert len(pictures) > 20
    out = tmp_path / "v.parquet"
    labels = {"number": {name: number for number, name in enumerate(pictures)} | dict.fromkeys(broken, -1)}
    table = embed_images(folder, model=clip, out=out, labels=labels, progress=False)
    assert sorted(table.ids) == sorted(map(printable, pictures))
    assert sorted(name for name, _ in table.errors) == sorted(broken)
    assert sorted(name for name, _ in table.notes) == sorted(others)
    of = {name: number for number, name in enumerate(map(printable, pictures))}
    assert table.labels["number"].tolist() == [of[name] for name in table.ids]
    again = EmbeddingTable.load(out)
    assert again.ids == table.ids and again.errors == table.errors and again.notes == table.notes
    listed = embed_images([folder / name for name in pictures], model=clip, progress=False)
    assert len(listed) == len(pictures) and not listed.errors
    assert len(embed_images(folder, model=clip, out=out, progress=False)) == len(table)


@pytest.mark.parametrize("text", TEXTS, ids=HOSTILE)
def test_an_output_file_of_any_name(clip, text, tmp_path):
    name = text.replace("/", "\u2044")[:100]
    out = tmp_path / f"{name}.parquet"
    try:
        out.touch()
    except ValueError:  # no name for a file here
        with pytest.raises(ValueError):
            embed_images(Image.new("RGB", (8, 6)), model=clip, out=out, progress=False)
        return
    out.unlink()
    table = embed_images(Image.new("RGB", (8, 6)), model=clip, out=out, progress=False)
    assert np.array_equal(EmbeddingTable.load(out).vectors, table.vectors)
    assert [file.name for file in tmp_path.iterdir()] == [f"{name}.parquet"]


@pytest.mark.parametrize("text", TEXTS, ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:1 of 1 texts")
def test_any_text_is_a_query_and_a_class(clip, text):
    table = embed_texts([text], model=clip)
    assert table.ids == (printable(text),) and np.isfinite(table.vectors).all()
    pictures = EmbeddingTable(
        np.random.default_rng(0).normal(size=(3, table.vectors.shape[1])),
        (text, "b", "c"),
        recipe={"family": "clip", "pooling": "projected: x"},
    )
    assert {hit.id for hit in search(pictures, clip, text=text)} == {printable(text), "b", "c"}
    assert search(pictures, picture=pictures.ids[0])[0].id == printable(text)
    assert zero_shot(pictures.vectors, clip, [text, "a dog"]).shape == (3, 2)
