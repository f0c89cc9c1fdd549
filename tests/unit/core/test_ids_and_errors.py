from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import HTTP_STATUS, Code, ConfigError, CorruptRecord, InvalidInput, Refusal, ToolError
from core.ids import CROCKFORD, CallId, from_opaque, opaque, read_short_id, short_id
from core.model import SYSTEM, Channel, Principal, Risk, Role
from tests.kit.world import ids

UUIDS = st.uuids().map(str)


@given(UUIDS)
def test_an_opaque_id_fits_a_button_and_reads_back(identifier: str) -> None:
    assert len(opaque(identifier)) == 22
    assert from_opaque(opaque(identifier)) == identifier


@given(st.text(max_size=30) | UUIDS.map(opaque).map(lambda text: text[:-1] + "_"))
def test_only_the_canonical_spelling_of_an_opaque_id_counts(text: str) -> None:
    read = from_opaque(text)
    assert read is None or opaque(read) == text


def test_forged_opaque_ids_are_nothing() -> None:
    fine = opaque(str(UUID(int=0)))
    assert from_opaque(fine[:-1] + "B") is None  # spare bits set
    assert from_opaque(fine[:-1] + "!") is None
    assert from_opaque(fine + "A") is None
    assert from_opaque("") is None


@given(UUIDS, st.integers(6, 12))
def test_short_ids_are_crockford_and_read_back_however_typed(identifier: str, length: int) -> None:
    short = short_id(CallId(identifier), length=length)
    assert len(short) == length
    assert set(short) <= set(CROCKFORD)
    typed = f" #{short[:3]}-{short[3:]} ".lower().replace("0", "o").replace("1", "l")
    assert read_short_id(typed) == short


def test_made_ids_sort_by_creation() -> None:
    new = ids()
    made = [new() for _ in range(100)]
    assert made == sorted(made)
    assert UUID(made[0]).version == 7


def test_every_code_has_an_http_status() -> None:
    assert set(HTTP_STATUS) == set(Code)


SPEC = {
    400: "tenant_required tenant_unknown not_pending proposal_missing_tenant_context tool_not_found"
    " invalid_input invalid_limit",
    401: "unauthenticated",
    403: "tenant_inactive not_a_member not_owner tenant_mismatch policy_forbids approval_invalid not_approver"
    " self_approval",
    404: "not_found",
    409: "already_decided idempotency_conflict",
    412: "stale_revision",
    429: "rate_limited",
    500: "corrupt_record",
    503: "paused adapter_unavailable persist_failed",
}


def test_the_specified_codes_have_the_specified_http_status() -> None:
    for status, codes in SPEC.items():
        assert {HTTP_STATUS[Code(code)] for code in codes.split()} == {status}


def test_refusals_carry_facts_for_programs() -> None:
    refusal = Refusal(Code.PAUSED, "Paused.", retry_after_s=5, current_status="pending")
    assert (refusal.http_status, refusal.retry_after_s, refusal.details) == (
        503,
        5,
        {"current_status": "pending"},
    )
    assert str(refusal) == refusal.message == "Paused."


def test_invalid_input_cuts_what_was_given() -> None:
    error = InvalidInput(field="f", given="x" * 81, allowed="less", code=Code.INVALID_LIMIT)
    assert error.given == "x" * 79 + "…"
    assert error.code is Code.INVALID_LIMIT
    assert InvalidInput(field="f", given="x" * 80, allowed="less").given == "x" * 80


def test_a_corrupt_record_names_the_place_and_never_the_content() -> None:
    error = CorruptRecord("tool_calls", "id-1", "arguments")
    assert (error.table, error.row_id, error.column) == ("tool_calls", "id-1", "arguments")
    assert "tool_calls/id-1" in str(error)


def test_other_errors_say_what_they_say() -> None:
    assert str(ConfigError("key x")) == "key x"
    assert ToolError("m").error_class == "tool_error"
    assert not ToolError("m").unclear


def test_roles_and_risks_are_ordered() -> None:
    assert [role.rank for role in Role] == [0, 1, 2]
    assert Role.ADMIN.includes(Role.MEMBER)
    assert not Role.MEMBER.includes(Role.APPROVER)
    assert [risk.rank for risk in Risk] == [0, 1, 2, 3]


@pytest.mark.parametrize(("role", "holds"), [(Role.MEMBER, True), (Role.APPROVER, True), (Role.ADMIN, False)])
def test_a_principal_holds_what_a_role_of_theirs_includes(role: Role, holds: bool) -> None:
    principal = Principal(
        person=None, tenant=None, roles=frozenset({Role.APPROVER}), channel=Channel.TELEGRAM
    )
    assert principal.holds(role) is holds
    assert not Principal(person=None, tenant=None, roles=frozenset(), channel=Channel.API).holds(role)


def test_audit_names_people_by_id_and_others_by_their_door() -> None:
    assert SYSTEM.actor == "system"
    assert SYSTEM.is_system
