from typing import Any

import pytest

from tests.sandbox.conftest import ADMIN, APPROVER, BOT, GROUP, MEMBER, OTHER, Driver, Make

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
    "same as a current content and reply markup of the message"
)


def rows(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"inline_keyboard": [list(buttons)]}


def button(text: str = "Go", **action: Any) -> dict[str, Any]:
    return {"text": text, **(action or {"callback_data": "go"})}


async def test_a_message_as_bot_and_people_see_it(chat: Driver) -> None:
    markup = rows(button(callback_data="go", style="success"), button("Site", url="https://e.org"))
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text=" hello ", reply_markup=markup)
    assert sent["from"] == {
        "id": BOT,
        "is_bot": True,
        "first_name": "Countersign",
        "username": "countersign_bot",
    }
    assert sent["chat"] == {
        "id": MEMBER,
        "type": "private",
        "first_name": "Mia",
        "last_name": "Member",
        "username": "mia_member",
    }
    assert sent["text"] == "hello"
    assert sent["reply_markup"] == markup
    [_, seen] = await chat.messages()
    assert seen.pop("change") > 0
    assert seen == {
        "message_id": sent["message_id"],
        "chat_id": MEMBER,
        "from": {"id": BOT, "name": "Countersign", "is_bot": True},
        "date": sent["date"],
        "text": "hello",
        "html": "hello",
        "entities": [],
        "buttons": [
            [{"text": "Go", "data": "go", "style": "success"}, {"text": "Site", "url": "https://e.org"}],
        ],
    }


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, "message text is empty"),
        ({"text": "  "}, "message text is empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, "message text is empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "🟡" * 2049}, "message is too long"),
        ({"text": "x", "chat_id": None}, "chat_id is empty"),
        ({"text": "x", "chat_id": 5}, "chat not found"),
        ({"text": "x", "chat_id": -5}, "chat not found"),
        ({"text": "x", "chat_id": "@channel"}, "chat not found"),
        ({"text": "x", "chat_id": [1]}, "chat not found"),
        ({"text": "x", "chat_id": "9" * 5000}, "chat not found"),
        ({"text": ["x"]}, 'parameter "text" must be of type String'),
        ({"text": "x", "message_thread_id": 5}, "message thread not found"),
        ({"text": "x", "reply_parameters": {"message_id": 999}}, "message to be replied not found"),
        ({"text": "x", "reply_parameters": {"message_id": "1"}}, "message to be replied not found"),
        (
            {"text": "x", "reply_parameters": {"message_id": 1, "chat_id": GROUP}},
            "message to be replied not found",
        ),
        ({"text": "x", "reply_parameters": [1]}, "object expected as reply parameters"),
        ({"text": "x", "reply_to_message_id": 999}, "message to be replied not found"),
        ({"text": "x", "reply_markup": "{nonsense"}, "can't parse reply markup JSON object"),
    ],
)
async def test_refusals(chat: Driver, params: dict[str, Any], error: str) -> None:
    assert await chat.refused("sendMessage", **{"chat_id": MEMBER, **params}) == f"Bad Request: {error}"
    assert len(await chat.messages()) == 1


async def test_length_is_measured_after_parsing(chat: Driver) -> None:
    text = "<b>" + "&lt;" * 4096 + "</b>"
    assert len((await chat.ok("sendMessage", chat_id=MEMBER, text=text, parse_mode="HTML"))["text"]) == 4096


