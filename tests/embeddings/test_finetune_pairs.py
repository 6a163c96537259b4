"""Pairs from data sets, folders and lists; what is refused, and what is reported."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image

from phi3lib import load_clip
from phi3lib.embeddings.finetune import fine_tune, make_pairs
from tests.real_layout import make_clip_checkpoint

SHADES = (0, 60, 120, 180, 240)
TEXTS = [f"shade {shade}" for shade in SHADES]


def images():
    return [Image.new("RGB", (20, 20), (shade, 255 - shade, 9)) for shade in SHADES]


def saved(folder):
    folder.mkdir(exist_ok=True)
    names = [f"{number}.png" for number in range(len(SHADES))]
    for name, image in zip(names, images(), strict=True):
        image.save(folder / name)
    return names


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    make_clip_checkpoint(folder)
    return load_clip(folder)


def quick(model, pairs, **options):
    return fine_tune(model, pairs, **{"steps": 2, "batch_size": 4, "progress": False, **options})


def test_lists_data_sets_and_folders_give_the_same_losses(clip, tmp_path):
    names = saved(tmp_path / "a")
    rows = [{"file_name": name, "text": text} for name, text in zip(names, TEXTS, strict=True)]
    (tmp_path / "a" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    saved(tmp_path / "b")
    lines = [f"{name},{text}" for name, text in zip(names, TEXTS, strict=True)]
    (tmp_path / "b" / "captions.csv").write_text("\n".join(["file,caption", *lines]))
    sources = [
        make_pairs(images(), TEXTS),
        Dataset.from_dict({"picture": images(), "caption": TEXTS, "number": list(SHADES)}),
        tmp_path / "a",
        str(tmp_path / "b"),
        make_pairs([tmp_path / "a" / name for name in names], TEXTS),
    ]
    losses = [quick(clip, source).curve("loss") for source in sources]
    assert all(one == losses[0] for one in losses)


def test_each_image_stays_with_its_texts():
    images = [Image.new("RGB", (2, 2), (40 * n, 0, 0)) for n in range(5)]
    order = [3, 0, 3, 4, 1, 0, 2]
    pairs = make_pairs([images[n] for n in order], [f"shade {n}" for n in order])
    found = [pairs.items[row].load().reading.picture.getpixel((0, 0))[0] // 40 for row in pairs.rows]
    assert found == order and pairs.texts == tuple(f"shade {n}" for n in found)
    twice = pairs + pairs
    assert [twice.items[row].id for row in twice.rows] == 2 * [pairs.items[row].id for row in pairs.rows]


def test_one_image_with_two_texts_is_read_once():
    one, other = images()[:2]
    pairs = make_pairs([one, other, one], ["shade", "other shade", "the same shade"])
    assert len(pairs) == 3 and len(pairs.items) == 2
    assert pairs.rows == (0, 1, 0)
    both = pairs + make_pairs([other], ["autre"])
    assert both.rows == (0, 1, 0, 2) and both.texts[-1] == "autre"


def test_equal_images_are_known_by_their_content(clip):
    """Copies of one image with different texts: nothing is wrong, so there is nothing to learn."""
    copies = [image.copy() for image in images()[:1] * 4]
    tuned = quick(clip, make_pairs(copies, TEXTS[:4]))
    assert tuned.curve("loss")[1] == [0.0, 0.0]


def test_unreadable_images_are_left_out_and_reported(clip, tmp_path):
    names = saved(tmp_path)
    (tmp_path / "4.png").write_bytes(b"\x89PNG broken")
    with pytest.warns(UserWarning, match="1 images could not be read"):
        tuned = quick(clip, make_pairs([tmp_path / name for name in names], TEXTS))
    assert [name.endswith("4.png") for name in tuned.errors] == [True]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="none of 5 pairs has a readable image"):
        quick(clip, make_pairs([tmp_path / name for name in names], TEXTS))


def test_long_texts_are_cut_with_a_warning(clip):
    with pytest.warns(UserWarning, match="1 of 5 texts are longer"):
        quick(clip, make_pairs(images(), [*TEXTS[:4], "cat " * 99]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"file_name": "../secret.png", "text": "a"}', "not in the folder"),
        ('{"file_name": "/etc/passwd", "text": "a"}', "not in the folder"),
        ('{"file_name": "0.png"}', "entry 1 has no 'text'"),
        ('{"file_name": "0.png", "text": " "}', "entry 1 has no 'text'"),
        ('{"text": "a"}', "entry 1 has no 'file_name'"),
        ("[1]", "line 1 is not an object"),
        ("{", "line 1 is not JSON"),
        ("[" * 10**5, "line 1 is not JSON"),
        ("", "holds no lines"),
    ],
)
def test_captions_files_that_do_not_fit_are_refused(tmp_path, lines, said):
    saved(tmp_path / "photos")
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "photos" / "metadata.jsonl").write_text(lines)
    with pytest.raises(ValueError, match=said):
        make_pairs(tmp_path / "photos")


def test_a_captions_file_is_utf_8(tmp_path):
    (tmp_path / "captions.jsonl").write_bytes(b'{"file": "0.png", "caption": "caf\xe9"}')
    with pytest.raises(ValueError, match="captions.jsonl is not UTF-8"):
        make_pairs(tmp_path)


def test_a_captions_file_may_begin_with_a_byte_order_mark(tmp_path):
    """Excel writes one."""
    names = saved(tmp_path)
    lines = ["file_name,text", *(f"{name},shade" for name in names)]
    (tmp_path / "metadata.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    assert len(make_pairs(tmp_path)) == len(names)


def test_what_is_no_pairs_is_refused(tmp_path):
    for arguments, error, said in (
        ((images(), TEXTS[:2]), ValueError, "5 images and 2 texts"),
        ((images(), [*TEXTS[:4], ""]), ValueError, "entry 4 .* is empty"),
        ((images(), [*TEXTS[:4], None]), ValueError, "entry 4 .* missing"),
        ((images(),), ValueError, "make_pairs"),
        ((tmp_path,), ValueError, "no captions file"),
        ((tmp_path / "none",), FileNotFoundError, "there is no folder"),
        ((Dataset.from_dict({"image": images()}),), ValueError, "0 columns of strings"),
        (
            (Dataset.from_dict({"image": images(), "a": TEXTS, "b": TEXTS}),),
            ValueError,
            "2 columns of strings",
        ),
        ((Dataset.from_dict({"text": TEXTS}),), ValueError, "no column of pictures"),
    ):
        with pytest.raises(error, match=said):
            make_pairs(*arguments)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("captions.csv", 'file_name,text\n0.png,"a\nb"\n', "a\nb"),
        ("captions.csv", 'file_name,text\r\n0.png,"a, ""b"""\r\n', 'a, "b"'),
        ("captions.csv", "file_name,text\n0.png,a\x0cb\n", "a\x0cb"),
        ("captions.jsonl", '{"file_name": "0.png", "text": "a\u2028b"}\n  \n', "a\u2028b"),
        ("captions.jsonl", '{"file_name": "0.png", "text": "a\x85b"}', "a\x85b"),
    ],
)
def test_captions_may_hold_what_is_a_line_break_elsewhere(tmp_path, name, content, text):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert make_pairs(tmp_path).texts == (text,)


def test_arrays_and_data_sets_with_texts_are_pairs(tmp_path):
    datasets = pytest.importorskip("datasets")
    arrays = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    rows = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(one) for one in arrays]},
        features=datasets.Features({"image": datasets.Image()}),
    )
    for images in (arrays, torch.tensor(arrays).permute(0, 3, 1, 2), rows, list(arrays)):
        pairs = make_pairs(images, ["a", "b", "c"])
        found = [np.asarray(pairs.items[row].load().reading.picture) for row in pairs.rows]
        assert np.array_equal(found, arrays) and pairs.texts == ("a", "b", "c")
        with pytest.raises(ValueError, match="3 images and 2 texts"):
            make_pairs(images, ["a", "b"])
