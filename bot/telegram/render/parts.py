"""The lines that cards are made of. Whatever is untrusted stands inside an element and on one line."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from bot.telegram.render.arguments import hidden_fields
from bot.telegram.render.message import MESSAGE_MOST, Document, parsed_units
from bot.telegram.render.safe import brief, cut_lines, shorten, visible
from bot.telegram.render.times import moment, span
from core.digest import sha256_hex
from core.ids import short_id
from core.lifecycle import Status
from core.live import Progress
from core.model import Approval, CallView, PolicyDecision, Vote
from core.redaction import Redactor, secret_values
from core.registry import ToolRegistry
from core.tool import Effect, Tool

TITLE_MOST: Final = 300
NAME_MOST: Final = 48
REASON_MOST: Final = 300
TEXT_MOST: Final = 1500
COMMENT_MOST: Final = 60
_FOLDED: Final = 350
_REST_MOST: Final = 150
_PEOPLE: Final = 5
_SECRETS: Final = 200
_LINE_MOST: Final = 100


class Scene(Struct, frozen=True, kw_only=True):
    """What a card is made from: the call as committed, its tool if it is still known, where it is shown."""

    view: CallView
    tool: Tool | None
    now: datetime
    registry: ToolRegistry
    private: bool
    progress: Progress | None = None

    @property
    def hidden(self) -> frozenset[str]:
        """The fields that must not be shown here."""
        return hidden_fields(self.view.call, self.tool, private=self.private)

    @property
    def hides(self) -> bool:
        """Whether any value of this call must not be shown here."""
        return any(True for _ in secret_values(self.view.call.arguments, self.hidden))

    def clean(self, text: str) -> str:
        """The text without the values that must not be shown here."""
        secrets = secret_values(self.view.call.arguments, self.hidden)
        known = list(dict.fromkeys(secrets))[:_SECRETS]
        return Redactor(known).clean(text) if known else text


def head(scene: Scene, emoji: str, words: str, *, rest: str = "", after: str = "") -> str:
    """The first line: the state in a sign and in words, and the short id."""
    return f"{emoji} <b>{words}</b>{rest} · <code>#{scene.view.call.short_id}</code>{after}"


def title(scene: Scene, *, struck: bool = False) -> str:
    """What will happen, or did. Where a value must not be seen here, only what the tool does in general."""
    tag = "s" if struck else "b"
    return f"<{tag}>{brief(plain_title(scene), TITLE_MOST)}</{tag}>"


def plain_title(scene: Scene) -> str:
    """The title as text, neither escaped nor cut."""
    call = scene.view.call
    if not scene.hides:
        return call.title
    general = call.tool if scene.tool is None else scene.tool.title
    return f"Undo: {general}" if call.undo_of else general


def kind(scene: Scene) -> str:
    """Which tool, how risky, and whether there is a way back."""
    call = scene.view.call
    return (
        f"Tool <code>{brief(call.tool, NAME_MOST)}</code> · risk <b>{call.risk.value}</b> · "
        f"{_way_back(scene)}"
    )


def _way_back(scene: Scene) -> str:
    tool = scene.tool
    if tool is not None and tool.effects == {Effect.READS}:
        return "only reads"
    if tool is None or tool.undo is None or scene.view.call.undo_of is not None:
        return "can be undone: no"
    return f"can be undone: yes, for {span(tool.undo.within_s)}"


def linked(scene: Scene) -> str:
    """The call that this one takes back or repeats; "" where there is none."""
    call = scene.view.call
    if call.undo_of is not None:
        return f"Takes back <code>#{short_id(call.undo_of)}</code>"
    return f"Asked again after <code>#{short_id(call.retry_of)}</code>" if call.retry_of else ""


def person(name: str) -> str:
    """A person's name, which they chose themselves."""
    return f"<b>{brief(name, NAME_MOST)}</b>"


def asked_by(scene: Scene) -> str:
    """Who asked."""
    return f"Asked by {person(scene.view.call.requester_name)}"


def votes(view: CallView, vote: Vote) -> list[Approval]:
    """The votes of this kind on what is asked today; earlier revisions' are void."""
    return [a for a in view.approvals if a.vote is vote and a.revision == view.call.revision]


def approved_by(scene: Scene) -> str:
    """Who let it pass and when: people, a grant, or policy."""
    view = scene.view
    given = votes(view, Vote.APPROVED)
    if not given and view.call.verdict.grant is not None:
        return granted_by(scene)
    if not given:
        allowed = view.call.verdict.decision is PolicyDecision.ALLOW
        return "Allowed by policy, nobody had to sign" if allowed else ""
    names = [f"{person(a.person_name)}, {moment(a.at, now=scene.now)}{said(a)}" for a in given[:_PEOPLE]]
    more = f" and {len(given) - _PEOPLE} more" if len(given) > _PEOPLE else ""
    return f"Approved by {'; '.join(names)}{more}"


def granted_by(scene: Scene) -> str:
    """The grant that let it pass without a signature: whose, until when, and where it is ended."""
    grant = scene.view.grant
    if grant is None:
        return "Let through by a grant, /grants"
    until = moment(grant.expires_at, now=scene.now)
    return f"Let through by a grant of {person(grant.granted_by_name)}, until {until}, /grants"


def said(approval: Approval, *, most: int = COMMENT_MOST) -> str:
    """What came with a vote, on the same line."""
    return f": <i>“{brief(approval.comment, most)}”</i>" if approval.comment else ""


