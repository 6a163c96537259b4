"""Conditions on columns, as in SQL's WHERE: `kind = 'cat' and width > 200`, to rows.

The page understands the same, see js/where.js; tests/lab/atlas/where.json holds cases that both must pass.
Nothing is evaluated as code: a text becomes words, the words a tree, and the tree one array for each column.

    test = column (= | != | < | <= | > | >=) value | column [not] in (value, …) | column [not] like 'IMG%'
         | column [not] between value and value | column is [not] null | column of true and false

Tests are combined by `and`, `or`, `not` and parentheses. Values are numbers, texts in single or double
quotes, dates as texts, true and false, or another column. Names of columns that are no plain words stand in
`backticks`. In `like`, % stands for any characters and _ for one; upper and lower case are the same. As in
SQL, a comparison with a missing number or date is neither true nor false, and its opposite neither. Missing
texts are "none", as on the page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.atlas.columns import NO_LABEL
from phi3lib.lab.atlas.fields import Field

LONGEST = 2_000  # characters of a condition
DEEPEST = 50  # parentheses and `not` within each other
FALSE, UNKNOWN, TRUE = 0, 1, 2  # so that `and` is the least of them and `or` the greatest
RESERVED = {"and", "or", "not", "like", "in", "between", "is", "null", "true", "false"}
KINDS = {"number": "numbers", "date": "dates", "text": "texts"}
_WORDS = re.compile(
    r"(?P<space>\s+)|(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<quoted>`(?:[^`]|``)+`)"
    r"|(?P<name>[^\W\d]\w*)|(?P<sign><=|>=|<>|!=|==|[=<>(),])"
)
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?)?)?)?", re.ASCII
)

Truths = NDArray[np.int8]


@dataclass(frozen=True)
class _Word:
    kind: str
    text: str
    value: Any
    at: int  # the first character's number, from 1
    end: int


class WhereError(ValueError):
    """A condition that is not understood: what is wrong, and from which character to which."""

    def __init__(self, what: str, at: int, end: int) -> None:
        super().__init__(f"at character {at}: {what}")
        self.at, self.end = at, end


def rows_where(text: str, fields: Mapping[str, Field], count: int) -> NDArray[np.intp]:
    """Return the rows, of `count`, for which a condition is true, in their order.

    WhereError, a ValueError with the position, for what is not understood and for columns that there are not.
    """
    if not isinstance(text, str):
        raise ValueError(f"the condition is a {type(text).__name__}; write a text such as width > 200")
    return np.flatnonzero(_Parser(text, fields, count).parsed() == TRUE)


def _words(text: str) -> list[_Word]:
    if len(text) > LONGEST:
        raise WhereError(f"the condition has {len(text)} characters; it may have {LONGEST:,}", 1, len(text))
    words, position = [], 0
    while position < len(text):
        found = _WORDS.match(text, position)
        if found is None:
            sign = text[position]
            what = f"the quote {sign} is not closed" if sign in "'\"`" else f"{sign} is not understood here"
            raise WhereError(what, position + 1, len(text) if sign in "'\"`" else position + 1)
        if found.lastgroup != "space":
            words.append(_word(str(found.lastgroup), found.group(), position + 1, found.end()))
        position = found.end()
    end = len(text.rstrip()) + 1
    return [*words, _Word("end", "", None, end, end)]


def _word(kind: str, text: str, at: int, end: int) -> _Word:
    if kind == "number":
        return _Word(kind, text, float(text), at, end)
    if kind in ("text", "quoted"):
        value = text[1:-1].replace(text[0] * 2, text[0])
        return _Word("text" if kind == "text" else "column", text, value, at, end)
    if kind == "name":
        return _Word("word" if text.lower() in RESERVED else "column", text, text, at, end)
    return _Word("sign", text, text, at, end)


class _Parser:
    """One pass over the words, from left to right; each method takes what it is named after."""

    def __init__(self, text: str, fields: Mapping[str, Field], count: int) -> None:
        self.words = _words(text)
        self.fields, self.count = fields, count
        self.index, self.depth = 0, -1  # a test alone is within nothing

    def parsed(self) -> Truths:
        if self.now.kind == "end":
            raise self.wrong("the condition is empty; write one such as width > 200")
        found = self.either()
        if self.now.kind != "end":
            raise self.wrong(f"expected and, or, or the end instead of {self.now.text}")
        return found

    # ------------------------------------------------------------------------------- words

    @property
    def now(self) -> _Word:
        return self.words[self.index]

    def wrong(self, what: str, first: _Word | None = None) -> WhereError:
        one = first or self.now
        return WhereError(what, one.at, max(one.end, one.at))

    def took(self, *texts: str) -> str:
        """Step over the next word if it is one of these, and return it in lower case; else ""."""
        text = self.now.text.lower() if self.now.kind in ("word", "sign") else ""
        if text not in texts:
            return ""
        self.index += 1
        return text

    def need(self, text: str) -> None:
        if not self.took(text):
            raise self.wrong(f"expected {text}{self.instead()}")

    def instead(self) -> str:
        return f" instead of {self.now.text}" if self.now.kind != "end" else " at the end"

    # ------------------------------------------------------------------------------- and, or, not

    def either(self) -> Truths:
        found = self.both()
        while self.took("or"):
            found = np.maximum(found, self.both())
        return found

    def both(self) -> Truths:
        found = self.opposite()
        while self.took("and"):
            found = np.minimum(found, self.opposite())
        return found

    def opposite(self) -> Truths:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"more than {DEEPEST} parentheses and nots within each other")
        if self.took("not"):
            found: Truths = (TRUE - self.opposite()).astype(np.int8)
        elif self.took("("):
            found = self.either()
            self.need(")")
        else:
            found = self.test()
        self.depth -= 1
        return found

    # ------------------------------------------------------------------------------- tests

    def test(self) -> Truths:
        left = self.operand()
        sign = self.took("=", "==", "!=", "<>", "<", "<=", ">", ">=")
        if sign:
            return self.compared(left, sign, self.operand())
        if self.took("is"):
            opposite = bool(self.took("not"))
            self.need("null")
            return self.truths(_missing(self.field(left)) != opposite)
        start = self.now
        opposite = bool(self.took("not"))
        for word, test in (("in", self.among), ("like", self.like), ("between", self.between)):
            if self.took(word):
                found = test(left)
                return (TRUE - found).astype(np.int8) if opposite else found
        if opposite:
            raise self.wrong(f"expected in, like or between{self.instead()}")
        if left.kind == "column" and self.field(left).is_truth:
            return self.truths(self.field(left).values == "True")
        raise self.wrong(f"expected a comparison such as = or >{self.instead()}", start)

    def operand(self) -> _Word:
        one = self.now
        if one.kind in ("column", "number", "text") or one.text.lower() in ("true", "false"):
            self.index += 1
            return one
        if one.text.lower() == "null" and one.kind == "word":
            raise self.wrong("nothing is equal to null; write is null or is not null")
        raise self.wrong(f"expected a column or a value{self.instead()}")

    def field(self, word: _Word) -> Field:
        """Return the column that a word names: exactly, or whatever the case if that is only one."""
        if word.kind != "column":
            raise self.wrong(f"{word.text} is a value; expected a column", word)
        if word.value in self.fields:
            return self.fields[word.value]
        same = [name for name in self.fields if name.lower() == word.value.lower()]
        if len(same) != 1:
            known = ", ".join(self.fields)
            raise self.wrong(f"there is no column {word.value}; there are: {known}", word)
        return self.fields[same[0]]

    def value(self, word: _Word, field: Field, of: _Word) -> Any:
        """Return a value, or another column's values, to be compared with a column's."""
        if word.kind == "column":
            other = self.field(word)
            if other.type != field.type:
                words = f"{of.value} holds {KINDS[field.type]} and {word.value} {KINDS[other.type]}"
                raise self.wrong(f"{words}: they cannot be compared", word)
            return other.values
        if word.kind == "word":
            if not field.is_truth:
                raise self.wrong(f"{of.value} holds {KINDS[field.type]}, not true and false", word)
            return word.text.capitalize()
        if field.type == "number" and word.kind != "number":
            raise self.wrong(f"{of.value} holds numbers; write a number without quotes", word)
        if field.type == "text" and word.kind != "text":
            raise self.wrong(f"{of.value} holds texts; write '{word.text}' in quotes", word)
        if field.type == "date":
            return self.date(word, of)
        return word.value

    def date(self, word: _Word, of: _Word) -> float:
        found = _DATE.fullmatch(word.value) if word.kind == "text" else None
        if found is not None:
            year, month, day, hour, minute, second, part = found.groups()
            clock = f"{hour or '00'}:{minute or '00'}:{second or '00'}.{(part or '0').ljust(3, '0')}"
            try:
                moment = np.datetime64(f"{year}-{month or '01'}-{day or '01'}T{clock}", "ms")
                return float(moment.astype(np.int64))
            except ValueError:
                pass  # no such day or hour
        raise self.wrong(f"{of.value} holds dates; write one as '2024-01-31' or '2024-01-31 18:30'", word)

    def compared(self, left: _Word, sign: str, right: _Word) -> Truths:
        if left.kind != "column":
            turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
            if right.kind != "column":
                raise self.wrong("two values are compared; one side must be a column", left)
            return self.compared(right, turned.get(sign, sign), left)
        field = self.field(left)
        values, wanted = field.values, self.value(right, field, left)
        found = {
            "=": lambda: values == wanted,
            "==": lambda: values == wanted,
            "!=": lambda: values != wanted,
            "<>": lambda: values != wanted,
            "<": lambda: values < wanted,
            "<=": lambda: values <= wanted,
            ">": lambda: values > wanted,
            ">=": lambda: values >= wanted,
        }[sign]()
        missing = _unknown(field) | (_unknown(self.field(right)) if right.kind == "column" else False)
        return self.truths(found, missing)

    def among(self, left: _Word) -> Truths:
        field, found = self.field(left), np.zeros(self.count, dtype=bool)
        self.need("(")
        while True:
            found |= field.values == self.value(self.literal(), field, left)
            if not self.took(","):
                break
        self.need(")")
        return self.truths(found, _unknown(field))

    def between(self, left: _Word) -> Truths:
        field = self.field(left)
        low = self.value(self.literal(), field, left)
        self.need("and")
        high = self.value(self.literal(), field, left)
        return self.truths((field.values >= low) & (field.values <= high), _unknown(field))

    def literal(self) -> _Word:
        one = self.operand()
        if one.kind == "column":
            raise self.wrong(f"{one.text} is a column; expected a value, texts in quotes", one)
        return one

    def like(self, left: _Word) -> Truths:
        field, pattern = self.field(left), self.now
        if field.type != "text":
            raise self.wrong(f"{left.value} holds {KINDS[field.type]}; like is for texts", left)
        if pattern.kind != "text":
            raise self.wrong(f"expected a pattern in quotes such as 'IMG%'{self.instead()}")
        self.index += 1
        wanted = pattern.value.lower()
        kinds = {text: fits(wanted, text.lower()) for text in set(field.values.tolist())}
        return self.truths(np.array([kinds[text] for text in field.values.tolist()], dtype=bool))

    def truths(self, found: Any, missing: Any = False) -> Truths:
        told = np.where(np.asarray(found, dtype=bool), TRUE, FALSE)
        return np.broadcast_to(np.where(missing, UNKNOWN, told), self.count).astype(np.int8)


def _unknown(field: Field) -> NDArray[np.bool_]:
    """Tell for which rows a comparison has no answer; a missing text is shown as "none", and is that."""
    return np.zeros(len(field.values), dtype=bool) if field.type == "text" else np.isnan(field.values)


def _missing(field: Field) -> NDArray[np.bool_]:
    return field.values == NO_LABEL if field.type == "text" else np.isnan(field.values)


def fits(pattern: str, text: str) -> bool:
    """Tell whether a text fits a pattern with % and _, in as many steps as the product of their lengths.

    A regular expression would take exponentially many for some patterns.
    """
    at = position = 0
    star, resumed = -1, 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == "%":
            star, resumed = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("_", text[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            resumed += 1
            at, position = star + 1, resumed
        else:
            return False
    return not pattern[at:].strip("%")
