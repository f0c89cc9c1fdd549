"""What is understood, form by form: one row a text."""

from __future__ import annotations

import gc
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from core.digest import Json
from core.parsing import Reading, understand
from core.parsing.index import _cache, index_of
from core.registry import ToolRegistry
from tests.unit.parsing.kit import CONTEXT, REGISTRY, TOOLS, ListTasks, best, read, tool

P, C, A, I = Reading.PROPOSE, Reading.CONFIRM, Reading.ASK, Reading.INVALID  # noqa: E741
TASK, EXPENSE, DONE, LIST, HEALTH, LABEL = (
    "create_task",
    "create_expense",
    "complete_task",
    "list_tasks",
    "system_health_check",
    "print_label",
)
LUNCH = {"amount": "42.50", "currency": "EUR", "description": "team lunch"}
TAXI = {"amount": "5", "currency": "EUR", "description": "taxi"}
MILK = {"title": "buy milk"}
FRIDAY = {"title": "buy milk", "due": "2026-11-20"}

ROWS: list[tuple[str, Reading, str, Mapping[str, Json]]] = [
    # commands
    ("/task buy milk", P, TASK, MILK),
    ("/Task buy milk", P, TASK, MILK),
    ("/task@countersign_bot buy milk", P, TASK, MILK),
    ("/task buy milk due:friday", P, TASK, FRIDAY),
    ("/task due:friday buy milk", P, TASK, FRIDAY),
    ("/task buy milk due=friday", P, TASK, FRIDAY),
    ("/task buy milk by:friday", P, TASK, FRIDAY),
    ("/task buy milk due friday", P, TASK, FRIDAY),
    ("/task buy milk, due friday!", P, TASK, FRIDAY),
    ("/task buy milk due: friday", P, TASK, FRIDAY),
    ('/task due:"next friday" buy milk', P, TASK, {"title": "buy milk", "due": "2026-11-27"}),
    ("/task due:“next friday” buy milk", P, TASK, {"title": "buy milk", "due": "2026-11-27"}),
    ('/task title:"buy milk" due:friday', P, TASK, FRIDAY),
    ('/task "buy; milk"', P, TASK, {"title": "buy; milk"}),
    ("/task buy milk for @ada", P, TASK, MILK | {"assignee": "ada"}),
    ("/task buy milk assignee:@ada", P, TASK, MILK | {"assignee": "ada"}),
    ("/task buy milk assign to: ada due friday", P, TASK, FRIDAY | {"assignee": "ada"}),
    ("/task buy milk for ada", P, TASK, {"title": "buy milk for ada"}),
    ("/task look at http://x.example/?a=1", P, TASK, {"title": "look at http://x.example/?a=1"}),
    ("/task where is bob?", P, TASK, {"title": "where is bob?"}),
    ("/task buy milk; eggs", C, TASK, {"title": "buy milk; eggs"}),
    ("/task buy milk due 1/2", C, TASK, {"title": "buy milk", "due": "2027-02-01"}),
    ("/task buy milk due friday at 5pm", C, TASK, {"title": "buy milk due friday at 5pm"}),
    ("/task", A, TASK, {}),
    ("/task due friday", A, TASK, {"due": "2026-11-20"}),
    ("/expense 42.50 EUR team lunch", P, EXPENSE, LUNCH),
    ("/expense 42,50€ team lunch", P, EXPENSE, LUNCH),
    ("/expense EUR 42.50 team lunch", P, EXPENSE, LUNCH),
    ("/expense 42.50 team lunch", P, EXPENSE, LUNCH),
    ("/expense 5 GBP taxi", P, EXPENSE, TAXI | {"currency": "GBP"}),
    ("/expense 5 taxi category:travel", P, EXPENSE, TAXI | {"category": "travel"}),
    ("/expense amount:5 taxi", P, EXPENSE, TAXI),
    ('/expense 5 "taxi? if; not"', P, EXPENSE, TAXI | {"description": "taxi? if; not"}),
    ("/expense 42", A, EXPENSE, {"amount": "42", "currency": "EUR"}),
    ("/expense taxi", I, "amount", {}),
    ("/expense -5 taxi", I, "amount", {}),
    ("/expense -5", I, "amount", {}),
    ("/expense 5 USD taxi currency:EUR", I, "currency", {}),
    ("/task buy milk due:someday", I, "due", {}),
    ("/task due:friday due:monday x", I, "due", {}),
    ("/tasks now", I, "input", {}),
    ("/done #12", P, DONE, {"number": 12}),
    ("/done 0", I, "number", {}),
    ("/done 3 4", I, "input", {}),
    # explicit calls
    ('create_expense amount=42.50 currency=EUR description="team lunch"', P, EXPENSE, LUNCH),
    ('create_expense amount=42.50 description="team lunch"', P, EXPENSE, LUNCH),
    ("create_expense amount=€5 description=taxi", P, EXPENSE, TAXI),
    ("create_expense amount=5 currency=all description=taxi", P, EXPENSE, TAXI | {"currency": "ALL"}),
    (r'create_task title="say \"hi\"\nnow"', P, TASK, {"title": 'say "hi"\nnow'}),
    ("create_task title=“buy milk” due=friday", P, TASK, FRIDAY),
    ("create_task:title=x", Reading.UNKNOWN, "", {}),
    ('create_task {"title": "buy milk", "due": "friday"}', P, TASK, FRIDAY),
    ('create_task{"title": "buy milk"}', P, TASK, MILK),
    ("Create_task title=x", P, TASK, {"title": "x"}),
    ("list_tasks", P, LIST, {}),
    ("create_task", A, TASK, {}),
    ("create_task buy milk", I, "input", {}),
    ("create_task title=buy milk", I, "input", {}),
    ("create_task name=x", I, "name", {}),
    ("create_task title=a title=b", I, "title", {}),
    ('create_task title="a', I, "title", {}),
    ('create_task {"title": "a", "title": "b"}', I, "title", {}),
    ('create_task {"nme": "a"}', I, "nme", {}),
    ('create_task {"title": "a"', I, "input", {}),
    ('create_task {"title": 5}', I, "title", {}),
    ("http_call url=x headers={\"a\":[1]} tags=['a']", I, "tags", {}),
    ('http_call url=x headers={"a":[1,null]}', P, "http_call", {"url": "x", "headers": {"a": [1, None]}}),
    ('http_call url=x headers={"a":1}x', I, "headers", {}),
    ('http_call url=x headers={"a":9007199254740993}', I, "headers", {}),
    ('http_call {"url":"x","limit":null}', P, "http_call", {"url": "x", "limit": None}),
    ('http_call {"url":"a\\u0000b"}', I, "url", {}),
    # sentences
    ("create task: buy milk", P, TASK, MILK),
    ("Create Task buy milk", P, TASK, MILK),
    ("create task:buy milk", P, TASK, MILK),
    ("create a new task: buy milk", P, TASK, MILK),
    ("please create task: buy milk, thanks", P, TASK, MILK),
    ("hey bot, can you please create task: buy milk?", P, TASK, MILK),
    ("create task: buy milk due friday", P, TASK, FRIDAY),
    ("create task: buy milk by 2026-11-20 for @ada", P, TASK, FRIDAY | {"assignee": "ada"}),
    ("create task: buy milk due:friday", P, TASK, FRIDAY),
    ("add buy milk to my list", P, TASK, MILK),
    ("add buy milk to my list due friday", P, TASK, FRIDAY),
    ("create task: don't forget the milk", P, TASK, {"title": "don't forget the milk"}),
    ("create task: buy milk?", C, TASK, {"title": "buy milk?"}),
    ("create task: a\ncreate task: b", C, TASK, {"title": "a\ncreate task: b"}),
    ("create task: buy milk and add eggs to my list", C, TASK, {"title": "buy milk and add eggs to my list"}),
    ("create task: buy 👩\u200d💻 milk", P, TASK, {"title": "buy 👩\u200d💻 milk"}),
    ("create task: buy mi\u200dlk", C, TASK, {"title": "buy mi\u200dlk"}),
    ("crate task: buy milk", C, TASK, MILK),
    ("create task", A, TASK, {}),
    ("add to my list", A, TASK, {}),
    ("create task: buy milk due:someday", I, "due", {}),
    ("What's on my list?", P, LIST, {}),
    ("what’s on my list", P, LIST, {}),
    ("what is on my list please", P, LIST, {}),
    ("what's on my list right now", C, LIST, {}),
    ("How are you doing?!", P, HEALTH, {}),
    ("how are you doing\nwhat's on my list", Reading.UNKNOWN, "", {}),
    ("done with 3", P, DONE, {"number": 3}),
    ("done with task #3.", P, DONE, {"number": 3}),
    ("done with 3 and 4", Reading.UNKNOWN, "", {}),
    ("done with expense 3", Reading.UNKNOWN, "", {}),
    ("done with no. 3", P, DONE, {"number": 3}),
    ("done with it", Reading.UNKNOWN, "", {}),
    ("done with A7F3Q2", I, "number", {}),
    ("expense 42.50 EUR team lunch", P, EXPENSE, LUNCH),
    ("expense 42.50 team lunch", P, EXPENSE, LUNCH),
    ("i spent 5 euros on taxi", P, EXPENSE, TAXI),
    ("book EUR 5 for taxi", P, EXPENSE, TAXI),
    ("book all 5 for taxi", Reading.UNKNOWN, "", {}),
    ("expense 5 all hands", P, EXPENSE, TAXI | {"description": "all hands"}),
    ("expense 1.234 taxi", C, EXPENSE, TAXI | {"amount": "1234"}),
    ("expense 5 taxi in USD", C, EXPENSE, TAXI | {"description": "taxi in USD"}),
    ("expense 12k laptop", I, "amount", {}),
    ("expense -5 taxi", I, "amount", {}),
    ("expense report", Reading.UNKNOWN, "", {}),
    ("print label: hello", P, LABEL, {"text": "hello"}),
    ("print label: hello if bob agrees", C, LABEL, {"text": "hello if bob agrees"}),
    ("can you print label: hello", C, LABEL, {"text": "hello"}),
    ("prnt label: hello", Reading.UNKNOWN, "", {}),
    ("thanks", Reading.UNKNOWN, "", {}),
    ("", Reading.UNKNOWN, "", {}),
]


