"""Policy for people to read: what the rules are, why a call is decided as it is, what has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import Button, Rows, Shown
from bot.telegram.render.parts import fitted, lines
from bot.telegram.render.safe import brief
from core.approvals import who_may_sign
from core.model import PolicyDecision, Risk, Role, Tenant, Verdict
from core.policy import Policy, Rule
from core.policy.describe import by_risk, decides, speaks_of
from core.policy.explain import Explanation, Step

LIMITS: Final = ("20", "50", "200")
AS_USUAL: Final = "usual"

_ROW_MOST: Final = 400
_DECIDED: Final = {
    PolicyDecision.ALLOW: "✅ It runs at once",
    PolicyDecision.REQUIRES_APPROVAL: "✋ It needs a signature",
    PolicyDecision.DENY: "⛔ It is denied",
}


def policy(today: Policy, tenant: Tenant, role: Role) -> Shown:
    """/policy: what runs at once, what asks and whom, in plain words; for admins the common limits."""
    rules = [_rule(number, rule) for number, rule in enumerate(today.rules, start=1)]
    top = lines(
        "📜 <b>Policy</b>",
        "The first rule that speaks of a call decides:" if rules else "There are no rules of this team.",
    )
    bottom = lines(
        _limit(tenant),
        "Where no rule speaks:" if rules else "The risk decides:",
        *(f"• {brief(by_risk(risk, today.defaults[risk]), 200)}" for risk in Risk),
        "<code>/policy explain expense 900 EUR desk</code> says how that would be decided, and why.",
    )
    return Shown(html=fitted(top, rules, bottom), buttons=_limits(tenant) if role is Role.ADMIN else ())


def explained(told: Explanation, *, title: str, note: str = "") -> Shown:
    """Every rule that was tried and why it did or did not speak, then the verdict."""
    verdict = told.verdict
    top = lines(f"🔎 <b>{brief(title, 300)}</b>", note)
    bottom = lines(
        f"<b>{_DECIDED[verdict.decision]}</b>{_signed_by(verdict)}, by “{brief(verdict.rule, 100)}”:",
        f"{brief(verdict.reason, 300)}.",
        f"⚠️ {brief(verdict.note, 300)}" if verdict.note else "",
        "<i>Nothing was asked for.</i>",
    )
    return Shown(html=fitted(top, [_step(step) for step in told.steps], bottom))


def cannot_explain(why: str) -> Shown:
    """A text that would not be proposed as it stands."""
    return Shown(
        html=lines(
            f"🤔 {why}",
            "Say it whole, such as <code>/policy explain expense 900 EUR desk</code>, "
            "or name a call: <code>/policy explain A7F3Q2</code>.",
        )
    )


def reloaded(
    *, added: Sequence[str], removed: Sequence[str], changed: Sequence[str], moved: bool, rules: int
) -> Shown:
    """To admins: another policy is in force."""
    return Shown(
        html=lines(
            f"📜 <b>The policy file changed</b>. It has {rules} rule{'' if rules == 1 else 's'} now, "
            "in force at once.",
            *_named("New", added),
            *_named("Changed", changed),
            *_named("Gone", removed),
            "The rules stand in another order; the first that matches decides." if moved else "",
            "What is approved already is judged by it again before it starts. /policy shows it.",
        )
    )


def refused(problem: str) -> Shown:
    """To admins: the file cannot be used."""
    return Shown(
        html=lines(
            "⚠️ <b>The policy file changed, and cannot be used</b>. Nothing was changed: the policy of before "
            "stays in force.",
            brief(problem, 700),
            "Please mend it; I look again as soon as it is saved.",
        )
    )


def limit_words(tenant: Tenant) -> str:
    """What the limit is, in plain words."""
    if tenant.ask_above is None:
        return "asks as usual"
    return f"asks above {tenant.ask_above} {tenant.currency}"


def _rule(number: int, rule: Rule) -> str:
    reason = f" — <i>{brief(rule.reason, 150)}</i>" if rule.reason else ""
    return (
        f"{number}. <b>{brief(rule.name, 80)}</b>: {brief(speaks_of(rule), _ROW_MOST)} "
        f"→ {brief(decides(rule), 250)}{reason}"
    )


def _limit(tenant: Tenant) -> str:
    if tenant.ask_above is None:
        return ""
    shown = brief(f"{tenant.ask_above} {tenant.currency}", 40)
    return f"Then: amounts up to <b>{shown}</b> run at once, larger ones ask. Set here, by an admin."


def _limits(tenant: Tenant) -> Rows:
    buttons = [_choice(f"Ask above {limit}", limit, chosen=tenant.ask_above == limit) for limit in LIMITS]
    return tuple(buttons), (_choice("Ask as usual", AS_USUAL, chosen=tenant.ask_above is None),)


def _choice(label: str, value: str, *, chosen: bool) -> Button:
    return Button(text=f"{'✓ ' if chosen else ''}{label}", data=PageButton(Page.POLICY, value).encode())


def _step(step: Step) -> str:
    mark = "➡️" if step.decides else "▫️"
    return f"{mark} <b>{brief(step.name, 80)}</b>: {brief(step.why, _ROW_MOST)}"


def _signed_by(verdict: Verdict) -> str:
    if verdict.decision is not PolicyDecision.REQUIRES_APPROVAL:
        return ""
    return f" of {brief(who_may_sign(verdict), 200)}"


def _named(word: str, names: Sequence[str]) -> list[str]:
    return [f"{word}: {brief(', '.join(names), 300)}"] if names else []
