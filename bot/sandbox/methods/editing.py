"""What a bot changes: its messages, reactions, and the taps that it answers."""

from msgspec.structs import replace

from bot.sandbox.entities import utf16_length
from bot.sandbox.errors import bad_request
from bot.sandbox.keyboards import read_markup
from bot.sandbox.methods.call import Call
from bot.sandbox.posting import change
from bot.sandbox.reactions import ALLOWED, bare
from bot.sandbox.records import Chat, Json, Message
from bot.sandbox.rules import ANSWER_LIMIT, DELETE_WINDOW, TEXT_LIMIT
from bot.sandbox.taps import Answer
from bot.sandbox.views import message_json

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"


def _target(call: Call) -> tuple[Chat, Message]:
    """Return the bot's own message that is to be edited."""
    if call.params.raw("chat_id") is None and call.params.text("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = call.chat()
    if call.params.integer("message_id") <= 0:
        raise bad_request("message identifier is not specified")
    message = call.message(chat, missing="message to edit not found")
    if message.sender != call.bot.id:
        raise bad_request("message can't be edited")
    return chat, message


def edit_message_text(call: Call) -> Json:
    """Replace text and keyboard; without a keyboard in the call the old one goes."""
    chat, message = _target(call)
    if message.has_file:
        raise bad_request("there is no text in the message to edit")
    text = call.formatted("text", entities="entities")
    if not text.text:
        raise bad_request("message text is empty")
    if utf16_length(text.text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    markup = read_markup(call.params.tree("reply_markup"), private=chat.private)
    if markup.prompt:
        raise bad_request("inline keyboard expected")
    if (message.text, message.entities, message.keyboard) == (text.text, text.entities, markup.keyboard):
        raise bad_request(NOT_MODIFIED)
    call.world.gate.pass_one(call.bot.id, chat.key, private=chat.private)
    edited = change(
        call.world,
        message,
        text=text.text,
        entities=text.entities,
        keyboard=markup.keyboard,
        edit_date=call.world.date(),
    )
    return message_json(call.world, edited)


def edit_message_reply_markup(call: Call) -> Json:
    """Replace or remove the keyboard alone."""
    chat, message = _target(call)
    markup = read_markup(call.params.tree("reply_markup"), private=chat.private)
    if markup.prompt:
        raise bad_request("inline keyboard expected")
    if message.keyboard == markup.keyboard:
        raise bad_request(NOT_MODIFIED)
    call.world.gate.pass_one(call.bot.id, chat.key, private=chat.private)
    edited = change(call.world, message, keyboard=markup.keyboard, edit_date=call.world.date())
    return message_json(call.world, edited)


def delete_message(call: Call) -> bool:
    """Delete a message: the bot's own one, or in a private chat any, while it is younger than two days."""
    chat = call.chat()
    message = call.message(chat, missing="message to delete not found")
    own = message.sender == call.bot.id or (chat.private and not message.service)
    if not own or call.world.clock.now() - message.date > DELETE_WINDOW:
        raise bad_request("message can't be deleted")
    change(call.world, message, deleted=True)
    return True


def set_message_reaction(call: Call) -> bool:
    """Set the bot's one reaction to a message, or take it back."""
    chat = call.chat()
    message = call.message(chat, missing="message to react not found")
    given = call.params.tree("reaction") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request("can't parse reaction types JSON object")
    if len(given) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    emoji = given[0].get("emoji") if given else ""
    if not isinstance(emoji, str) or (given and bare(emoji) not in ALLOWED):
        raise bad_request("REACTION_INVALID")
    others = {who: what for who, what in message.reactions.items() if who != str(call.bot.id)}
    change(call.world, message, reactions=others | ({str(call.bot.id): bare(emoji)} if emoji else {}))
    return True


def answer_callback_query(call: Call) -> bool:
    """Answer a tap, once and in time."""
    world, params = call.world, call.params
    callback = world.callbacks.get(params.text("callback_query_id"))
    if callback is None or callback.bot != call.bot.id or callback.answered:
        raise bad_request(TOO_OLD)
    if world.clock.now() - callback.at > world.rules.answer_window:
        raise bad_request(TOO_OLD)
    text, url = params.text("text"), params.text("url")
    if utf16_length(text) > ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    world.save_callback(replace(callback, answered=True))
    world.answers.give(callback.id, Answer(True, params.flag("show_alert"), text, url))
    return True
