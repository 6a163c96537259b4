"""A computation beside the loop of the kernel, which goes on answering, so that the page can stop it.

In a thread, and in turns with the loop, as Python runs one of them at a time. Where there is no loop, as in a
program, it is done at once and cannot be stopped.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Event, Thread
from typing import Any, TypeVar

Made = TypeVar("Made")
Tell = Callable[[float], None]
LEAST_TOLD = 0.01  # of a work, so that the page does not hear of each step


def in_steps(tell: Tell) -> Tell:
    """Return the same, that is called only once for each hundredth of the work."""
    told = 0.0

    def step(share: float) -> None:
        nonlocal told
        if share - told >= LEAST_TOLD:
            told = share
            tell(share)

    return step


class Stopped(Exception):
    """A computation that nobody waits for any more; raised where it tells how far it is."""


class Beside:
    """Computes one thing at a time: once it is stopped, or another is asked for, nothing comes of it."""

    def __init__(self) -> None:
        self._stopped = Event()

    def stop(self) -> None:
        """End what is being computed with its next step."""
        self._stopped.set()

    def start(
        self,
        compute: Callable[[Tell], Made],
        *,
        tell: Tell,
        done: Callable[[Made], None],
        failed: Callable[[Exception], None],
    ) -> bool:
        """Compute, and call `done` or `failed` with what came of it, in the loop; return whether it goes on.

        compute: is given a function that it calls with the share that is done, often enough to be stopped.
        """
        self.stop()
        self._stopped = stopped = Event()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _end(compute, in_steps(tell), done, failed)
            return False
        context = copy_context()  # of the page's message: answers belong to it

        def later(act: Callable[..., None], given: Any) -> None:
            with suppress(RuntimeError):  # the kernel has ended
                loop.call_soon_threadsafe(lambda: None if stopped.is_set() else act(given), context=context)

        def work() -> None:
            told = in_steps(lambda share: later(tell, share))

            def step(share: float) -> None:
                if stopped.is_set():
                    raise Stopped
                told(share)

            with suppress(Stopped):
                _end(compute, step, lambda made: later(done, made), lambda error: later(failed, error))

        Thread(target=work, name="phi3lib Atlas", daemon=True).start()
        return True


def _end(
    compute: Callable[[Tell], Made],
    tell: Tell,
    done: Callable[[Made], None],
    failed: Callable[[Exception], None],
) -> None:
    try:
        made = compute(tell)
    except Stopped:
        raise
    except Exception as error:
        failed(error)
    else:
        done(made)