@pytest.mark.parametrize(
    ("markup", "error"),
    [
        (5, "object expected as reply markup"),
        ({"inline_keyboard": 5}, None),
        ({"inline_keyboard": [5]}, None),
        (rows(5), "can't parse inline keyboard button: expected an Object"),  # type: ignore[arg-type]
        (rows({"callback_data": "x"}), None),
        (rows(button("")), "can't parse inline keyboard button: Button text must be non-empty"),
        (
            rows({"text": "x"}),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (rows(button(callback_data="")), "BUTTON_DATA_INVALID"),
        (rows(button(callback_data="é" * 33)), "BUTTON_DATA_INVALID"),
        (rows(button(callback_data=5)), "BUTTON_DATA_INVALID"),
        (rows(button(url="nonsense")), "inline keyboard button URL 'nonsense' is invalid: Wrong HTTP URL"),
        (rows(button(copy_text={"text": ""})), "BUTTON_COPY_TEXT_INVALID"),
        (rows(button(copy_text={"text": "x" * 257})), "BUTTON_COPY_TEXT_INVALID"),
        (rows(button(copy_text="x")), "BUTTON_COPY_TEXT_INVALID"),
        (rows(button(web_app={"url": "http://e.org"})), None),
        (rows(button(web_app=5)), None),
        (rows(button(login_url=5)), None),
        (rows(button(switch_inline_query=5)), None),
        (
            rows(button(callback_data="x", style="pink")),
            "can't parse inline keyboard button: Invalid button style",
        ),
        (rows(button(callback_data="x", style=["success"])), None),
        ({"inline_keyboard": [[button()]] * 101}, "reply markup is too long"),
        (rows(*[button()] * 9), "reply markup is too long"),
        ({"keyboard": [[""]]}, None),
        ({"keyboard": "x"}, None),
        ({"force_reply": True, "input_field_placeholder": "x" * 65}, None),
    ],
)
async def test_bad_keyboards(chat: Driver, markup: Any, error: str | None) -> None:
    answer = await chat.refused("sendMessage", chat_id=MEMBER, text="x", reply_markup=markup)
    assert answer.startswith("Bad Request: ")
    if error is not None:
        assert answer == f"Bad Request: {error}"


async def test_good_keyboards(chat: Driver) -> None:
    keys = [
        button(callback_data="é" * 32, style="danger", icon_custom_emoji_id="5", hide=False),
        button("Copy", copy_text={"text": "x" * 256}),
        button("App", web_app={"url": "http://127.0.0.1:8800/app"}),
        button("Log in", login_url={"url": "https://e.org/login"}),
        button("Ask", switch_inline_query=""),
    ]
    sent = await chat.ok(
        "sendMessage", chat_id=MEMBER, text="x", reply_markup={"inline_keyboard": [keys, []]}
    )
    [row] = sent["reply_markup"]["inline_keyboard"]
    assert "hide" not in row[0]
    assert row[0]["icon_custom_emoji_id"] == "5"
    [row] = (await chat.messages())[-1]["buttons"]
    assert row[1] == {"text": "Copy", "copy_text": "x" * 256}
    assert row[2]["url"] == "http://127.0.0.1:8800/app"
    assert row[3]["url"] == "https://e.org/login"
    empties: list[Any] = [{"inline_keyboard": []}, {}, None, ""]
    for empty in empties:
        sent = await chat.ok("sendMessage", chat_id=MEMBER, text="x", reply_markup=empty)
        assert "reply_markup" not in sent
    in_group = rows(button(web_app={"url": "https://e.org"}))
    answer = await chat.refused("sendMessage", chat_id=GROUP, text="x", reply_markup=in_group)
    assert answer == "Bad Request: BUTTON_TYPE_INVALID"


async def test_prompts_are_seen_by_people(chat: Driver) -> None:
    asks = {"force_reply": True, "selective": True, "input_field_placeholder": "amount"}
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text="x", reply_markup=asks)
    assert "reply_markup" not in sent
    await chat.ok(
        "sendMessage", chat_id=MEMBER, text="x", reply_markup={"keyboard": [["Yes", {"text": "No"}]]}
    )
    await chat.ok("sendMessage", chat_id=MEMBER, text="x", reply_markup={"remove_keyboard": True})
    [_, force, keyboard, remove] = await chat.messages()
    assert force["force_reply"] == {"placeholder": "amount", "selective": True}
    assert keyboard["reply_keyboard"] == [["Yes", "No"]]
    assert remove["remove_keyboard"] is True


