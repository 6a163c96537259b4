"""The byte layer: reading some tensors of a file, and refusing what is no sound safetensors file."""

import json
import random
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from phi3lib.loading import safetensors_io as tensor_reading
from phi3lib.loading.safetensors_io import (
    CheckpointError,
    TensorInfo,
    files_of_index,
    merge_ranges,
    read_tensors,
    tensors_of_file,
    tensors_of_folder,
    write_header,
)


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(3, 4, generator=generator).bfloat16(),
        "a.bias": torch.randn(4, generator=generator),
        "b.count": torch.arange(5),
        "b.nothing": torch.zeros(0, 2),
        "b.scalar": torch.tensor(1.5),
    }


@pytest.fixture
def file(tensors: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_places_name_the_bytes_of_each_tensor(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    content = file.read_bytes()
    places = tensors_of_file(file)
    assert places.keys() == tensors.keys()
    for name, place in places.items():
        raw = tensors[name].contiguous().flatten().view(torch.uint8) if tensors[name].numel() else None
        assert content[place.start : place.stop] == (b"" if raw is None else raw.numpy().tobytes())
        assert place.shape == tuple(tensors[name].shape)


def test_only_the_wanted_tensors_are_read(
    file: Path, tensors: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_reading, "BYTES_A_MAPPING", 20)  # more than one mapping even here
    places = tensors_of_folder(file.parent, "a.")
    read = read_tensors(places.values())
    assert read.keys() == {"a.weight", "a.bias"}
    for name, tensor in read.items():
        assert tensor.dtype == tensors[name].dtype
        assert torch.equal(tensor, tensors[name])


def test_a_dtype_changes_floating_point_alone(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    read = read_tensors(tensors_of_file(file).values(), dtype=torch.float32)
    assert torch.equal(read["a.weight"], tensors["a.weight"].float())
    assert read["b.count"].dtype == torch.int64


def test_what_is_read_does_not_lie_in_the_file(file: Path) -> None:
    read = read_tensors(tensors_of_file(file).values())
    before = read["a.bias"].clone()
    file.write_bytes(b"\0" * file.stat().st_size)
    assert torch.equal(read["a.bias"], before)


def test_merged_ranges_are_unbroken_runs_of_one_file() -> None:
    def place(file: str, start: int, stop: int) -> TensorInfo:
        return TensorInfo(f"{file}{start}", file, "U8", (stop - start,), start, stop)

    places = [place("y", 0, 4), place("x", 8, 9), place("x", 0, 4), place("x", 4, 8), place("x", 10, 12)]
    spans = [(run[0].file, run[0].start, run[-1].stop) for run in merge_ranges(places)]
    assert spans == [("x", 0, 9), ("x", 10, 12), ("y", 0, 4)]


def test_a_file_made_of_ranges_is_sound(file: Path, tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    content = file.read_bytes()
    wanted = [place for name, place in tensors_of_file(file).items() if name.startswith("b.")]
    part = tmp_path / "part.safetensors"
    with part.open("wb") as stream:
        ordered = [place for run in merge_ranges(wanted) for place in run]
        written = write_header(stream, ordered, {"format": "pt"})
        assert written % 8 == 0
        for place in ordered:
            stream.write(content[place.start : place.stop])
    loaded = load_file(part)
    assert loaded.keys() == {"b.count", "b.nothing", "b.scalar"}
    assert all(torch.equal(loaded[name], tensors[name]) for name in loaded)


@pytest.mark.parametrize("keep", [0, 5, 8, 40, -1])
def test_a_file_cut_short_is_refused(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="fetch"):
        tensors_of_file(file)


def test_a_file_with_bytes_too_many_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="should hold"):
        tensors_of_file(file)


def test_a_huge_header_is_not_allocated(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        tensors_of_file(file)


def test_flipped_bits_are_refused_or_harmless(file: Path) -> None:
    """Whatever a header says, it ends in CheckpointError or in places inside the file."""
    sound = file.read_bytes()
    length = 8 + struct.unpack("<Q", sound[:8])[0]
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(sound)
        damaged[chance.randrange(length)] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        try:
            places = tensors_of_file(file)
        except CheckpointError:
            refused += 1
            continue
        assert all(0 <= place.start <= place.stop <= len(sound) for place in places.values())
    assert refused > 100


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
        {"a": {"dtype": "X", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": 3},
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    with pytest.raises(CheckpointError):
        tensors_of_file(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/model.safetensors", "model.bin"])
def test_an_index_cannot_point_outside_its_folder(name: str) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        files_of_index({"weight_map": {"a": name}}, "", where="here")


def test_pickles_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="pickle"):
        tensors_of_folder(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        ("F64", torch.float64), ("F32", torch.float32), ("F16", torch.float16), ("BF16", torch.bfloat16),
        ("I64", torch.int64), ("I32", torch.int32), ("I16", torch.int16), ("I8", torch.int8),
        ("U64", torch.uint64), ("U32", torch.uint32), ("U16", torch.uint16), ("U8", torch.uint8),
        ("BOOL", torch.bool), ("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2),
    ],
)  # fmt: skip
def test_numbers_have_the_size_that_torch_gives_them(dtype: str, kind: torch.dtype) -> None:
    assert tensor_reading.BYTES_OF[dtype] == kind.itemsize


def test_a_folder_without_weights_is_not_called_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="holds no safetensors file"):
        tensors_of_folder(tmp_path, "")
