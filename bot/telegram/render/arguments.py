"""The exact arguments of a call, so that what is shown can be read back: `name: JSON` a line, or a file."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

from bot.telegram.render.message import Document, units
from bot.telegram.render.safe import json_spelt, shorten, spelt
from core.digest import Json
from core.model import ToolCall
from core.tool import Tool

ROOM: Final = 3000
"""UTF-16 units of a message that arguments may take."""
HIDDEN: Final = "•••• (shown in private)"

_MASK: Final = "\0masked"
_SHORT: Final = 60
_SHORT_LINES: Final = 8
_SHORT_UNITS: Final = 400
_SIZES_LEAST: Final = 150
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Arguments(Struct, frozen=True, kw_only=True):
    """HTML of a call's arguments. `complete`: every byte of them is in it;
    `fits`: where they are not, then only because some are masked here."""

    html: str
    complete: bool
    fits: bool


def hidden_fields(call: ToolCall, tool: Tool | None, *, private: bool) -> frozenset[str]:
    """The fields that must not be shown here. Of a tool that is not known any more, all."""
    if private:
        return frozenset()
    return frozenset(call.arguments) if tool is None else tool.sensitive


def arguments(call: ToolCall, *, hidden: Collection[str], room: int = ROOM) -> Arguments:
    """The arguments, each on a line of its own in a folded block; where they take more than `room`, the
    names and sizes of the fields and the digest instead."""
    shown, masked = _masked(call.arguments, hidden)
    if not shown:
        return Arguments(html="<i>It takes no arguments.</i>", complete=True, fits=True)
    size = sum(len(name) + _size(value) for name, value in shown.items())
    if size <= room:
        lines = "\n".join(f"{_name(name)}: {_value(value, masked)}" for name, value in shown.items())
        if units(lines) <= room:
            # Folded only where it is long: what a few lines hold is read without a tap.
            short = lines.count("\n") < _SHORT_LINES and units(lines) <= _SHORT_UNITS
            tag = "blockquote" if short else "blockquote expandable"
            block = f"<{tag}>{html.escape(lines)}</blockquote>"
            return Arguments(html=block, complete=not masked, fits=True)
    return Arguments(html=_sizes(call, shown, masked, size, room), complete=False, fits=False)


def file_of(call: ToolCall) -> Document:
    """All arguments as a JSON file under "arguments", with what is needed to check their digest."""
    return json_file(
        f"{call.short_id}-arguments.json",
        described(call),
        f"📎 All arguments of <code>#{call.short_id}</code> · digest {digest(call)}\n"
        "Please read them before you approve.",
    )


def described(call: ToolCall) -> dict[str, Json]:
    """What a file says of a call's arguments, enough to work out their digest again."""
    return {
        "call": call.short_id,
        "call_id": call.id,
        "revision": call.revision,
        "tool": call.tool,
        "tool_version": call.tool_version,
        "args_digest": call.args_digest,
        "arguments": dict(call.arguments),
    }


def json_file(name: str, content: Mapping[str, Json], caption_html: str) -> Document:
    """A JSON file for people: indented, hidden characters escaped, parsing to exactly this content."""
    source = json.dumps(content, indent=2, ensure_ascii=False)
    return Document(name=name, content=json_spelt(source) + "\n", caption_html=caption_html)


def digest(call: ToolCall) -> str:
    """HTML of the beginning of the arguments' digest."""
    return f"<code>{html.escape(spelt(call.args_digest[:16]))}…</code>"


def _sizes(call: ToolCall, shown: Mapping[str, Json], masked: bool, size: int, room: int) -> str:
    """Names and sizes of the fields, as many as there is room for."""
    kept: list[str] = []
    left = room - _SIZES_LEAST
    for name, value in shown.items():
        line = f"{shorten(_name(name), _SHORT)}: {_summary(value, masked)}"
        left -= units(line) + 1
        if left < 0:
            kept.append(f"… and {len(shown) - len(kept):,} more")
            break
        kept.append(line)
    return (
        f"<blockquote expandable>{html.escape(chr(10).join(kept))}</blockquote>\n"
        f"Arguments: {size:,} characters, too long for a message · digest {digest(call)}"
    )


def _summary(value: Json, masked: bool) -> str:
    """A value if it is short, its kind and size otherwise."""
    if _size(value) <= _SHORT:
        whole = _value(value, masked)
        if units(whole) <= _SHORT:
            return whole
    if isinstance(value, str):
        return f"text, {len(value):,} characters"
    kind = f"list of {len(value):,}" if isinstance(value, list | tuple) else "object"
    return f"{kind}, {_size(value):,} characters"


def _size(value: Json) -> int:
    return len(value) if isinstance(value, str) else len(_json(value))


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else spelt(_json(name))


def _value(value: Json, masked: bool) -> str:
    """A value as JSON; the mask is told by an unquoted word, only where something is masked at all."""
    shown = spelt(_json(value))
    return shown.replace(_MASKED_JSON, HIDDEN) if masked else shown


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


_MASKED_JSON: Final = json.dumps(_MASK)


def _masked(values: Mapping[str, Json], hidden: Collection[str]) -> tuple[Mapping[str, Json], bool]:
    """The arguments with hidden fields replaced at any depth, and whether there was any such."""
    if not hidden:
        return values, False
    shown = _mask("", dict(values), hidden)
    return shown, shown != values


def _mask(name: str, value: Json, hidden: Collection[str]) -> Json:
    if name in hidden and value is not None:
        return _MASK
    if isinstance(value, Mapping):
        return {inner: _mask(inner, item, hidden) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask("", item, hidden) for item in value]
    return value
