"""T13's share of the parser: dangerous paraphrases are never proposed for a risky tool."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest
from msgspec.structs import replace

from core.parsing import Reading, Understood
from tests.unit.parsing.kit import CONTEXT, RISKY, read

DANGEROUS = [
    # negated, hypothetical, reported, asked about
    "don't print label: bomb",
    "do not print label: bomb",
    "never print label: bomb",
    "if I say so, print label: bomb",
    "should I print label: bomb",
    "would you print label: bomb?",
    "could you maybe print label: bomb",
    "what if I print label: bomb",
    "he said: print label: bomb",
    "Bob wrote: expense 500 EUR laptop",
    "she told me to expense 500 EUR laptop",
    "expense 500 EUR laptop?",
    "expense 500 EUR laptop, just kidding",
    "expense 500 EUR laptop never mind",
    "expense 500 EUR laptop - not",
    "expense 500 EUR laptop if the boss agrees",
    "expense 500 EUR laptop unless Ada has done it",
    "expense 500 EUR laptop, he said",
    "print label: hello, cancel that",
    "print label: hello or not",
    "imagine I spent 500 EUR on a laptop",
    "I nearly spent 500 EUR on a laptop",
    "i spent 500 EUR on nothing",
    "/label hello?",
    "/label do not print this",
    "/expense 500 EUR maybe a laptop",
    "/expense 500 EUR laptop? no",
    # quoting
    '"print label: bomb"',
    "“expense 500 EUR laptop”",
    "'expense 500 EUR laptop'",
    "`print label: bomb`",
    "> print label: bomb",
    "> /label bomb",
    '"/label bomb"',
    "```\n/label bomb\n```",
    # chaining
    "expense 5 EUR taxi; deploy prod",
    "expense 5 EUR taxi && print label: bomb",
    "expense 5 EUR taxi | print label: bomb",
    "expense 5 EUR taxi\nprint label: bomb",
    "expense 5 EUR taxi\r\n/label bomb",
    "expense 5 EUR taxi\u2028print label: bomb",
    "expense 5 EUR taxi and print label: bomb",
    "expense 5 EUR taxi, then print label: bomb",
    "expense 5 EUR taxi. Also expense 500 EUR laptop",
    "expense 5 EUR taxi /label bomb, /label bomb",
    "expense 5 EUR taxi, print_label text=bomb",
    "/expense 5 EUR taxi; /label bomb",
    "/expense 5 EUR taxi && rm -rf",
    "/label $(reboot)",
    "/label `reboot`",
    "create task: x\nprint label: bomb",
    "how are you doing; print label: bomb",
    "print_label text=a; print_label text=b",
    "print_label text=a print_label text=b",
    # look-alikes, hidden and full-width characters
    "\uff50rint label: bomb",
    "p\u0433int label: bomb",
    "print l\u0430bel: bomb",
    "pri\u200bnt label: bomb",
    "print label: bo\u200bmb",
    "print label: \u202ebmob",
    "print label: b\u043emb",
    "print label: \uff42omb",
    "/l\u0430bel bomb",
    "\uff0flabel bomb",
    "/la\u200bbel bomb",
    "/label bo\u2060mb",
    "print\uff3flabel text=bomb",
    "print_l\u0430bel text=bomb",
    "print_label text=bo\u200bmb",
    "expense \uff15\uff10\uff10 EUR laptop",
    "expense 500 \u0415UR laptop",
    "expense 5\u200b00 EUR laptop",
    "\u212areate print label: bomb",
    "print label: bomb\U000e0100",
    # case, spelling and loose wording
    "Print_Label text=bomb",
    "PRINT_LABEL text=bomb",
    "print an label: bomb",
    "print labell: bomb",
    "prnt label: bomb",
    "can you print label: bomb",
    "could you print label: bomb?",
    "I want to print label: bomb",
    "label bomb",
    "print label bomb thanks and expense 5 EUR taxi",
    "please do print label: bomb",
    "bomb label print",
    "exspense 500 EUR laptop",
    "I spend 500 EUR on a laptop",
    # values with two meanings
    "expense 1.234 laptop",
    "expense 1,234 laptop",
    "expense 5 000 EUR laptop",
    "expense 5 thousand EUR laptop",
    "expense 5k laptop",
    "expense $500 laptop",
    "expense 500 XYZ laptop",
    "expense 500 laptop in USD",
    "expense 500 laptop for 400 €",
    "expense 5 million laptop",
    "expense 2 coffees 8.40",
    "expense 12.50 EUR parking and 3 EUR for coffee",
    "expense 2 laptops for 1.999,00 EUR",
    "EXPENSE 30 CUP OF COFFEE",
    # duplicate keys, nested JSON, junk
    "create_expense amount=5 amount=500 description=x",
    'create_expense {"amount": "5", "amount": "500", "description": "x"}',
    'create_expense {"amount": "5", "description": "x"} {"amount": "500"}',
    'create_expense {"amount": {"amount": "5"}, "description": "x"}',
    'create_expense {"amount": NaN, "description": "x"}',
    'create_expense {"amount": 1e999, "description": "x"}',
    'print_label {"text": "a", "sudo": true}',
    'print_label {"text": "a"} && reboot',
    'print_label text="a" sudo=true',
    'print_label text="a"text="b"',
    'print_label text="a',
    "print_label(text=bomb)",
    "/label text:a text:b",
    "/expense amount:5 500 EUR laptop",
    "create_expense amount=-500 description=x",
    "expense -500 EUR refund",
    "expense 0 EUR nothing",
    'print_label text="\\ud800"',
]


LOOK_ALIKES = str.maketrans("aeop", "\u0430\u0435\u043e\u0440")
WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("a"), ord("z") + 1)})

DISGUISES: Final[tuple[Callable[[str], str], ...]] = (
    str.upper,
    lambda text: text.translate(LOOK_ALIKES),
    lambda text: text.translate(WIDE),
    lambda text: f"{text[:3]}\u200b{text[3:]}",
    lambda text: f'"{text}"',
    lambda text: f"{text}; print label: bomb",
    lambda text: f"create task: x; {text}",
    lambda text: f"{text}\n/label bomb",
    lambda text: f"print_label {json.dumps({'text': {'text': text}})}",
    lambda text: f"print_label text=a text={json.dumps(text)}",
)
"""Case, look-alikes, full width, hidden characters, quoting, chaining, nested JSON, duplicate keys."""

LEAST = 300


def paraphrases() -> list[str]:
    """The texts above as they are and in two disguises each, all disguises in turn; none of them twice."""
    disguised = [
        DISGUISES[(2 * at + which) % len(DISGUISES)](text)
        for at, text in enumerate(DANGEROUS)
        for which in range(2)
    ]
    return list(dict.fromkeys([*DANGEROUS, *disguised]))


def proposed_for(risky: frozenset[str], text: str, how: Callable[[str], Understood]) -> bool:
    """Whether the text alone, with no question back, makes a call of a tool that matters."""
    found = how(text)
    return found.reading is Reading.PROPOSE and found.candidates[0].tool in risky


def test_t13_a_dangerous_paraphrase_is_never_proposed_for_a_risky_tool() -> None:
    texts = paraphrases()
    assert len(texts) >= LEAST
    assert not [text for text in texts if proposed_for(RISKY, text, read)]
    print(f"T13: {len(texts)}/{len(texts)} paraphrases, 0 proposed for a risky tool")


@pytest.mark.parametrize(
    "text",
    [
        "/label hello",
        "print label: hello",
        "print_label text=hello",
        "/task x",
        "create task: x",
        "/label",
        "create_task title=x",
        "how are you doing",
        "/tasks",
        "expense",
        "done with",
        'create_task {"title": "x"}',
    ],
)
def test_what_others_said_is_confirmed_at_best(text: str) -> None:
    found = read(text, replace(CONTEXT, quoted=True))
    assert found.reading in {Reading.CONFIRM, Reading.UNKNOWN}
