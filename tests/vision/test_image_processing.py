"""Pictures to pixel tensors: equal to the published code's output, and robust against what files hold."""

import hashlib
import importlib.util
import io
import json
import random
import struct
import subprocess
import sys
import warnings
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from phi3lib.vision.image_processing import Phi3VImageProcessor, hd_picture
from phi3lib.vision.modeling import AutoImageProcessor, register_auto_classes
from phi3lib.vision.options import UnknownOptionError
from phi3lib.vision.pictures import flatten_pictures, read_picture
from tests.golden_inputs import GOLDEN, golden_json, synth_picture, synth_u8

register_auto_classes()
GOLDEN_CASES = golden_json("image_processor.json")
PUBLISHED_FILE = {
    "auto_map": {
        "AutoProcessor": "processing_phi3_v.Phi3VProcessor",
        "AutoImageProcessor": "image_processing_phi3_v.Phi3VImageProcessor",
    },
    "num_crops": 16,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "Phi3VImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "processor_class": "Phi3VProcessor",
    "num_img_tokens": 144,
}


def sha256(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def small_processor(**options: Any) -> Phi3VImageProcessor:
    """Tiles of 28 pixels: the same way, a hundredth of the work."""
    return Phi3VImageProcessor(**{"num_crops": 4, "tile_size": 28, "num_img_tokens": 1, **options})


# ------------------------------------------------------------------------------------ golden cases

# torch's bicubic sums may differ in the last bit on other processors and without AVX2.
SUMS_AS_RECORDED = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


@pytest.fixture(scope="module")
def golden_samples() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "image_processor.npz") as file:
        return dict(file)


@lru_cache(maxsize=1)  # the cases of a picture follow each other
def golden_picture(width: int, height: int, mode: str, seed: int) -> Image.Image:
    return synth_picture(width, height, mode, seed)


@pytest.mark.parametrize(
    "case", GOLDEN_CASES["cases"], ids=lambda case: f"{case['name']}@{case['num_crops']}"
)
def test_golden_case(case: dict[str, Any], golden_samples: dict[str, np.ndarray]) -> None:
    picture = golden_picture(case["width"], case["height"], case["mode"], case["seed"])
    processor = Phi3VImageProcessor(num_crops=case["num_crops"], pad_to_num_crops=True)
    if "error" in case:
        with pytest.raises(ValueError, match="too extreme"):
            processor(picture, return_tensors="pt")
        return
    batch = processor(picture, return_tensors="pt")
    assert list(batch.pixel_values.shape) == case["shape"]
    assert batch.pixel_values.dtype == torch.float32
    assert batch.image_sizes.tolist() == case["image_sizes"]
    assert batch.num_img_tokens.tolist() == case["num_img_tokens"] == case["calc_num_image_tokens"]
    assert processor.calc_num_image_tokens([picture]) == case["calc_num_image_tokens"]
    in_hd = hd_picture(read_picture(picture), processor.grid(*picture.size))
    assert sha256(in_hd) == case["hd_u8_sha256"]
    sample = batch.pixel_values[0, : case["real_crops"], :, 5::24, 7::24].numpy()
    np.testing.assert_allclose(sample, golden_samples[f"{case['name']}@{case['num_crops']}/sub"], atol=1e-5)
    if SUMS_AS_RECORDED:
        assert sha256(batch.pixel_values) == case["pixel_sha256"]


def test_golden_batch() -> None:
    case = GOLDEN_CASES["batch"]
    pictures = [synth_picture(640, 480, seed=3), synth_picture(1000, 300, seed=7)]
    batch = Phi3VImageProcessor(num_crops=4)(pictures, return_tensors="pt", pad_to_num_crops=True)
    assert list(batch.pixel_values.shape) == case["shape"]
    assert batch.image_sizes.tolist() == case["image_sizes"]
    assert batch.num_img_tokens.tolist() == case["num_img_tokens"]
    if SUMS_AS_RECORDED:
        assert sha256(batch.pixel_values) == case["pixel_sha256"]


# ------------------------------------------------------------------------------------ batches and outputs


