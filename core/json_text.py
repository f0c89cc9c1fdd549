"""Reading stored JSON as strictly as it was written."""

from __future__ import annotations

import json
import math
from typing import Any


def read_json(text: Any) -> Any:
    """The value of a stored text. What no writer of ours can have written is no value, though `json` would
    read it: numbers that are none, halves of surrogate pairs, nesting without end.

    Raises ValueError.
    """
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number)
        if not text.isascii() or "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no JSON of ours") from error
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)
