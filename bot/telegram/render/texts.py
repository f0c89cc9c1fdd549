"""What the bot says when it is not showing a call: short, plain, friendly; what happened, whether anything
was changed, what next. Names, titles and whatever else people wrote come in raw and are made safe here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape as escape_only
from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import Button, Shown
from bot.telegram.render.parts import NAME_MOST, lines, person
from bot.telegram.render.questions import (
    candidate_words,
    chosen,
    did_you_mean,
    forwarded_command,
    left,
    no_such_call,
    nothing_to_leave,
    only_text,
    question,
    refusal,
    unknown,
    unknown_command,
    which_call,
)
from bot.telegram.render.safe import brief
from bot.telegram.render.settings import CURRENCIES, ZONES, no_such_setting, settings
from core.errors import CorruptRecord
from core.model import Person, Role, Tenant, ToolCall
from core.registry import ToolRegistry
from core.tool import Tool

__all__ = [
    "CURRENCIES",
    "EXAMPLES",
    "ZONES",
    "admins_only",
    "audit_head",
    "candidate_words",
    "chosen",
    "did_you_mean",
    "forwarded_command",
    "hello_group",
    "help",
    "invited",
    "left",
    "moved_below",
    "no_access",
    "no_such_call",
    "no_such_setting",
    "nothing_to_leave",
    "only_text",
    "question",
    "refusal",
    "settings",
    "shown_below",
    "start",
    "tools",
    "unknown",
    "unknown_command",
    "went_wrong",
    "which_call",
    "which_role",
    "whoami",
    "withdrawn",
]

EXAMPLES: Final = (
    "create task: review the budget",
    "expense 12.50 EUR team lunch",
    "expense 900 EUR new desk",
)
"""What the buttons of /start say for a person, by number."""

_EXAMPLE_TOOLS: Final = ("create_task", "create_expense", "create_expense")
_TOOLS_MOST: Final = 40
_MAY: Final[Mapping[Role, str]] = {
    Role.MEMBER: "ask for things",
    Role.APPROVER: "ask for things and sign what others ask for",
    Role.ADMIN: "ask for things, sign them, see everybody's history, and bring people in",
}
_ABOUT: Final[Mapping[Role, Sequence[str]]] = {
    Role.MEMBER: (
        "/tools — everything I can do",
        "/pending — what waits for your signature",
        "/history — what was done; <code>/history failed 7d</code> narrows it",
        "<code>/call A7F3Q2</code> — one call in full",
        "/cancel — leave a question; <code>/cancel A7F3Q2</code> withdraws or stops a call",
        "/grants — what passes unasked for a while, and how to end it",
        "/schedules — what is done later or again: <code>every monday 9:00 expense 12 EUR coffee</code>, "
        "<code>tomorrow 8am create task: call the bank</code>",
        "/policy — what asks, and whom; <code>/policy explain expense 900 EUR desk</code> says why",
        "/whoami and /settings — your role, time zone, currency, replies, quiet hours, away",
    ),
    Role.ADMIN: (
        "/members — who is here; <code>/invite approver</code> brings somebody in",
        "<code>/audit A7F3Q2</code> — the audit trail of a call; /audit — the head of the chain",
        "/webhooks — which other programs are told what is done, and what they did not take",
        "/pause — stop what would start; <code>/pause tool create_task for 2h deploy freeze</code>; /resume",
        "/status — how everything is: queue, workers, alarms",
    ),
}


def start(*, name: str, role: Role, registry: ToolRegistry) -> Shown:
    """/start for a member: what this is, in three lines, and examples to tap."""
    buttons = [
        (Button(text=example, data=PageButton(Page.SAY, str(number)).encode()),)
        for number, (example, tool) in enumerate(zip(EXAMPLES, _EXAMPLE_TOOLS, strict=True))
        if registry.find(tool) is not None
    ]
    return Shown(
        html=lines(
            f"👋 Hello {person(name)}! Write what you need in plain words, and I do it.",
            "Harmless things I do at once. For anything risky I ask first: "
            "<b>nothing risky runs without somebody's tap</b>.",
            f"You are <b>{role.value}</b> here: you can {_MAY[role]}. /help tells more.",
            "Try one:" if buttons else "",
        ),
        buttons=tuple(buttons),
    )


def help(role: Role) -> Shown:  # noqa: A001 - callers read it as texts.help
    """/help: how to ask, and the commands that this role has."""
    told = [line for least, told in _ABOUT.items() if role.includes(least) for line in told]
    return Shown(
        html=lines(
            "<b>How to ask</b>",
            f"In plain words: <i>{escape_only(EXAMPLES[0])}</i>",
            "By command: <i>/expense 12.50 EUR team lunch</i>",
            'Exactly: <i>create_expense amount=12.50 currency=EUR description="team lunch"</i>',
            "",
            "If it is risky, a card shows exactly what would run. Whoever may sign it taps Approve or Deny; "
            "until then nothing happens. Many things can be taken back with Undo for a while.",
        )
        + "\n\n<b>Commands</b>\n"
        + "\n".join(told)
    )


def tools(registry: ToolRegistry) -> Shown:
    """/tools: everything that can be done, with how to ask for it."""
    known = list(registry)
    told = [_tool_line(tool) for tool in known[:_TOOLS_MOST]]
    more = f"… and {len(known) - _TOOLS_MOST} more" if len(known) > _TOOLS_MOST else ""
    return Shown(html=lines("🧰 <b>What I can do</b>", *told, more) if known else "I have no tools yet.")


def _tool_line(tool: Tool) -> str:
    command = f"/{tool.command}" if tool.command else f"<code>{brief(tool.name, NAME_MOST)}</code>"
    asks = "" if tool.risk.rank == 0 else f" · risk {tool.risk.value}"
    return f"{command} — {brief(tool.title, 60)}{asks}"


def whoami(who: Person, role: Role, tenant: Tenant, *, user_id: int, group: int | None = None) -> Shown:
    """/whoami: who the bot takes this person for; in a group also its id, which settings name it by."""
    return Shown(
        html=lines(
            f"You are {person(who.name)}, <b>{role.value}</b> in {person(tenant.name)}.",
            f"You can {_MAY[role]}.",
            f"Time zone {brief(who.timezone or tenant.timezone, 40)} · "
            f"currency {brief(who.currency or tenant.currency, 10)} · your id <code>{user_id}</code>",
            "" if group is None else f"This group's id: <code>{group}</code>",
        )
    )


def withdrawn(call: ToolCall) -> Shown:
    """A call was withdrawn by /cancel."""
    return Shown(html=f"✖️ <code>#{call.short_id}</code> is withdrawn. Nothing was changed.")


def stopping(call: ToolCall) -> Shown:
    """A call that runs was asked to stop by /cancel."""
    return Shown(
        html=f"⏹ <code>#{call.short_id}</code> is asked to stop. Its card tells what became of it, and what "
        "was done until then."
    )


def no_access(user_id: int) -> Shown:
    """For somebody who is no member."""
    return Shown(
        html=f"You have no access yet. Your id: <code>{user_id}</code>. Ask an admin for an invite link.",
        buttons=((Button(text="📋 Copy my id", copy=str(user_id)),),),
    )


def hello_group(username: str) -> Shown:
    """What the bot says when it is added to a group."""
    name = brief(username, NAME_MOST)
    return Shown(
        html=lines(
            "👋 Hello! I do what you ask, and for anything risky I ask back first.",
            f"Here I answer commands, replies to me, and <code>@{name}</code>. /help tells how.",
            "Please write to me in private once, too: some things I send only there.",
        )
    )


def invited(*, role: Role, link: str, code: str, days: int) -> Shown:
    """An invite, to be passed on."""
    return Shown(
        html=lines(
            f"🎟 An invite for one <b>{role.value}</b>, good once, for {days} days:",
            f"{brief(link, 300)}",
            f"Or they send me <code>/start {brief(code, 64)}</code>.",
            "Whoever has it can use it, so give it to one person only.",
        ),
        buttons=((Button(text="📋 Copy the link", copy=link),),),
    )


def which_role() -> Shown:
    """/invite with a word that is no role."""
    return Shown(
        html="No invite was made. Say for whom: <code>/invite member</code>, <code>/invite approver</code> "
        "or <code>/invite admin</code>."
    )


def admins_only() -> Shown:
    """A command that only admins have."""
    return Shown(html="Only admins can do that here. Nothing was changed. /whoami shows your role.")


def moved_below(call: ToolCall) -> Shown:
    """A card that was brought again further down."""
    return Shown(html=f"<code>#{call.short_id}</code> is shown further down now.")


def shown_below(number: int) -> Shown:
    """What stays of the queue once Next was tapped."""
    return Shown(html=f"📋 Number {number} is shown further down.")


def audit_head(*, seq: int, digest: str) -> Shown:
    """The head of the audit chain, to be kept outside of the bot's own storage."""
    return Shown(
        html=lines(
            f"🧾 <b>Audit chain</b>: {seq:,} events, the last one's hash is",
            f"<code>{brief(digest, 80)}</code>",
            "Keep this message: <code>countersign audit verify --head</code> compares with it, "
            "so that nobody can rewrite history unseen.",
        )
    )


def unreadable(corrupt: CorruptRecord) -> Shown:
    """Something stored is damaged: what it is and that nothing is done with it."""
    return Shown(
        html=f"⚠️ {brief(corrupt.message, 300)}\nNothing was done with it. "
        "Somebody with access to the server must look; everything else goes on."
    )


def went_wrong(reference: str) -> Shown:
    """A mistake of ours."""
    return Shown(
        html="😕 Something went wrong on my side, and I do not know how far I got. "
        f"Please look at /history before you try again (ref <code>{brief(reference, 20)}</code>)."
    )
