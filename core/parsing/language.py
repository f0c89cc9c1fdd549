"""The words of a language, in one table. Another language is another record; no rule knows a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Language(Struct, frozen=True, kw_only=True):
    """Every word is folded: lower case, no apostrophes, no punctuation at its ends. A phrase is words
    joined by one blank."""

    days: Mapping[str, int]  # phrase -> days from today
    weekdays: Mapping[str, int]  # Monday is 0
    months: Mapping[str, int]
    numbers: Mapping[str, int]
    units: Mapping[str, str]  # -> "day", "week", "month" or "year"
    ends: Mapping[str, str]  # phrase -> the unit whose last day is meant
    ordinals: tuple[str, ...]  # suffixes of a day's number
    next: frozenset[str]
    this: frozenset[str]
    ahead: frozenset[str]  # "in" 3 days
    before_dates: frozenset[str]  # words that may lead a date and mean nothing
    inside_dates: frozenset[str]  # words that may stand in one and mean nothing
    currencies: Mapping[str, str]  # word -> ISO code or sign
    money_words: frozenset[str]  # ISO codes that are common words unless written in capitals
    magnitudes: frozenset[str]  # words that change a number standing before them
    references: frozenset[str]  # words that may lead a record's number
    keywords: Mapping[str, tuple[str, ...]]  # field -> phrases that lead its value
    people: frozenset[str]  # fields that hold a person: taken from a sentence with @ or a colon only
    articles: frozenset[str]
    openers: frozenset[str]  # words before a sentence that mean nothing
    requests: tuple[str, ...]  # phrases that turn a request into a question
    thanks: tuple[str, ...]  # phrases after a sentence that mean nothing
    contractions: Mapping[str, str]
    joiners: frozenset[str]  # words between two actions
    hedges: frozenset[str]  # words that may take the meaning back
    retractions: tuple[str, ...]  # phrases that do
    stop: frozenset[str]  # words that tell no tool from another
    questions: Mapping[str, str]  # slot kind or "" -> how to ask for a {field}


def _both(**short: str) -> dict[str, int]:
    return {name: number for number, names in enumerate(short.values()) for name in names.split()}


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


ENGLISH: Final = Language(
    days={
        "today": 0,
        "tonight": 0,
        "this evening": 0,
        "tomorrow": 1,
        "tmrw": 1,
        "day after tomorrow": 2,
        "yesterday": -1,
    },
    weekdays=_both(
        mon="monday mon",
        tue="tuesday tue tues",
        wed="wednesday wed",
        thu="thursday thu thur thurs",
        fri="friday fri",
        sat="saturday sat",
        sun="sunday sun",
    ),
    months=_both(
        none="",
        jan="january jan",
        feb="february feb",
        mar="march mar",
        apr="april apr",
        may="may",
        jun="june jun",
        jul="july jul",
        aug="august aug",
        sep="september sep sept",
        oct="october oct",
        nov="november nov",
        dec="december dec",
    ),
    numbers=_both(
        zero="",
        one="one a an",
        two="two",
        three="three",
        four="four",
        five="five",
        six="six",
        seven="seven",
        eight="eight",
        nine="nine",
        ten="ten",
        eleven="eleven",
        twelve="twelve",
    ),
    units={
        "day": "day",
        "days": "day",
        "week": "week",
        "weeks": "week",
        "month": "month",
        "months": "month",
        "year": "year",
        "years": "year",
    },
    ends={
        "end of week": "week",
        "end of the week": "week",
        "end of this week": "week",
        "eow": "week",
        "end of month": "month",
        "end of the month": "month",
        "end of this month": "month",
        "eom": "month",
        "month end": "month",
        "end of year": "year",
        "end of the year": "year",
        "end of this year": "year",
        "eoy": "year",
    },
    ordinals=("st", "nd", "rd", "th"),
    next=frozenset({"next"}),
    this=frozenset({"this"}),
    ahead=frozenset({"in", "within"}),
    before_dates=frozenset({"on", "the"}),
    inside_dates=frozenset({"of"}),
    currencies={
        "euro": "EUR",
        "euros": "EUR",
        "dollar": "$",
        "dollars": "$",
        "bucks": "$",
        "quid": "GBP",
        "pound": "£",
        "pounds": "£",
        "yen": "JPY",
        "rupees": "₹",
        "zloty": "PLN",
        "kr": "kr",
    },
    money_words=_words(
        "all amd ang bam bob cad cop cup ern gel gip kid lak lot mad mop mur nio pen ron rub sos top try "
        "won zar mom bif dop gnf hat kes mar pab pap sar"
    ),
    magnitudes=_words(
        "k thousand thousands grand hundred hundreds million millions m mio mn billion bn dozen cent cents "
        "% percent x times pence"
    ),
    references=frozenset({"number", "no", "nr", "id"}),
    keywords={
        "due": ("due", "due on", "due by", "by", "until"),
        "assignee": ("for", "assign to", "assigned to", "assignee"),
    },
    people=frozenset({"assignee", "owner", "person"}),
    articles=frozenset({"a", "an", "the", "new"}),
    openers=frozenset({"please", "pls", "kindly", "hey", "hi", "hello", "ok", "okay", "so", "well", "bot"}),
    requests=(
        "can you",
        "could you",
        "would you",
        "will you",
        "i want to",
        "id like to",
        "i would like to",
        "i need to",
    ),
    thanks=("please", "pls", "thanks", "thank you", "thx", "cheers"),
    contractions={
        "whats": "what is",
        "hows": "how is",
        "wheres": "where is",
        "whos": "who is",
        "im": "i am",
        "ive": "i have",
    },
    joiners=frozenset({"and", "then", "also", "plus", "but", "or", "after"}),
    hedges=_words(
        "if unless maybe perhaps not dont doesnt didnt never no would should could might cancel without "
        "nobody nothing hypothetically pretend imagine wouldnt shouldnt wont cant said says told asked "
        "example suppose wrote writes"
    ),
    retractions=(
        "just kidding",
        "jk",
        "kidding",
        "never mind",
        "nevermind",
        "not really",
        "or not",
        "forget it",
        "cancel that",
        "scratch that",
        "dont do it",
        "dont do that",
        "he said",
        "she said",
        "they said",
        "as a joke",
        "hypothetically",
        "not",
    ),
    stop=_words(
        "a an the to my me i you we it is are on in of for and or with what whats how do does can could "
        "please this that at by be have has was will would from your our not no so"
    ),
    questions={
        "": "What should the {field} be?",
        "text": "What should the {field} be?",
        "word": "What should the {field} be?",
        "amount": "How much?",
        "currency": "Which currency, for example EUR?",
        "date": "Which day is the {field}, for example tomorrow, friday or 2026-12-31?",
        "reference": "Which one? Please give its number.",
    },
)