async def test_replies_are_embedded_one_level_deep(chat: Driver) -> None:
    first = await chat.ok("sendMessage", chat_id=MEMBER, text="first")
    second = await chat.ok(
        "sendMessage", chat_id=MEMBER, text="second", reply_to_message_id=first["message_id"]
    )
    assert second["reply_to_message"]["text"] == "first"
    reply = {"message_id": second["message_id"], "chat_id": MEMBER}
    third = await chat.ok("sendMessage", chat_id=MEMBER, text="third", reply_parameters=reply)
    assert third["reply_to_message"]["text"] == "second"
    assert "reply_to_message" not in third["reply_to_message"]
    assert (await chat.messages())[-1]["reply_to"] == second["message_id"]
    anyway = {"message_id": 999, "allow_sending_without_reply": True}
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text="x", reply_parameters=anyway)
    assert "reply_to_message" not in sent
    await chat.ok("deleteMessage", chat_id=MEMBER, message_id=first["message_id"])
    answer = await chat.refused(
        "sendMessage", chat_id=MEMBER, text="x", reply_to_message_id=first["message_id"]
    )
    assert answer.endswith("message to be replied not found")


async def test_a_bot_may_not_write_first(chat: Driver) -> None:
    answer = await chat.refused("sendMessage", chat_id=APPROVER, text="x")
    assert answer == "Forbidden: bot can't initiate conversation with a user"
    assert await chat.refused("getChat", chat_id=APPROVER) == "Bad Request: chat not found"
    await chat.say("approver", "hello")
    await chat.ok("sendMessage", chat_id=APPROVER, text="x")


async def test_blocked_and_deleted_people(chat: Driver) -> None:
    person = await chat.post("people", key="member", action="block")
    assert person["blocked"] is True
    [update] = await chat.updates()
    change = update["my_chat_member"]
    assert (change["old_chat_member"]["status"], change["new_chat_member"]["status"]) == ("member", "kicked")
    body = await chat.api("sendMessage", chat_id=MEMBER, text="x")
    assert (body["error_code"], body["description"]) == (403, "Forbidden: bot was blocked by the user")
    assert (await chat.refused("sendChatAction", chat_id=MEMBER, action="typing")).startswith("Forbidden")
    await chat.post("people", key="member", action="block")
    assert await chat.updates() == []
    await chat.post("messages", 400, **{"from": "member"}, chat="member", text="x")
    await chat.post("people", key="member", action="unblock")
    [update] = await chat.updates()
    assert update["my_chat_member"]["new_chat_member"]["status"] == "member"
    await chat.ok("sendMessage", chat_id=MEMBER, text="x")
    await chat.post("people", key="member", action="remove")
    assert await chat.refused("sendMessage", chat_id=MEMBER, text="x") == "Forbidden: user is deactivated"


async def test_edits(chat: Driver) -> None:
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text="a", reply_markup=rows(button()))
    where = {"chat_id": MEMBER, "message_id": sent["message_id"]}
    assert (
        await chat.refused("editMessageText", **where, text="a", reply_markup=rows(button())) == NOT_MODIFIED
    )
    assert await chat.refused("editMessageReplyMarkup", **where, reply_markup=rows(button())) == NOT_MODIFIED
    edited = await chat.ok("editMessageText", **where, text="a")
    assert "reply_markup" not in edited, "an edit without a keyboard removes it"
    assert edited["edit_date"] >= edited["date"]
    await chat.ok("editMessageText", **where, text="<b>a</b>", parse_mode="HTML", reply_markup=rows(button()))
    assert (await chat.messages())[-1]["html"] == "<b>a</b>"
    assert "reply_markup" not in await chat.ok("editMessageReplyMarkup", **where)
    assert await chat.refused("editMessageReplyMarkup", **where) == NOT_MODIFIED
    force = {"force_reply": True}
    for method in ("editMessageText", "editMessageReplyMarkup"):
        answer = await chat.refused(method, **where, text="b", reply_markup=force)
        assert answer == "Bad Request: inline keyboard expected"


async def test_edits_that_cannot_be(chat: Driver) -> None:
    said = await chat.say("member", "mine")
    sent = await chat.ok("sendMessage", chat_id=MEMBER, text="a")

    async def edit(**params: Any) -> str:
        return (await chat.refused("editMessageText", **{"chat_id": MEMBER, "text": "b", **params}))[13:]

    assert await edit() == "message identifier is not specified"
    assert await edit(message_id="x") == "message identifier is not specified"
    assert await edit(message_id=999) == "message to edit not found"
    assert await edit(message_id=said["message_id"]) == "message can't be edited"
    assert await edit(message_id=sent["message_id"], text="") == "message text is empty"
    assert await edit(message_id=sent["message_id"], text="x" * 4097) == "message is too long"
    assert await edit(chat_id=None, inline_message_id="5") == "MESSAGE_ID_INVALID"
    await chat.ok("deleteMessage", chat_id=MEMBER, message_id=sent["message_id"])
    assert await edit(message_id=sent["message_id"]) == "message to edit not found"