def test_batch_is_as_large_as_its_largest_picture() -> None:
    square, wide = synth_picture(50, 50), synth_picture(90, 30)
    processor = small_processor()
    both = processor([wide, square], return_tensors="pt")
    assert both.pixel_values.shape == (2, 5, 3, 28, 28)
    alone = processor(wide, return_tensors="pt")
    assert alone.pixel_values.shape == (1, 4, 3, 28, 28)
    assert torch.equal(both.pixel_values[0, :4], alone.pixel_values[0])
    assert not both.pixel_values[0, 4:].any()
    fixed = processor(wide, return_tensors="pt", pad_to_num_crops=True)
    assert fixed.pixel_values.shape == (1, 5, 3, 28, 28)
    assert both.image_sizes.tolist() == [[28, 84], [56, 56]]


def test_options_of_one_call_leave_the_processor_as_it_is() -> None:
    processor = small_processor(num_crops=4)
    batch = processor(synth_picture(50, 50), num_crops=9, return_tensors="pt")
    assert batch.image_sizes.tolist() == [[84, 84]]
    assert processor.num_crops == 4
    processor.num_crops = 1  # attributes may be set, as with every processor of transformers
    assert processor(synth_picture(50, 50), return_tensors="pt").image_sizes.tolist() == [[28, 28]]


def test_kinds_of_output() -> None:
    processor, pictures = small_processor(), [synth_picture(50, 50), synth_picture(90, 30)]
    as_torch = processor(pictures, return_tensors="pt")
    as_numpy = processor(pictures, return_tensors="np")
    as_lists = processor.preprocess(pictures)
    assert list(as_torch) == ["pixel_values", "image_sizes", "num_img_tokens"]
    for name, tensor in as_torch.items():
        assert isinstance(tensor, torch.Tensor)
        assert isinstance(as_numpy[name], np.ndarray)
        assert np.array_equal(as_numpy[name], tensor.numpy())
        assert as_numpy[name].dtype == (np.float32 if name == "pixel_values" else np.int64)
    assert all(map(torch.equal, as_lists["pixel_values"], as_torch["pixel_values"]))
    assert as_lists["image_sizes"] == [[56, 56], [28, 84]]
    assert as_lists["num_img_tokens"] == as_torch["num_img_tokens"].tolist()
    with pytest.raises(ValueError, match="return_tensors is 'tf'"):
        processor(pictures, return_tensors="tf")
    with pytest.raises(TypeError, match="return_tensor"):
        processor(pictures, return_tensor="pt")  # type: ignore[call-arg]  # the slip is the point


def test_nested_lists_are_laid_out_flat() -> None:
    a, b, c = (synth_picture(20 + i, 20) for i in range(3))
    assert flatten_pictures([[a, b], [], [[c]]]) == [a, b, c]
    assert flatten_pictures(a) == [a]
    assert len(flatten_pictures(np.zeros((4, 5, 6, 3), np.uint8))) == 4
    with pytest.raises(ValueError, match="empty list"):
        small_processor()([])
    with pytest.raises(ValueError, match="empty list"):
        small_processor()([[], []])


def test_inputs_are_not_changed() -> None:
    picture, array = synth_picture(30, 20, "P"), synth_u8(30, 20)
    picture.info["transparency"] = b"\x00\xff"
    before = picture.tobytes(), array.copy()
    small_processor()([picture, array], return_tensors="pt")
    assert picture.mode == "P"
    assert picture.info["transparency"] == b"\x00\xff"
    assert picture.tobytes() == before[0]
    assert np.array_equal(array, before[1])


# ------------------------------------------------------------------------------------ options and files


