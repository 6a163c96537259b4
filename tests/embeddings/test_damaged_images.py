"""Files that were damaged at random: each is a row or a reason, whatever its format claims."""

import io
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from phi3lib.embeddings.embed import embed_images
from phi3lib.vision.pictures import FRAMES, read, read_picture

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
MANY_FRAMES = ("GIF", "PNG", "TIFF", "WEBP", "PDF")
FILES = 400


def wholes() -> Iterator[tuple[str, bytes]]:
    """(kind, file) in every format and mode that this Pillow writes."""
    Image.init()
    pixels = np.random.default_rng(20).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    pictures = [(mode, Image.fromarray(pixels).convert("L").convert(mode)) for mode in MODES]
    frames = {"save_all": True, "append_images": [Image.fromarray(pixels[::-1])]}
    kinds = [(name, mode, picture, {}) for name in Image.SAVE for mode, picture in pictures]
    kinds += [(name, "frames", Image.fromarray(pixels), frames) for name in MANY_FRAMES]
    for name, mode, picture, options in sorted(kinds, key=lambda kind: kind[:2]):
        file = io.BytesIO()
        try:
            picture.save(file, name, **options)
        except Exception:  # this format has no such mode, or cannot be written here
            continue
        yield f"{name} {mode}", file.getvalue()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The file cut, with bytes changed, a block repeated, or a number made huge."""
    how = rng.integers(4)
    at = int(rng.integers(1, len(data)))
    if how == 0:
        return data[:at]
    if how == 1:
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 8):
            changed[place] = int(rng.integers(256))
        return bytes(changed)
    if how == 2:
        return data[:at] + data[max(at - 40, 0) : at] * 3 + data[at:]
    return data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A folder of files without endings, so that only their content tells what they are."""
    rng, folder = np.random.default_rng(20), tmp_path_factory.mktemp("damaged")
    kinds = list(wholes())
    assert len(kinds) > 100 and {"PNG RGB", "TIFF I;16", "GIF frames"} <= {kind for kind, _ in kinds}
    for number in range(FILES):
        kind, data = kinds[number % len(kinds)]
        (folder / f"{number:03} {kind}".replace(";", "")).write_bytes(mutated(data, rng))
    return folder


def test_every_damaged_file_is_a_row_or_a_reason(clip, damaged, tmp_path):
    names = sorted(file.name for file in damaged.iterdir())
    labels = {"number": range(FILES)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = embed_images(damaged, model=clip, labels=labels, out=tmp_path / "v.parquet", progress=False)
        again = embed_images(damaged, model=clip, out=tmp_path / "v.parquet", progress=False)
    assert sorted([*table.ids, *(name for name, _ in table.errors)]) == names
    assert all(reason and len(reason) < 400 for _, reason in table.errors)
    assert FILES // 10 < len(table) < FILES * 9 // 10
    assert table.labels["number"].tolist() == [int(name[:3]) for name in table.ids]
    assert again.ids == table.ids and np.array_equal(again.vectors, table.vectors)
    assert [name for name, _ in again.errors] == [name for name, _ in table.errors]


def test_of_an_animation_that_was_cut_the_first_frame_is_read():
    file = io.BytesIO()
    first, second = (Image.new("RGB", (32, 24), color) for color in ("red", "blue"))
    first.save(file, "GIF", save_all=True, append_images=[second])
    data = file.getvalue()
    second_starts = data.rindex(b"\x21\xf9")
    for end in range(second_starts, len(data)):
        found = read(data[:end])
        assert found.picture.getpixel((5, 5)) == (255, 0, 0) and found.notes in ((), (FRAMES,))


@pytest.mark.parametrize(("kind", "mode"), [("ICNS", "P"), ("ICNS", "RGBA"), ("ICO", "P"), ("GIF", "P")])
def test_an_icon_is_read_as_by_pillow(kind, mode):
    file = io.BytesIO()
    picture = Image.linear_gradient("L").resize((32, 32)).convert(mode)
    picture.save(file, kind)
    with Image.open(file) as opened:
        assert read(file.getvalue()).picture.tobytes() == opened.convert("RGB").tobytes()


def test_every_way_to_read_a_damaged_file_agrees_on_whether_it_is_one(damaged):
    def outcome(how, source) -> bool:
        try:
            return min(how(source).size) > 0
        except ValueError:
            return False

    def upright(source) -> Image.Image:
        return read(source).picture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in sorted(damaged.iterdir()):
            data = file.read_bytes()
            ways = [outcome(upright, data), outcome(upright, io.BytesIO(data)), outcome(read_picture, file)]
            assert ways == [outcome(upright, file)] * 3, file.name