@pytest.mark.parametrize(("text", "reading", "name", "arguments"), ROWS, ids=[repr(row[0]) for row in ROWS])
def test_a_text_is_understood(text: str, reading: Reading, name: str, arguments: Mapping[str, Json]) -> None:
    found = read(text)
    assert found.reading is reading
    if reading is Reading.INVALID:
        assert found.problem is not None
        assert found.problem.field == name
    elif reading is not Reading.UNKNOWN:
        assert (found.candidates[0].tool, dict(found.candidates[0].arguments)) == (name, dict(arguments))
        assert found.candidates[0].reading is reading


def test_what_is_missing_is_named_in_the_order_to_ask() -> None:
    assert best("expense").missing == ("amount", "description")
    assert best("/expense 5").missing == ("description",)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("/tsk buy milk", "create_task"),
        ("/expens 5", "create_expense"),
        ("/create_task", "create_task"),
        ("/ｔask x", "create_task"),
        ("create_taks title=x", "create_task"),
        ("he said: expense 5 EUR", "create_expense"),
        ("any health news?", "system_health_check"),
    ],
)
def test_an_unknown_text_names_what_is_near(text: str, nearest: str) -> None:
    found = read(text)
    assert found.reading is Reading.UNKNOWN
    assert found.nearest[0] == nearest
    assert not found.candidates