def test_default_is_the_published_setting_of_phi_3_vision() -> None:
    processor = Phi3VImageProcessor()
    assert processor.num_crops == 16
    assert processor.image_mean == PUBLISHED_FILE["image_mean"]
    assert processor.image_std == PUBLISHED_FILE["image_std"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_img_tokens": 576}, "num_img_tokens is 576.*144 tokens"),
        ({"tile_size": 224, "patch_size": 16}, "num_img_tokens is 144.*49 tokens"),
        ({"tile_size": 330}, "even number of patches"),
        ({"num_crops": 0}, "num_crops is 0"),
        ({"image_mean": [0.5]}, "image_mean"),
        ({"image_std": [0.5, 0.5, 0.0]}, "divided"),
        ({"image_std": [0.5, float("nan"), 1.0]}, "image_std"),
        ({"image_mean": "0.5"}, "image_mean is '0.5'.*three numbers"),
        ({"image_mean": ["a", 0, 0]}, "image_mean is 'a'"),
        ({"num_crops": "4"}, "num_crops is '4'.*whole number"),
        ({"num_crops": True}, "num_crops is True"),
        ({"tile_size": 336.0}, "tile_size is 336.0"),
        ({"do_rescale": "no"}, "do_rescale is 'no'.*True or False"),
        ({"rescale_factor": float("inf")}, "rescale_factor is inf"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Phi3VImageProcessor(**options)


def test_published_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PUBLISHED_FILE))
    processor = Phi3VImageProcessor.from_pretrained(tmp_path)
    assert (processor.num_crops, processor.num_img_tokens, processor.pad_to_num_crops) == (16, 144, False)
    assert Phi3VImageProcessor.from_pretrained(tmp_path, num_crops=4).num_crops == 4
    from_file = Phi3VImageProcessor.from_json_file(tmp_path / "preprocessor_config.json")
    assert from_file.to_dict() == processor.to_dict()
    _, unused = Phi3VImageProcessor.from_pretrained(
        tmp_path, num_crops=4, something_else=1, return_unused_kwargs=True
    )
    assert unused == {"something_else": 1}


@pytest.mark.parametrize(("wrong", "meant"), [("num_crop", "num_crops"), ("do_normalise", "do_normalize")])
def test_mistyped_option_names_the_nearest(wrong: str, meant: str, tmp_path: Path) -> None:
    small_processor().save_pretrained(tmp_path)
    picture = synth_picture(20, 20)
    for call in (
        lambda: Phi3VImageProcessor(**{wrong: 4}),
        lambda: Phi3VImageProcessor.from_pretrained(tmp_path, **{wrong: 4}),
        lambda: AutoImageProcessor.from_pretrained(tmp_path, **{wrong: 4}),
        lambda: small_processor()(picture, **{wrong: 4}),
        lambda: small_processor().preprocess(picture, **{wrong: 4}),
    ):
        with pytest.raises(UnknownOptionError, match=f"'{wrong}' is not an option.*did you mean '{meant}'"):
            call()
    with pytest.warns(UserWarning, match=f"key '{wrong}' is ignored.*'{meant}'"):
        Phi3VImageProcessor.from_dict({wrong: 4})


def test_options_that_have_no_effect_are_refused() -> None:
    for name in ("size", "do_resize", "crop_size", "foo"):
        with pytest.raises(UnknownOptionError, match=f"'{name}' is not an option.*num_crops"):
            small_processor()(synth_picture(20, 20), **{name: 4})


def test_words_of_loaders_are_no_options(tmp_path: Path) -> None:
    small_processor(num_crops=3).save_pretrained(tmp_path)
    words = {"trust_remote_code": False, "revision": "main", "local_files_only": True}
    assert Phi3VImageProcessor.from_pretrained(tmp_path, **words).num_crops == 3
    assert AutoImageProcessor.from_pretrained(tmp_path, use_fast=False, **words).num_crops == 3


def test_none_stands_for_the_default(tmp_path: Path) -> None:
    processor = Phi3VImageProcessor.from_dict({"image_mean": None, "num_crops": None})
    assert processor.to_dict() == Phi3VImageProcessor().to_dict()
    none = dict.fromkeys(("num_crops", "image_mean", "do_rescale", "device", "return_tensors"))
    picture = synth_picture(20, 20)
    assert small_processor()(picture, **none)["image_sizes"] == small_processor()(picture)["image_sizes"]


