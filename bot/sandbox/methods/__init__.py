"""The methods of the Bot API that the sandbox knows, by their name in lower case."""

from collections.abc import Awaitable, Callable

from bot.sandbox.methods import chats, commands, editing, reading, sending
from bot.sandbox.methods.call import Call

Method = Callable[[Call], object | Awaitable[object]]

METHODS: dict[str, Method] = {
    "getme": reading.get_me,
    "getupdates": reading.get_updates,
    "setwebhook": reading.set_webhook,
    "deletewebhook": reading.delete_webhook,
    "getwebhookinfo": reading.get_webhook_info,
    "getfile": reading.get_file,
    "sendmessage": sending.send_message,
    "senddocument": sending.send_document,
    "sendphoto": sending.send_photo,
    "sendchataction": sending.send_chat_action,
    "editmessagetext": editing.edit_message_text,
    "editmessagereplymarkup": editing.edit_message_reply_markup,
    "deletemessage": editing.delete_message,
    "setmessagereaction": editing.set_message_reaction,
    "answercallbackquery": editing.answer_callback_query,
    "setmycommands": commands.set_my_commands,
    "getmycommands": commands.get_my_commands,
    "deletemycommands": commands.delete_my_commands,
    "getchat": chats.get_chat,
    "getchatmember": chats.get_chat_member,
    "getchatadministrators": chats.get_chat_administrators,
}
