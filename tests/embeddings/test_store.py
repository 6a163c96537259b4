"""Tables on disk: damage is found, nothing is erased silently, two writers never mix."""

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from phi3lib.embeddings import embed as embed_module
from phi3lib.embeddings import store as store_module
from phi3lib.embeddings.embed import embed_images
from phi3lib.embeddings.folders import FolderFiles, files_in
from phi3lib.embeddings.store import MARKS_KEY, open_store
from phi3lib.embeddings.table import RECIPE_KEY, EmbeddingTable


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def computed(monkeypatch):
    """Names of the images that went through the model."""
    names: list[str] = []
    results = embed_module.Work.results

    def counted(*arguments, **options):
        for batch, vectors in results(*arguments, **options):
            names.extend(batch.pictures)
            yield batch, vectors

    monkeypatch.setattr(embed_module.Work, "results", counted)
    return names


def test_of_flipped_bits_none_gives_other_vectors(tmp_path):
    rng = np.random.default_rng(0)
    table = EmbeddingTable(
        rng.normal(size=(40, 16)),
        tuple(f"{n}.png" for n in range(40)),
        {"kind": ["a", "b"] * 20, "n": range(40)},
        {"model": "m", "pooling": "mean"},
        (("broken.png", "empty"),),
        (("0.png", "transparent"),),
    )
    path = tmp_path / "t.parquet"
    table.save(path, metadata={MARKS_KEY: json.dumps({"0.png": ["1", "2"]}).encode()})
    whole = path.read_bytes()
    for position in rng.choice(len(whole) * 8, 400, replace=False):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        try:
            again, metadata = EmbeddingTable.load_with_metadata(path)
        except ValueError:
            continue
        assert np.array_equal(again.vectors, table.vectors) and again.ids == table.ids
        assert again.recipe == table.recipe and again.errors == table.errors and again.notes == table.notes
        assert json.loads(metadata[MARKS_KEY]) == {"0.png": ["1", "2"]}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_damaged_shard_is_computed_again_and_told(clip, folder, tmp_path, content):
    out = tmp_path / "v.parquet"
    shards = tmp_path / "v.parquet.shards"
    shards.mkdir()
    (shards / "000000.parquet").write_bytes(content)
    with pytest.warns(UserWarning, match="000000.parquet' is no Parquet file.* computed again"):
        table = embed_images(folder, model=clip, out=out, progress=False)
    assert len(table) == 6 and not shards.exists()


