"""Copy the notebooks of the course into a learner's home folder: copy_notebooks.py COURSE HOME

A file that is already there is the learner's work and stays. The server runs this program under the learner's
account: in a home folder, where its owner can make any link, root must not write.
"""

import os
import shutil
import sys
from pathlib import Path


def copy_notebooks(course: Path, home: Path) -> list[Path]:
    """Copy notebooks and glossary to `home`/notebooks; return the files that were missing there."""
    folder = home / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    sources = [*sorted((course / "notebooks").glob("*.ipynb")), course / "notebooks" / "glossary.md"]
    missing = [source for source in sources if not os.path.lexists(folder / source.name)]
    return [Path(shutil.copyfile(source, folder / source.name)) for source in missing]


if __name__ == "__main__":
    copy_notebooks(Path(sys.argv[1]), Path(sys.argv[2]))
