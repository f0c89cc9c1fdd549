"""What the bot asks and answers when it is not clear, or not possible, what somebody wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape as escape_only
from typing import Final

from bot.telegram.render.message import SUCCESS, Button, Shown
from bot.telegram.render.parts import lines, one_line
from bot.telegram.render.safe import brief
from core.digest import Json
from core.errors import Code, InvalidInput, Refusal
from core.tool import Tool

_NEAREST: Final = 3
_NO_STEP: Final = frozenset({Code.NOT_FOUND})
"""Refusals of a look, not of a step: that nothing was changed goes without saying."""


def candidate_words(tool: Tool, arguments: Mapping[str, Json]) -> str:
    """What a reading of a text would do, in plain words; not escaped yet."""
    values = [
        f"{name.replace('_', ' ')} {_word(value)}"
        for name, value in arguments.items()
        if value not in ("", None)
    ]
    return f"{tool.title}: {', '.join(values)}" if values else tool.title


def _word(value: Json) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)


def did_you_mean(choices: Sequence[tuple[str, str]], *, leave: str, forwarded: bool = False) -> Shown:
    """Asks which reading was meant, saying so where the words are somebody else's. Each choice is its words
    and the data of its button."""
    if len(choices) == 1:
        words, data = choices[0]
        asked, told = "this", [f"<b>{brief(words, 1000)}</b>"]
        buttons = [(Button(text="👍 Yes, do that", data=data, style=SUCCESS),)]
    else:
        asked = "one of these"
        told = [f"{number}. <b>{brief(words, 400)}</b>" for number, (words, _) in enumerate(choices, 1)]
        labels = [f"{number}. {one_line(words, 30)}" for number, (words, _) in enumerate(choices, 1)]
        buttons = [(Button(text=label, data=data),) for label, (_, data) in zip(labels, choices, strict=True)]
    return Shown(
        html=lines(
            "↪️ <b>Forwarded: somebody else's words.</b>" if forwarded else "",
            f"🤔 Shall I do {asked}?" if forwarded else f"🤔 Did you mean {asked}?",
            *told,
            "<i>Nothing happens until you tap.</i>",
        ),
        buttons=(*buttons, (Button(text="✖️ No, leave it", data=leave),)),
    )


def chosen(words: str) -> Shown:
    """What stays of a question once it was answered."""
    return Shown(html=f"👍 <b>{brief(words, 1000)}</b>")


def question(tool: Tool, field: str, asked: str) -> Shown:
    """Asks for one missing argument."""
    name = brief(field.replace("_", " "), 40)
    return Shown(
        html=lines(
            f"<b>{brief(tool.title, 60)}</b> · {name}",
            f"{brief(asked, 300)}",
            "<i>Just write the answer, or /cancel to leave it.</i>",
        )
    )


def left() -> Shown:
    """A question was left."""
    return Shown(html="👌 Never mind, then. Nothing was changed.")


def nothing_to_leave() -> Shown:
    """/cancel with nothing to cancel."""
    return Shown(
        html="There is no open question. To withdraw a call, write its id: <code>/cancel A7F3Q2</code>."
    )


def unknown(nearest: Sequence[Tool]) -> Shown:
    """A text that was not understood, and the nearest tools."""
    told = [_nearest_line(tool) for tool in nearest[:_NEAREST]]
    return Shown(
        html=lines(
            "🤷 I did not understand that. Nothing was changed.",
            "Perhaps you mean:" if told else "",
            *told,
            "/tools shows everything I can do, /help how to ask.",
        )
    )


def unknown_command(name: str, nearest: Sequence[Tool]) -> Shown:
    """A command that does not exist."""
    told = [_nearest_line(tool) for tool in nearest[:_NEAREST]]
    return Shown(
        html=lines(
            f"🤷 There is no command <code>/{brief(name, 40)}</code>. Nothing was changed.",
            "Perhaps you mean:" if told else "",
            *told,
            "/help lists the commands.",
        )
    )


def forwarded_command() -> Shown:
    """A command of the bot's own in somebody else's words."""
    return Shown(html="↪️ That command is forwarded, so I did nothing. Write it yourself if you mean it.")


def _nearest_line(tool: Tool) -> str:
    form = f" {tool.form}" if tool.form else ""
    how = f"/{tool.command}{form}" if tool.command else (tool.examples[0] if tool.examples else tool.name)
    return f"• {brief(tool.title, 60)}: <code>{brief(_readable(how), 100)}</code>"


def _readable(template: str) -> str:
    """A template as people write it: "{amount} {currency?}" becomes "amount [currency]"."""
    words = (f"[{w[1:-2]}]" if w.endswith("?}") else w.strip("{}") for w in template.split(" "))
    return " ".join(words)


def only_text() -> Shown:
    """A sticker, a voice message or the like."""
    return Shown(
        html="I only read text so far. Nothing was changed. Please write it in words; /help shows how."
    )


def no_such_call() -> Refusal:
    """A short id that is nobody's, or somebody else's."""
    return Refusal(Code.NOT_FOUND, "There is no such call here. /history lists the calls you can see.")


def which_call() -> Refusal:
    """A command that needs a call's id."""
    return Refusal(Code.NOT_FOUND, "Say which call, by its id: /call A7F3Q2. /history lists them.")


def refusal(refused: Refusal) -> Shown:
    """A no, with its reason; for input, what was given and what would be right."""
    if isinstance(refused, InvalidInput):
        field, given = brief(refused.field.replace("_", " "), 60), brief(refused.given, 100)
        nothing = not refused.given.strip() or refused.given == "nothing"
        had = "" if nothing else f"<code>{given}</code> does not fit. "
        missing = refused.given == "nothing" and refused.allowed == "it is required"
        told = f"🤔 <b>{field}</b> " + ("is missing." if missing else f"— {had}{_sentence(refused.allowed)}")
    else:
        told = f"✋ <i>{brief(refused.message, 600)}</i>"
    silent = refused.code in _NO_STEP or "othing was changed" in refused.message
    return Shown(html=lines(told, "" if silent else "Nothing was changed."))


def _sentence(text: str) -> str:
    line = one_line(text, 400).strip()
    end = "" if line.endswith((".", "!", "?", "…")) else "."
    return escape_only(f"{line[:1].upper()}{line[1:]}{end}")
