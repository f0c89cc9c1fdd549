"""Exact amounts of money: what is let in, and the one way each is written."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from core.parsing.money import CURRENCIES

MOST: Final = Decimal(10**9)

_UNUSUAL_UNITS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
_UNITS: Final = {code: units for units, codes in _UNUSUAL_UNITS.items() for code in codes.split()}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")


def minor_units(currency: str) -> int:
    """How many decimals amounts in a currency have, by ISO 4217."""
    return _UNITS.get(currency, 2)


def exact_amount(amount: Decimal, currency: str) -> Decimal:
    """The amount with all decimals of its currency, so that equal amounts read alike.

    Raises ValueError unless it is positive, at most `MOST` and written in whole minor units.
    """
    if amount <= 0:
        raise ValueError("it has to be more than zero")
    if amount > MOST:
        raise ValueError(f"it can be at most {MOST}")
    units = minor_units(currency)
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > units:
        raise ValueError(
            f"{currency} has at most {units} decimals" if units else f"{currency} has no decimals"
        )
    return amount.quantize(Decimal(1).scaleb(-units))


def _read_amount(value: object) -> Decimal:
    text = value.strip() if isinstance(value, str) else _digits(value)
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("it should be a number such as 42.50")
    return Decimal(text)


def _digits(value: object) -> str:
    """A number's text. Floats come from JSON: their shortest decimal is what was written there."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, int):
        return f"{value:d}" if abs(value) < 10**40 else ""
    return format(value, "f") if abs(value.adjusted()) < 40 else ""


def _read_currency(text: str) -> str:
    code = text.upper() if text.isascii() else text
    if code not in CURRENCIES:
        raise ValueError("it should be an ISO 4217 code such as EUR, USD or GBP")
    return code


Amount = Annotated[
    Decimal,
    BeforeValidator(_read_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\+?[0-9]{1,10}(\.[0-9]{1,3})?$"},
                {"type": "number", "exclusiveMinimum": 0, "maximum": int(MOST)},
            ]
        }
    ),
]
"""A finite decimal number: text such as "42.50", or a JSON number. `exact_amount` says the rest."""

Currency = Annotated[
    str, AfterValidator(_read_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})
]
"""An active national currency of ISO 4217, in capitals."""
