"""Read some tensors of a checkpoint without reading the others.

A safetensors file is 8 bytes (the header's length, little endian), a JSON header (dtype, shape and offsets
of every tensor) and the tensors' bytes. The header tells which bytes to read, from a
disk or a hub. Format: https://huggingface.co/docs/safetensors, section "Format".

Nothing here unpickles: files of another kind are refused.
"""

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING

from phi3lib.moved import old_names

if TYPE_CHECKING:  # torch takes a second to import, and listing tensors does not need it
    import torch

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
# The tensors of the vision part alone: a name that no other tool takes for the whole weights.
PART_FILE = "phi3lib-vision-part.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

# The format's own limit (safetensors/src/tensor.rs): a longer header is damage or an attack.
LONGEST_HEADER = 100_000_000
BYTES_OF = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip

# Tensors read through one mapping of a file before it is reopened. Mapped pages count as this
# process's memory until the mapping is dropped: without this bound the peak would be the file's
# bytes on top of the converted tensors.
BYTES_A_MAPPING = 64 * 2**20


class CheckpointError(OSError):
    """A checkpoint that cannot be found, read or used; the message is one sentence that says what to do."""


class NotDamagedError(CheckpointError):
    """A checkpoint that cannot be used although its files are intact: fetching them again would not help."""


def first_line(text: object, *, longest: int = 160) -> str:
    """Return the text of another library's error, as a part of one sentence."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[0][:longest] if lines else type(text).__name__


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor's bytes are: `file`, from byte `start` up to, not including, `stop`."""

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes of the tensor."""
        return self.stop - self.start


def header_length(first_bytes: bytes, *, file: str, longest: int = LONGEST_HEADER) -> int:
    """Return the length of the JSON header, from the file's first 8 bytes; raises CheckpointError."""
    length = struct.unpack("<Q", first_bytes)[0] if len(first_bytes) == 8 else 0
    if not 2 <= length <= longest:
        raise CheckpointError(f"{file} is no safetensors file, or is damaged: fetch it again")
    return length


def parse_header(header: bytes, *, file: str, file_size: int) -> dict[str, TensorInfo]:
    """Return all tensors of a safetensors file by name.

    header: the JSON part. file_size: bytes of the whole file, to notice a truncated one.
    Raises CheckpointError for a damaged header, tensors outside the file or sizes that do not add up.
    """
    begin = 8 + len(header)
    try:
        entries = json.loads(header)
        entries.pop("__metadata__", None)
        infos = {name: _tensor_info(name, file, entry, begin) for name, entry in entries.items()}
        end = _end_without_gaps(infos.values(), begin)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"the header of {file} is damaged: fetch the file again") from error
    if end != file_size:
        raise CheckpointError(f"{file} should hold {end:,} bytes but holds {file_size:,}: fetch it again")
    return infos


def _end_without_gaps(infos: Iterable[TensorInfo], begin: int) -> int:
    """Where the last tensor ends; ValueError for overlaps and gaps, which the format forbids."""
    end = begin
    for info in sorted(infos, key=lambda info: (info.start, info.stop)):
        if info.start != end:
            raise ValueError(f"{info.name} starts at byte {info.start}, not at {end}")
        end = info.stop
    return end


def _tensor_info(name: str, file: str, entry: dict, begin: int) -> TensorInfo:
    first, last = entry["data_offsets"]
    for number in (first, last, *entry["shape"]):
        if type(number) is not int or number < 0:
            raise ValueError(f"{name}: {number!r} is no length or offset")
    info = TensorInfo(name, file, entry["dtype"], tuple(entry["shape"]), begin + first, begin + last)
    numbers = 1
    for length in info.shape:
        numbers *= length
    if info.size != numbers * BYTES_OF[info.dtype]:
        raise ValueError(f"{name}: {info.size} bytes for {info.dtype} {info.shape}")
    return info


# ------------------------------------------------------------------------------- folders on this machine


def files_of_index(index: Mapping, wanted: str, *, where: str) -> list[str]:
    """Return the names of the shards with tensors whose names begin with `wanted`, from a parsed index.

    Raises CheckpointError for an index that is damaged or names files outside its folder.
    """
    try:
        files = {file for name, file in index["weight_map"].items() if name.startswith(wanted)}
        if any(not file.endswith(".safetensors") or Path(file).name != file for file in files):
            raise ValueError(f"unexpected file names {sorted(files)}")
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{INDEX_FILE} of {where} is damaged: fetch it again") from error
    return sorted(files)


