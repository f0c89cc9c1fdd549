"""Values for the fields of one tool: a whole text that was given for a field, or some words of a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec import Struct

from core.digest import Json
from core.errors import InvalidInput
from core.parsing.dates import LONGEST, read_date
from core.parsing.language import ENGLISH, Language
from core.parsing.money import CURRENCIES, Money, read_currency, read_money
from core.parsing.records import ParseContext
from core.parsing.text import Words, shown, storable, unquote
from core.tool import Slot, SlotKind, Tool

T = TypeVar("T")

_NUMBERED: Final = re.compile(r"#?[0-9]{1,18}")
_SHORT_ID: Final = re.compile(r"#?[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{6,10}")
_EDGES: Final = ",.;!?:"

_ALLOWED: Final = {
    SlotKind.TEXT: "it should be some text",
    SlotKind.WORD: "it should be one word",
    SlotKind.AMOUNT: "it should be a number such as 42.50, with a currency if you like",
    SlotKind.CURRENCY: "it should be a currency such as EUR, USD or GBP",
    SlotKind.DATE: "it should be a day such as tomorrow, friday, 12 dec or 2026-12-31",
    SlotKind.REFERENCE: "it should be a number or a short id such as 12 or #A7F3Q2",
}


class Value(Struct, frozen=True):
    """What a field gets. `sure` False lowers the confidence; `quoted` text stood in quotes."""

    data: Json
    sure: bool = True
    quoted: bool = False


Values = Mapping[str, Value]
"""Values by field. Reading an amount may give a currency as well."""


class Reader(Struct, frozen=True, kw_only=True):
    """Reads values for one tool's fields, as one person means them."""

    tool: Tool
    context: ParseContext
    language: Language = ENGLISH

    def kind(self, field: str) -> SlotKind:
        """What a field holds; text where the tool does not say."""
        return self.tool.slots.get(field, _TEXT).kind

    @property
    def currency_field(self) -> str | None:
        """The field for the currency of the tool's amounts, if it has one."""
        return next((name for name, slot in self.tool.slots.items() if slot.kind is SlotKind.CURRENCY), None)

    def whole(self, field: str, text: str, *, quoted: bool = False) -> Values:
        """The values that a whole text gives. Raises InvalidInput if it does not fit the field's kind."""
        if not storable(text):
            raise InvalidInput(
                field=field, given=shown(text[:80]), allowed="it holds characters nobody can store"
            )
        stripped = text if quoted else text.strip()
        match self.kind(field):
            case SlotKind.TEXT:
                return {field: self._text(stripped, quoted)}
            case SlotKind.WORD:
                return {field: self._word(field, stripped, quoted)}
            case SlotKind.AMOUNT:
                return self._amount(field, stripped)
            case SlotKind.CURRENCY:
                found = read_currency(stripped, default=self.context.currency, language=self.language)
                return {field: Value(*self._needed(field, stripped, found))}
            case SlotKind.DATE:
                day = read_date(stripped, today=self.context.today, language=self.language)
                read = self._needed(field, stripped, day)
                return {field: Value(read.value.isoformat(), read.sure)}
            case SlotKind.REFERENCE:
                return {field: self._needed(field, stripped, reference(stripped))}

    def take(self, field: str, words: Words, start: int, end: int) -> tuple[int, Values] | None:
        """The longest value of a kind other than text that begins at word `start`, and the word behind it."""
        match self.kind(field):
            case SlotKind.AMOUNT:
                return self._take_amount(field, words, start, end)
            case SlotKind.CURRENCY:
                found = self._positional(words.raw(start), words)
                return (start + 1, {field: Value(*found)}) if found else None
            case SlotKind.DATE:
                return self._take_date(field, words, start, end)
            case SlotKind.REFERENCE:
                start += end - start > 1 and self._leads_reference(words.fold(start))
                value = reference(words.raw(start).strip(_EDGES))
                return (start + 1, {field: value}) if value else None
            case _:
                stop = words.glued(start, end)
                return stop, {field: self._word(field, words.slice(start, stop).rstrip(_EDGES), False)}

    def _leads_reference(self, word: str) -> bool:
        """Whether "task" may stand before the number of a task; before an expense's it would be another's."""
        return word in self.language.references or word in self.tool.name.split("_")

    def money(self, text: str, *, loose: bool = True) -> Money | None:
        """The text as an amount, or None."""
        return read_money(text, default=self.context.currency, language=self.language, loose=loose)

    def names_money(self, text: str) -> bool:
        """Whether a text speaks of a currency by code or sign, so that a default would be a guess."""
        parts = set(re.findall(r"[^\W\d_]+|[^\w\s.,;:!?()'\"/&+-]", text[:4096]))
        return any(part in CURRENCIES or self._sign(part) for part in parts)

    def _sign(self, part: str) -> bool:
        word = part.lower()
        return word not in self.language.money_words and (
            read_currency(word, default=self.context.currency, language=self.language, loose=False)
            is not None
        )

    def _text(self, text: str, quoted: bool) -> Value:
        inside = unquote(text) if not quoted and text[:1] in {'"', "“"} else None
        return Value(text, quoted=quoted) if inside is None else Value(inside, quoted=True)

    def _word(self, field: str, text: str, quoted: bool) -> Value:
        value = self._text(text, quoted)
        if field in self.language.people:
            return Value(str(value.data).removeprefix("@"), quoted=value.quoted)
        return value

    def _amount(self, field: str, text: str) -> Values:
        return self._priced(field, self._needed(field, text, self.money(text)), text)

    def _priced(self, field: str, money: Money, text: str) -> Values:
        amount = {field: Value(money.amount, money.sure)}
        if money.currency is None:
            return amount
        if self.currency_field is not None:
            return amount | {self.currency_field: Value(money.currency)}
        if money.currency != self.context.currency:
            allowed = f"{self.tool.name} takes amounts in {self.context.currency} only"
            raise InvalidInput(field=field, given=text, allowed=allowed)
        return amount

    def _take_amount(self, field: str, words: Words, start: int, end: int) -> tuple[int, Values] | None:
        for stop in range(min(start + 2, end), start, -1):
            text = words.slice(start, stop)
            money = self.money(text, loose=False)
            if money is not None:
                values = self._priced(field, money, text)
                if not self._plain_behind(words, start, stop, end):
                    values = {**values, field: Value(money.amount, sure=False)}
                return stop, values
        return None

    def _plain_behind(self, words: Words, start: int, stop: int, end: int) -> bool:
        """Whether what surrounds the amount cannot change it: no further number, unit or unknown code."""
        if words.source.isupper() and any(w in self.language.money_words for w in words.folded(start, stop)):
            return False
        if stop >= end:
            return True
        word, raw = words.fold(stop), words.raw(stop).strip(_EDGES)
        code = len(raw) == 3 and raw.isupper() and raw not in CURRENCIES
        return not (code or word[:1].isdigit() or word in self.language.magnitudes or raw[:1] in {"-", "%"})

    def _positional(self, raw: str, words: Words) -> tuple[str, bool] | None:
        found = read_currency(raw, default=self.context.currency, language=self.language, loose=False)
        shouted = words.source.isupper() and raw.lower() in self.language.money_words
        return (found[0], found[1] and not shouted) if found else None

    def _take_date(self, field: str, words: Words, start: int, end: int) -> tuple[int, Values] | None:
        for stop in range(min(start + LONGEST + 1, end), start, -1):
            day = read_date(words.slice(start, stop), today=self.context.today, language=self.language)
            if day is not None:
                return stop, {field: Value(day.value.isoformat(), day.sure)}
        return None

    def _needed(self, field: str, text: str, found: T | None) -> T:
        if found is None:
            raise InvalidInput(field=field, given=text, allowed=_ALLOWED[self.kind(field)])
        return found


def merged(given: Values, read: Values) -> Values:
    """Both together. Raises InvalidInput where they give one field different values."""
    for name in given.keys() & read.keys():
        if given[name].data != read[name].data:
            allowed = f"it is {given[name].data!r} already, it can be given once only"
            raise InvalidInput(field=name, given=str(read[name].data), allowed=allowed)
    return {**given, **read}


def reference(text: str) -> Value | None:
    """A record's number or short id without its #. Letters alone, unmarked, may be a word: unsure."""
    if _NUMBERED.fullmatch(text):
        return Value(text.removeprefix("#"))
    if not _SHORT_ID.fullmatch(text):
        return None
    marked = text.startswith("#") or any(char.isdigit() for char in text)
    return Value(text.removeprefix("#").upper(), sure=marked) if marked or text.isupper() else None


_TEXT: Final = Slot(kind=SlotKind.TEXT)
