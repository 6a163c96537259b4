"""Copies and leftovers of files that are written whole or not at all (`phi3lib.loading.files`)."""

import os
import shutil
from pathlib import Path

from phi3lib.loading.files import TEMPORARY as TEMPORARY
from phi3lib.loading.files import replacing as replacing


def keep_copy(path: Path, copy: Path) -> None:
    """Keep the content of `path` under a second name, `copy`; `path` itself is there at every moment.

    A hard link where the file system has them, so that nothing is copied.
    """
    with replacing(copy) as temporary:
        try:
            os.link(path, temporary)
        except OSError:  # not on FAT and some network file systems
            shutil.copyfile(path, temporary)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes have left of `path`.

    Only the process that holds the lock of `path` may call this.
    """
    for file in path.parent.iterdir():
        number = file.name.removeprefix(path.name + ".").removesuffix(TEMPORARY)
        if file.name == f"{path.name}.{number}{TEMPORARY}" and number.isdigit():
            file.unlink(missing_ok=True)
