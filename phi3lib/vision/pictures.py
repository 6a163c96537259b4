"""Images from any source: each becomes a Pillow image of mode RGB, or a ValueError says why not.

The policy for images, wherever they come from (files, bytes, uploads, data sets, images opened by hand):

- **Orientation.** A camera's EXIF orientation is applied (`read_upright`). The one exception is
  `Phi3VImageProcessor` called directly, which uses `read_picture`: the published code ignores the tag, and
  its output is reproduced bit for bit. An array carries no tag and is taken as it is.
- **Transparency** is dropped, not blended, as in the published code: what lies under transparent pixels
  appears, often black. `read` adds a note.
- **Several frames or pages**: of a file the first is taken, and `read` adds a note. Of an image opened by
  hand, the frame at which it stands.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import torch
from PIL import Image

from phi3lib.vision.inputs import as_entries, is_url
from phi3lib.vision.picture_files import open_image, open_regular, reason

Picture: TypeAlias = Image.Image | np.ndarray | torch.Tensor | str | os.PathLike[str]
Pictures: TypeAlias = Picture | Sequence["Pictures"]
Admit: TypeAlias = Callable[[int, int], None]
Least: TypeAlias = Callable[[int, int], tuple[int, int]]

DRAFTED = ("JPEG", "MPO")
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {  # by its value; ImageOps would also write the whole EXIF data again, which fails for some
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRANSPARENT = "it has transparent pixels; transparency is dropped"
FRAMES = "it has several frames or pages; the first one was taken"
BAD_EXIF = "its EXIF data cannot be read; no orientation was applied"


def flatten_pictures(images: Pictures) -> list[Picture]:
    """Lay one picture, or lists of pictures nested in any way, out as one flat list.

    An array (N, H, W, C) or a tensor (N, C, H, W) counts as N pictures. Lists may be columns of any library,
    as for `as_entries`.
    """
    if isinstance(images, np.ndarray | torch.Tensor) and images.ndim == 4:
        return list(images)
    if _is_collection(images):
        return [picture for item in as_entries(images, "images") for picture in flatten_pictures(item)]
    return [images]  # type: ignore[list-item]  # a single picture; what it is, read_picture checks


def _is_collection(images: Any) -> bool:
    """Whether these are pictures or names: a sequence of any library, and neither a picture nor a file."""
    if isinstance(images, np.ndarray | torch.Tensor):
        return isinstance(images, np.ndarray) and images.ndim > 0 and images.dtype.kind in "OUS"
    single = (str, bytes, bytearray, memoryview, os.PathLike, Mapping, Image.Image)
    return isinstance(images, Iterable) and not isinstance(images, single) and not hasattr(images, "read")


@dataclass(frozen=True)
class Reading:
    """An upright RGB image, and one sentence for each thing that was lost on the way."""

    picture: Image.Image
    notes: tuple[str, ...] = ()


def read_upright(picture: Picture | bytes | BinaryIO) -> Image.Image:
    """Return an upright RGB image from whatever `read_picture` takes, or from the bytes of an image file.

    Raises ValueError with the reason if it cannot be read.
    """
    return read(picture).picture


def read_small(picture: Picture | bytes | BinaryIO, side: int) -> Image.Image:
    """Return what `read_upright` returns, of a JPEG file at a fraction of its size that saves time.

    Its shorter side is at least `side` pixels where that of the file is.
    """
    return read(picture, least=lambda width, height: (side, side)).picture


def read(
    picture: Picture | bytes | BinaryIO, admit: Admit | None = None, least: Least | None = None
) -> Reading:
    """Return an upright image with notes; `admit(width, height)` is called before its pixels are decoded.

    least: gives for the width and height of a file those that are needed at least: a JPEG is then decoded
    at the half, a quarter or an eighth of its size, averaged, if that is enough, and `admit` has this size.

    Raises ValueError with the reason if it cannot be read.
    """
    try:
        if isinstance(picture, str | os.PathLike):
            with open_regular(picture) as file:
                return _read_opened(_drafted(open_image(file), least), admit)
        if isinstance(picture, bytes | bytearray | memoryview):
            return _read_opened(_drafted(open_image(io.BytesIO(picture)), least), admit)
        if isinstance(picture, Image.Image):
            return _read_opened(picture, admit, in_memory=True)
        if not isinstance(picture, np.ndarray | torch.Tensor) and hasattr(picture, "read"):
            return _read_opened(_drafted(open_image(picture), least), admit)
        if isinstance(picture, np.ndarray | torch.Tensor):
            return _read_opened(_picture_of(picture), None, in_memory=True)
        return Reading(read_picture(picture))  # type: ignore[arg-type]  # raises the ValueError
    except Exception as error:  # damaged files make Pillow's readers raise almost anything
        raise ValueError(reason(error)) from error


def _drafted(opened: Image.Image, least: Least | None) -> Image.Image:
    """Return the opened file, of which a JPEG will be decoded at a fraction of its size if that is enough."""
    if least is not None and opened.format in DRAFTED:
        opened.draft("RGB", least(*opened.size))
    return opened


def _read_opened(opened: Image.Image, admit: Admit | None, *, in_memory: bool = False) -> Reading:
    """Return the reading of an opened image, decoded if necessary; the image itself is unchanged."""
    _require_pixels(opened)
    if admit is not None:
        admit(*opened.size)
    notes: tuple[str, ...] = (FRAMES,) if not in_memory and _has_frames(opened) else ()
    opened.load()
    turned, turning_notes = _turned(opened)
    notes += turning_notes + ((TRANSPARENT,) if _is_transparent(opened) else ())
    return Reading(_convert(turned), notes)


# What is only asked for a note may fail in many ways, and an image that can be decoded is not refused for it.


def _has_frames(opened: Image.Image) -> bool:
    """Whether an opened file has further frames or pages; it then stands at the first one."""
    try:
        return bool(getattr(opened, "is_animated", False))
    except Exception:  # there are some, and they are damaged
        opened.seek(0)
        return True


def _turned(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # EXIF data is written by anyone, and its parser raises many things
        return picture, (BAD_EXIF,)
    if orientation not in TURNS:
        return picture, ()
    turned = picture.transpose(TURNS[orientation])
    # Without the tag, which may stand in several places, so that nobody turns it again.
    turned.info = {name: value for name, value in picture.info.items() if name == "transparency"}
    return turned, ()


def _is_transparent(picture: Image.Image) -> bool:
    """Whether a pixel is transparent, wholly or in part; an alpha channel that is opaque loses nothing."""
    try:
        if not picture.has_transparency_data:
            return False
    except Exception:  # of an image in an ICNS file Pillow loses the palette
        return False
    with_alpha = picture if picture.getbands()[-1] in ("A", "a") else picture.convert("RGBA")
    alpha = with_alpha.getchannel(len(with_alpha.getbands()) - 1)
    return alpha.getextrema() != (255, 255)


def read_picture(picture: Picture) -> Image.Image:
    """Turn anything that holds a picture into a loaded Pillow picture of mode RGB.

    Takes Pillow pictures of any mode, file names, uint8 (or grey uint16) arrays (H, W), (H, W, 1), (H, W,
    3), (H, W, 4) and uint8 tensors (H, W), (1, H, W), (3, H, W), (4, H, W). As in the published code,
    transparency is dropped, not blended, an animation gives the frame at which it stands (a file: the
    first), and a camera's EXIF orientation is NOT applied: `read_upright` applies it. Unlike there, 16-bit
    grey is scaled to 8 bits instead of cut off at 255, which would leave white.

    Raises ValueError for what cannot be read, for URLs (nothing here uses the network), and for floating
    point, whose range is unknown.

    >>> read_picture(np.zeros((2, 3, 4), dtype=np.uint8)).size
    (3, 2)
    """
    if isinstance(picture, Image.Image):
        return _to_rgb(picture)
    if isinstance(picture, np.ndarray | torch.Tensor):
        return _to_rgb(_picture_of(picture))
    if isinstance(picture, str | os.PathLike):
        return _read_file(picture)
    raise ValueError(
        f"{type(picture).__name__} is not a picture; pass a Pillow picture, a file name, a uint8 array "
        f"(H, W, channels) or a uint8 tensor (channels, H, W)"
    )


def _read_file(path: str | os.PathLike[str]) -> Image.Image:
    name = os.fsdecode(path)
    if is_url(name):
        raise ValueError(
            f"{name[:80]!r} is a URL; nothing is downloaded here. Save the picture to a file first"
        )
    try:
        with open_regular(name) as file, open_image(file) as opened:
            opened.load()
            return _convert(opened)
    # Damaged files make Pillow's readers raise almost anything: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise ValueError(f"cannot read {name!r}: {error}") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    _require_pixels(picture)
    try:
        picture.load()
        return _convert(picture)
    except Exception as error:  # as in _read_file: pictures are often opened first and decoded here
        raise ValueError(f"cannot read a picture of mode {picture.mode}: {error}") from error


def _require_pixels(picture: Image.Image) -> None:
    if 0 in picture.size:
        side = "height" if picture.width else "width"
        raise ValueError(f"its {side} is 0: it has no pixels")


def _convert(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode == "F":
        raise ValueError(
            "its values are floats of unknown range; scale them to 0…255 and convert it to mode L"
        )
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return _gray_from_deep(np.array(picture), sixteen_bits=picture.mode != "I").convert("RGB")
    if picture.mode == "La":  # Pillow converts it to nothing else
        picture = picture.convert("LA")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.copy()  # Pillow warns that the transparency is lost, which is meant here
        del picture.info["transparency"]
    return picture.convert("RGB")


def _gray_from_deep(values: np.ndarray, *, sixteen_bits: bool) -> Image.Image:
    """(H, W) integers → 8-bit grey picture. 16-bit values are divided by 257 and rounded: 65535 is white.

    Mode I does not say how many bits it means: up to 255 the values are kept, up to 65535 taken as 16 bits.
    """
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > 65535:
        raise ValueError(f"its values go from {low} to {high}; 8 or 16 bits can be read, 0 to 65535")
    if sixteen_bits or high > 255:
        values = (values.astype(np.uint32) + 128) // 257
    return Image.fromarray(values.astype(np.uint8))


def _picture_of(picture: np.ndarray | torch.Tensor) -> Image.Image:
    """(H, W), (H, W, 1, 3 or 4) or a tensor (1, 3 or 4, H, W) → a Pillow picture of mode L, RGB or RGBA."""
    if isinstance(picture, np.ndarray):
        return _picture_of_array(picture, "an array (H, W, channels)", picture.shape)
    _require_dtype(picture.dtype, torch.uint8, torch.uint16)  # NumPy does not know all others
    array = (picture.permute(1, 2, 0) if picture.ndim == 3 else picture).detach().cpu().numpy()
    return _picture_of_array(array, "a tensor (channels, H, W)", picture.shape)


def _picture_of_array(array: np.ndarray, expected: str, shape: Sequence[int]) -> Image.Image:
    """Do the same for an array; `expected` and `shape` describe for the error what the caller passed."""
    if np.ma.is_masked(array):
        raise ValueError("it is an array with masked pixels; fill them, as with array.filled(0)")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    _require_dtype(array.dtype, np.uint8, np.uint16)
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ValueError(
            f"expected {expected} with 1, 3 or 4 channels, or (H, W); the shape is {tuple(shape)}"
        )
    if array.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(array))
    if array.ndim == 3:
        raise ValueError(
            "16 bits are read for grey pictures only; divide colours by 257 and convert to uint8"
        )
    return _gray_from_deep(array, sixteen_bits=True)


def _require_dtype(dtype: Any, *allowed: Any) -> None:
    if dtype not in allowed:
        raise ValueError(
            f"values of type {dtype} do not say which of them is white; scale to 0…255 and convert to uint8"
        )


@contextmanager
def naming_picture(number: int, count: int) -> Iterator[None]:
    """Add to a ValueError which of several pictures it is about."""
    try:
        yield
    except ValueError as error:
        if count == 1:
            raise
        raise ValueError(f"picture {number} (of {count}, counted from 0): {error}") from error
