"""The kinds that have content: digits, letters, signs, charts, cards, dice, clocks, flags, documents."""

from phi3lib.picturebook.kind import Kind
from phi3lib.picturebook.pages.cards import CARD
from phi3lib.picturebook.pages.charts import CHART_KINDS
from phi3lib.picturebook.pages.clocks import CLOCK
from phi3lib.picturebook.pages.dice import DIE
from phi3lib.picturebook.pages.digits import DIGITS
from phi3lib.picturebook.pages.documents import DOCUMENT_KINDS
from phi3lib.picturebook.pages.flags import FLAGS
from phi3lib.picturebook.pages.letters import LETTERS
from phi3lib.picturebook.pages.signs import SIGN

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
