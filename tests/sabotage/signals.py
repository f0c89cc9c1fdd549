"""Controls of what other programs are told: once, in order, signed, and never what lies inside."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

SIGNALS: Final = "tests/integration/test_signals.py"
HOOKS: Final = "tests/integration/test_webhooks.py"
ADDRESSES: Final = "tests/unit/core/test_addresses.py"
TOLD: Final = "tests/unit/core/test_signals.py"

ONCE: Final = (
    Control(
        name="what never ran is not told",
        file="core/engine/signals.py",
        old="    if before.status in _ATTEMPTED and after.status in _ENDED:\n",
        new="    if after.status in _ENDED:\n",
        tests=(f"{SIGNALS}::test_what_never_ran_is_not_told",),
    ),
    Control(
        name="a call that has ended is not told as started",
        file="core/engine/signals.py",
        old="    if call.status in EXECUTING:\n",
        new="    if call is not None:\n",
        tests=(f"{SIGNALS}::test_what_ran_is_told_once_for_each_kind_and_costs_one_row",),
    ),
    Control(
        name="a start that was told is not told with the end",
        file="storage/records/signals.py",
        old="        if told is SignalKind.TASK_STARTED and started and told != kind:\n",
        new="        if told is SignalKind.TASK_STARTED and not seq:\n",
        tests=(f"{SIGNALS}::test_a_call_that_takes_long_is_told_as_started_then_and_not_again",),
    ),
    Control(
        name="a stream is its team's own",
        file="storage/records/signals.py",
        old='    .where(_s.tenant_id == arg("tenant"), _s.seq >= arg("first"))\n',
        new='    .where(_s.tenant_id != arg("tenant"), _s.seq >= arg("first"))\n',
        tests=(f"{HOOKS}::test_a_team_hears_of_nobody_else",),
    ),
)

DELIVERED: Final = (
    Control(
        name="a signature is over the body",
        file="core/signals.py",
        old='    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()\n',
        new='    return hmac.new(secret.encode(), f"{timestamp}.".encode(), sha256).hexdigest()\n',
        tests=(f"{TOLD}::test_the_ten_lines_of_the_page_check_a_real_signature",),
    ),
    Control(
        name="what was not taken holds up what follows",
        file="bot/workers/webhooks.py",
        old="                self._not_taken(sent, signal, answer)\n                return\n",
        new="                self._not_taken(sent, signal, answer)\n",
        tests=(f"{HOOKS}::test_order_holds_whatever_fails_in_between",),
    ),
    Control(
        name="how far it came is noted also where it is cut short",
        file="bot/workers/webhooks.py",
        old="        finally:\n            await self._note(sent)\n        return sent.wait\n",
        new="        finally:\n            pass\n        await self._note(sent)\n        return sent.wait\n",
        tests=(f"{HOOKS}::test_a_new_life_goes_on_where_the_last_one_was",),
    ),
    Control(
        name="what is too old is not sent",
        file="bot/workers/webhooks.py",
        old="            if signal.kind in webhook.kinds and signal.at > oldest\n",
        new="            if signal.kind in webhook.kinds\n",
        tests=(f"{HOOKS}::test_what_is_too_old_is_not_sent_any_more",),
    ),
    Control(
        name="only admins replay",
        file="core/engine/webhooks.py",
        old="            if facts.role is not Role.ADMIN:\n",
        new="            if facts.role is None:\n",
        tests=(f"{HOOKS}::test_a_team_hears_of_nobody_else",),
    ),
    Control(
        name="a webhook is its team's own",
        file="core/engine/webhooks.py",
        old="    if webhook is None or webhook.tenant_id != by.tenant:\n",
        new="    if webhook is None:\n",
        tests=(f"{HOOKS}::test_a_team_hears_of_nobody_else",),
    ),
)

INSIDE: Final = (
    Control(
        name="nothing inside is connected to",
        file="bot/workers/posting.py",
        old='        if not all(is_public(each["host"]) for each in found):\n',
        new='        if not any(is_public(each["host"]) for each in found):\n',
        tests=(f"{HOOKS}::test_a_name_that_stands_for_something_inside_is_not_connected_to",),
    ),
    Control(
        name="an address is looked at however it is written",
        file="bot/workers/posting.py",
        old='        if not self._allow_private and inside(target.host or ""):\n',
        new='        if not self._allow_private and inside(""):\n',
        tests=(f"{HOOKS}::test_nothing_inside_is_asked_unless_the_settings_say_so",),
    ),
    Control(
        name="no redirect is followed",
        file="bot/workers/posting.py",
        old="headers=headers, allow_redirects=False\n",
        new="headers=headers, allow_redirects=True\n",
        tests=(f"{HOOKS}::test_a_redirect_is_not_followed",),
    ),
    Control(
        name="an IPv4 address in an IPv6 one is seen",
        file="core/addresses.py",
        old="    if address.sixtofour is not None:\n",
        new="    if address.sixtofour is address:\n",
        tests=(f"{ADDRESSES}::test_what_lies_inside",),
    ),
    Control(
        name="a signal hides what is sensitive",
        file="core/engine/report.py",
        old="    return Redactor(known).clean, tool is None or tool.private\n",
        new="    return Redactor(()).clean, tool is None or tool.private\n",
        tests=(f"{TOLD}::test_what_must_not_be_shown_is_in_no_signal_and_no_report",),
    ),
)
