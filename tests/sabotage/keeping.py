"""Controls of what is copied, put back, thinned out and erased."""

from __future__ import annotations

from typing import Final

from tests.sabotage.control import Control

_T26: Final = "tests/integration/test_t26.py"
_NOTHING: Final = f"{_T26}::test_t26_nothing_of_yesterday_runs_unasked"
_ERASE: Final = "tests/integration/test_erase.py"

RESTORED: Final = (
    Control(
        name="a restore asks again for what was signed",
        file="core/engine/restored.py",
        old="    elif call.status is Status.PENDING:\n        lapse(",
        new="    elif call.status is Status.PENDING:\n        (lambda *_, **__: None)(",
        tests=(_NOTHING,),
    ),
    Control(
        name="a restore voids buttons and votes of before",
        file="core/engine/restored.py",
        old="    asked = replace(call, revision=call.revision + 1)\n",
        new="    asked = call\n",
        tests=(_NOTHING,),
    ),
    Control(
        name="a restore lets nothing that ran go on",
        file="core/engine/restored.py",
        old="    interrupt(records, call, live[-1],",
        new="    (lambda *_, **__: None)(records, call, live[-1],",
        tests=(_NOTHING,),
    ),
    Control(
        name="a restore makes up for no time of a schedule",
        file="core/engine/restored.py",
        old="passed=pass_by(records, now=now)",
        new="passed=0",
        tests=(_NOTHING,),
    ),
    Control(
        name="a webhook goes on behind the newest fact",
        file="storage/records/keeping.py",
        old="func.max(_s.seq) * STRIDE + STRIDE - 1",
        new="func.max(_s.seq)",
        tests=(_NOTHING,),
    ),
    Control(
        name="a restore ends grants",
        file="storage/records/keeping.py",
        old="            grants=self._session.run(_STOP_GRANTS, **at),",
        new="            grants=0,",
        tests=(_NOTHING,),
    ),
    Control(
        name="a restore drops updates that waited",
        file="storage/records/keeping.py",
        old="            updates=self._session.run(_STOP_INBOX, why=why, **at),",
        new="            updates=0,",
        tests=(_NOTHING,),
    ),
    Control(
        name="a restore replays no signals",
        file="storage/records/keeping.py",
        old="        self._session.run(_SKIP, none=0)\n",
        new="",
        tests=(_NOTHING,),
    ),
    Control(
        name="a backup's parts are held against their hashes",
        file="storage/backup.py",
        old="    if digest.hexdigest() != part.sha256:",
        new="    if not digest.hexdigest():",
        tests=(f"{_T26}::test_a_backup_that_is_not_whole_changes_nothing",),
    ),
    Control(
        name="newer records are not replaced unasked",
        file="storage/restore.py",
        old="            if isinstance(database, Path) and not force:",
        new="            if not force and not isinstance(database, Path):",
        tests=(f"{_T26}::test_newer_records_are_replaced_only_by_force_and_kept_aside",),
    ),
    Control(
        name="a restore takes no folder that is in use",
        file="storage/restore.py",
        old="    with alone(lock):\n",
        new="    with contextlib.nullcontext():\n",
        tests=(f"{_T26}::test_newer_records_are_replaced_only_by_force_and_kept_aside",),
    ),
)

ERASED: Final = (
    Control(
        name="only a tombstone gets into the audit",
        file="storage/migrations/versions/0003_operating.py",
        old='        allowed = f"{erased} AND {stays}"',
        new="        allowed = erased",
        tests=(
            f"{_ERASE}::test_nothing_but_a_tombstone_gets_into_the_audit",
            f"{_ERASE}::test_an_erasure_itself_cannot_be_erased_nor_an_outcome_be_turned",
        ),
    ),
    Control(
        name="a content that is gone must be accounted for",
        file="core/audit.py",
        old="    for event in gone.values():\n",
        new="    for event in ():\n",
        tests=(f"{_ERASE}::test_a_content_that_is_gone_without_an_erasure_is_found",),
    ),
    Control(
        name="nobody is erased while calls of theirs are open",
        file="core/engine/erase.py",
        old="    _check_all_ended(records, person_id)\n",
        new="",
        tests=(f"{_ERASE}::test_calls_that_have_not_ended_are_named_and_nothing_is_erased",),
    ),
    Control(
        name="what is thinned out spares open calls",
        file="storage/records/keeping.py",
        old="            exists().where(_c.id == deliveries.c.call_id, _c.status.in_(_ENDED)),",
        new="            deliveries.c.at > 0,",
        tests=("tests/integration/test_keeping.py::test_what_is_of_no_use_any_more_goes_and_the_rest_stays",),
    ),
    Control(
        name="a backup is its owner's alone",
        file="storage/backup.py",
        old="os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)",
        new="os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)",
        tests=(f"{_T26}::test_t21_a_backup_onto_a_full_disk_says_so_and_leaves_nothing",),
    ),
    Control(
        name="what was erased is not left in the log",
        file="storage/tombstones.py",
        old="PRAGMA wal_checkpoint(TRUNCATE)",
        new="PRAGMA wal_checkpoint(PASSIVE)",
        tests=(f"{_ERASE}::test_nothing_is_left_in_free_pages_of_the_file",),
    ),
    Control(
        name="what was erased is not left in free pages",
        file="storage/tombstones.py",
        old='            connection.execute("VACUUM")\n',
        new="",
        tests=(f"{_ERASE}::test_nothing_is_left_in_free_pages_of_the_file",),
    ),
)
