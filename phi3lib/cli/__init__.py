"""The command line: `python -m phi3lib`, or `phi3lib` where the package is installed.

    phi3lib atlas photos/ --out atlas.html       folder → vectors → maps → one HTML file
    phi3lib atlas photos/ --query "a red car"    … which ranks all pictures by this text
    phi3lib report photos/                       duplicates, outliers, empty and blurred pictures, clusters
    phi3lib search photos/ "a red car"           the nearest pictures of a text
    phi3lib duplicates photos/
    phi3lib embed photos/ --out photos.parquet
    phi3lib doctor
    phi3lib grade handed_in/ --csv grades.csv    run learners' notebooks, check their exercises

Results go to standard output, everything else to standard error. With `--json` the result is one JSON object,
an error too. May import everything else; nothing imports it.
"""

import contextlib
import os
import sys
from collections.abc import Sequence

from phi3lib.cli.arguments import DONE, FAILED, INTERRUPTED, parser
from phi3lib.cli.terminal import Terminal, terminal_of

__all__ = ["main", "run"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see `phi3lib.cli.arguments` for the codes.

    arguments: as on the command line, without the program's name; None: those of this process.
    Raises SystemExit for wrong arguments and for --help, as argparse does.
    """
    asked = parser().parse_args(arguments)
    with terminal_of(asked) as terminal:
        try:
            return _run(asked, terminal)
        except BrokenPipeError:  # the reader of the output, such as `head`, has seen enough
            _close_stdout()
            return DONE
        except KeyboardInterrupt:
            terminal.fail(terminal.interrupted or "Interrupted.")
            return INTERRUPTED


def _run(asked: object, terminal: Terminal) -> int:
    from phi3lib.cli.commands import COMMANDS, sentence

    try:
        code = COMMANDS[asked.command](asked, terminal)  # type: ignore[attr-defined]
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except (ValueError, OSError, MemoryError, ModuleNotFoundError) as error:
        terminal.fail(sentence(error))
        return FAILED


def run() -> None:
    """Run the command line of this process and exit."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "30")  # a log file gets a line now and then
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8
    sys.exit(main())


def _close_stdout() -> None:
    """Leave nothing to be flushed into the closed pipe when Python ends."""
    with contextlib.suppress(OSError, ValueError):  # standard output is no file, as in a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
