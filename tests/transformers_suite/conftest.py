"""How the tests of transformers are collected and compared with `known.py`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transformers_suite import mixins
from tests.transformers_suite.known import DOES_NOT_APPLY, FAULTS

# Both are read when transformers is imported. What is slow only there takes a second with tiny models.
os.environ.setdefault("RUN_SLOW", "yes")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
HERE = Path(__file__).parent
MARKERS = (
    "accelerate_tests flash_attn_test flash_attn_3_test flash_attn_4_test torch_compile_test generate "
    "is_training_test"
)

if mixins.missing() is None:
    mixins.install()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that transformers' tests carry."""
    for name in MARKERS.split():
        config.addinivalue_line("markers", f"{name}: set in transformers' own tests")


def pytest_ignore_collect(collection_path: Path) -> None:
    """Raise UsageError, with what to do, if the mixins are not there."""
    reason = mixins.missing()
    if reason is not None and collection_path.parent == HERE:
        raise pytest.UsageError(reason)


def name_of(item: pytest.Item) -> str:
    """Return a test's name in the lists: class and method."""
    return f"{item.parent.name}.{item.name}" if item.parent else item.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect listed tests to fail."""
    for item in items:
        reason = {**DOES_NOT_APPLY, **FAULTS}.get(name_of(item))
        if reason is not None and item.path.parent == HERE:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Let a listed test fail that was skipped: its entry says nothing any more."""
    report = yield
    listed = name_of(item) in {**DOES_NOT_APPLY, **FAULTS}
    if listed and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{name_of(item)} is listed in known.py but was skipped; remove the entry"
    return report
