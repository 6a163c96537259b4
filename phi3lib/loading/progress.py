"""How transformers is called to load: without progress bars, and by one thread at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# While transformers loads a model it replaces functions of its own classes. Two threads that load at once may
# put back each other's replacement: afterwards no model of the process ties its weights.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Load within: no other thread does, and no bars are shown, which change with each run of a notebook."""
    from transformers.utils import logging

    with _ONE_AT_A_TIME:
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            if shown:
                logging.enable_progress_bar()
