"""One image is one image whichever way it comes; folders are walked once; what is left out is told."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
import torch
from PIL import Image, ImageFile

from phi3lib import process_for_phi3_model
from phi3lib.embeddings.embed import embed_images, embed_texts
from phi3lib.embeddings.finetune_pairs import make_pairs
from phi3lib.embeddings.row_pictures import pictures_of_rows
from phi3lib.embeddings.sources import find_items
from phi3lib.vision.picture_files import reason
from phi3lib.vision.pictures import read, read_upright


def noise(seed=0, size=(40, 30)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8))


def turned(tmp_path, orientation=6):
    """A photograph as a phone writes it: stored on its side, with a tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise().save(tmp_path / "phone.png", exif=exif)
    return tmp_path / "phone.png"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_one_photograph_whichever_way_it_comes(clip, tmp_path, orientation):
    datasets = pytest.importorskip("datasets")
    path = turned(tmp_path, orientation)
    data = path.read_bytes()
    rows = datasets.Dataset.from_dict({"image": [str(path)]}).cast_column("image", datasets.Image())
    with open(path, "rb") as upload, Image.open(path) as opened:
        ways = [
            path,
            str(path),
            tmp_path,
            [path],
            opened,
            [opened],
            data,
            [data],
            [io.BytesIO(data)],
            [upload],
            rows,
        ]
        ways.append(read_upright(path))
        ways.append(np.asarray(read_upright(path)))
        vectors = [embed_images(way, model=clip, progress=False).vectors[0] for way in ways]
        vectors += [clip.image_features(way).numpy()[0] for way in (path, opened)]
        assert not upload.closed
    assert np.allclose(vectors, vectors[0], atol=1e-5)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_is_turned_whatever_else_its_exif_data_holds(file_format):
    # The width as text: Pillow reads it, and cannot write it again.
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHI4s", 0x0100, 2, 3, b"12")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    noise().save(data := io.BytesIO(), file_format, exif=exif)
    assert read_upright(data.getvalue()).size == (30, 40)


def test_names_come_in_columns_of_any_library(clip, tmp_path):
    files = [str(tmp_path / f"{n}.png") for n in range(3)]
    for number, file in enumerate(files):
        noise(number).save(file)
    wanted = clip.image_features(files)
    objects = np.array([*map(read_upright, files), None], dtype=object)[:-1]
    columns = [np.array(files), np.array([name.encode() for name in files]), pandas.Series(files[::-1])[::-1]]
    for given in (*columns, pandas.Index(files), pyarrow.array(files), iter(files), objects):
        assert torch.equal(clip.image_features(given), wanted)
    table = embed_images(columns[1], model=clip, progress=False)
    assert [read_upright(one).size for one in pictures_of_rows(columns[1], table)] == [(40, 30)] * 3
    assert [one.id for one in make_pairs(columns[1], ["a", "b", "c"]).items] == files


def test_the_processing_function_turns_photographs_upright_too(phi3, tmp_path):
    path = turned(tmp_path)
    wanted = process_for_phi3_model(read_upright(path), model=phi3)["pixel_values"]
    with Image.open(path) as opened:
        for image in (path, opened, [str(path)]):
            assert torch.equal(process_for_phi3_model(image, model=phi3)["pixel_values"], wanted)
    with pytest.raises(ValueError, match="picture 1"):
        process_for_phi3_model([path, tmp_path / "none.png"], model=phi3)


def test_transparency_and_frames_are_counted(clip, tmp_path):
    picture = noise()
    clear = picture.convert("RGBA")
    clear.putalpha(Image.new("L", picture.size, 0))
    clear.save(tmp_path / "clear.png")
    picture.convert("RGBA").save(tmp_path / "opaque.png")
    picture.quantize(8).save(tmp_path / "palette.png", transparency=0)
    picture.save(tmp_path / "pages.tiff", save_all=True, append_images=[noise(1)])
    picture.save(tmp_path / "moving.gif", save_all=True, append_images=[noise(1)])
    with pytest.warns(UserWarning, match="images: it has") as told:
        table = embed_images(tmp_path, model=clip, out=tmp_path / "t.parquet", progress=False)
    said = sorted(str(one.message) for one in told)
    assert len(said) == 2
    assert said[0].startswith("2 of 5 images: it has several frames")
    assert said[1].startswith("2 of 5 images: it has transparent pixels")
    assert {name for name, _ in table.notes} == {"clear.png", "palette.png", "pages.tiff", "moving.gif"}
    with pytest.warns(UserWarning, match="images: it has"):  # a run that computes nothing still tells
        again = embed_images(tmp_path, model=clip, out=tmp_path / "t.parquet", progress=False)
    assert dict(again.notes) == dict(table.notes)


