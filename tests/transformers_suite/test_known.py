"""The list of known failures names tests that exist."""

import importlib

from tests.transformers_suite.known import DOES_NOT_APPLY, FAULTS

MODULES = ("test_model", "test_processor", "test_image_processor", "test_tokenizer")


def test_listed_tests_exist() -> None:
    modules = [importlib.import_module(f"tests.transformers_suite.{name}") for name in MODULES]
    for listed in [*DOES_NOT_APPLY, *FAULTS]:
        class_name, method = listed.split(".")
        assert any(hasattr(getattr(module, class_name, None), method) for module in modules), listed


def test_reasons_are_given_once() -> None:
    assert not DOES_NOT_APPLY.keys() & FAULTS.keys()
    assert all(reason.strip() for reason in [*DOES_NOT_APPLY.values(), *FAULTS.values()])
