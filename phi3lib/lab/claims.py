"""Claims: conclusions that a notebook checks itself, on the machine where it runs.

    lab.claim(
        "umap-keeps-more",
        umap.value > pca.value,
        "UMAP keeps more of the true neighbors than PCA",
        because="UMAP optimises neighbors, and PCA optimises variance",
        shown={"PCA": pca, "UMAP": umap},
    )

shows "Holds here: UMAP keeps more … (measured: PCA 0.234, UMAP 0.550). Expected because …".

A conclusion belongs in a claim if another processor, seed or version could change its numbers. Beside the
text, the output holds the claim as data (`CLAIM_MIME`), so that tests read it from an executed notebook.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from phi3lib.lab.figures.palette import GREEN, NEUTRAL, VERMILION

CLAIM_MIME = "application/vnd.phi3lib.claim+json"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BORDER = {"Holds here": f"solid {GREEN}", "Does not hold here": f"dashed {VERMILION}"}  # never colour alone


@dataclass(frozen=True)
class Claim:
    """A statement with its reason, its outcome here, and the measured values that decide it.

    claimed: whether the statement is made for the checkpoints in use; where it is not, `holds` is reported
    but nothing is promised. shown: names and values of the measured quantities, in the order of the text.
    """

    name: str
    holds: bool
    statement: str
    because: str
    shown: dict[str, Any] = field(default_factory=dict)
    claimed: bool = True

    @property
    def verdict(self) -> str:
        """The words that the line starts with."""
        if not self.claimed:
            return "Not claimed for these checkpoints"
        return "Holds here" if self.holds else "Does not hold here"

    @property
    def detail(self) -> str:
        """The line after its verdict: statement, measured values, reason."""
        measured = ", ".join(f"{name} {value}" for name, value in self.shown.items())
        known = f" (measured: {measured})" if measured else ""
        if not self.claimed:
            outcome = "It holds here all the same." if self.holds else "It does not hold here."
            return (
                f"{self.statement}{known}. {outcome} Expected of the bundled models because {self.because}."
            )
        if self.holds:
            return f"{self.statement}{known}. Expected because {self.because}."
        return (
            f"{self.statement}{known}. It was expected because {self.because}; other images, settings or "
            f"models can break it, so do not rely on it here."
        )

    def __repr__(self) -> str:
        return f"{self.verdict}: {self.detail}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        border = _BORDER.get(self.verdict, f"dotted {NEUTRAL}")
        line = (
            f'<p class="phi3lib-claim" style="border-left: 4px {border}; padding-left: 0.6em">'
            f"<strong>{html.escape(self.verdict)}:</strong> {html.escape(self.detail)}</p>"
        )
        return {"text/html": line, "text/plain": repr(self), CLAIM_MIME: asdict(self)}


def claim(
    name: str,
    holds: Any,
    statement: str,
    *,
    because: str,
    shown: Mapping[str, Any] | None = None,
    any_model: bool = False,
) -> None:
    """Show whether a conclusion holds here, with its reason; never stop the notebook if it does not.

    name: lower-case words joined by hyphens, unique within the notebook; tests compare it.
    holds: one truth value, computed from what the cell measured.
    statement, because: parts of one sentence, without a full stop. The reason must make the statement true
    on any processor and seed; a threshold in it needs a margin that comes from an argument or a simulation.
    shown: the measured quantities, by the names that the reader sees; floats are shown with three digits.
    any_model: whether the statement is made for all checkpoints. By default it is made for the bundled ones
    only; with others the line says that it is not claimed.

    Raises ValueError for an unusable name, an empty text, or `holds` that is not one truth value.
    """
    made = make_claim(name, holds, statement, because=because, shown=shown, any_model=any_model)
    from IPython.display import display

    display(made)


def make_claim(
    name: str,
    holds: Any,
    statement: str,
    *,
    because: str,
    shown: Mapping[str, Any] | None = None,
    any_model: bool = False,
) -> Claim:
    """Return the Claim that `claim` shows; same arguments and errors."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a claim: use lower-case words joined by hyphens")
    texts = {"statement": statement, "because": because}
    for argument, text in texts.items():
        if not text.strip() or text.rstrip().endswith("."):
            raise ValueError(f"{argument} of claim {name!r} is {text!r}: pass a text without a full stop")
    quantities = {str(label): _plain(value) for label, value in (shown or {}).items()}
    claimed = any_model or _models_are_bundled()
    return Claim(name, _truth(name, holds), statement.strip(), because.strip(), quantities, claimed)


def _truth(name: str, holds: Any) -> bool:
    value = np.asarray(holds)
    if value.size != 1 or value.dtype != bool:
        raise ValueError(
            f"holds of claim {name!r} has {value.size} values of type {value.dtype}: pass one truth value, "
            f"such as (a > b).all()"
        )
    return bool(value.item())


def _plain(value: Any) -> Any:
    """Return a value for JSON: floats with three digits, other types as text."""
    if getattr(value, "ndim", None) == 0:  # one number of NumPy or PyTorch
        value = value.item()
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        if not np.isfinite(number):
            return str(number)
        return round(number) if abs(number) >= 1000 else float(f"{number:.3g}")
    return str(value)


def _models_are_bundled() -> bool:
    from phi3lib.loading.defaults import default_models

    return default_models().choice == "bundled"