def test_shards_behind_a_removed_one_are_not_overwritten(clip, folder, tmp_path, monkeypatch, computed):
    monkeypatch.setattr(store_module, "SHARD", 2)
    monkeypatch.setattr(embed_module, "TILES_AT_ONCE", 2)
    finish = store_module.Store.finish
    monkeypatch.setattr(store_module.Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    out = tmp_path / "v.parquet"
    with pytest.raises(KeyboardInterrupt):
        embed_images(folder, model=clip, out=out, progress=False)
    shards = sorted((tmp_path / "v.parquet.shards").glob("*"))
    assert len(shards) == 3
    shards[0].write_bytes(b"")
    computed.clear()
    monkeypatch.setattr(store_module.Store, "finish", finish)
    with pytest.warns(UserWarning, match="computed again"):
        table = embed_images(folder, model=clip, out=out, progress=False)
    assert computed == ["0.png", "1.png"]
    assert np.allclose(table.vectors, embed_images(folder, model=clip, progress=False).vectors, atol=1e-5)


def test_a_foreign_or_damaged_table_is_never_overwritten(clip, folder, tmp_path):
    out = tmp_path / "mine.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), out)
    before = out.read_bytes()
    with pytest.raises(ValueError, match="no table of vectors"):
        embed_images(folder, model=clip, out=out, progress=False)
    assert out.read_bytes() == before
    with pytest.raises(ValueError, match="is a folder"):
        embed_images(folder, model=clip, out=folder, progress=False)


def _rewritten(path: Path, change) -> None:
    table = pyarrow.parquet.read_table(path)
    pyarrow.parquet.write_table(change(table), path)


def test_another_width_or_column_type_is_refused_in_a_sentence(clip, folder, tmp_path):
    out = tmp_path / "v.parquet"
    table = embed_images(folder, model=clip, out=out, progress=False)
    half = EmbeddingTable(table.vectors[:, :4], table.ids, recipe=table.recipe)
    half.save(out)
    with pytest.raises(ValueError, match="vectors of 4 numbers, but this recipe makes vectors of"):
        embed_images(folder, model=clip, out=out, progress=False)
    table.save(out)
    lists = pyarrow.array(table.vectors.astype(float).tolist())
    _rewritten(out, lambda t: t.set_column(1, "vector", lists))
    with pytest.raises(ValueError, match="'vector' .* has the type list<"):
        embed_images(folder, model=clip, out=out, progress=False)


def test_metadata_that_was_edited_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    EmbeddingTable(np.eye(2), ("a", "b"), recipe={"pooling": "mean"}).save(path)
    other = {RECIPE_KEY: b'{"pooling": "cls"}'}
    _rewritten(path, lambda t: t.replace_schema_metadata({**t.schema.metadata, **other}))
    with pytest.raises(ValueError, match="does not fit its checksum"):
        EmbeddingTable.load(path)


def test_rows_that_others_selected_can_be_read(tmp_path):
    path = tmp_path / "t.parquet"
    EmbeddingTable(np.eye(3), ("a", "b", "c"), {"k": [1, 2, 3]}).save(path)
    _rewritten(path, lambda t: t.slice(1, 2))
    assert EmbeddingTable.load(path).ids == ("b", "c")


# ------------------------------------------------------------------------------- nothing is lost


def test_labels_of_an_earlier_run_are_kept(clip, folder, tmp_path, computed):
    out = tmp_path / "v.parquet"
    embed_images(folder, model=clip, out=out, labels={"k": list("abcdef")}, progress=False)
    again = embed_images(folder, model=clip, out=out, progress=False)
    assert again.labels["k"].tolist() == list("abcdef")
    (folder / "new.png").write_bytes((folder / "0.png").read_bytes())
    more = embed_images(folder, model=clip, out=out, labels={"n": range(7)}, progress=False)
    assert more.labels["k"].tolist() == [*"abcdef", None] and more.labels["n"].tolist() == [*range(7)]
    assert EmbeddingTable.load(out).labels["k"].tolist() == [*"abcdef", None]
    assert len(computed) == 7


def test_labels_do_not_pass_to_another_image_of_the_name(clip, folder, tmp_path):
    out = tmp_path / "v.parquet"
    embed_images(folder, model=clip, out=out, labels={"k": list("abcdef")}, progress=False)
    Image.new("RGB", (40, 30), "red").save(folder / "0.png")
    with pytest.warns(
        UserWarning, match="1 that have changed; the earlier table is kept as 'v.parquet.previous'"
    ):
        again = embed_images(folder, model=clip, out=out, progress=False)
    assert again.labels["k"].tolist() == [None, *"bcdef"]
    assert EmbeddingTable.load(tmp_path / "v.parquet.previous").labels["k"].tolist() == list("abcdef")


def test_labels_do_not_pass_to_a_changed_image_that_an_interrupted_run_has_computed(
    clip, folder, tmp_path, monkeypatch
):
    out = tmp_path / "v.parquet"
    embed_images(folder, model=clip, out=out, labels={"k": list("abcdef")}, progress=False)
    Image.new("RGB", (40, 30), "red").save(folder / "0.png")
    with monkeypatch.context() as patch:
        patch.setattr(store_module.Store, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            embed_images(folder, model=clip, out=out, progress=False)
    with pytest.warns(UserWarning, match="1 that have changed"):
        again = embed_images(folder, model=clip, out=out, progress=False)
    assert again.labels["k"].tolist() == [None, *"bcdef"]


def test_a_run_over_another_folder_keeps_the_earlier_table(clip, folder, tmp_path):
    out = tmp_path / "v.parquet"
    first = embed_images(folder, model=clip, out=out, progress=False)
    (tmp_path / "other").mkdir()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "other" / "x.png")
    with pytest.warns(UserWarning, match="held 6 images that are not in this run"):
        embed_images(tmp_path / "other", model=clip, out=out, progress=False)
    assert np.array_equal(EmbeddingTable.load(tmp_path / "v.parquet.previous").vectors, first.vectors)


def test_of_several_earlier_tables_none_is_lost(clip, tmp_path):
    out = tmp_path / "all" / "v.parquet"
    for name in ("a", "b", "c", "b", "c"):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), "red").save(tmp_path / name / f"{name}.png")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            embed_images(tmp_path / name, model=clip, out=out, progress=False)
    kept = {file.name: EmbeddingTable.load(file).ids for file in out.parent.iterdir()}
    assert kept == {
        "v.parquet": ("c.png",),
        "v.parquet.previous": ("a.png",),
        "v.parquet.2.previous": ("b.png",),
        "v.parquet.3.previous": ("c.png",),
    }
    assert files_in(out.parent, own=out) == FolderFiles()