async def test_deleting(chat: Driver) -> None:
    said = await chat.say("member", "mine")
    await chat.ok("deleteMessage", chat_id=MEMBER, message_id=said["message_id"])
    seen = (await chat.messages())[-1]
    assert (seen["deleted"], seen["text"], seen["buttons"]) == (True, "", [])
    answer = await chat.refused("deleteMessage", chat_id=MEMBER, message_id=said["message_id"])
    assert answer == "Bad Request: message to delete not found"
    said = await chat.say("member", "/x", "group")
    answer = await chat.refused("deleteMessage", chat_id=GROUP, message_id=said["message_id"])
    assert answer == "Bad Request: message can't be deleted"
    sent = await chat.ok("sendMessage", chat_id=GROUP, text="x")
    await chat.post("clock", advance_s=48 * 3600 + 5)
    answer = await chat.refused("deleteMessage", chat_id=GROUP, message_id=sent["message_id"])
    assert answer == "Bad Request: message can't be deleted"


async def test_reactions_of_a_bot(chat: Driver) -> None:
    said = await chat.say("member", "x")
    where = {"chat_id": MEMBER, "message_id": said["message_id"]}
    await chat.ok("setMessageReaction", **where, reaction=[{"type": "emoji", "emoji": "👀"}])
    assert (await chat.messages())[-1]["reactions"] == [{"emoji": "👀", "count": 1, "from": [BOT]}]
    await chat.ok("setMessageReaction", **where)
    assert "reactions" not in (await chat.messages())[-1]
    wrongs: list[Any] = [[{"emoji": "✅"}], [{"emoji": 5}], [{}]]
    for wrong in wrongs:
        assert (await chat.refused("setMessageReaction", **where, reaction=wrong)).endswith(
            "REACTION_INVALID"
        )
    many = [{"emoji": "👀"}] * 2
    assert (await chat.refused("setMessageReaction", **where, reaction=many)).endswith("REACTIONS_TOO_MANY")
    assert "can't parse" in await chat.refused("setMessageReaction", **where, reaction={"emoji": "👀"})
    missing = await chat.refused("setMessageReaction", chat_id=MEMBER, message_id=999)
    assert missing.endswith("message to react not found")


async def test_chat_action(chat: Driver) -> None:
    assert await chat.ok("sendChatAction", chat_id=MEMBER, action="typing") is True
    answer = await chat.refused("sendChatAction", chat_id=MEMBER, action="dancing")
    assert answer == "Bad Request: wrong parameter action in request"


async def test_chats_and_members(chat: Driver) -> None:
    full = await chat.ok("getChat", chat_id=GROUP)
    assert (full["type"], full["is_forum"], full["accent_color_id"]) == ("supergroup", True, 0)
    assert (await chat.ok("getChat", chat_id=str(MEMBER)))["first_name"] == "Mia"
    [owner] = await chat.ok("getChatAdministrators", chat_id=GROUP)
    assert (owner["status"], owner["user"]["id"]) == ("creator", ADMIN)
    assert "no administrators" in await chat.refused("getChatAdministrators", chat_id=MEMBER)
    for user, status in ((ADMIN, "creator"), (MEMBER, "member"), (BOT, "member")):
        assert (await chat.ok("getChatMember", chat_id=GROUP, user_id=user))["status"] == status
    assert await chat.refused("getChatMember", chat_id=GROUP, user_id=5) == "Bad Request: user not found"
    await chat.post("people", key="guest", action="add", name="Gus Guest")
    assert (await chat.ok("getChatMember", chat_id=GROUP, user_id=1004))["status"] == "left"


