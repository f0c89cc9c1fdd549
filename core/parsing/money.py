"""Amounts of money as people write them.

A number has the last of two different separators as its decimal mark, the other parts thousands.
One kind of separator: several of them part thousands; one alone parts thousands if exactly three digits
follow and the number does not begin with 0, which is marked unsure (`1.234` and `1,234` are both 1234
somewhere and 1.234 elsewhere); otherwise it is the decimal mark. A minus sign is kept.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from core.parsing.language import Language

_CODES: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ "
    "GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP "
    "LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR "
    "PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF "
    "YER ZAR ZMW ZWG"
)
CURRENCIES: Final = frozenset(_CODES.split())
"""The active national currencies of ISO 4217; funds, metals and test codes are none."""

_SIGNS: Final = {
    "€": "EUR", "₹": "INR", "₽": "RUB", "₩": "KRW", "₪": "ILS", "₺": "TRY", "₴": "UAH", "₫": "VND",
    "฿": "THB", "₱": "PHP", "₦": "NGN", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₼": "AZN", "₾": "GEL",
    "₵": "GHS", "₭": "LAK", "₮": "MNT", "zł": "PLN", "us$": "USD", "a$": "AUD", "au$": "AUD", "c$": "CAD",
    "ca$": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD", "r$": "BRL", "mx$": "MXN",
}  # fmt: skip
_SHARED: Final = {
    "$": "USD AUD CAD NZD HKD SGD MXN ARS CLP COP TWD BSD BBD BZD BMD BND KYD FJD GYD JMD LRD NAD SBD SRD",
    "£": "GBP EGP FKP GIP LBP SHP SYP SSP SDG",
    "¥": "JPY CNY",
    "kr": "SEK NOK DKK ISK",
}
"""Signs of several currencies, the usual one first: it is certain only where the default is one of them."""

_DIGITS: Final = 24
_MONEY: Final = re.compile(
    r"([+\-\u2212]?)\s?([^\W\d_]{0,3}[^\w\s+\-\u2212.,;:!?()]?|[^\W\d_]{3})\s?([+\-\u2212]?)"
    r"([0-9][0-9.,'\u2019\u00a0\u202f]{0,40})\s?([^\W\d_]{0,8}[^\w\s+\-\u2212.,;:!?()]?)[.,;:!?]?"
)
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:[.,'][0-9]{3})+")


class Money(Struct, frozen=True, kw_only=True):
    """`currency` None where none was written; `sure` False where the same text has two meanings."""

    amount: str
    currency: str | None
    sure: bool


def read_currency(
    text: str, *, default: str, language: Language, loose: bool = True
) -> tuple[str, bool] | None:
    """The ISO code a code, sign or word means, and whether that is certain; None if it means none.

    Not `loose`, codes that are common words ("all", "try") must be in capitals.
    """
    word = text.strip().rstrip(".,;:!?").lower()
    code = word.upper()
    if code in CURRENCIES and word.isascii():
        return (code, True) if loose or text.isupper() or word not in language.money_words else None
    sign = language.currencies.get(word, word)
    if sign in _SHARED:
        known = _SHARED[sign].split()
        return (default, True) if default in known else (known[0], sign == "£" and word == "£")
    found = _SIGNS.get(sign) or (sign if sign in CURRENCIES else None)
    return (found, True) if found else None


def read_number(text: str) -> tuple[str, bool] | None:
    """A plain decimal such as "1234.50" and whether it is certain; None if it is no number."""
    digits = text.replace("\u2019", "'").replace("\u00a0", "'").replace("\u202f", "'").rstrip(".,'")
    if sum(char.isdigit() for char in digits) > _DIGITS:
        return None
    marks = [char for char in digits if not char.isdigit()]
    if not marks:
        return digits, True
    last = marks[-1]
    decimal = last != "'" and marks.count(last) == 1 and (len(set(marks)) > 1 or not _thousands(digits))
    whole, _, rest = digits.rpartition(last) if decimal else (digits, "", "")
    grouped = any(not char.isdigit() for char in whole)
    if grouped and (not _GROUPED.fullmatch(whole) or len({char for char in whole if not char.isdigit()}) > 1):
        return None
    number = "".join(char for char in whole if char.isdigit())
    unsure = len(marks) == 1 and not decimal and last != "'"
    return (f"{number}.{rest}" if decimal else number), not unsure


def _thousands(digits: str) -> bool:
    return _GROUPED.fullmatch(digits) is not None and not digits.startswith("0")


def read_money(text: str, *, default: str, language: Language, loose: bool = True) -> Money | None:
    """An amount with at most one currency before or after it; None if the whole text is not that."""
    found = _MONEY.fullmatch(text.strip()) if len(text) <= 80 else None
    if found is None or (found[1] and found[3]) or (found[2] and found[5]):
        return None
    number = read_number(found[4])
    written = found[2] or found[5]
    currency = read_currency(written, default=default, language=language, loose=loose) if written else None
    if number is None or (written and currency is None):
        return None
    minus = "-" if (found[1] or found[3]) in {"-", "\u2212"} else ""
    code, certain = currency or (None, True)
    return Money(amount=minus + number[0], currency=code, sure=number[1] and certain)