def test_steps_can_be_left_out() -> None:
    processor, picture = small_processor(), synth_picture(50, 50)
    usual = processor(picture, return_tensors="pt").pixel_values
    raw = processor(picture, return_tensors="pt", do_rescale=False, do_normalize=False).pixel_values
    in_hd = np.array(hd_picture(read_picture(picture), processor.grid(50, 50)))
    assert torch.equal(raw[0, 1], torch.from_numpy(in_hd[:28, :28]).permute(2, 0, 1).float())
    scaled = processor(picture, return_tensors="pt", do_normalize=False).pixel_values
    assert torch.equal(scaled[0, 1:], raw[0, 1:] / 255)
    negative = processor(picture, return_tensors="pt", do_normalize=False, rescale_factor=-1.0).pixel_values
    assert torch.equal(negative[0, 1:], -raw[0, 1:])
    other = processor(picture, return_tensors="pt", image_mean=[0, 0, 0], image_std=[1, 1, 1]).pixel_values
    assert torch.equal(other, scaled)
    kept = Phi3VImageProcessor.from_dict(processor.to_dict(), do_normalize=False)
    assert torch.equal(kept(picture, return_tensors="pt").pixel_values, scaled)
    assert torch.equal(processor(picture, return_tensors="pt").pixel_values, usual)


def test_without_conversion_other_modes_are_refused() -> None:
    processor = small_processor(do_convert_rgb=False)
    assert processor(synth_picture(20, 20))["image_sizes"]
    with pytest.raises(ValueError, match=r"picture 1 \(of 2.*mode is RGBA.*do_convert_rgb"):
        processor([synth_picture(20, 20), synth_picture(20, 20).convert("RGBA")])


def test_device() -> None:
    batch = small_processor()(synth_picture(20, 20), return_tensors="pt", device="cpu")
    assert batch.pixel_values.device == torch.device("cpu")
    elsewhere = small_processor()(synth_picture(20, 20), return_tensors="pt", device=torch.device("meta"))
    assert {tensor.device.type for tensor in elsewhere.values()} == {"meta"}
    with pytest.raises(ValueError, match="device needs return_tensors='pt'"):
        small_processor()(synth_picture(20, 20), return_tensors="np", device="cpu")


def test_input_data_format() -> None:
    array = synth_u8(30, 20)
    wanted = small_processor()(array, return_tensors="pt").pixel_values
    first, tensor = np.moveaxis(array, -1, 0), torch.from_numpy(array)
    for picture, data_format in (
        (first, "channels_first"),
        (tensor, "channels_last"),
        (array, "channels_last"),
    ):
        batch = small_processor()([picture], input_data_format=data_format, return_tensors="pt")
        assert torch.equal(batch.pixel_values, wanted)
    with pytest.raises(ValueError, match="input_data_format is 'CHW'"):
        small_processor()(array, input_data_format="CHW")


def test_auto_class_without_torchvision(tmp_path: Path) -> None:
    """Where torchvision is installed, in a process of its own in which it cannot be imported."""
    small_processor(num_crops=3).save_pretrained(tmp_path)
    if importlib.util.find_spec("torchvision") is None:
        processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
        assert isinstance(processor, Phi3VImageProcessor) and processor.num_crops == 3
        return
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "from phi3lib.vision.modeling import AutoImageProcessor, register_auto_classes\n"
        "register_auto_classes()\n"
        "processor = AutoImageProcessor.from_pretrained(sys.argv[1], backend='pil')\n"
        "print(type(processor).__name__, processor.num_crops)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["Phi3VImageProcessor", "3"]


def test_save_and_load_keep_every_option(tmp_path: Path) -> None:
    options = {
        "num_crops": 7,
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.4, 0.5, 0.6],
        "num_img_tokens": 49,
        "tile_size": 224,
        "patch_size": 16,
        "pad_to_num_crops": True,
    }
    Phi3VImageProcessor(**options).save_pretrained(tmp_path)
    loaded = Phi3VImageProcessor.from_pretrained(tmp_path)
    assert {name: getattr(loaded, name) for name in options} == options
    batch = loaded(synth_picture(30, 20), return_tensors="pt")
    assert batch.pixel_values.shape == (1, 8, 3, 224, 224)


# ------------------------------------------------------------------------------------ kinds of pictures


def same_pixels(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(read_picture(one)), np.asarray(read_picture(other)))


