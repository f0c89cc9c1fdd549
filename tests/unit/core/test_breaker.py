"""One adapter's breaker, as a state machine: whatever happens in whatever order."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.ids import CallId
from core.model import Breaker, BreakerState
from core.resilience import breaker as rules
from core.resilience.breaker import Thresholds
from tests.kit.clock import NOON

LIMITS = Thresholds(
    failures=2,
    open_for=timedelta(seconds=30),
    open_at_most=timedelta(seconds=200),
    safe_after=timedelta(minutes=5),
)
CALLS = st.sampled_from([CallId(name) for name in "abc"])
PROBE_FOR = timedelta(seconds=40)


class BreakerMachine(RuleBasedStateMachine):
    """Keeps besides what it should be: failures in a row, who is the probe, how often probes have failed."""

    @initialize(cut_off=st.booleans())
    def begin(self, cut_off: bool) -> None:
        self.now = NOON
        self.it = rules.new("mail", now=NOON)
        self.in_a_row = 0
        self.probe: CallId | None = None
        self.probe_until = NOON
        self.opened = NOON
        self.probes_failed = 0
        for _ in range(LIMITS.failures if cut_off else 0):
            self.a_call_fails(CallId("a"))

    def to(self, after: Breaker) -> None:
        assert after == self.it or after.version == self.it.version + 1, "each change is a version of its own"
        self.it = after

    @property
    def open_wait(self) -> timedelta:
        doubled: timedelta = LIMITS.open_for * 2**self.probes_failed
        return min(doubled, LIMITS.open_at_most)

    @rule(seconds=st.sampled_from([1, 10, 30, 45, 200, 400]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(call=CALLS)
    def a_call_fails(self, call: CallId) -> None:
        before = self.it
        self.to(rules.failed(before, call=call, now=self.now, thresholds=LIMITS))
        if before.state is BreakerState.CLOSED:
            self.in_a_row += 1
            if self.in_a_row == LIMITS.failures:
                self.opened, self.probes_failed = self.now, 0
                self.is_cut_off()
        elif before.state is BreakerState.HALF_OPEN and call == self.probe:
            self.probes_failed += 1
            self.is_cut_off()
        else:
            assert self.it == before, "what began before it opened says nothing new"

    @rule(call=CALLS)
    def a_call_works(self, call: CallId) -> None:
        before = self.it
        self.to(rules.worked(before, call=call, now=self.now))
        if before.state is BreakerState.CLOSED or (
            before.state is BreakerState.HALF_OPEN and call == self.probe
        ):
            self.is_closed()
        else:
            assert self.it == before, "only the probe closes it"

    @rule(works=st.booleans())
    def it_is_checked(self, works: bool) -> None:
        before, its_turn = self.it, self.may_be_tried()
        if works:
            self.to(rules.worked(before, call=None, now=self.now))
        else:
            self.to(rules.failed(before, call=None, now=self.now, thresholds=LIMITS))
        if before.state is BreakerState.CLOSED:
            self.in_a_row = 0 if works else self.in_a_row + 1
            if self.in_a_row == LIMITS.failures:
                self.opened, self.probes_failed = self.now, 0
                self.is_cut_off()
        elif not its_turn:
            assert self.it == before, "a check is no probe before its time, nor beside one"
        elif works:
            self.is_closed()
        else:
            self.probes_failed += 1
            self.is_cut_off()

    @precondition(lambda self: self.it.state is not BreakerState.CLOSED)
    @rule(call=CALLS, patient=st.booleans())
    def a_call_wants_through(self, call: CallId, patient: bool) -> None:
        if patient:
            self.now += LIMITS.open_at_most
        allowed = rules.may_probe(self.it, call=call, now=self.now)
        assert allowed == (self.may_be_tried() or (self.probe is not None and call == self.probe))
        if not allowed:
            assert rules.waits(self.it, now=self.now) >= 1
            return
        self.to(rules.probing(self.it, call, until=self.now + PROBE_FOR, now=self.now))
        self.probe, self.probe_until = call, self.now + PROBE_FOR

    @rule(call=CALLS)
    def a_call_is_cancelled(self, call: CallId) -> None:
        before = self.it
        self.to(rules.gave_up(before, call=call, now=self.now))
        if before.state is BreakerState.HALF_OPEN and call == self.probe:
            self.probe = None
            assert self.may_be_tried(), "another may be the probe at once"
        else:
            assert self.it == before

    @precondition(lambda self: self.it.state is not BreakerState.CLOSED)
    @rule()
    def it_is_looked_after(self) -> None:
        overdue = rules.is_overdue(self.it, now=self.now, thresholds=LIMITS)
        assert overdue == (self.now - self.opened >= LIMITS.safe_after and self.it.safe_since is None)
        if overdue:
            self.to(rules.queueing(self.it, now=self.now))

    def may_be_tried(self) -> bool:
        if self.it.state is BreakerState.OPEN:
            assert self.it.retry_at is not None
            return self.now >= self.it.retry_at
        return self.now >= self.probe_until

    def is_closed(self) -> None:
        self.in_a_row, self.probe, self.probes_failed = 0, None, 0
        assert rules.is_clean(self.it)
        assert (self.it.opened_at, self.it.retry_at, self.it.safe_since) == (None, None, None)

    def is_cut_off(self) -> None:
        self.probe = None
        assert self.it.state is BreakerState.OPEN
        assert self.it.retry_at == self.now + self.open_wait

    @invariant()
    def one_probe_at_most(self) -> None:
        assert (self.it.state is BreakerState.HALF_OPEN) == (self.probe is not None)
        assert self.it.probe == self.probe

    @invariant()
    def it_opens_at_the_threshold_and_remembers_since_when(self) -> None:
        if self.it.state is BreakerState.CLOSED:
            assert self.it.failures == self.in_a_row < LIMITS.failures
        else:
            assert self.it.opened_at == self.opened

    @invariant()
    def its_health_is_known(self) -> None:
        closed = self.it.state is BreakerState.CLOSED
        assert rules.is_clean(self.it) == (closed and self.in_a_row == 0)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_an_adapter_that_never_failed_is_clean() -> None:
    assert rules.is_clean(None)
