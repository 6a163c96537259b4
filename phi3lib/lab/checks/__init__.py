"""Checks of the exercises: pass your function in, get one sentence back.

    checks.token_count(my_token_count)

A check tries your function on the smallest cases first and reports the first one that fails, with the
mistake if it is a known one. An exercise that is not answered yet never stops a notebook.

The modules `nb00` to `a2` hold the checks of one notebook each; they are discovered, and `check_of`
registers a check under the name of its function.
"""

from typing import Any

from phi3lib.lab.checks import registry
from phi3lib.lab.checks.base import Verdict

registry.find_checks(__name__, __path__)
_CHECKS = {check.__name__: check for check in registry.checks().values()}
globals().update(_CHECKS)

__all__ = ["Verdict", *sorted(_CHECKS)]  # strings, of the modules that were found


def __getattr__(name: str) -> Any:  # without it a type checker would know no check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
