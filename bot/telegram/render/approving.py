"""The short messages around a card that waits: which reason, which field, for how long, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.telegram.buttons import Page, PageButton, Verb
from bot.telegram.render.arguments import HIDDEN
from bot.telegram.render.message import DANGER, SUCCESS, Button, Shown, in_rows, on_call
from bot.telegram.render.parts import lines, one_line, person
from bot.telegram.render.safe import brief
from bot.telegram.render.signing import bound, changed, value_words
from bot.telegram.render.times import moment
from core.digest import Json
from core.errors import Code, Refusal
from core.ids import opaque
from core.lifecycle import Status
from core.model import Grant, ToolCall, Vote

FIELDS_MOST: Final = 24
_LABEL_MOST: Final = 32
_COMMENT_MOST: Final = 300
_TITLE_MOST: Final = 120
_NOTHING: Final = "<i>Nothing happens until you tap.</i>"


def _sign(call: ToolCall) -> str:
    return f"<code>#{call.short_id}</code>"


def _back(call: ToolCall) -> Button:
    return on_call("‹ Back", Verb.BACK, call)  # noqa: RUF001 - an arrow


def left_as_it_is(call: ToolCall) -> Shown:
    """One of these messages was closed."""
    return Shown(html=f"👌 {_sign(call)} is left as it is. Nothing was changed.")


# --- denying with a reason, approving with a comment -------------------------------------------------------


def reasons(call: ToolCall, *, name: str, quick: Mapping[Verb, str]) -> Shown:
    """Asks why, with the usual reasons to tap."""
    buttons = [on_call(words, verb, call) for verb, words in quick.items()]
    last = (on_call("Other…", Verb.OTHER_REASON, call), _back(call))
    return Shown(
        html=lines(f"💬 {person(name)}, why is {_sign(call)} to be denied?", _NOTHING),
        buttons=(*in_rows(buttons, per_row=2), last),
    )


def which_reason(call: ToolCall, *, name: str) -> Shown:
    """Asks for a reason in words."""
    return Shown(
        html=lines(
            f"💬 {person(name)}, why is {_sign(call)} to be denied?",
            "<i>Write the reason: with it, the call is denied. /cancel leaves it as it is.</i>",
        )
    )


def decided(call: ToolCall, vote: Vote, words: str) -> Shown:
    """What a decision with words came to; the card tells the rest."""
    word = "⛔ Denied" if vote is Vote.DENIED else "✅ Approved"
    return Shown(html=f"{word}: {_sign(call)} — <i>“{brief(words, _COMMENT_MOST)}”</i>")


def counted(call: ToolCall, vote: Vote) -> Shown:
    """A decision that was written instead of tapped counted."""
    if vote is Vote.DENIED:
        still = call.status is Status.PROPOSED
        told = "Your no counts; more are needed." if still else "Denied. Nothing was changed."
        return Shown(html=f"⛔ {_sign(call)}: {told}")
    if call.status is Status.PROPOSED:
        return Shown(html=f"✅ {_sign(call)}: your signature counts; more are needed.")
    return Shown(html=f"✅ {_sign(call)}: approved. It runs now.")


def voted_before(call: ToolCall) -> Shown:
    """The same decision was there already."""
    return Shown(html=f"{_sign(call)}: you had said that already. The card shows how it stands.")


def what_is_it(call: ToolCall, words: str) -> Shown:
    """A reply to a card that is neither plainly a decision nor a change."""
    return Shown(
        html=lines(
            f"💬 {_sign(call)}: <i>“{brief(words, _COMMENT_MOST)}”</i>",
            "Is that a reason to deny, or a comment?",
            _NOTHING,
            "<i>To change it, write for example</i> <code>amount: 800</code>.",
        ),
        buttons=(
            (
                on_call("⛔ Deny, with it", Verb.DENY_WITH_IT, call, style=DANGER),
                on_call("✅ Approve, with it", Verb.APPROVE_WITH_IT, call, style=SUCCESS),
            ),
            (on_call("✖️ Neither", Verb.BACK, call),),
        ),
    )


def by_button() -> Refusal:
    """A critical call that somebody approved in words."""
    return Refusal(
        Code.APPROVAL_INVALID,
        "This is critical, so words do not sign it: tap Approve on its card, twice. Nothing was changed.",
    )


# --- editing -----------------------------------------------------------------------------------------------


def fields(call: ToolCall, names: Sequence[str], *, hidden: frozenset[str], name: str) -> Shown:
    """Asks which field is to be changed; each shows its value."""
    shown = names[:FIELDS_MOST]
    buttons = tuple(
        (Button(text=_field_label(call, field, hidden), data=field_data(call, number)),)
        for number, field in enumerate(shown)
    )
    more = len(names) - len(shown)
    example = shown[0] if shown else "field"
    return Shown(
        html=lines(
            f"✏️ {person(name)}, what is to be changed in {_sign(call)}?",
            f"<i>Or reply to the card:</i> <code>{brief(example, 40)}: …</code>",
            f"<i>{more} more fields can only be changed so.</i>" if more > 0 else "",
        ),
        buttons=(*buttons, (_back(call),)),
    )


def field_data(call: ToolCall, number: int) -> str:
    """What the button of a field sends."""
    return PageButton(Page.FIELD, f"{opaque(call.id)}.{call.revision}.{number}").encode()


def _field_label(call: ToolCall, field: str, hidden: frozenset[str]) -> str:
    value = HIDDEN if field in hidden else _plain(call.arguments.get(field))
    return one_line(f"{field.replace('_', ' ')}: {value}", _LABEL_MOST)


def _plain(value: Json) -> str:
    return "nothing" if value in (None, "") else str(value)


def new_value(call: ToolCall, field: str, *, hidden: bool) -> Shown:
    """Asks for a field's new value."""
    now = HIDDEN if hidden else f"<i>{value_words(call.arguments.get(field))}</i>"
    return Shown(
        html=lines(
            f"✏️ {_sign(call)}: the new <b>{brief(field.replace('_', ' '), 40)}</b>? Now it is {now}.",
            "<i>Just write it, or /cancel to leave it as it is.</i>",
        )
    )