def test_what_lies_in_a_folder_and_is_no_image_is_left_out_and_told(clip, tmp_path):
    noise().save(tmp_path / "a.png")
    noise(1).save(tmp_path / "no_ending", "PNG")
    for name in (
        "labels.csv",
        "notes.txt",
        "Thumbs.db",
        "desktop.ini",
        "film.mp4",
        "old.parquet",
        ".DS_Store",
    ):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "photo.NEF").write_bytes(b"II*\0")
    for _ in range(2):  # the second time, the table and its lock lie in the folder
        table = embed_images(tmp_path, model=clip, out=tmp_path / "out", labels={"k": [1, 2]}, progress=False)
        assert table.ids == ("a.png", "no_ending")
        assert [name for name, _ in table.errors] == ["photo.NEF"]
        told = {name for name, _ in table.notes}
        assert told == {"labels.csv", "notes.txt", "Thumbs.db", "desktop.ini", "film.mp4", "old.parquet"}


def test_linked_folders_are_followed_once(clip, tmp_path):
    (tmp_path / "real").mkdir()
    noise(0).save(tmp_path / "real" / "a.png")
    (tmp_path / "set" / "own").mkdir(parents=True)
    noise(1).save(tmp_path / "set" / "own" / "b.png")
    (tmp_path / "set" / "class_a").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set" / "own")
    (tmp_path / "set" / "own" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "itself").symlink_to("itself")
    table = embed_images(tmp_path / "set", model=clip, progress=False)
    assert table.ids == ("class_a/a.png", "own/b.png")
    assert {name for name, _ in table.notes} == {"again", "own/loop"}
    assert [name for name, _ in table.errors] == ["itself"]