def tensors_of_folder(folder: Path, wanted: str = "") -> dict[str, TensorInfo]:
    """Return a checkpoint folder's tensors whose names begin with `wanted`; only headers are read.

    The folder holds `model.safetensors`, or an index and its shards, or (saved by hand) one other
    safetensors file. Raises CheckpointError where there is none or it is damaged.
    """
    infos: dict[str, TensorInfo] = {}
    for file in _weight_files(folder, wanted):
        for name, info in tensors_of_file(file).items():
            if name.startswith(wanted):
                infos[name] = info
    return infos


def tensors_of_file(path: Path) -> dict[str, TensorInfo]:
    """Return all tensors of one safetensors file; raises CheckpointError."""
    _require_regular(path)
    try:
        with path.open("rb") as stream:
            length = header_length(stream.read(8), file=str(path))
            header = stream.read(length)
            if len(header) < length:
                raise CheckpointError(f"{path} is truncated within its header: fetch it again")
            return parse_header(header, file=str(path), file_size=os.fstat(stream.fileno()).st_size)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: copy or fetch the whole checkpoint again") from error


def _require_regular(path: Path) -> None:
    """Refuse a pipe, a device or a folder in place of a file: reading some of them would never end."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is not a regular file: copy or fetch the whole checkpoint again")


def header_bytes(files: Iterable[str]) -> int:
    """Return the bytes that the headers of these files take, the length in front included."""
    total = 0
    for file in files:
        with open(file, "rb") as stream:
            total += 8 + header_length(stream.read(8), file=file)
    return total


def _weight_files(folder: Path, wanted: str) -> list[Path]:
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    if (folder / INDEX_FILE).is_file():
        index = read_json(folder / INDEX_FILE)
        return [folder / name for name in files_of_index(index, wanted, where=str(folder))]
    others = [file for file in sorted(folder.glob("*.safetensors")) if file.name != PART_FILE]
    if len(others) == 1:
        return others
    if others:
        raise CheckpointError(f"{folder} holds {len(others)} safetensors files and no {INDEX_FILE}")
    if any(file.suffix in PICKLES for file in folder.iterdir()):
        raise CheckpointError(only_pickles(str(folder)))
    raise CheckpointError(f"{folder} holds no safetensors file, so it is no checkpoint")


def only_pickles(where: str) -> str:
    """Return the message for a checkpoint without safetensors."""
    return (
        f"{where} holds its weights as pickle files only, which can run code when they are read: "
        f"convert it to safetensors, or take another revision or copy"
    )


def read_json(path: Path) -> dict:
    """Return a JSON object from a file; CheckpointError if it is missing or no object."""
    _require_regular(path)
    try:
        return parsed(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: copy or fetch the whole checkpoint again") from error


def parsed(content: bytes, what: str) -> dict:
    """Return a JSON object from bytes; raises CheckpointError that names `what`."""
    value = any_json(content, what)
    if not isinstance(value, dict):
        raise CheckpointError(f"{what} is no JSON object: fetch it again")
    return value


def any_json(content: bytes, what: str) -> object:
    """Return what JSON says, of any type; raises CheckpointError that names `what`."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{what} is no JSON, or damaged: fetch it again") from error


def read_tensors(
    infos: Iterable[TensorInfo],
    *,
    dtype: "torch.dtype | None" = None,
    device: "torch.device | str | None" = None,
) -> dict[str, "torch.Tensor"]:
    """Return these tensors of local files, by name, converted one by one.

    dtype: of the floating-point tensors; None keeps each as stored. Other tensors of the files are not
    read, and no file is read into memory as a whole. Raises CheckpointError.
    """
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, torch.Tensor] = {}
    for group in _groups(infos):
        try:
            with safe_open(group[0].file, framework="pt") as file:
                for info in group:
                    tensors[info.name] = _own(file.get_tensor(info.name), dtype, device)
        except SafetensorError as error:
            raise CheckpointError(f"{group[0].file} is damaged: fetch it again") from error
    return tensors


