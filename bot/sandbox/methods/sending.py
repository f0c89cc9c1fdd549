"""What a bot says."""

from bot.sandbox.entities import Formatted, utf16_length
from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.files import Upload, document_json, image_of, keep_file, photo_json
from bot.sandbox.keyboards import read_markup
from bot.sandbox.methods.call import Call
from bot.sandbox.posting import post
from bot.sandbox.records import Chat, File, Json
from bot.sandbox.rules import CAPTION_LIMIT, PHOTO_LIMIT, TEXT_LIMIT, UPLOAD_LIMIT
from bot.sandbox.views import message_json

_WORDS = """typing upload_photo record_video upload_video record_voice upload_voice upload_document
choose_sticker find_location record_video_note upload_video_note"""
_ACTIONS = frozenset(_WORDS.split())


def send_message(call: Call) -> Json:
    """Send a text."""
    chat = call.chat()
    text = call.formatted("text", entities="entities")
    if not text.text:
        raise bad_request("message text is empty")
    if utf16_length(text.text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    return _send(call, chat, text, {})


def send_document(call: Call) -> Json:
    """Send a file, with a caption or without."""
    chat = call.chat()
    caption = _caption(call)
    return _send(call, chat, caption, document_json(_file(call, "document")))


def send_photo(call: Call) -> Json:
    """Send a picture, with a caption or without."""
    chat = call.chat()
    caption = _caption(call)
    return _send(call, chat, caption, photo_json(_file(call, "photo")))


def send_chat_action(call: Call) -> bool:
    """Show people that the bot is busy."""
    chat = call.chat()
    call.world.may_write(call.bot, chat)
    action = call.params.text("action").lower()
    if action not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    data = {"chat_id": chat.id, "bot": call.bot.id, "action": action}
    call.world.events.publish("action", call.world.change, data)
    return True


def _caption(call: Call) -> Formatted:
    caption = call.formatted("caption", entities="caption_entities")
    if utf16_length(caption.text) > CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return caption


def _file(call: Call, kind: str) -> File:
    """Return the file of a request: one that comes with it, or one that was sent before."""
    given = call.params.raw(kind)
    name = given.removeprefix("attach://") if isinstance(given, str) else kind
    upload = call.params.files.get(kind) or call.params.files.get(name)
    if upload is not None:
        return _keep(call, upload, photo=kind == "photo")
    known = call.world.files.get(name)
    if known is not None and (kind == "document" or known.width):
        return known
    if name.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")
    raise bad_request(
        "wrong file identifier/HTTP URL specified" if given else f"there is no {kind} in the request"
    )


def _keep(call: Call, upload: Upload, *, photo: bool) -> File:
    size = len(upload.content)
    if size == 0:
        raise bad_request("file must be non-empty")
    if size > UPLOAD_LIMIT:
        raise ApiError(413, "Request Entity Too Large")
    if photo and size > PHOTO_LIMIT:
        raise bad_request("file is too big for a photo")
    if photo and image_of(upload.content) is None:
        raise bad_request("IMAGE_PROCESS_FAILED")
    return keep_file(call.world, upload, photo=photo)


def _send(call: Call, chat: Chat, text: Formatted, content: Json) -> Json:
    """Put the message into the chat if nothing speaks against it: keyboard, thread, reply, person, limits."""
    world, bot = call.world, call.bot
    markup = read_markup(call.params.tree("reply_markup"), private=chat.private)
    reply_to = _reply_target(call, chat)
    thread = _thread(call, chat, reply_to)
    world.may_write(bot, chat)
    world.gate.pass_one(bot.id, chat.key, private=chat.private)
    if call.params.flag("protect_content"):
        content["has_protected_content"] = True
    message = post(
        world,
        chat,
        bot.id,
        text=text.text,
        entities=text.entities,
        content=content,
        keyboard=markup.keyboard,
        prompt=markup.prompt,
        reply_to=reply_to,
        thread=thread,
    )
    return message_json(world, message)


def _reply_target(call: Call, chat: Chat) -> int | None:
    given = call.params.tree("reply_parameters")
    if given is None:
        number: object = call.params.integer("reply_to_message_id") or None
        anyway = call.params.flag("allow_sending_without_reply")
        other = None
    elif isinstance(given, dict):
        number, other = given.get("message_id"), given.get("chat_id")
        anyway = given.get("allow_sending_without_reply") is True
    else:
        raise bad_request("object expected as reply parameters")
    if number is None:
        return None
    elsewhere = other is not None and str(other) != str(chat.id)
    target = None if elsewhere else call.world.message_in(chat, number)
    if target is None and not anyway:
        raise bad_request("message to be replied not found")
    return None if target is None else target.message_id


def _thread(call: Call, chat: Chat, reply_to: int | None) -> int | None:
    """Return the topic that the bot names; else that of the message replied to."""
    thread = call.params.integer("message_thread_id")
    if thread:
        if str(thread) not in chat.topics:
            raise bad_request("message thread not found")
        return thread
    target = call.world.message_in(chat, reply_to)
    return None if target is None else target.thread
