"""The kinds that have content: digits, letters, signs, charts, cards, dice, clocks, flags, documents."""

from picturebook.kind import Kind
from picturebook.pages.cards import CARD
from picturebook.pages.charts import CHART_KINDS
from picturebook.pages.clocks import CLOCK
from picturebook.pages.dice import DIE
from picturebook.pages.digits import DIGITS
from picturebook.pages.documents import DOCUMENT_KINDS
from picturebook.pages.flags import FLAGS
from picturebook.pages.letters import LETTERS
from picturebook.pages.signs import SIGN

PAGE_KINDS: tuple[Kind, ...] = (
    *DIGITS,
    *LETTERS,
    SIGN,
    *CHART_KINDS,
    CARD,
    DIE,
    CLOCK,
    *FLAGS,
    *DOCUMENT_KINDS,
)

# Kinds that take a colour but show no pattern: print or pips on stripes cannot be read.
WITHOUT_PATTERN: frozenset[str] = frozenset({SIGN.name, DIE.name, CLOCK.name})