def quoted(text: str, *, most: int = TEXT_MOST, whole: str = "") -> str:
    """Untrusted text of several lines as a quotation, folded where it is long. Where it is cut, `whole` says
    where to find the rest."""
    shown = cut_lines(text, most)
    full = cut_lines(text, most * 1000) if len(text) < most * 2 else ""
    folded = " expandable" if len(shown) > _FOLDED or shown.count("\n") > 8 else ""
    rest = f"\n{whole}" if whole and shown != full else ""
    return f"<blockquote{folded}>{html.escape(shown)}</blockquote>{rest}"


def whole_at(scene: Scene) -> str:
    """Where all of it can be read."""
    return f"… (whole: <code>/call {scene.view.call.short_id}</code>)"


def result(scene: Scene, *, most: int = TEXT_MOST, whole: str | None = None) -> str:
    """What the tool gave back; "" for nothing. A private result is not shown in a group. `whole` says where
    the rest is, where it is cut."""
    outcome = scene.view.outcome
    if outcome is None or not outcome.formatted.strip():
        return ""
    if scene.tool is not None and scene.tool.private and not scene.private:
        return (
            "The result is private. To read it, send me "
            f"<code>/call {scene.view.call.short_id}</code> in our private chat."
        )
    if whole is None and most == TEXT_MOST and result_file(scene) is not None:
        whole = "… (all of it: in the file below)"
    return quoted(
        scene.clean(outcome.formatted), most=most, whole=whole_at(scene) if whole is None else whole
    )


def error(scene: Scene, fallback: str = "It did not say why.") -> str:
    """Why it ended as it did, in the tool's or the engine's words."""
    outcome = scene.view.outcome
    told = (outcome.error if outcome else "") or scene.view.call.note or fallback
    return quoted(scene.clean(told), whole=whole_at(scene))


def bar(scene: Scene) -> str:
    """How far it is, as a bar of ten, and what is being done; "" where it does not tell."""
    if scene.progress is None or scene.progress.fraction is None:
        return ""
    fraction, text = scene.progress.fraction, scene.progress.text
    part = min(1.0, max(0.0, fraction)) if fraction == fraction else 0.0  # noqa: PLR0124 - not a number
    full = int(part * 10)
    doing = f" · <i>{brief(scene.clean(text), 120)}</i>" if text.strip() else ""
    return f"{'▰' * full}{'▱' * (10 - full)} {int(part * 100)} %{doing}"


def output(scene: Scene) -> str:
    """The last lines that it put out; "" where there are none. A private tool's are not shown in a group."""
    if scene.progress is None or not scene.progress.lines:
        return ""
    if scene.tool is not None and scene.tool.private and not scene.private:
        return ""
    shown = "\n".join(cut_lines(scene.clean(line), _LINE_MOST) for line in scene.progress.lines)
    return f"<blockquote>{html.escape(shown)}</blockquote>"


def stopping(scene: Scene) -> str:
    """Who asked it to stop; "" where nobody did."""
    attempt = scene.view.attempts[-1] if scene.view.attempts else None
    if attempt is None or attempt.stop_by is None:
        return ""
    return f"{person(attempt.stop_by)} asked it to stop."


def result_file(scene: Scene) -> Document | None:
    """All of a result that does not fit, for a private chat; None where it fits."""
    outcome, call = scene.view.outcome, scene.view.call
    content = "" if outcome is None else scene.clean(outcome.formatted).strip()
    if not scene.private or len(content) <= TEXT_MOST:
        return None
    return Document(
        name=f"result-{call.short_id}.txt",
        content=content + "\n",
        caption_html=f"The whole result of <code>#{call.short_id}</code>",
        about=sha256_hex(content.encode()),
    )


def lines(*parts: str) -> str:
    """The parts that say something, a line each."""
    return "\n".join(part for part in parts if part)


def fitted(top: str, rows: Sequence[str], bottom: str) -> str:
    """The rows that there is room for, and how many there are besides."""
    left = MESSAGE_MOST - _REST_MOST - parsed_units(top) - parsed_units(bottom)
    kept: list[str] = []
    for row in rows:
        left -= parsed_units(row) + 1
        if left < 0:
            break
        kept.append(row)
    more = f"… and {len(rows) - len(kept)} more" if len(kept) < len(rows) else ""
    return lines(top, *kept, more, bottom)


def dotted(*parts: str) -> str:
    """The parts that say something, on one line."""
    return " · ".join(part for part in parts if part)


def one_line(text: str, most: int) -> str:
    """`brief` of a text for places that show plain text only, unescaped."""
    return shorten(visible(text), most)


SIGNS: Final[Mapping[Status, str]] = {
    Status.PROPOSED: "🟡",
    Status.PENDING: "🟠",
    Status.RUNNING: "🔵",
    Status.VALIDATING: "🔵",
    Status.COMPLETED: "🟢",
    Status.FAILED: "🔴",
    Status.TIMED_OUT: "🔴",
    Status.CANCELLED: "⚪",
    Status.DENIED: "⛔",
    Status.EXPIRED: "⚪",
    Status.INTERRUPTED: "⚠️",
}
WORDS: Final[Mapping[Status, str]] = {
    Status.PROPOSED: "awaiting signature",
    Status.PENDING: "approved, waiting to run",
    Status.RUNNING: "running",
    Status.VALIDATING: "checking the result",
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.TIMED_OUT: "timed out",
    Status.CANCELLED: "cancelled",
    Status.DENIED: "denied",
    Status.EXPIRED: "expired",
    Status.INTERRUPTED: "interrupted",
}
