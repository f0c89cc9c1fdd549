import base64
from typing import Any

import pytest

from tests.sandbox.conftest import ADMIN, APPROVER, BOT, GROUP, MEMBER, OTHER, PNG, TOKEN, Driver


async def test_the_start(sb: Driver) -> None:
    state = await sb.get("state")
    assert [one["key"] for one in state["people"]] == ["member", "approver", "admin"]
    assert [one["name"] for one in state["people"]] == ["Mia Member", "Paul Approver", "Ada Admin"]
    assert state["people"][0] == {
        "key": "member",
        "id": MEMBER,
        "name": "Mia Member",
        "username": "mia_member",
        "blocked": False,
    }
    [group] = state["chats"]
    assert group == {
        "id": GROUP,
        "key": "group",
        "type": "supergroup",
        "title": "Team",
        "members": [MEMBER, APPROVER, ADMIN],
        "bots": [],
        "topics": [{"message_thread_id": 2, "name": "Approvals"}],
    }
    await sb.ok("getMe")
    state = await sb.get("state")
    assert state["bots"] == [{"id": BOT, "username": "countersign_bot", "name": "Countersign"}]
    assert [(one["id"], one["key"], one["type"]) for one in state["chats"]] == [
        (MEMBER, "member", "private"),
        (APPROVER, "approver", "private"),
        (ADMIN, "admin", "private"),
        (GROUP, "group", "supergroup"),
    ]
    assert state["chats"][0]["bot"] == BOT
    assert state["chats"][3]["bots"] == [BOT]


async def test_saying_something(sb: Driver) -> None:
    await sb.ok("getMe")
    said = await sb.say("member", "/start now")
    assert said["from"] == {"id": MEMBER, "name": "Mia Member", "is_bot": False, "key": "member"}
    assert said["chat_id"] == MEMBER
    [update] = await sb.ok("getUpdates")
    message = update["message"]
    assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert message["from"] == {
        "id": MEMBER,
        "is_bot": False,
        "first_name": "Mia",
        "last_name": "Member",
        "username": "mia_member",
        "language_code": "en",
    }
    again = await sb.post(
        "messages", **{"from": MEMBER}, chat=str(MEMBER), text="x", reply_to=said["message_id"]
    )
    assert again["reply_to"] == said["message_id"]
    assert (await sb.ok("getUpdates", offset=-1))[0]["message"]["reply_to_message"]["text"] == "/start now"


async def test_formatted_text_of_a_person(chat: Driver) -> None:
    quoted = [{"type": "blockquote", "offset": 0, "length": 3}]
    said = await chat.say("member", "pay me", entities=quoted)
    assert said["html"] == "<blockquote>pay</blockquote> me"
    await chat.post("messages", 400, **{"from": "member"}, chat="member", text="x", entities="bold")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 400),
        ({"text": "  "}, 400),
        ({"text": "x" * 4097}, 400),
        ({"text": 5}, 400),
        ({"from": "nobody"}, 404),
        ({"from": None}, 400),
        ({"from": True}, 400),
        ({"chat": "nowhere"}, 404),
        ({"chat": -5}, 404),
        ({"chat": 5}, 404),
        ({"chat": None}, 400),
        ({"chat": "approver"}, 400),
        ({"bot": "unknown_bot"}, 404),
        ({"reply_to": 999}, 404),
        ({"reply_to": "x"}, 400),
        ({"reply_to": 1.5}, 400),
        ({"thread": 5}, 404),
        ({"forward_of": 999}, 404),
        ({"forward_of": "x"}, 400),
        ({"forward_of": {"chat": "group"}}, 400),
        ({"file": 5}, 400),
        ({"file": {"name": "x"}}, 400),
        ({"file": {"name": "x", "content_base64": "?"}}, 400),
        ({"file": {"name": "x", "content_base64": 5}}, 400),
        ({"file": {"name": "x", "text": ""}}, 400),
        ({"file": {"name": 5, "text": "x"}}, 400),
        ({"file": {"name": "x", "text": "x"}, "text": "x" * 1025}, 400),
    ],
)
async def test_what_cannot_be_said(chat: Driver, body: dict[str, Any], status: int) -> None:
    answer = await chat.post("messages", status, **{"from": "member", "chat": "member", "text": "x", **body})
    assert answer["error"]
    assert await chat.ok("getUpdates") == []


