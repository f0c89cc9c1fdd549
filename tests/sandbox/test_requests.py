"""Every way in which a client may put its parameters, and everything that a broken one may send."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from bot.sandbox.methods import METHODS
from tests.sandbox.conftest import FAST, GROUP, MEMBER, TOKEN, Driver, Make

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
PARAMS = {"chat_id": str(MEMBER), "text": "a & é 🟡", "reply_markup": '{"inline_keyboard": []}'}


def multipart(*parts: bytes) -> dict[str, Any]:
    body = b"".join(b"--xyz\r\n" + part + b"\r\n" for part in parts) + b"--xyz--\r\n"
    return {"data": body, "headers": {"Content-Type": 'multipart/form-data; boundary="xyz"'}}


def field(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


async def call(sb: Driver, verb: str, path: str, **options: Any) -> dict[str, Any]:
    async with sb.session.request(verb, f"{sb.sandbox.url}/bot{TOKEN}/{path}", **options) as response:
        body: dict[str, Any] = await response.json()
        assert response.status == (200 if body["ok"] else body["error_code"])
        return body


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize(
    ("query", "options"),
    [
        (PARAMS, {}),
        ({}, {"data": urlencode(PARAMS), "headers": FORM}),
        ({"text": "overruled"}, {"data": urlencode(PARAMS), "headers": FORM}),
        ({}, {"data": urlencode(PARAMS)}),
        ({}, {"data": json.dumps(PARAMS), "headers": JSON}),
        ({}, {"data": json.dumps(PARAMS | {"reply_markup": {"inline_keyboard": []}}), "headers": JSON}),
        (
            {},
            multipart(*(field(name, value) for name, value in PARAMS.items()), b"nonsense", b"A: b\r\n\r\nc"),
        ),
        (PARAMS, {"data": "", "headers": JSON}),
    ],
)
async def test_every_way_in(chat: Driver, verb: str, query: dict[str, str], options: dict[str, Any]) -> None:
    path = f"SENDMESSAGE?{urlencode(query)}" if query else "sendmessage"
    body = await call(chat, verb, path, **options)
    assert body["result"]["text"] == "a & é 🟡"


async def test_a_get_with_a_form_body_keeps_its_offset(chat: Driver) -> None:
    await chat.say("member", "once")
    [update] = (await call(chat, "GET", "getUpdates"))["result"]
    data = urlencode({"offset": update["update_id"] + 1})
    assert (await call(chat, "GET", "getUpdates", data=data, headers=FORM))["result"] == []
    assert (await call(chat, "GET", "getUpdates"))["result"] == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"data": "{", "headers": JSON}, "can't parse the request body"),
        ({"data": "[]", "headers": JSON}, "object expected as request body"),
        ({"data": "[" * 100_000, "headers": JSON}, "can't parse the request body"),
        ({"data": '{"a":' * 100_000, "headers": JSON}, "can't parse the request body"),
        ({"data": "9" * 10_000, "headers": JSON}, "can't parse the request body"),
        ({"data": '{"chat_id": NaN}', "headers": JSON}, "can't parse the request body"),
        ({"data": b'{"text": "\xff"}', "headers": JSON}, "strings must be encoded in UTF-8"),
        ({"data": '{"text": "\\ud83d"}', "headers": JSON}, "strings must be encoded in UTF-8"),
        ({"data": b"text=\xff", "headers": FORM}, "strings must be encoded in UTF-8"),
        ({"data": "text=%ff", "headers": FORM}, "strings must be encoded in UTF-8"),
        ({"data": "a=1&" * 2000, "headers": FORM}, "can't parse the request body"),
        (
            multipart(b'Content-Disposition: form-data; name="text"\r\n\r\n\xff'),
            "strings must be encoded in UTF-8",
        ),
        (
            {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            "can't parse the multipart request body",
        ),
        ({"data": b"--a\r\n\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, None),
        ({"data": b"", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, None),
    ],
)
async def test_bodies_that_cannot_be_read(chat: Driver, options: dict[str, Any], error: str | None) -> None:
    body = await call(chat, "POST", "sendMessage", **options)
    assert body["error_code"] == 400
    assert body["description"].startswith("Bad Request: ")
    if error is not None:
        assert body["description"] == f"Bad Request: {error}"


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1e308,
    "",
    "junk",
    "{",
    "[" * 50_000,
    "null",
    '"\\ud800"',
    [],
    [[]],
    [None],
    [[{}]],
    {},
    {"type": {}},
    {"type": "chat", "chat_id": []},
    {"message_id": []},
    {"inline_keyboard": [[{"text": "x", "url": {}}]]},
    {"inline_keyboard": [[{"text": "x", "callback_data": "x", "style": {}}]]},
    [{"type": [], "offset": {}, "length": None}],
    [{"type": "bold", "offset": -(10**30), "length": 10**30}],
    [{"command": [], "description": {}}],
]
SEND = "chat_id parse_mode reply_markup reply_parameters reply_to_message_id message_thread_id"
EDIT = "chat_id message_id inline_message_id text parse_mode entities reply_markup"
FIELDS = {
    "getupdates": "offset limit allowed_updates",
    "setwebhook": "url",
    "deletewebhook": "drop_pending_updates",
    "getfile": "file_id",
    "sendmessage": f"{SEND} text entities",
    "senddocument": f"{SEND} document caption caption_entities",
    "sendphoto": f"{SEND} photo caption",
    "sendchataction": "chat_id action",
    "editmessagetext": EDIT,
    "editmessagereplymarkup": EDIT,
    "deletemessage": "chat_id message_id",
    "setmessagereaction": "chat_id message_id reaction",
    "answercallbackquery": "callback_query_id text show_alert url",
    "setmycommands": "commands scope language_code",
    "getmycommands": "scope language_code",
    "deletemycommands": "scope language_code",
    "getchat": "chat_id",
    "getchatmember": "chat_id user_id",
    "getchatadministrators": "chat_id",
}


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_junk_is_never_an_accident(chat: Driver, method: str) -> None:
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text="x")
    base = {"chat_id": MEMBER, "text": "y", "message_id": sent["message_id"], "action": "typing"}
    for name in FIELDS.get(method, "unknown").split():
        for junk in JUNK:
            body = await chat.api(method, **{**base, name: junk})
            assert body["ok"] or body["error_code"] in {400, 404}, (name, junk)


WHERE = "from chat message_id bot"
BODIES = {
    "messages": "from chat bot text reply_to thread forward_of file entities",
    "taps": f"{WHERE} text data",
    "edits": f"{WHERE} text entities",
    "reactions": f"{WHERE} emoji",
    "people": "key action name bot",
    "members": "chat action key bot",
    "faults": "method chat status description retry_after delay drop times",
    "clock": "advance_s",
    "reset": "unknown",
}


@pytest.mark.parametrize("path", BODIES)
async def test_junk_from_a_driver(make: Make, path: str) -> None:
    sb = await make(rules=replace(FAST, tap_wait=0.001))
    await sb.open()
    sent = await sb.ok("sendMessage", chat_id=GROUP, text="x")
    base = {
        "from": "member",
        "chat": "group",
        "message_id": sent["message_id"],
        "text": "y",
        "method": "nothing",
    }
    actions = ("add", "block", "remove", None) if path in {"people", "members"} else (None,)
    for action in actions:
        for name in BODIES[path].split():
            for junk in [*JUNK, {"name": [], "text": {}}, {"chat": [], "message_id": {}}]:
                status = await _post(sb, path, {**base, "action": action, name: junk})
                assert status in {200, 400, 404}, (name, junk)


async def _post(sb: Driver, path: str, body: dict[str, Any]) -> int:
    async with sb.session.post(f"{sb.sandbox.url}/sandbox/{path}", json=body) as response:
        await response.read()
        return response.status
