"""Everything else the bot says: understandable, safe, of the right size, and true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.telegram.buttons import Page, PageButton, decode
from bot.telegram.render import texts, times
from bot.telegram.render.message import Shown, parsed_units, units
from core.errors import Code, InvalidInput, Refusal
from core.model import Person, Risk, Role, Tenant
from core.parsing import ParseContext, Reading, understand
from core.registry import ToolRegistry
from tests.unit.render.hostile import CLASSES
from tests.unit.render.kit import LABEL, MIA, NOW, READING, TENANT, TOOL, call, tool
from tests.unit.render.reading import check, labels, text_of
from tools.create_expense import ExpenseLimits, create_expense
from tools.create_task import CREATE_TASK

HOSTILE = [text for many in CLASSES.values() for text in many]
TEAM = Tenant(id=TENANT, name="Home", active=True, currency="EUR", timezone="Europe/Berlin")
REGISTRY = ToolRegistry([CREATE_TASK, create_expense(ExpenseLimits())])


def mia(**changes: object) -> Person:
    made: dict[str, object] = {
        "id": MIA,
        "name": "Mia",
        "timezone": None,
        "currency": None,
        "end_replies": True,
    }
    return Person(**{**made, **changes})  # type: ignore[arg-type]


def test_start_explains_in_three_lines_with_examples_to_tap() -> None:
    made = texts.start(name="Mia", role=Role.MEMBER, registry=REGISTRY)
    check(made)
    assert len(text_of(made.html).splitlines()) == 4
    assert "nothing risky runs without somebody's tap" in made.html
    assert labels(made) == list(texts.EXAMPLES)
    assert [decode(r[0].data) for r in made.buttons] == [PageButton(Page.SAY, str(n)) for n in range(3)]
    assert texts.start(name="Mia", role=Role.ADMIN, registry=ToolRegistry([])).buttons == ()


@pytest.mark.parametrize("example", texts.EXAMPLES)
def test_every_example_of_start_is_understood(example: str) -> None:
    context = ParseContext(now=NOW, timezone="UTC", currency="EUR")
    assert understand(example, registry=REGISTRY, context=context).reading is Reading.PROPOSE


def test_help_lists_what_the_role_may_do() -> None:
    member, admin = texts.help(Role.MEMBER), texts.help(Role.ADMIN)
    check(member)
    check(admin)
    assert "/history" in member.html
    assert "/invite" not in member.html
    assert "/invite approver" in admin.html


def test_tools_are_listed_with_how_to_ask_for_them() -> None:
    made = texts.tools(ToolRegistry([CREATE_TASK, tool(name="print_label", title="Print", risk=Risk.HIGH)]))
    check(made)
    assert text_of(made.html) == "🧰 What I can do\n/task — Add a task\nprint_label — Print · risk high"
    assert texts.tools(ToolRegistry([])).html == "I have no tools yet."
    many = texts.tools(ToolRegistry([tool(name=f"tool_{n}", title="T" * 99) for n in range(60)]))
    check(many)
    assert "… and 20 more" in many.html


def test_whoami_and_settings_show_what_counts() -> None:
    text = text_of(texts.whoami(mia(), Role.APPROVER, TEAM, user_id=123).html)
    assert text.splitlines()[0] == "You are Mia, approver in Home."
    assert "Time zone Europe/Berlin · currency EUR · your id 123" in text
    made = texts.settings(mia(timezone="UTC", currency="USD"), TEAM, now=NOW)
    check(made)
    assert [label for label in labels(made) if label.startswith("✓")] == ["✓ UTC", "✓ USD"]
    assert labels(made)[-1] == "Turn replies off"
    assert decode(made.buttons[-1][0].data) == PageButton(Page.SETTING, "replies=off")
    assert labels(texts.settings(mia(end_replies=False), TEAM, now=NOW))[-1] == "Turn replies on"
    for row in made.buttons:
        for button in row:
            assert isinstance(decode(button.data), PageButton)


def test_did_you_mean_asks_and_promises_that_nothing_happens() -> None:
    words = texts.candidate_words(TOOL, {"amount": "12.50", "spent_on": "lunch", "category": "", "n": 3})
    assert words == "Add an expense: amount “12.50”, spent on “lunch”, n 3"
    assert texts.candidate_words(READING, {}) == "List tasks"
    one = texts.did_you_mean([(words, "y:1.0")], leave="y:1.none")
    two = texts.did_you_mean([(words, "y:1.0"), ("List tasks", "y:1.1")], leave="y:1.none")
    for made in (one, two):
        check(made)
        assert "Nothing happens until you tap." in made.html
        assert made.buttons[-1][0].data == "y:1.none"
    assert labels(one) == ["👍 Yes, do that", "✖️ No, leave it"]
    assert labels(two)[1] == "2. List tasks"
    assert "1. <b>Add an expense" in two.html
    assert text_of(texts.chosen(words).html) == f"👍 {words}"


def test_unknown_suggests_the_nearest_tools() -> None:
    text = text_of(texts.unknown([CREATE_TASK, create_expense(ExpenseLimits()), LABEL, READING]).html)
    assert "I did not understand that. Nothing was changed." in text
    assert "• Add a task: /task title" in text
    assert "• Add an expense: /expense amount [currency] description" in text
    assert "• Print a label: print_label" in text
    assert "List tasks" not in text
    spoken = tool(name="say", title="Say", examples=("say {text}",))
    assert "• Say: say text" in text_of(texts.unknown([spoken]).html)
    assert "Perhaps" not in texts.unknown([]).html


def test_refusals_say_why_and_that_nothing_was_changed() -> None:
    def told(refused: Refusal) -> str:
        made = texts.refusal(refused)
        check(made)
        return text_of(made.html)

    assert told(Refusal(Code.SELF_APPROVAL, "Somebody else must sign it.")) == (
        "✋ Somebody else must sign it.\nNothing was changed."
    )
    assert told(Refusal(Code.NOT_PENDING, "It ended. Nothing was changed.")).count("changed") == 1
    assert told(texts.no_such_call()).startswith("✋ There is no such call here.")
    assert "changed" not in told(texts.which_call())
    assert told(InvalidInput(field="due_day", given="x<", allowed="it should be a day")) == (
        "🤔 due day — x< does not fit. It should be a day.\nNothing was changed."
    )
    missing = InvalidInput(field="title", given="nothing", allowed="it is required")
    assert told(missing) == "🤔 title is missing.\nNothing was changed."
    assert "does not fit" not in told(InvalidInput(field="a", given=" ", allowed="say something!"))


PLAIN: list[Callable[[], Shown]] = [
    texts.left,
    texts.nothing_to_leave,
    texts.only_text,
    texts.which_role,
    texts.admins_only,
    lambda: texts.withdrawn(call()),
    lambda: texts.moved_below(call()),
    lambda: texts.no_access(123),
    lambda: texts.audit_head(seq=1234, digest="ab" * 32),
]


@pytest.mark.parametrize("make", PLAIN)
def test_short_texts_are_short(make: Callable[[], Shown]) -> None:
    made = make()
    check(made)
    assert len(text_of(made.html)) < 300


@pytest.mark.parametrize("text", HOSTILE)
def test_t10_hostile_text_is_harmless_in_every_text(text: str) -> None:
    odd = tool(name="odd", title=text, command="", form=text, examples=(text,))
    for made in (
        texts.start(name=text, role=Role.MEMBER, registry=REGISTRY),
        texts.tools(ToolRegistry([odd])),
        texts.whoami(mia(name=text, timezone=text, currency=text), Role.ADMIN, TEAM, user_id=1),
        texts.settings(mia(name=text, timezone=text, currency=text), TEAM, now=NOW),
        texts.did_you_mean([(text, "y:1.0")], leave="y:x"),
        texts.did_you_mean([(f"T: {text}", "y:1.0")] * 3, leave="y:x"),
        texts.chosen(text),
        texts.question(odd, text, text),
        texts.unknown([odd] * 9),
        texts.hello_group(text),
        texts.invited(role=Role.MEMBER, link="https://t.me/x?start=y", code=text, days=7),
        texts.went_wrong(text),
        texts.refusal(Refusal(Code.NOT_FOUND, text)),
        texts.refusal(InvalidInput(field=text, given=text, allowed=text)),
    ):
        check(made)


# Times and sizes


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        (0, "under 0.1 s"),
        (99, "under 0.1 s"),
        (400, "0.4 s"),
        (4_000, "4 s"),
        (12_300, "12 s"),
        (60_000, "1 min"),
        (125_000, "2 min 5 s"),
        (7_200_000, "2 h"),
    ],
)
def test_durations(milliseconds: int, told: str) -> None:
    assert times.lasted(milliseconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (30, "30 s"),
        (600, "10 min"),
        (3_600, "1 h"),
        (5_400, "1 h 30 min"),
        (86_400, "24 h"),
        (216_000, "2 days 12 h"),
        (259_200, "3 days"),
        (2_000_000, "23 days"),
    ],
)
def test_spans(seconds: int, told: str) -> None:
    assert times.span(seconds) == told


def test_moments_of_other_days_and_years_say_which() -> None:
    zone = times.zone_of("UTC")
    assert times.local(NOW, now=NOW, zone=zone) == "14:00"
    assert times.local(NOW - timedelta(days=1), now=NOW, zone=zone) == "Fri 20 Nov 14:00"
    assert times.local(datetime(2025, 1, 2, 3, 4, tzinfo=UTC), now=NOW, zone=zone) == "Thu 2 Jan 2025 03:04"


def test_sizes_are_counted_as_telegram_counts_them() -> None:
    assert units("abc") == 3
    assert units("é🙂") == 3
    assert parsed_units("<b>a &amp; 🙂</b>") == 6