async def test_without_a_bot_there_is_no_private_chat(sb: Driver) -> None:
    answer = await sb.post("messages", 404, **{"from": "member"}, chat="member", text="x")
    assert answer["error"] == "no bot has been here yet: start one"
    await sb.say("member", "the group is there", "group")


async def test_edits_by_people(chat: Driver) -> None:
    said = await chat.say("member", "a")
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text="b")
    where = {"from": "member", "chat": "member", "message_id": said["message_id"]}
    edited = await chat.post("edits", **where, text="c")
    assert (edited["text"], edited["change"] > said["change"]) == ("c", True)
    assert edited["edit_date"] >= said["date"]
    updates = await chat.updates()
    assert updates[-1]["edited_message"]["text"] == "c"
    await chat.post("edits", 400, **where, text="")
    await chat.post("edits", 400, **where)
    await chat.post("edits", 400, **{**where, "message_id": sent["message_id"]}, text="c")
    await chat.post("edits", 404, **{**where, "message_id": 999}, text="c")


async def test_reactions_by_people(chat: Driver) -> None:
    sent = await chat.ok("sendMessage", chat_id=GROUP, text="b")
    where = {"chat": "group", "message_id": sent["message_id"]}
    await chat.post("reactions", **{"from": "member"}, **where, emoji="👍")
    seen = await chat.post("reactions", **{"from": "admin"}, **where, emoji="👍")
    assert seen["reactions"] == [{"emoji": "👍", "count": 2, "from": [MEMBER, ADMIN]}]
    seen = await chat.post("reactions", **{"from": "admin"}, **where, emoji=None)
    assert seen["reactions"] == [{"emoji": "👍", "count": 1, "from": [MEMBER]}]
    assert (
        "is no reaction"
        in (await chat.post("reactions", 400, **{"from": "admin"}, **where, emoji="✅"))["error"]
    )


async def test_forwarding(chat: Driver) -> None:
    said = await chat.say("approver", "/pay 5", "group")
    await chat.updates()
    forwarded = await chat.say("member", "", forward_of={"chat": "group", "message_id": said["message_id"]})
    assert forwarded["text"] == "/pay 5"
    assert forwarded["forward_from"]["first_name"] == "Paul"
    [update] = await chat.updates()
    origin = update["message"]["forward_origin"]
    assert (origin["type"], origin["sender_user"]["id"], origin["date"]) == ("user", APPROVER, said["date"])
    again = await chat.say("member", "", forward_of=forwarded["message_id"])
    assert again["forward_from"]["first_name"] == "Paul"
    secret = await chat.ok("sendMessage", chat_id=MEMBER, text="secret", protect_content=True)
    assert secret["has_protected_content"] is True
    await chat.post("messages", 400, **{"from": "member"}, chat="member", forward_of=secret["message_id"])
    of = {"chat": "member", "message_id": said["message_id"]}
    await chat.post("messages", 404, **{"from": "member"}, chat="member", forward_of=of)
    of = {"chat": "member", "message_id": 1}
    await chat.post("messages", 400, **{"from": "approver"}, chat="approver", forward_of=of)


async def test_a_forwarded_picture_keeps_its_file(chat: Driver) -> None:
    file = {"name": "x.png", "content_base64": base64.b64encode(PNG).decode()}
    said = await chat.say("member", "look", file=file)
    forwarded = await chat.say(
        "member", "", "group", forward_of={"chat": "member", "message_id": said["message_id"]}
    )
    assert forwarded["photo"] == said["photo"]


