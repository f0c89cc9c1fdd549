"""Rules in plain words, for whoever lives by them."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from core.model import PolicyDecision, Risk, Role
from core.policy.rules import Default, Rule

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_CHATS: Final = {"private": "in a private chat", "group": "in a group"}
_CARDS: Final = {"requester": "the requester's chat alone", "approvers": "those who may sign"}


def speaks_of(rule: Rule) -> str:
    """What a rule matches: "create_expense, high or critical risk, asked by a member, in a group"."""
    told = ["every tool" if rule.tool == "*" else rule.tool]
    if rule.risks:
        told.append(f"{either(rule.risks)} risk")
    if rule.roles:
        told.append(f"asked by {either(rule.roles)}")
    if rule.chat:
        told.append(_CHATS.get(rule.chat, f"in chat {rule.chat}"))
    if rule.channels:
        told.append(f"by {either(rule.channels)}")
    if rule.when is not None:
        told.append(f"when {rule.when.source.strip()}")
    return ", ".join(told)


def decides(rule: Rule) -> str:
    """What a rule makes of it: "runs at once", "is denied", "is signed by 2 admins, within 4 hours"."""
    if rule.decision is not PolicyDecision.REQUIRES_APPROVAL:
        return "runs at once" if rule.decision is PolicyDecision.ALLOW else "is denied"
    told = [f"is signed by {_signers(rule)}"]
    if rule.denials is not None and rule.denials > 1:
        told.append(f"denied by {rule.denials}")
    if rule.expires_after_s is not None:
        told.append(f"within {lasting(rule.expires_after_s)}")
    if rule.remind_after_s is not None:
        told.append(f"reminded after {lasting(rule.remind_after_s)}")
    if rule.escalate_to is not None:
        told.append(f"then {_one(rule.escalate_to)} is asked too")
    if rule.cards_to:
        told.append(f"cards go to {_CARDS.get(rule.cards_to, f'chat {rule.cards_to}')}")
    return ", ".join(told)


def by_risk(risk: Risk, default: Default) -> str:
    """What is decided where no rule speaks: "low risk runs at once"."""
    if default.decision is PolicyDecision.REQUIRES_APPROVAL:
        return default.reason
    return f"{risk} risk {'runs at once' if default.decision is PolicyDecision.ALLOW else 'is denied'}"


def either(words: Collection[StrEnum]) -> str:
    """The words in their order, joined by "or"."""
    return " or ".join(word.value for word in type(next(iter(words))) if word in words)


def lasting(seconds: int) -> str:
    """A duration in its largest whole unit: "90 minutes", "2 hours", "1 day"."""
    name, size = next((name, size) for name, size in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {name}{'' if count == 1 else 's'}"


def _signers(rule: Rule) -> str:
    count = rule.count or 1
    if rule.names:
        people = " or ".join(rule.names) if count == 1 else f"{count} of {', '.join(rule.names)}"
    elif rule.approvers is None and rule.count is None:
        people = "whoever its risk asks for"
    else:
        role = rule.approvers or Role.APPROVER
        people = _one(role) if count == 1 else f"{count} {role.value}s"
    if rule.self_approval is None:
        return people
    return f"{people} or the requester" if rule.self_approval else f"{people}, never by the requester"


def _one(role: Role) -> str:
    return f"{'a' if role is Role.MEMBER else 'an'} {role.value}"
