"""What pyproject.toml cannot say: a wheel holds the folder data/ too, as phi3lib/data/.

So the small models and the gallery come with `pip install` of a wheel. A checkout, and an editable install of
it, read them where they are.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = Path(__file__).resolve().parent / "data"


class BuildWithData(build_py):
    """Copy data/ beside the modules; a source tree without it makes a wheel without it."""

    def run(self) -> None:
        super().run()
        if DATA.is_dir() and not self.editable_mode:
            shutil.copytree(DATA, Path(self.build_lib) / "phi3lib" / "data", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithData})
