"""Controls of who belongs where, and of what must not cross teams."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

ROLES: Final = "tests/integration/test_members.py"
CROSSING: Final = "tests/integration/test_tenants.py"
ON_PHONES: Final = "tests/e2e/test_tenants.py"

MEMBERS: Final = (
    Control(
        name="an admin stays",
        file="core/engine/members.py",
        old="    if role is not Role.ADMIN and _admins(records, tenant_id) == [person.id]:",
        new="    if role is not Role.ADMIN and not _admins(records, tenant_id):",
        tests=(
            f"{ROLES}::test_of_two_admins_who_remove_each_other_one_stays",
            f"{ROLES}::test_the_last_admin_stays",
        ),
    ),
    Control(
        name="only admins change members",
        file="core/engine/members.py",
        old="    if not (is_at_machine(by) or (role is not None and role.includes(Role.ADMIN))):",
        new="    if not (is_at_machine(by) or role is not None):",
        tests=(f"{ROLES}::test_only_admins_invite_and_change_roles",),
    ),
    Control(
        name="open cards follow the roles",
        file="core/engine/members.py",
        old="""\
    changed = _set(records, kind, person, role, tenant_id=tenant_id, by=by, now=now.wall)
    reroute(records, tenant_id, now=now, env=env)
""",
        new="    changed = _set(records, kind, person, role, tenant_id=tenant_id, by=by, now=now.wall)\n",
        tests=(f"{ROLES}::test_when_an_approver_goes_open_calls_are_asked_of_the_others",),
    ),
    Control(
        name="an invite is ended by its own team",
        file="core/engine/members.py",
        old="        if found is None or found.tenant_id != tenant_id:",
        new="        if found is None:",
        tests=(f"{ROLES}::test_open_invites_are_listed_and_ended_by_admins",),
    ),
    Control(
        name="a role is given to who has the one that was shown",
        file="bot/telegram/members.py",
        old="    if wanted.what is not What.OPEN and member.role is not wanted.was:",
        new="    if wanted.what is not What.OPEN and wanted.was is None:",
        tests=("tests/e2e/test_members.py::test_a_button_counts_only_for_the_role_that_it_was_shown_with",),
    ),
)

TEAMS: Final = (
    Control(
        name="teams are made at the machine",
        file="core/engine/tenants.py",
        old="    if not is_at_machine(by):",
        new="    if by.tenant is None:",
        tests=(f"{CROSSING}::test_nobody_else_makes_or_switches_teams",),
    ),
    Control(
        name="nobody joins a team that is off",
        file="core/engine/members.py",
        old="    if tenant is None or not tenant.active:",
        new="    if tenant is None:",
        tests=(f"{CROSSING}::test_memberships_of_a_team_that_is_off_stay_as_they_are",),
    ),
    Control(
        name="a team that is off is not worked for",
        file="storage/records/calls.py",
        old="    _c.tenant_id.not_in(select(tenants.c.id).where(tenants.c.active.is_(False))),\n",
        new="",
        tests=(f"{CROSSING}::test_inside_a_team_that_is_off_nothing_runs_and_people_are_told_why",),
    ),
    Control(
        name="nobody is reminded for a team that is off",
        file="core/engine/remind.py",
        old="        if call is not None and _waits(call, revision, now=now) and _is_on(records, call):",
        new="        if call is not None and _waits(call, revision, now=now):",
        tests=(f"{CROSSING}::test_nobody_is_reminded_for_a_team_that_is_off",),
    ),
    Control(
        name="one speaks for a team that one belongs to",
        file="core/engine/tenants.py",
        old="    if chosen is not None and records.people.role(chosen, person.id) is not None:",
        new="    if chosen is not None:",
        tests=(f"{CROSSING}::test_who_does_not_belong_there_any_more_speaks_for_the_bots_own",),
    ),
    Control(
        name="a team is switched to by who belongs to it",
        file="core/engine/tenants.py",
        old="        if tenant is None or role is None:",
        new="        if tenant is None:",
        tests=(f"{CROSSING}::test_nobody_speaks_for_a_team_that_is_not_theirs_or_is_off",),
    ),
    Control(
        name="a call is withdrawn in its own team",
        file="core/engine/cancel.py",
        old="        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))",
        new="        guards.check(facts, guards.GUARDS[:6])",
        tests=(f"{CROSSING}::test_nothing_of_one_team_is_seen_in_another",),
    ),
    Control(
        name="a call is undone in its own team",
        file="core/engine/undo.py",
        old="        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))",
        new="        guards.check(facts, guards.GUARDS[:6])",
        tests=(f"{CROSSING}::test_nothing_of_one_team_is_seen_in_another",),
    ),
    Control(
        name="a call is settled in its own team",
        file="core/engine/recover.py",
        old="        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))",
        new="        guards.check(facts, guards.GUARDS[:6])",
        tests=(f"{CROSSING}::test_nothing_of_one_team_is_seen_in_another",),
    ),
    Control(
        name="the approvers' chat is one team's",
        file="core/engine/routing.py",
        old="    own = env.home in {None, call.tenant_id}",
        new="    own = True",
        tests=(f"{CROSSING}::test_the_approvers_chat_shows_its_own_teams_calls_alone",),
    ),
    Control(
        name="a group is one team's",
        file="bot/telegram/turn.py",
        old="            if theirs is not None:",
        new="            if theirs is not None and not theirs:",
        tests=(f"{ON_PHONES}::test_a_group_is_of_the_team_of_who_first_spoke_there",),
    ),
    Control(
        name="no other team's card comes into a group",
        file="bot/telegram/pendings.py",
        old="    elsewhere = tap.call.tenant_id != tap.by.tenant",
        new="    elsewhere = False",
        tests=(f"{ON_PHONES}::test_a_card_of_another_team_is_not_brought_into_a_group",),
    ),
    Control(
        name="a group acts for its team alone",
        file="bot/telegram/tapping.py",
        old="    if call is None or role is None or not (turn.private or card_here(records, turn, call)):",
        new="    if call is None or role is None:",
        tests=(f"{ON_PHONES}::test_a_card_of_another_team_is_not_brought_into_a_group",),
    ),
    Control(
        name="a question is answered for the team that asked it",
        file="bot/telegram/teams.py",
        old="        records.dialogues.drop(turn.chat.id, by.person)",
        new="        assert by.person",
        tests=(f"{ON_PHONES}::test_a_question_is_not_answered_for_another_team",),
    ),
)
