"""The exercises of the course, as their checks are registered in `phi3lib.lab.checks`."""

from phi3lib.lab import checks  # noqa: F401  # finds and registers them
from phi3lib.lab.checks.registry import Exercise, exercises

__all__ = ["EXERCISES", "Exercise"]

EXERCISES: tuple[Exercise, ...] = exercises()
