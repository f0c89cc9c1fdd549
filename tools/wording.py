"""Phrases that several tools share. English, and the same whatever the machine's locale."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from core.tool import ToolContext, ToolFault, ToolResult

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def today(context: ToolContext) -> date:
    """The calendar day it is where the requester is."""
    return day_of(context.now, context)


def day_of(moment: datetime, context: ToolContext) -> date:
    """The calendar day a moment falls on where the requester is."""
    return moment.astimezone(ZoneInfo(context.timezone)).date()


def day_text(day: date) -> str:
    """A day as "Fri 27 Nov 2026"."""
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1][:3]} {day.year}"


def month_text(day: date) -> str:
    """The month of a day as "November 2026"."""
    return f"{_MONTHS[day.month - 1]} {day.year}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 task", "2 tasks"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def task_text(title: str, due: date | None, assignee: str, *, now: date | None = None) -> str:
    """A task as "review the budget (due Fri 27 Nov 2026, for Anna)"; overdue where `now` is past its day."""
    notes = []
    if due is not None:
        overdue = now is not None and due < now
        notes.append(f"{'overdue since' if overdue else 'due'} {day_text(due)}")
    if assignee:
        notes.append(f"for {assignee}")
    return f"{title} ({', '.join(notes)})" if notes else title


def expense_text(amount: str, currency: str, description: str, category: str) -> str:
    """An expense as "42.50 EUR for team lunch (food)"."""
    return f"{amount} {currency} for {description}" + (f" ({category})" if category else "")


def failed(message: str, error_class: str) -> ToolResult:
    """A failure that changed nothing: why, for people, and a stable word for programs."""
    return ToolResult(error=ToolFault(message=message, error_class=error_class))