async def test_topics(chat: Driver) -> None:
    [group] = [one for one in (await chat.get("state"))["chats"] if one["key"] == "group"]
    [topic] = group["topics"]
    thread = topic["message_thread_id"]
    sent = await chat.ok("sendMessage", chat_id=GROUP, text="x", message_thread_id=thread)
    assert (sent["message_thread_id"], sent["is_topic_message"]) == (thread, True)
    said = await chat.say("member", "yes", "group", reply_to=sent["message_id"])
    assert said["thread"] == thread
    [update] = await chat.updates()
    assert update["message"]["message_thread_id"] == thread
    answer = await chat.ok("sendMessage", chat_id=GROUP, text="x", reply_to_message_id=said["message_id"])
    assert answer["message_thread_id"] == thread, "an answer stays in the topic"
    await chat.post("messages", 404, **{"from": "member"}, chat="group", text="x", thread=77)


async def test_commands_by_scope(chat: Driver) -> None:
    def command(name: str) -> list[dict[str, str]]:
        return [{"command": name, "description": name}]

    await chat.ok("setMyCommands", commands=[{"command": "/all", "description": " all "}])
    await chat.ok("setMyCommands", commands=command("alle"), language_code="de")
    await chat.ok("setMyCommands", commands=command("private"), scope={"type": "all_private_chats"})
    await chat.ok("setMyCommands", commands=command("mine"), scope={"type": "chat", "chat_id": MEMBER})
    await chat.ok("setMyCommands", commands=command("groups"), scope='{"type": "all_group_chats"}')
    await chat.ok("setMyCommands", commands=command("owner"), scope={"type": "all_chat_administrators"})
    narrow = {"type": "chat_member", "chat_id": GROUP, "user_id": APPROVER}
    await chat.ok("setMyCommands", commands=command("paul"), scope=narrow)
    assert await chat.ok("getMyCommands") == command("all")
    assert await chat.ok("getMyCommands", language_code="de") == command("alle")
    assert await chat.ok("getMyCommands", scope=narrow) == command("paul")
    assert await chat.ok("getMyCommands", scope={"type": "chat_administrators", "chat_id": GROUP}) == []

    async def menu(query: str) -> str:
        return str((await chat.get(f"state?{query}"))["menu"][0]["command"])

    assert await menu("from=member") == "mine"
    assert await menu("from=approver") == "private"
    assert await menu("from=member&chat=group") == "groups"
    assert await menu("from=approver&chat=group") == "paul"
    assert await menu("from=admin&chat=group") == "owner"
    await chat.ok("deleteMyCommands", scope={"type": "all_group_chats"})
    assert await menu("from=member&chat=group") == "all"
    await chat.ok("deleteMyCommands")
    assert (await chat.get("state?from=member&chat=group"))["menu"] == []
    registered = (await chat.get("state"))["commands"][str(BOT)]
    assert {"scope": narrow, "language_code": "", "commands": command("paul")} in registered


@pytest.mark.parametrize(
    "params",
    [
        {"commands": 5},
        {"commands": [5]},
        {"commands": [{"command": "Upper", "description": "x"}]},
        {"commands": [{"command": "x" * 33, "description": "x"}]},
        {"commands": [{"command": "x", "description": ""}]},
        {"commands": [{"command": "x"}]},
        {"commands": [{"command": "x", "description": "x"}] * 101},
        {"language_code": "english"},
        {"scope": 5},
        {"scope": {"type": "sky"}},
        {"scope": {"type": ["chat"]}},
        {"scope": {"type": "chat", "chat_id": 5}},
        {"scope": {"type": "chat", "chat_id": APPROVER}},
        {"scope": {"type": "chat_administrators", "chat_id": MEMBER}},
        {"scope": {"type": "chat_member", "chat_id": GROUP, "user_id": 5}},
    ],
)
async def test_wrong_commands(chat: Driver, params: dict[str, Any]) -> None:
    assert (await chat.refused("setMyCommands", **params)).startswith("Bad Request: ")


async def test_a_bot_sees_nothing_of_other_bots(make: Make) -> None:
    sb = await make()
    await sb.ok("getMe")
    await sb.ok("getMe", OTHER)
    sent = await sb.ok("sendMessage", OTHER, chat_id=GROUP, text="@countersign_bot hello")
    assert await sb.ok("getUpdates") == []
    where = {"chat_id": GROUP, "message_id": sent["message_id"]}
    assert await sb.refused("editMessageText", **where, text="x") == "Bad Request: message can't be edited"
