"""Controls of what watches: alarms that come once and to their own team, metrics behind a token, logs."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

ALARMS: Final = "tests/integration/test_alarms.py"
RULES: Final = "tests/unit/core/test_alarms.py"
WATCH: Final = "tests/integration/test_watch.py"
WATCHED: Final = "tests/security/test_watched.py"
FILES: Final = "tests/unit/test_log_files.py"
STATUS: Final = "tests/integration/test_status.py"
CHAT: Final = "tests/e2e/test_watching.py"

WATCHING: Final = (
    Control(
        name="an alarm is raised once while it lasts",
        file="core/engine/alarms.py",
        old="for key, finding in seen.items() if key not in known]",
        new="for key, finding in seen.items()]",
        tests=(f"{ALARMS}::test_a_hundred_failures_are_one_message",),
    ),
    Control(
        name="an alarm is over only after a quiet time",
        file="core/engine/alarms.py",
        old=" for alarm in gone if now - alarm.last_at >= QUIET]",
        new=" for alarm in gone]",
        tests=(f"{ALARMS}::test_an_alarm_is_raised_lasts_and_is_over_after_a_quiet_minute",),
    ),
    Control(
        name="what cannot be judged is not over",
        file="core/engine/alarms.py",
        old="if key not in seen and alarm.kind in may_end]",
        new="if key not in seen]",
        tests=(f"{ALARMS}::test_what_cannot_be_judged_is_not_over",),
    ),
    Control(
        name="only admins say that they saw an alarm",
        file="core/engine/alarms.py",
        old="        if facts.role is not Role.ADMIN:",
        new="        if facts.role is None:",
        tests=(
            f"{ALARMS}::test_only_admins_of_its_team_may_say_that_they_saw_it",
            f"{CHAT}::test_only_an_admin_says_that_it_was_seen",
        ),
    ),
    Control(
        name="the tenant, of alarms",
        file="core/engine/alarms.py",
        old="    return alarm.tenant_id == by.tenant",
        new="    return True",
        tests=(f"{ALARMS}::test_only_admins_of_its_team_may_say_that_they_saw_it",),
    ),
    Control(
        name="a team's alarm is told to it alone",
        file="bot/telegram/alarms.py",
        old="        team = alarm.tenant_id or self.home",
        new="        team = self.home",
        tests=(f"{ALARMS}::test_a_teams_alarm_is_told_to_that_team_alone",),
    ),
    Control(
        name="a team's failures are counted for it alone",
        file="core/alarms.py",
        old="        of_it = [doing for doing in lately if doing.tenant_id == tenant]",
        new="        of_it = list(lately)",
        tests=(f"{RULES}::test_a_teams_failures_are_its_own",),
    ),
    Control(
        name="the audit is verified as it grows",
        file="bot/workers/auditor.py",
        old="            found = list(check_chain(events, seq=seq, prev_hash=last))",
        new="            found = list(check_chain((), seq=seq, prev_hash=last))",
        tests=(f"{WATCH}::test_new_events_are_verified_as_they_come",),
    ),
    Control(
        name="metrics are for their token alone",
        file="bot/http/watched.py",
        old="    if not hmac.compare_digest(sent,",
        new="    if not sent.startswith(b'Bearer') and not hmac.compare_digest(sent,",
        tests=(f"{WATCHED}::test_t30_metrics_are_for_their_own_token_alone",),
    ),
    Control(
        name="without a token there are no metrics",
        file="bot/http/watched.py",
        old="    if door.metrics_token is None or door.scrape is None:",
        new="    if door.scrape is None:",
        tests=(f"{WATCHED}::test_t30_without_a_token_in_the_settings_there_are_no_metrics",),
    ),
    Control(
        name="a call's log file has a plain name",
        file="bot/log_handlers.py",
        old="isinstance(found, str) and _PLAIN_ID.fullmatch(found) else None",
        new="isinstance(found, str) else None",
        tests=(f"{FILES}::test_a_call_without_a_plain_name_gets_no_file",),
    ),
    Control(
        name="secrets, in log files by subject",
        file="bot/logs.py",
        old="        each.setFormatter(_Clean(redactor, _json(redactor)))",
        new="        each.setFormatter(_Clean(Redactor(), _json(Redactor())))",
        tests=(f"{FILES}::test_t35_no_secret_is_in_any_of_them",),
    ),
    Control(
        name="so many files of calls are open",
        file="bot/log_handlers.py",
        old="        if len(self._open) > MOST_OPEN:",
        new="        if len(self._open) > MOST_OPEN * 1000:",
        tests=(f"{FILES}::test_no_more_files_are_open_than_so_many_and_none_is_lost",),
    ),
    Control(
        name="the tenant, of the status",
        file="core/engine/status.py",
        old="        if tenant is None or switch.tenant_id in {None, tenant}",
        new="        if switch",
        tests=(f"{STATUS}::test_a_team_sees_what_is_its_own",),
    ),
    Control(
        name="the tenant, of the status' alarms",
        file="core/engine/status.py",
        old="        found = [alarm for alarm in found if alarm.tenant_id in ours]",
        new="        found = [alarm for alarm in found if ours]",
        tests=(f"{STATUS}::test_a_team_sees_what_is_its_own",),
    ),
    Control(
        name="/status is for admins",
        file="bot/telegram/status.py",
        old="    return page(records, turn, by) if by.holds(Role.ADMIN) else texts.admins_only()",
        new="    return page(records, turn, by)",
        tests=(f"{CHAT}::test_the_status_is_one_screen_of_a_phone",),
    ),
)
