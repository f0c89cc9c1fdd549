"""The short answers to taps: at most 200 characters of plain text, an alert where the tap did not count."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from core.engine import Proposed
from core.errors import Refusal
from core.lifecycle import Status, in_words
from core.model import Approval, ToolCall, Vote


class Toast(Struct, frozen=True):
    """`alert` opens a window that must be closed; else it passes by."""

    text: str
    alert: bool = False


def voted(call: ToolCall, vote: Vote, *, held: str = "") -> Toast:
    """The vote counted. `held`: why what was approved does not start now."""
    if vote is Vote.DENIED and call.status is Status.PROPOSED:
        return Toast("Your no counts. More are needed to deny it.")
    if vote is Vote.DENIED:
        return Toast("Denied. Nothing was changed.")
    if call.status is Status.PROPOSED:
        return Toast("Your signature counts. More are needed.")
    return Toast(f"Approved. It waits: {held}." if held else "Approved. It runs now.")


def once_more() -> Toast:
    """A first tap on a critical call."""
    return Toast(
        "This is critical. Tap Approve once more within 10 s to sign. Nothing was changed yet.", alert=True
    )


def extended(call: ToolCall) -> Toast:
    """There is more time to decide."""
    until = f" It expires at {call.expires_at:%H:%M} UTC now." if call.expires_at is not None else ""
    return Toast(f"One hour more.{until}")


def run_extended(steps: int) -> Toast:
    """There is more time to decide what waits of a run."""
    return Toast(f"One hour more for {'1 step' if steps == 1 else f'{steps} steps'}.")


def choose_below() -> Toast:
    """A question with buttons was sent."""
    return Toast("Please choose below.")


def write_below() -> Toast:
    """A question was sent that is answered in words."""
    return Toast("Please write it below.")


def granted() -> Toast:
    """A grant was made with the signature."""
    return Toast("Approved, and similar calls pass for a while.")


def revoked() -> Toast:
    """A grant was ended."""
    return Toast("Revoked. Calls like it are asked for again.")


def replaying(signals: int) -> Toast:
    """What a webhook did not take is sent again."""
    if not signals:
        return Toast("Nothing was left to send again.")
    return Toast(f"{'1 signal is' if signals == 1 else f'{signals} signals are'} being sent again.")


def report_follows() -> Toast:
    """A run's report was sent."""
    return Toast("Here it is, below.")


def nothing_more() -> Toast:
    """Next, where nothing follows."""
    return Toast("Nothing more waits for your signature.")


def left() -> Toast:
    """A question was left."""
    return Toast("Left as it is. Nothing was changed.")


def voted_before(call: ToolCall, approval: Approval) -> Toast:
    """The same vote again."""
    return Toast(
        f"You {approval.vote} this at {approval.at:%H:%M} UTC already. "
        f"Call #{call.short_id} {in_words(call.status)}.",
        alert=True,
    )


def withdrawn() -> Toast:
    """A call was withdrawn."""
    return Toast("Withdrawn. Nothing was changed.")


def stopping(*, again: bool) -> Toast:
    """A call that runs was asked to stop."""
    said = "It was asked to stop already." if again else "It is asked to stop."
    return Toast(f"{said} The card tells what became of it.")


def undoing(asked: object) -> Toast:
    """An undo was proposed."""
    if isinstance(asked, Proposed) and asked.call.status is Status.PROPOSED:
        return Toast("Asked for: taking this back needs a signature too.")
    return Toast("Undo is on its way.")


def asked_again() -> Toast:
    """A new call was proposed."""
    return Toast("Asked again, as a new call.")


def there_already(call: ToolCall) -> Toast:
    """What was asked for was asked for before."""
    return Toast(f"That was done before: call #{call.short_id} {in_words(call.status)}.", alert=True)


def marked(call: ToolCall, *, again: bool) -> Toast:
    """An interrupted call was settled."""
    if again:
        return Toast("Marked as not done, and asked again as a new call.")
    return Toast("Marked as done." if call.status is Status.COMPLETED else "Marked as not done.")


def refusal(refused: Refusal) -> Toast:
    """A tap that did not count, and why."""
    return Toast(refused.message, alert=True)


def still_deciding() -> Toast:
    """The database is held up."""
    return Toast("Still deciding: the database is busy. The card will show what came of it.", alert=True)


def unknown_button() -> Toast:
    """Forged, mutated or of another version."""
    return Toast("I do not know this button. Nothing was changed.", alert=True)


def done() -> Toast:
    """Something small was done."""
    return Toast("Done.")


def saved(what: str) -> Toast:
    """A setting was saved."""
    return Toast(f"Saved: {what}.")


def too_old() -> Toast:
    """A list or question whose state is gone."""
    return Toast("This is from an older question. Nothing was changed; please ask again.", alert=True)


def all_of_run(word: str, steps: int, *, more_needed: bool) -> Toast:
    """What was meant for all of a run's steps counted for all. `more_needed`: by others as well."""
    what = "1 step" if steps == 1 else f"{steps} steps"
    after = "They run in order now." if word == "Approved" else "Nothing of it was done."
    if more_needed:
        after = "That counts; more people must say so."
    return Toast(f"{word}: {what}. {after}")


def some_of_run(word: str, done: Sequence[int], not_done: Sequence[int], why: Refusal) -> Toast:
    """What was meant for all of a run's steps did not count for some, and why for the first of these."""
    counted = f"{word}: {_numbers(done)}. " if done else ""
    return Toast(f"{counted}Not {_numbers(not_done)}: {why.message}", alert=True)


def _numbers(steps: Sequence[int]) -> str:
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(map(str, steps))}"