def test_a_url_is_no_file_that_is_written(clip, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for write in (
        lambda: embed_images(folder, model=clip, out="s3://bucket/v.parquet", progress=False),
        lambda: embed_images(folder, model=clip, out=Path("s3://bucket/v.parquet"), progress=False),
        lambda: EmbeddingTable(np.eye(2), ("a", "b")).save("https://example.org/v.parquet"),
    ):
        with pytest.raises(ValueError, match="is a URL; write a file on this machine"):
            write()
    assert [file.name for file in tmp_path.iterdir()] == [folder.name]


def test_two_files_of_one_size_and_time_share_no_vector(clip, tmp_path):
    for name, color in (("a", "red"), ("b", "blue")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32), color).save(tmp_path / name / "p.bmp")
        os.utime(tmp_path / name / "p.bmp", (0, 0))

    def alone():
        return embed_images(tmp_path / "b", model=clip, progress=False).vectors

    out = tmp_path / "v.parquet"
    embed_images(tmp_path / "a", model=clip, out=out, progress=False)
    with pytest.warns(UserWarning, match="1 that have changed"):
        found = embed_images(tmp_path / "b", model=clip, out=out, progress=False)
    assert np.allclose(
        found.vectors, embed_images(tmp_path / "b", model=clip, progress=False).vectors, atol=1e-5
    )
    # The same file written in place, its size and time put back.
    Image.new("RGB", (32, 32), "green").save(tmp_path / "b" / "p.bmp")
    os.utime(tmp_path / "b" / "p.bmp", (0, 0))
    with pytest.warns(UserWarning, match="1 that have changed"):
        found = embed_images(tmp_path / "b", model=clip, out=out, progress=False)
    assert np.allclose(
        found.vectors, embed_images(tmp_path / "b", model=clip, progress=False).vectors, atol=1e-5
    )


def test_a_copied_folder_is_not_computed_again(clip, folder, tmp_path, computed):
    out = tmp_path / "v.parquet"
    first = embed_images(folder, model=clip, out=out, progress=False)
    shutil.copytree(folder, tmp_path / "copy")
    computed.clear()
    again = embed_images(tmp_path / "copy", model=clip, out=out, progress=False)
    assert computed == [] and np.array_equal(again.vectors, first.vectors)


# ------------------------------------------------------------------------------- two writers


def test_a_second_writer_is_told(clip, folder, tmp_path):
    out = tmp_path / "v.parquet"
    recipe = embed_images(folder, model=clip, progress=False).recipe
    with open_store(out, recipe), pytest.raises(ValueError, match="another process is writing"):
        embed_images(folder, model=clip, out=out, progress=False)
    assert len(embed_images(folder, model=clip, out=out, progress=False)) == 6
    assert sorted(file.name for file in tmp_path.glob("v.parquet*")) == ["v.parquet"]


def test_a_killed_writer_leaves_no_lock(clip, folder, tmp_path, python):
    out = tmp_path / "v.parquet"
    program = (
        "import os, sys; from pathlib import Path; from phi3lib.embeddings.store import open_store\n"
        "with open_store(Path(sys.argv[1]), {}): os._exit(9)"
    )
    assert subprocess.run([*python, "-c", program, str(out)]).returncode == 9
    assert len(embed_images(folder, model=clip, out=out, progress=False)) == 6
