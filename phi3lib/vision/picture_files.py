"""Image files opened safely: regular files only, formats that Pillow decodes itself, errors in one clause."""

import os
import stat
from typing import BinaryIO

from PIL import Image

from phi3lib.vision.inputs import as_path, is_url

# Left out of Pillow's list: EPS and WMF (start Ghostscript, or need Windows), MPEG, PDF, BUFR, GRIB and
# HDF5 (recognized, never decoded). HEIF and JXL are read where a plug-in has registered them.
FORMATS = (
    "AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "HEIF", "ICNS",
    "ICO", "IM", "IMT", "IPTC", "JPEG", "JPEG2000", "JXL", "MCIDAS", "MPO", "MSP", "PCD", "PCX", "PIXAR",
    "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM", "XVTHUMB",
)  # fmt: skip


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading in binary mode; a leading `~` is expanded.

    Raises OSError for what is missing or not permitted, ValueError for a URL, an empty file, and for folders,
    pipes and devices, which are never waited for.
    """
    if is_url(os.fsdecode(path)):
        raise ValueError("this is a URL; nothing is downloaded here. Save the image to a file first")
    # Without O_NONBLOCK a pipe without a writer would block forever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(as_path(path), flags)
    try:
        _require_content(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _require_content(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("this is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("this is a pipe, a socket or a device, not a file")
    if status.st_size == 0:
        raise ValueError("the file is empty")


def open_image(file: BinaryIO) -> Image.Image:
    """Return the image in an open file, its header read and its pixels not yet; raises what Pillow raises."""
    Image.init()
    return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])


def reason(error: BaseException) -> str:
    """Return in one clause why an image could not be read."""
    known = {
        Image.UnidentifiedImageError: "this is no picture that Pillow can read",
        FileNotFoundError: "there is no such file",
        PermissionError: "no permission to read it",
        MemoryError: "not enough memory for it",
    }
    for error_type, clause in known.items():
        if isinstance(error, error_type):
            return clause
    if isinstance(error, Image.DecompressionBombError):
        return f"the picture is too large: {error}"
    # The ValueErrors of this package say all that is to say; those of other libraries have other types.
    if type(error) is ValueError:
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