def require_floating(infos: Mapping[str, TensorInfo], *, where: str) -> None:
    """Raise CheckpointError for weights that are whole numbers: without their scales they mean nothing.

    Position numbers, which old files hold, are no weights.
    """
    whole = [
        info
        for name, info in infos.items()
        if not info.dtype.startswith(("F", "BF")) and not name.endswith("position_ids")
    ]
    if whole:
        raise CheckpointError(
            f"{where} holds quantized weights ({whole[0].dtype}): {len(whole)}, such as {whole[0].name}; "
            f"take the checkpoint with floating-point weights"
        )


def require_finite(tensors: "Mapping[str, torch.Tensor]", *, where: str) -> None:
    """Raise CheckpointError if weights are NaN or infinite: how many, and in which tensors.

    Integers are skipped, and tensors without memory (device "meta").
    """
    bad = {name: count for name, tensor in tensors.items() if (count := _not_finite(tensor))}
    if bad:
        most = max(bad, key=lambda name: bad[name])
        raise CheckpointError(
            f"{where} holds NaN or infinite weights: {sum(bad.values()):,} in {len(bad)} of its "
            f"{len(tensors)} tensors, most of them in {most}; fetch or save the checkpoint again"
        )


def _not_finite(tensor: "torch.Tensor") -> int:
    """Values that are NaN or infinite. Both show in the extremes, which are ten times as fast as isfinite.

    Measured on one core: aminmax 1.6 GB/s (bfloat16) to 2.0 GB/s (float32), isfinite().all() 0.13 to 0.19.
    """
    import torch

    if tensor.is_meta or not tensor.is_floating_point() or tensor.numel() == 0:
        return 0
    if tensor.dtype.itemsize == 1:  # torch compares no 8-bit floats
        tensor = tensor.float()
    least, largest = torch.aminmax(tensor.detach())
    if torch.isfinite(least) and torch.isfinite(largest):
        return 0
    return tensor.numel() - int(torch.isfinite(tensor).sum())


def _own(
    mapped: "torch.Tensor", dtype: "torch.dtype | None", device: "torch.device | str | None"
) -> "torch.Tensor":
    """Return a copy of a tensor, because `safe_open` returns one in the mapped file."""
    if not mapped.is_floating_point():
        dtype = None
    return mapped.to(device=device or "cpu", dtype=dtype or mapped.dtype, copy=True)


def _groups(infos: Iterable[TensorInfo]) -> Iterator[list[TensorInfo]]:
    """Places of one file each, in the file's order, about BYTES_A_MAPPING at a time."""
    in_order = sorted(infos, key=lambda info: (info.file, info.start))
    for _, file_infos in groupby(in_order, key=lambda info: info.file):
        group: list[TensorInfo] = []
        for info in file_infos:
            if group and info.stop - group[0].start > BYTES_A_MAPPING:
                yield group
                group = []
            group.append(info)
        yield group


# ------------------------------------------------------------------------------- ranges, and a file of them


def merge_ranges(infos: Sequence[TensorInfo]) -> list[list[TensorInfo]]:
    """Group tensors so that each group is one unbroken run of bytes of one file: one request a group.

    Zero-sized tensors join their neighbor's group. Order: by file, then by offset.
    """
    runs: list[list[TensorInfo]] = []
    for info in sorted(infos, key=lambda info: (info.file, info.start, info.stop)):
        if runs and runs[-1][-1].file == info.file and runs[-1][-1].stop == info.start:
            runs[-1].append(info)
        else:
            runs.append([info])
    return runs


def write_header(stream: IO[bytes], infos: Iterable[TensorInfo], metadata: Mapping[str, str]) -> int:
    """Begin a safetensors file of these tensors, whose bytes the caller then writes in the same order.

    Returns the bytes written. The header is padded with spaces to a multiple of 8, as the format asks.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    offset = 0
    for info in infos:
        entries[info.name] = {
            "dtype": info.dtype,
            "shape": list(info.shape),
            "data_offsets": [offset, offset + info.size],
        }
        offset += info.size
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return stream.write(struct.pack("<Q", len(header)) + header)


__getattr__ = old_names(__name__, {"TensorPlace": "TensorInfo"})  # changed in 0.2.0