def test_arrays_tensors_and_files_give_what_pillow_gives(tmp_path: Path) -> None:
    array = synth_u8(13, 9, channels=3)
    picture = Image.fromarray(array)
    picture.save(tmp_path / "a.png")
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for same in (array, array[:, ::1], tensor, str(tmp_path / "a.png"), tmp_path / "a.png"):
        assert same_pixels(same, picture)
    gray = Image.fromarray(array[..., 0])
    for same in (array[..., 0], array[..., :1], tensor[0], tensor[:1], tensor[0].numpy()[:, :, None]):
        assert same_pixels(same, gray)
    four = np.dstack([array, array[..., 0]])
    assert same_pixels(four, picture), "the fourth channel is dropped"
    assert same_pixels(torch.from_numpy(four).permute(2, 0, 1), picture)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "La", "RGBa"]
)
def test_every_eight_bit_mode_is_converted_as_pillow_does(mode: str) -> None:
    picture = Image.fromarray(synth_u8(23, 17))
    for step in {"La": ["LA", "La"], "RGBa": ["RGBA", "RGBa"], "PA": ["P", "PA"]}.get(mode, [mode]):
        picture = picture.convert(step)
    assert picture.mode == mode
    straight = picture.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, mode))  # not premultiplied
    assert same_pixels(picture, straight.convert("RGB"))


def test_transparency_is_dropped_not_blended() -> None:
    picture = Image.new("RGBA", (3, 3), (200, 100, 50, 0))
    assert read_picture(picture).getpixel((1, 1)) == (200, 100, 50)


@pytest.mark.parametrize("transparency", [0, b"\x00\x80\xff"])
def test_palette_with_transparency_gives_no_warning(transparency: int | bytes) -> None:
    picture = synth_picture(20, 10, "P")
    expected = picture.convert("RGB")
    picture.info["transparency"] = transparency
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same_pixels(picture, expected)


def deep_picture(mode: str) -> Image.Image:
    values = np.array([[0, 128, 257 * 7, 257 * 200, 65535]], dtype=np.uint16)
    if mode == "I":
        return Image.fromarray(values.astype(np.int32))
    if mode == "I;16B":
        return Image.frombytes("I;16B", (5, 1), values.astype(">u2").tobytes())
    return Image.fromarray(values)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_sixteen_bits_are_scaled_not_cut_off(mode: str) -> None:
    picture = deep_picture(mode)
    assert picture.mode == mode
    assert np.asarray(read_picture(picture))[0, :, 0].tolist() == [0, 0, 7, 200, 255]


def test_sixteen_bit_files_and_arrays(tmp_path: Path) -> None:
    values = np.asarray(deep_picture("I;16"))
    for name in ("a.png", "a.tif", "a.pgm"):
        deep_picture("I;16").save(tmp_path / name)
        assert np.asarray(read_picture(tmp_path / name))[0, :, 1].tolist() == [0, 0, 7, 200, 255]
    assert same_pixels(values, deep_picture("I;16"))
    assert same_pixels(torch.from_numpy(values.copy()), deep_picture("I;16"))


def test_mode_i_up_to_255_means_eight_bits() -> None:
    values = np.array([[0, 7, 255]], dtype=np.int32)
    assert np.asarray(read_picture(Image.fromarray(values)))[0, :, 2].tolist() == [0, 7, 255]
    for beyond in (-1, 65536):
        with pytest.raises(ValueError, match=f"{beyond}"):
            read_picture(Image.fromarray(np.array([[0, beyond]], dtype=np.int32)))