def only_in_private(field: str) -> Refusal:
    """A field whose value is nobody else's business in this chat."""
    told = field.replace("_", " ")
    return Refusal(
        Code.INVALID_INPUT, f"The {told} is shown in private only: change it in your private chat with me."
    )


def edited(call: ToolCall, changes: Sequence[tuple[str, Json, Json]], *, hidden: frozenset[str]) -> Shown:
    """What an edit changed, and what that means for the signatures."""
    told = [(field, HIDDEN, HIDDEN) if field in hidden else (field, old, new) for field, old, new in changes]
    return Shown(html=f"✏️ {_sign(call)}: changed {changed(told)}. {_after_edit(call)}")


def _after_edit(call: ToolCall) -> str:
    if call.status is Status.PROPOSED:
        return "It needs signing again."
    if call.status is Status.DENIED:
        return "Policy denies it so; the card says why. Nothing was changed."
    return "So it needs no signature."


def unchanged(call: ToolCall) -> Shown:
    """An edit that gave every field the value it had."""
    return Shown(html=f"✏️ {_sign(call)}: it says that already. Nothing was changed.")


# --- approving what is similar -----------------------------------------------------------------------------


def spans(
    call: ToolCall, scope: Mapping[str, Json], *, tool_title: str, hidden: frozenset[str], name: str
) -> Shown:
    """Asks for how long calls like this one may pass, and says what is alike."""
    return Shown(
        html=lines(
            f"♻️ {person(name)}, approve {_sign(call)}, and let calls like it pass unasked for a while?",
            f"Alike: <i>{brief(tool_title, _TITLE_MOST)}</i> for {person(call.requester_name)}"
            + "".join(f", {bound(field, value, hidden)}" for field, value in scope.items()),
            "/grants lists and ends it.",
        ),
        buttons=(
            (
                on_call("1 h", Verb.GRANT_HOUR, call),
                on_call("Today", Verb.GRANT_TODAY, call),
                on_call("This chat", Verb.GRANT_CHAT, call),
            ),
            (_back(call),),
        ),
    )


def granted(call: ToolCall, grant: Grant, *, now: datetime) -> Shown:
    """A grant was made."""
    where = ", in this chat" if grant.conversation_id is not None else ""
    return Shown(
        html=f"♻️ {_sign(call)} is approved, and calls like it pass unasked{where} until "
        f"{moment(grant.expires_at, now=now)}. /grants lists and ends it."
    )
