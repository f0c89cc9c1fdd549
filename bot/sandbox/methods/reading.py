"""What a bot asks about itself, its updates and its files."""

from bot.sandbox.errors import bad_request
from bot.sandbox.files import file_json
from bot.sandbox.methods.call import Call
from bot.sandbox.records import Json
from bot.sandbox.rules import DOWNLOAD_LIMIT
from bot.sandbox.updates import read_allowed
from bot.sandbox.views import user_json


def get_me(call: Call) -> Json:
    """Return the bot itself."""
    return {
        **user_json(call.world, call.bot.id),
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def get_updates(call: Call) -> list[Json]:
    """Return what waits for the bot; wait for it if asked to."""
    params = call.params
    allowed = read_allowed(params.raw("allowed_updates"))
    if allowed is not None and allowed != call.bot.allowed:
        call.world.allow(call.bot.id, allowed)
    return await call.world.updates.poll(
        call.bot.id,
        offset=params.integer("offset"),
        limit=100 if params.raw("limit") is None else params.integer("limit"),
        seconds=params.integer("timeout"),
        alive=call.alive,
    )


def set_webhook(call: Call) -> bool:
    """Refuse a webhook; an empty one means none, and that is what there is."""
    if call.params.text("url"):
        raise bad_request("bad webhook: the sandbox only knows long polling")
    return delete_webhook(call)


def delete_webhook(call: Call) -> bool:
    """Say yes, as there never is a webhook; throw away what waits if asked to."""
    if call.params.flag("drop_pending_updates"):
        call.world.updates.drop(call.bot.id)
    return True


def get_webhook_info(call: Call) -> Json:
    """Return that there is no webhook, and how many updates wait."""
    waiting = call.world.updates.pending(call.bot.id)
    return {"url": "", "has_custom_certificate": False, "pending_update_count": waiting}


def get_file(call: Call) -> Json:
    """Return where a file can be downloaded."""
    file = call.world.files.get(call.params.text("file_id"))
    if file is None:
        raise bad_request("invalid file_id")
    if file.size > DOWNLOAD_LIMIT:
        raise bad_request("file is too big")
    return {**file_json(file), "file_path": file.path}