def test_animation_gives_the_first_frame_of_a_file(tmp_path: Path) -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = [Image.new("RGB", (12, 8), color) for color in colors]
    for name, options in {"a.gif": {}, "a.png": {}, "a.webp": {"lossless": True}}.items():
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert read_picture(tmp_path / name).getpixel((3, 3)) == (255, 0, 0)
        with Image.open(tmp_path / name) as opened:
            opened.seek(1)
            assert read_picture(opened).getpixel((3, 3)) == (0, 255, 0), "an open one: the frame it stands at"


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    picture = synth_picture(12, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to view
    picture.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        assert ImageOps.exif_transpose(opened).size == (8, 12)
    assert read_picture(tmp_path / "a.png").size == (12, 8)
    assert same_pixels(tmp_path / "a.png", picture)


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32 do not say.*uint8"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4), bool), "bool"),
        (torch.zeros(3, 4, 4), "float32 do not say"),
        (torch.zeros(3, 4, 4, dtype=torch.bfloat16), "bfloat16"),
        (np.zeros((3, 4, 5), np.uint8), r"\(H, W, channels\).*shape is \(3, 4, 5\)"),
        (np.zeros((4, 4, 2), np.uint8), r"shape is \(4, 4, 2\)"),
        (torch.zeros(5, 4, 3, dtype=torch.uint8), r"\(channels, H, W\).*shape is \(5, 4, 3\)"),
        (np.zeros((4,), np.uint8), r"shape is \(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape is \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.uint16), "grey"),
        (Image.new("F", (3, 3)), "floats of unknown range"),
        (Image.new("RGB", (0, 3)), "width is 0"),
        (None, "NoneType is not a picture"),
        (b"bytes", "bytes is not a picture"),
        ("https://example.org/cat.jpg", "URL.*nothing is downloaded"),
        ("file:///cat.jpg", "URL"),
        ("data:image/png;base64,AAAA", "URL"),
        ("no/such/file.png", "no/such/file.png.*No such file"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_refused(what: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_processor()(what)


def test_error_names_the_picture() -> None:
    good, broken = synth_picture(20, 20), io.BytesIO(encoded("PNG")[:200])
    pictures = [good, good, Image.open(broken), good]
    with pytest.raises(ValueError, match=r"picture 2 \(of 4, counted from 0\)"):
        small_processor()(pictures)
    with pytest.raises(ValueError, match=r"picture 2 \(of 4, counted from 0\)"):
        small_processor().calc_num_image_tokens(
            [good, good, Image.open(io.BytesIO(encoded("PNG")[:200])), good]
        )
    with pytest.raises(ValueError, match=r"picture 1 \(of 2.*30000×1 pixels is too extreme"):
        small_processor()([[good], [Image.new("RGB", (30000, 1))]])


# ------------------------------------------------------------------------------------ damaged files


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    picture = synth_picture(40, 30, "P" if kind == "GIF" else "RGB", seed=5)
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def few_pixels_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged header may promise billions of pixels; Pillow refuses above twice this number."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)


def reads_or_refuses(path: Path) -> bool:
    """True if a picture came, False for a ValueError that names the file. Everything else fails the test."""
    message = ""
    try:
        assert read_picture(path).mode == "RGB"
    except ValueError as error:
        message = str(error)
    assert not message or path.name in message
    return not message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
@pytest.mark.filterwarnings("ignore")  # Pillow also warns of damage
@pytest.mark.usefixtures("few_pixels_allowed")
def test_cut_and_flipped_files(kind: str, tmp_path: Path) -> None:
    data, path = encoded(kind), tmp_path / f"damaged.{kind.lower()}"
    path.write_bytes(data)
    assert reads_or_refuses(path)
    cut = [round(len(data) * part / 25) for part in range(25)]
    outcomes = []
    for length in cut:
        path.write_bytes(data[:length])
        outcomes.append(reads_or_refuses(path))
    assert not any(outcomes[:12]), "half a file is no picture"
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        reads_or_refuses(path)


def test_header_that_promises_too_many_pixels(tmp_path: Path) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))
    with pytest.raises(ValueError, match=r"huge\.png.*3600000000 pixels"):
        read_picture(path)


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a"]
)
def test_files_that_hold_no_picture(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read '.*odd\.png'"):
        read_picture(path)
    with pytest.raises(ValueError, match="cannot read"):
        read_picture(tmp_path)


def test_smallest_and_longest_pictures() -> None:
    processor = small_processor(num_crops=16)
    assert processor(Image.new("RGB", (1, 1)), return_tensors="pt").image_sizes.tolist() == [[112, 112]]
    longest = Image.new("L", (28 * 16, 1), 255)
    batch = processor(longest, return_tensors="pt")
    assert batch.image_sizes.tolist() == [[28, 28 * 16]]
    assert torch.isfinite(batch.pixel_values).all()
    for size in [(30000, 1), (1, 30000)]:
        with pytest.raises(ValueError, match="too extreme"):
            processor(Image.new("RGB", size))
