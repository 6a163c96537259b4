"""Import the common tests of transformers from its source distribution, which lies in `build/`.

Its `tests` folder holds the mixins for models, processors, image processors and tokenizers at the top level.
What these import from folders that the distribution lacks is in `stand_ins/`, beside this file. Both folders
together are the package `transformers_tests`, so `transformers_tests.test_modeling_common` finds each module.
"""

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
STAND_INS = Path(__file__).parent / "stand_ins"
INSTALLED = version("transformers")  # without importing it, which reads the environment
SOURCES = ROOT / "build" / f"transformers-{INSTALLED}"
PACKAGE = "transformers_tests"


def missing() -> str | None:
    """Return what is missing to run the suite, as a sentence; None if it can run."""
    if not (SOURCES / "tests" / "test_modeling_common.py").is_file():
        return (
            f"{SOURCES.relative_to(ROOT)}/tests not found: `make test-transformers-suite` fetches it for the "
            f"version in requirements.lock (transformers {INSTALLED} is installed)"
        )
    return None


def install() -> None:
    """Make `transformers_tests` and the one module that the mixins import by its bare name importable."""
    package = ModuleType(PACKAGE)
    package.__path__ = [str(SOURCES / "tests"), str(STAND_INS)]
    sys.modules[PACKAGE] = package
    name = "fetch_hub_objects_for_ci"
    spec = importlib.util.spec_from_file_location(name, STAND_INS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # the file is beside this one
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    sys.modules[name] = module
