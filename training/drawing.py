"""Pictures that worker processes draw ahead of time, so that a fast device does not wait for them."""

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Generic, TypeVar

import torch
import torch.multiprocessing as mp

Drawn = TypeVar("Drawn")
AHEAD = 3  # batches that are under way for each worker


class Ahead(Generic[Drawn]):
    """`take(n, f)` is `draw(*f(n))`; with workers the batches that follow n are begun meanwhile.

    What `f` says of a later batch is what it says when that batch is begun: how hard pictures are, or how
    much of the time is over, may be some batches old. Without workers everything is drawn when it is asked
    for.
    """

    def __init__(self, draw: Callable[..., Drawn], workers: int) -> None:
        self.draw = draw
        self.begun: dict[int, Future[Drawn]] = {}
        self.depth = AHEAD * workers
        self.pool = (
            ProcessPoolExecutor(workers, mp_context=mp.get_context("spawn"), initializer=_one_thread)
            if workers
            else None
        )

    def take(self, number: int, arguments_of: Callable[[int], tuple[object, ...]]) -> Drawn:
        """Batch `number`. An error in a worker is raised here."""
        if self.pool is None:
            return self.draw(*arguments_of(number))
        for later in range(number, number + self.depth):
            if later not in self.begun:
                self.begun[later] = self.pool.submit(self.draw, *arguments_of(later))
        return self.begun.pop(number).result()

    def close(self) -> None:
        """End the workers; what they have begun is thrown away."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)


def _one_thread() -> None:
    torch.set_num_threads(1)