@pytest.mark.parametrize(
    ("text", "sees"),
    [
        ("hello all", False),
        ("/help", True),
        ("/help@countersign_bot", True),
        ("/help@Countersign_Bot now", True),
        ("/help@countersign_7001_bot", False),
        ("do /help", False),
        ("ask @countersign_bot", True),
        ("ask @countersign_7001_bot", False),
        ("ask @countersign_bot2", False),
    ],
)
async def test_privacy_mode(chat: Driver, text: str, sees: bool) -> None:
    await chat.say("member", text, "group")
    assert [one["message"]["text"] for one in await chat.ok("getUpdates")] == ([text] if sees else [])


async def test_replies_and_names_pass_privacy_mode(chat: Driver) -> None:
    await chat.ok("getMe", OTHER)
    sent = await chat.ok("sendMessage", chat_id=GROUP, text="x")
    reply = await chat.say("member", "yes", "group", reply_to=sent["message_id"])
    named = [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": BOT}}]
    await chat.say("member", "a", "group", entities=named)
    await chat.say("member", "to the person", "group", reply_to=reply["message_id"])
    assert [one["message"]["text"] for one in await chat.ok("getUpdates")] == ["yes", "a"]
    assert await chat.ok("getUpdates", OTHER) == []
    where = {"from": "member", "chat": "group", "message_id": reply["message_id"]}
    await chat.post("edits", **where, text="no")
    assert (await chat.ok("getUpdates"))[-1]["edited_message"]["text"] == "no"


async def test_new_people(chat: Driver) -> None:
    guest = await chat.post("people", key="guest", action="add", name=" Gus  Guest ")
    assert (guest["id"], guest["name"]) == (1004, "Gus Guest")
    await chat.say("guest", "hello")
    assert (await chat.ok("getUpdates", offset=-1))[0]["message"]["from"]["first_name"] == "Gus"
    await chat.post("messages", 400, **{"from": "guest"}, chat="group", text="x")
    for key in ("guest", "member", "group", "X", "a b", "5"):
        await chat.post("people", 400, key=key, action="add")
    await chat.post("people", 400, key="guest", action="dance")
    await chat.post("people", 404, key="nobody", action="block")
    single = await chat.post("people", key="cher", action="add")
    assert single["name"] == "Cher"
    await chat.say("cher", "hello")
    assert "last_name" not in (await chat.ok("getUpdates", offset=-1))[0]["message"]["from"]


async def test_an_id_of_a_bot_is_not_given_to_a_person(sb: Driver) -> None:
    await sb.ok("getMe", "1004:" + "x" * 20)
    assert (await sb.post("people", key="guest", action="add"))["id"] == 1005


async def test_a_deleted_account(chat: Driver) -> None:
    said = await chat.say("approver", "/x", "group")
    await chat.post("people", key="approver", action="remove")
    state = await chat.get("state")
    assert [one["key"] for one in state["people"]] == ["member", "admin"]
    assert len(state["chats"]) == 3
    [seen] = await chat.messages("group")
    assert seen["from"] == {"id": APPROVER, "name": "Deleted Account", "is_bot": False}
    await chat.ok("sendMessage", chat_id=GROUP, text="x", reply_to_message_id=said["message_id"])
    assert (await chat.post("people", key="approver", action="add"))["id"] == 1004


async def test_joining_and_leaving(chat: Driver) -> None:
    await chat.ok("getUpdates", allowed_updates=["message", "chat_member", "my_chat_member"])
    group = await chat.post("members", chat="group", action="remove", key="approver")
    assert group["members"] == [MEMBER, ADMIN]
    left, service = await chat.updates()
    assert left["chat_member"]["new_chat_member"]["status"] == "kicked"
    assert left["chat_member"]["from"]["id"] == ADMIN
    assert service["message"]["left_chat_member"]["id"] == APPROVER
    assert (await chat.messages("group"))[-1]["text"] == "Paul Approver left the group"
    await chat.post("messages", 400, **{"from": "approver"}, chat="group", text="x")
    await chat.post("members", 400, chat="group", action="remove", key="approver")
    await chat.post("members", chat="group", action="add", key="approver")
    joined, service = await chat.updates()
    assert joined["chat_member"]["old_chat_member"]["status"] == "kicked"
    assert joined["chat_member"]["new_chat_member"]["status"] == "member"
    assert service["message"]["new_chat_members"][0]["id"] == APPROVER
    seen = (await chat.messages("group"))[-1]
    assert (seen["text"], seen["service"]) == ("Paul Approver joined the group", True)
    await chat.post("members", 400, chat="group", action="add", key="approver")
    await chat.post("members", 400, chat="group", action="dance", key="approver")
    await chat.post("members", 400, chat="member", action="add", key="approver")
    of = {"chat": "group", "message_id": seen["message_id"]}
    await chat.post("messages", 400, **{"from": "member"}, chat="member", forward_of=of)
    await chat.post("edits", 400, **{"from": "admin"}, **of, text="x")
    assert await chat.ok("deleteMessage", chat_id=MEMBER, message_id=1)


async def test_a_bot_that_is_kicked(chat: Driver) -> None:
    await chat.ok("getMe", OTHER)
    await chat.post("members", chat="group", action="remove")
    [update] = await chat.updates()
    assert update["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    body = await chat.api("sendMessage", chat_id=GROUP, text="x")
    assert body["error_code"] == 403
    assert body["description"] == "Forbidden: bot was kicked from the supergroup chat"
    [update] = await chat.updates(OTHER)
    assert update["message"]["left_chat_member"]["id"] == BOT
    await chat.post("members", chat="group", action="add", key="@countersign_bot")
    first, second = await chat.updates()
    assert first["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert second["message"]["new_chat_members"][0]["username"] == "countersign_bot"
    await chat.ok("sendMessage", chat_id=GROUP, text="x")
    assert TOKEN


async def test_migration(chat: Driver) -> None:
    sent = await chat.ok("sendMessage", chat_id=GROUP, text="old")
    new = (await chat.post("members", chat="group", action="migrate"))["id"]
    assert new < GROUP
    first, second = await chat.updates()
    assert (first["message"]["chat"]["id"], first["message"]["migrate_to_chat_id"]) == (GROUP, new)
    assert (second["message"]["chat"]["id"], second["message"]["migrate_from_chat_id"]) == (new, GROUP)
    for method, more in (("sendMessage", {}), ("editMessageText", {"message_id": sent["message_id"]})):
        body = await chat.api(method, chat_id=GROUP, text="x", **more)
        assert body["error_code"] == 400
        assert body["parameters"] == {"migrate_to_chat_id": new}
        assert body["description"] == "Bad Request: group chat was upgraded to a supergroup chat"
    await chat.ok("sendMessage", chat_id=new, text="new", message_thread_id=2)
    said = await chat.say("member", "/x", "group")
    assert said["chat_id"] == new
    state = await chat.get("state")
    assert [one["id"] for one in state["chats"] if one["key"] == "group"] == [new]
    assert [one["text"] for one in await chat.messages(GROUP)] == ["old", "The group moved to a new id"]
    assert (await chat.messages("group"))[0]["text"] == "The group came from an old id"
    await chat.post("messages", 400, **{"from": "member"}, chat=GROUP, text="x")
    await chat.post("members", 400, chat=GROUP, action="migrate")
    newer = (await chat.post("members", action="migrate"))["id"]
    assert newer < new
    await chat.post("reset")
    assert (await chat.get("state"))["chats"][-1]["id"] == GROUP


async def test_reset(chat: Driver) -> None:
    await chat.ok("setMyCommands", commands=[{"command": "x", "description": "x"}])
    before = (await chat.messages())[-1]["message_id"]
    await chat.post("people", key="guest", action="add")
    await chat.post("faults", status=500, times=5)
    state = await chat.post("reset")
    assert [one["key"] for one in state["people"]] == ["member", "approver", "admin"]
    assert [one["id"] for one in state["bots"]] == [BOT]
    assert await chat.messages() == []
    assert await chat.ok("getUpdates") == []
    assert "initiate" in await chat.refused("sendMessage", chat_id=MEMBER, text="x")
    assert (await chat.say("member", "x"))["message_id"] > before
    assert len(await chat.ok("getUpdates")) == 1