@pytest.mark.parametrize("text", ["/zzz", "/", "/ task", "zebra", "🦓"])
def test_nothing_near_is_nothing(text: str) -> None:
    assert read(text).nearest == ()


def test_confidence_falls_with_every_doubt() -> None:
    plain, doubt, doubts = best("/task x"), best("/task x; y"), best("/task x; \u200by")
    assert plain.confidence > doubt.confidence > doubts.confidence >= 0.5
    assert best("create_task title=x").confidence > plain.confidence > best("create task: x").confidence


def test_two_tools_that_fit_alike_are_both_offered() -> None:
    rivals = ToolRegistry(
        [
            tool("list_tasks", ListTasks, examples=("show open things",)),
            tool("list_bugs", ListTasks, examples=("show open things",)),
        ]
    )
    found = read("show open things", registry=rivals)
    assert found.reading is Reading.CONFIRM
    assert {one.tool for one in found.candidates} == {"list_tasks", "list_bugs"}


def test_a_name_that_is_a_plain_word_may_begin_a_sentence() -> None:
    registry = ToolRegistry([tool("deploy", ListTasks)])
    assert read("deploy", registry=registry).reading is Reading.PROPOSE
    found = read("deploy is broken again", registry=registry)
    assert (found.reading, found.nearest) == (Reading.UNKNOWN, ("deploy",))


def test_a_template_with_a_field_the_tool_lacks_is_left_out() -> None:
    broken = ToolRegistry(
        [tool("list_tasks", ListTasks, command="tasks", form="{x}", examples=("show {x}",))]
    )
    assert read("show me", registry=broken).reading is Reading.UNKNOWN
    assert read("/tasks", registry=broken).reading is Reading.INVALID


def test_a_tool_registered_later_is_known_and_an_old_registry_is_let_go() -> None:
    registry = ToolRegistry(TOOLS[:1])
    assert read("list tasks", registry=registry).reading is Reading.UNKNOWN
    registry.register(TOOLS[1])
    assert read("list tasks", registry=registry).reading is Reading.PROPOSE
    assert index_of(registry) is index_of(registry)
    before = len(_cache)
    del registry
    gc.collect()
    assert len(_cache) < before


def test_other_currencies_are_never_overwritten() -> None:
    dollars = replace(CONTEXT, currency="USD")
    assert best("expense 5 EUR taxi", dollars).arguments["currency"] == "EUR"
    assert best("expense $5 taxi", dollars).arguments["currency"] == "USD"
    assert best("expense 5 taxi", dollars).arguments["currency"] == "USD"


def test_the_same_text_always_reads_the_same() -> None:
    for row in ROWS:
        again = understand(row[0], registry=REGISTRY, context=CONTEXT)
        assert again.candidates == read(row[0]).candidates
