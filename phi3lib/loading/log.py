"""Messages of the library while it works: sizes of downloads, time estimates, the effect of fewer bits.

Everything goes through the logger "phi3lib" at level INFO. Its messages are written to standard output, so
that they appear in a notebook without any set-up; `logging.getLogger("phi3lib").setLevel(
"WARNING")` silences them, and a handler that was added before the first message replaces this.
"""

import logging
import sys


class _StandardOutput(logging.Handler):
    """Writes to what `sys.stdout` is at the time of the message: notebooks and tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(f"{self.format(record)}\n")


def tell(message: str) -> None:
    """Log a message for the user."""
    logger = logging.getLogger("phi3lib")
    if not logger.handlers and logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
        logger.addHandler(_StandardOutput())
    logger.info(message)