def test_what_cannot_be_entered_or_read_is_reported(clip, tmp_path, monkeypatch):
    noise().save(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    scan = os.scandir

    def refused(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    table = embed_images(tmp_path, model=clip, progress=False)
    assert table.ids == ("a.png",)
    assert "Permission denied" in dict(table.errors)["locked"]
    assert "pipe" in dict(table.errors)["pipe.png"]


@pytest.mark.parametrize(
    "odd",
    ["~0.png", "", "a\0b.png", "lone\ud800.png", "x" * 300, "https://x.org/a.png", b"photos/a.png", b"", None,
     3, ("a", 1)],
)  # fmt: skip
def test_an_odd_entry_of_a_list_is_one_error(clip, odd, tmp_path):
    noise().save(tmp_path / "a.png")
    table = embed_images([tmp_path / "a.png", odd], model=clip, progress=False)
    assert len(table) == 1 and len(table.errors) == 1


def test_a_name_that_starts_like_a_home_folder_is_read(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise().save("~0.png")
    assert embed_images(["~0.png"], model=clip, progress=False).ids == ("~0.png",)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert embed_images("~/~0.png", model=clip, out="~/v.parquet", progress=False).ids == ("~0.png",)
    assert (tmp_path / "v.parquet").is_file() and not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("https://example.org/photos", "is a URL"),
        (Path("https://example.org/photos"), "is a URL"),  # has lost a slash
        ("photos/*.jpg", "is a pattern"),
        ({"train": [1], "test": [2]}, "keys 'train', 'test'"),
        (3, "no folder, no list"),
        ({1, 2}, "expected a sequence"),
        ([], "the folder or list is empty"),
    ],
)
def test_what_is_no_source_gets_the_sentence_that_helps(images, words):
    with pytest.raises(ValueError, match=words):
        find_items(images)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_url_in_a_list_is_told_from_a_missing_file(clip, kind):
    address = kind("https://example.org/a.png")
    table = embed_images([address, "", noise()], model=clip, progress=False)
    reasons = dict(table.errors)
    assert "this is a URL; nothing is downloaded" in reasons[str(address)]
    assert reasons[""] == "the path is empty; write '.' for the current folder"


def test_eps_is_not_opened_whatever_its_name(clip, tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    noise().save(tmp_path / "b.png")
    table = embed_images(tmp_path, model=clip, progress=False)
    assert dict(table.errors) == {"a.png": "this is no picture that Pillow can read"}


def test_each_file_is_opened_once(clip, photos, monkeypatch):
    opened: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **k: opened.append(str(path)) or real(path, *a, **k))
    table = embed_images(photos / "a", model=clip, progress=False)
    inside = [name for name in opened if str(photos) in name]
    assert len(inside) == len(set(inside)) == len(table)


def test_long_shapes_cost_no_more_than_others(clip):
    """The short side is resized to the tower's size: without a cut the long one would become millions."""
    areas: list[int] = []
    resize = Image.Image.resize

    def counted(self, size, *arguments, **options):
        areas.append(size[0] * size[1])
        return resize(self, size, *arguments, **options)

    plain = embed_images(Image.new("RGB", (300, 300), "red"), model=clip, progress=False).vectors[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", counted)
        for size in ((30_000, 1), (1, 30_000), (1_000_000, 1)):
            long = Image.new("RGB", size, "red")
            long.putpixel((0, 0), (0, 0, 255))  # far from the center, which is all that CLIP looks at
            vector = embed_images(long, model=clip, progress=False).vectors[0]
            assert np.allclose(vector, plain, atol=1e-4)
    assert areas and max(areas) < 20_000_000


def test_want_of_memory_is_an_error_of_one_image(clip, tmp_path, monkeypatch):
    for number in range(4):
        noise(number).save(tmp_path / f"{number}.png")
    noise(2, size=(41, 31)).save(tmp_path / "2.png")
    load = ImageFile.ImageFile.load

    def scarce(self):
        if self.size == (41, 31):
            raise MemoryError
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", scarce)
    table = embed_images(tmp_path, model=clip, progress=False)
    assert table.ids == ("0.png", "1.png", "3.png")
    assert "memory" in dict(table.errors)["2.png"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_want_of_memory_of_the_model_too(clip, error, monkeypatch):
    encode = type(clip).pixel_values

    def scarce(self, images):
        if any(image.size == (41, 31) for image in images):
            raise error
        return encode(self, images)

    monkeypatch.setattr(type(clip), "pixel_values", scarce)
    table = embed_images([noise(0), noise(1, (41, 31)), noise(2)], model=clip, progress=False)
    assert table.ids == ("0", "2") and "memory" in dict(table.errors)["1"]


def test_a_fault_of_the_program_is_not_taken_for_one_of_an_image(clip, monkeypatch):
    monkeypatch.setattr(type(clip), "pixel_values", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes")))
    with pytest.raises(RuntimeError, match="shapes"):
        embed_images([noise()], model=clip, progress=False)


def test_transparency_is_told_whichever_way_it_comes(tmp_path):
    clear = np.dstack([np.asarray(noise()), np.zeros((30, 40), np.uint8)])
    Image.fromarray(clear).save(tmp_path / "a.png")
    tensor = torch.tensor(clear).permute(2, 0, 1)
    for image in (tmp_path / "a.png", Image.fromarray(clear), clear, tensor):
        assert [note[:14] for note in read(image).notes] == ["it has transpa"]
    assert read(clear[:, :, :3]).notes == ()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("RGB", (0, 0)), "its width is 0: it has no pixels"),
        (noise().crop((5, 5, 9, 5)), "its height is 0: it has no pixels"),
        (np.ma.array(np.asarray(noise()), mask=np.asarray(noise()) > 9), "masked pixels"),
        ({"image": 1, "n": 2}, "a dict with 'image', 'n', not a picture"),
        ({"bytes": None, "path": None}, "holds no picture"),
    ],
)
def test_what_has_no_pixels_is_one_error(clip, image, words):
    table = embed_images([noise(), image], model=clip, progress=False)
    assert len(table) == 1 and words in dict(table.errors)["1"]


def test_an_empty_path_is_not_the_current_folder(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise().save("a.png")
    for images, out in (("", None), ("a.png", "")):
        with pytest.raises(ValueError, match="the path is empty"):
            embed_images(images, model=clip, out=out, progress=False)


def test_encoded_images_as_data_sets_have_them(clip, tmp_path):
    noise().save(tmp_path / "a.png")
    data, path = (tmp_path / "a.png").read_bytes(), str(tmp_path / "a.png")
    rows = [{"bytes": data, "path": None}, {"bytes": None, "path": path}, memoryview(data)]
    table = embed_images(rows, model=clip, progress=False)
    assert len(table) == 3 and np.allclose(table.vectors, table.vectors[0], atol=1e-5)
    assert np.allclose(embed_images(rows[2], model=clip, progress=False).vectors, table.vectors[0], atol=1e-5)


def test_an_array_of_bytes_holds_names(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise().save("a.png")
    assert embed_images(np.array([b"a.png"]), model=clip, progress=False).ids == ("a.png",)


def test_a_data_set_of_gray_images_gives_gray_ones(clip):
    datasets = pytest.importorskip("datasets")
    gray = datasets.Features({"image": datasets.Image(mode="L")})
    rows = datasets.Dataset.from_dict({"image": [noise()]}, features=gray)
    wanted = embed_images(noise().convert("L"), model=clip, progress=False).vectors
    assert np.allclose(embed_images(rows, model=clip, progress=False).vectors, wanted, atol=1e-5)


@pytest.mark.parametrize("how", [None, "numpy", "torch", "pandas", "arrow", "transform", "encoded"])
def test_data_sets_of_any_format(clip, how, tmp_path):
    datasets = pytest.importorskip("datasets")
    files = []
    for number in range(3):
        noise(number).save(tmp_path / f"{number}.png")
        files.append(str(tmp_path / f"{number}.png"))
    dataset = datasets.Dataset.from_dict({"image": files, "n": [0, 1, 2]}).cast_column(
        "image", datasets.Image()
    )
    if how == "transform":
        dataset = dataset.with_transform(
            lambda rows: {"image": [one.rotate(90, expand=True) for one in rows["image"]]}
        )
        wanted = embed_images(
            [noise(n).rotate(90, expand=True) for n in range(3)], model=clip, progress=False
        )
    else:
        wanted = embed_images(files, model=clip, progress=False)
        if how == "encoded":
            dataset = dataset.cast_column("image", datasets.Image(decode=False))
        elif how:
            dataset = dataset.with_format(how)
    found = embed_images(dataset, model=clip, labels={"n": dataset.with_format(None)["n"]}, progress=False)
    assert np.allclose(found.vectors, wanted.vectors, atol=1e-5)


def test_a_data_set_with_several_image_columns(clip):
    datasets = pytest.importorskip("datasets")
    two = datasets.Features({"left": datasets.Image(), "right": datasets.Image()})
    dataset = datasets.Dataset.from_dict({"left": [noise(0)], "right": [noise(1)]}, features=two)
    with pytest.raises(ValueError, match=r"2 columns of pictures \(left, right\)"):
        find_items(dataset)
    named = dataset.rename_column("right", "image")
    found = embed_images(named, model=clip, progress=False).vectors
    assert np.allclose(found, embed_images([noise(1)], model=clip, progress=False).vectors, atol=1e-5)
    stream = datasets.IterableDataset.from_generator(lambda: pytest.fail("read"), features=two)
    with pytest.raises(ValueError, match=r"streamed data set.*dataset.take\(1000\)"):
        find_items(stream)
    with pytest.raises(ValueError, match="keys 'train'"):
        find_items(datasets.DatasetDict({"train": dataset}))


def test_texts_that_are_cut_are_counted(clip, monkeypatch):
    said_by_tokenizer: dict[str, bool] = {}
    monkeypatch.setattr(clip.tokenizer, "deprecation_warnings", said_by_tokenizer)
    with pytest.warns(UserWarning, match=r"1 of 2 texts are longer than the model's \d+ tokens"):
        embed_texts(["short", "word " * 200], model=clip)
    assert said_by_tokenizer == {}  # that there would be "indexing errors": the texts are cut
    assert embed_texts("a dog", model=clip).ids == ("a dog",)
    with pytest.raises(ValueError, match="entry 1 .* is missing"):
        embed_texts(["a", None], model=clip)


def test_notes_of_damaged_exif(tmp_path):
    noise().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read(tmp_path / "a.jpg").picture.size == (40, 30)


def test_every_error_has_a_reason():
    for error in (
        MemoryError(),
        FileNotFoundError(2, "x"),
        PermissionError(),
        Image.DecompressionBombError("x"),
    ):
        assert reason(error) and reason(error) != str(error)
    assert reason(SyntaxError("broken")) == "SyntaxError: broken"
