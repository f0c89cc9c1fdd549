"""What holds whatever happens (QUALITY 1), worked out from rows and the ledger, not by asking the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from core.approvals import consent_digest_of
from core.audit import GENESIS, AuditEvent, check_chain
from core.lifecycle import ENDS, INITIAL, TRANSITIONS, Status
from core.model import PolicyDecision, Risk, Role, ToolCall
from core.policy import DEFAULT_POLICY
from storage.records.audit import event_from_row
from storage.records.calls import from_row
from tests.integration.lifecycle_stage import Life

NEVER_RUN: Final = {"proposed", "pending", "denied", "expired"}
_STEPS: Final = {f"call.{status}": status for status in Status}
_CHAINS: Final = ("acme", "_system")
UNDO_RISK: Final[Mapping[str, Risk]] = {"undo_asks": Risk.HIGH, "undoable": Risk.LOW}


@dataclass(frozen=True, slots=True)
class _Row:
    tool: str
    status: Status


@dataclass
class Checks:
    """Looks after each step; of the audit, at what is new. `ran` counts each time that a tool was really
    run, by call and attempt."""

    life: Life
    ran: Counter[tuple[str, int]] = field(default_factory=Counter)
    _ended: dict[str, str] = field(default_factory=dict)
    _heads: dict[str, tuple[int, str]] = field(default_factory=lambda: dict.fromkeys(_CHAINS, (0, GENESIS)))
    _at: dict[str, Status] = field(default_factory=dict)
    events: int = 0

    def look(self) -> None:
        """Raises AssertionError where anything that always holds does not."""
        rows = self.life.rows("SELECT id, tool, status FROM tool_calls")
        calls = {row[0]: _Row(row[1], Status(row[2])) for row in rows}
        self._one_outcome(calls)
        attempts = self._attempts_fit(calls)
        self._effects(calls, attempts)
        self._one_vote()
        for tenant, seq, own in self.life.rows("SELECT tenant_id, seq, hash FROM audit_heads"):
            if self._heads[tenant] != (seq, own):
                self._audit(tenant, (seq, own))
        assert {call_id: row.status for call_id, row in calls.items()} == self._at, "not as the audit says"

    def _one_outcome(self, calls: Mapping[str, _Row]) -> None:
        """What ended has one outcome and stays as it is; what completed took effect, or a person says so."""
        effects = self.life.ledger.effects
        outcomes = {
            row[0]: row[1:] for row in self.life.rows("SELECT call_id, status, marked_by FROM outcomes")
        }
        for call_id, row in calls.items():
            status, marked_by = outcomes.get(call_id, (None, None))
            assert status == (row.status if row.status in ENDS else None), f"{call_id}: outcome {status}"
            assert self._ended.get(call_id, row.status) == row.status, "what had ended went on"
            if status is not None:
                self._ended[call_id] = row.status
            if status == "completed" and marked_by is None:
                assert effects[call_id] >= 1, "completed without effect"

    def _attempts_fit(self, calls: Mapping[str, _Row]) -> set[tuple[str, int]]:
        """One live attempt of a running call, none of any other, none at all of what never ran."""
        found: set[tuple[str, int]] = set()
        live: Counter[str] = Counter()
        for call_id, number, ended in self.life.rows("SELECT call_id, number, ended_at FROM attempts"):
            found.add((call_id, number))
            live[call_id] += ended is None
        tried = {call_id for call_id, _ in found}
        for call_id, row in calls.items():
            assert live[call_id] == (row.status is Status.RUNNING), f"{row}: {live[call_id]} live attempts"
            if row.status in NEVER_RUN | {"cancelled"}:
                assert call_id not in tried
            else:
                assert call_id in tried
        return found

    def _effects(self, calls: Mapping[str, _Row], attempts: set[tuple[str, int]]) -> None:
        """The ledger is what was dispatched: once a call, unless its tool may be repeated."""
        lines = [line.split() for line in self.life.ledger.lines]
        written = Counter((call_id, int(number)) for _, call_id, number in lines)
        assert written == Counter(
            {key: count for key, count in self.ran.items() if calls[key[0]].tool != "fails"}
        )
        assert set(written) <= attempts, "an effect without an attempt"
        effects = Counter(call_id for call_id, _ in written.elements())
        for call_id, row in calls.items():
            if not row.tool.endswith("_again"):
                assert effects[call_id] <= 1, f"{effects[call_id]} effects of {row}"
            if row.status in NEVER_RUN | {"cancelled"}:
                assert effects[call_id] == 0, f"an effect of {row}"

    def _one_vote(self) -> None:
        twice = "SELECT 1 FROM approvals GROUP BY call_id, revision, person_id HAVING count(*) > 1"
        assert not self.life.rows(twice)

    def _audit(self, tenant: str, head: tuple[int, str]) -> None:
        """What is new in the chain follows what was there, ends in the head, and has only legal steps."""
        seq, last = self._heads[tenant]
        rows = self.life.rows(
            "SELECT * FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq", tenant, seq
        )
        fresh = [event_from_row(row) for row in rows]
        assert fresh
        assert fresh[0].prev_hash == last
        assert (fresh[-1].seq, fresh[-1].hash) == head
        # A chain is checked from its beginning: a part of one has a gap there, and only there.
        problems = [found for found in check_chain(fresh) if found.seq != 1 or seq == 0]
        assert not problems, problems
        self._heads[tenant] = head
        self.events += len(fresh)
        for event in fresh:
            self._step(event)

    def look_at_whole_chains(self) -> None:
        """Nothing was changed behind the heads that were seen."""
        for tenant in _CHAINS:
            rows = self.life.rows("SELECT * FROM audit_events WHERE tenant_id = ? ORDER BY seq", tenant)
            chain = [event_from_row(row) for row in rows]
            assert list(check_chain(chain)) == []
            ends = (chain[-1].seq, chain[-1].hash) if chain else (0, GENESIS)
            assert ends == self._heads[tenant]

    def _step(self, event: AuditEvent) -> None:
        to = _STEPS.get(event.kind)
        if to is None or event.call_id is None:
            return
        before = self._at.get(event.call_id)
        assert to in (INITIAL if before is None else TRANSITIONS[before]), f"{before} -> {to}"
        self._at[event.call_id] = to
        if to is Status.RUNNING:
            self._authorised(event.call_id)

    def _authorised(self, call_id: str) -> None:
        """A call that was started just now: allowed by policy, or with a signature that counts today, on what
        it is today."""
        call = from_row(self.life.rows("SELECT * FROM tool_calls WHERE id = ?", call_id)[0])
        roles = {
            row[0]: Role(row[1])
            for row in self.life.rows("SELECT person_id, role FROM memberships WHERE tenant_id = 'acme'")
        }
        assert call.requester_id in roles
        assert call.consent_digest == consent_digest_of(call)
        risk = self._risk(call)
        if DEFAULT_POLICY.defaults[risk].decision is PolicyDecision.ALLOW:
            return
        signers = [
            row[0]
            for row in self.life.rows(
                "SELECT person_id FROM approvals"
                " WHERE call_id = ? AND vote = 'approved' AND revision = ? AND consent_digest = ?",
                call.id,
                call.revision,
                call.consent_digest,
            )
        ]
        own = risk is Risk.MEDIUM
        assert any(
            own if signer == call.requester_id else signer in roles and roles[signer].includes(Role.APPROVER)
            for signer in signers
        ), f"{call.tool} ran unsigned"

    def _risk(self, call: ToolCall) -> Risk:
        """As the tools were declared, not as the row says."""
        if call.undo_of is not None:
            return UNDO_RISK[call.tool]
        word = call.tool.partition("_")[0]
        return Risk(word) if word in set(Risk) else Risk.LOW
