"""What the command line writes: results to standard output, all else to standard error, names escaped.

A file name may hold anything but "/" and NUL: a line break forges a line of output, an escape sequence
recolors the terminal or changes its title. `shown` writes such characters as escapes, so that different
names stay different.
"""

import contextlib
import json
import logging
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from phi3lib.vision.inputs import all_printable, printable

# Control characters, line separators, characters that change the direction of text, halves of a pair.
_HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
EXAMPLES = 5  # names of one reason that are listed


def shown(text: object) -> str:
    r"""Return a text with everything a terminal could obey written as an escape.

    >>> shown("a\x1b[31m.png")
    'a\\x1b[31m.png'
    """
    return _HOSTILE.sub(lambda found: found[0].encode("unicode_escape").decode(), printable(str(text)))


class Terminal:
    """Where one command writes to.

    as_json: results are one JSON object. quiet: nothing but results and errors. interrupted: what to say
    after Ctrl-C; a command that can be resumed sets it.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet
        self.interrupted = ""

    @property
    def shows_progress(self) -> bool:
        """Whether bars are drawn."""
        return not self.quiet

    def say(self, line: str) -> None:
        """Write a line for the person at the keyboard; it may hold names as they come."""
        if not self.quiet:
            sys.stderr.write(f"{shown(line)}\n")
            sys.stderr.flush()

    def fail(self, line: str) -> None:
        """Write why a command failed: to standard error, and as {"error": …} where JSON is wanted."""
        sys.stderr.write(f"phi3lib: {shown(line)}\n")
        if self.as_json:
            sys.stdout.write(f"{json.dumps({'error': printable(line)})}\n")

    def result(self, lines: Iterable[str], data: dict[str, Any]) -> None:
        """Write the result of a command: lines for people, or data for programs."""
        if self.as_json:
            # Only ASCII: escapes of JSON stand for everything else.
            sys.stdout.write(f"{json.dumps(all_printable(data), indent=2)}\n")
            return
        for line in lines:
            sys.stdout.write(f"{shown(line)}\n")

    def say_left_out(self, what: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Write which files were left out or changed, grouped by the reason, the most frequent first."""
        for why, count in Counter(reason for _, reason in pairs).most_common():
            names = [name for name, reason in pairs if reason == why]
            more = f" and {count - EXAMPLES:,} more" if count > EXAMPLES else ""
            self.say(f"{what} ({count:,}): {why}: {', '.join(names[:EXAMPLES])}{more}")


@contextlib.contextmanager
def terminal_of(asked: Any) -> Iterator[Terminal]:
    """Yield the terminal of one command; within, messages and warnings of the library go through it."""
    terminal = Terminal(as_json=getattr(asked, "json", False), quiet=getattr(asked, "quiet", False))
    logger, handler = logging.getLogger("phi3lib"), _Handler(terminal)
    level = logger.level
    logger.addHandler(handler)
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("default", module="phi3lib")
            warnings.filterwarnings("default", category=UserWarning)
            # The command writes a summary of its own.
            warnings.filterwarnings("ignore", ".*see .notes of the table")
            warnings.showwarning = lambda message, *_, **__: terminal.say(f"note: {message}")
            yield terminal
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Handler(logging.Handler):
    """Passes messages of the library on to the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self.terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self.terminal.say(self.format(record))
