"""T18: whatever is done to the chain, in the database or in the mirror, verify finds and names it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from core.errors import ConfigError
from core.ids import TenantId
from storage.findings import Finding, Report
from storage.mirror import line_of
from storage.verify import export, verify
from tests.integration.audit_scene import COUNT, Scene, fill, mirror_of
from tests.kit.databases import KINDS, Kind, Place, new_place
from tests.kit.world import ACME, UMBRELLA, open_world


def make_scene(folder: Path, kind: Kind) -> Scene:
    place = new_place(kind, folder)

    async def make() -> None:
        async with open_world(folder, place=place) as world:
            await fill(world)
            await mirror_of(world).drain()

    asyncio.run(make())
    return Scene(folder, place)


@pytest.fixture(scope="module", params=KINDS)
def untouched(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = make_scene(tmp_path_factory.mktemp("untouched"), request.param)
    yield made
    made.place.drop()


@contextmanager
def copy_of(scene: Scene, folder: Path) -> Iterator[Scene]:
    shutil.copytree(scene.mirror, folder / "audit")
    copied = Scene(folder, scene.place.copied(folder))
    try:
        yield copied
    finally:
        copied.place.drop()


@pytest.fixture
def scene(tmp_path: Path, untouched: Scene) -> Iterator[Scene]:
    with copy_of(untouched, tmp_path) as copied:
        yield copied


@pytest.fixture
def file_scene(tmp_path: Path) -> Scene:
    """SQLite alone: its columns take in what is neither text nor a number."""
    return make_scene(tmp_path, "sqlite")


def told(report: Report, place: str) -> list[tuple[int, int]]:
    return [
        (found.seq, found.last)
        for found in report.findings
        if found.place == place and found.tenant_id == ACME
    ]


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, [str(found) for found in report.findings]
    return report.findings[0]


def test_a_chain_that_nobody_touched_holds(scene: Scene) -> None:
    last = scene.events()[-1]
    report = scene.check(heads={ACME: (last.seq, last.hash)})
    assert report.ok
    assert [(chain.tenant_id, chain.seq, chain.mirrored) for chain in report.chains] == [
        (ACME, COUNT, COUNT),
        (UMBRELLA, 1, 1),
    ]


# --- all five damages --------------------------------------------------------------------------------------

EDIT = "UPDATE audit_events SET actor='eve' WHERE tenant_id='acme' AND seq=7"
SWAPS = tuple(
    f"UPDATE audit_events SET seq={b} WHERE tenant_id='acme' AND seq={a}"
    for a, b in ((7, 99), (8, 7), (99, 8))
)
DELETE = "DELETE FROM audit_events WHERE tenant_id='acme' AND seq=7"


def cut_everywhere(scene: Scene) -> None:
    cut_with_head(scene)
    scene.lines(lambda lines: lines[:30])


def recompute_everywhere(scene: Scene) -> None:
    made = scene.recompute(7)
    scene.lines(lambda lines: [line_of(event) for event in made])


DAMAGES: Final[Mapping[str, tuple[Callable[[Scene], None], set[str]]]] = {
    "edited": (lambda scene: scene.sql(EDIT), {"database", "mirror"}),
    "deleted": (lambda scene: scene.sql(DELETE), {"database", "mirror"}),
    "swapped": (lambda scene: scene.sql(*SWAPS), {"database", "mirror"}),
    "tail cut": (cut_everywhere, {"head"}),
    "recomputed": (recompute_everywhere, {"head"}),
}
"""What is done to the chain, and which of the three tells: the last two are done to the mirror as well."""


def test_t18_all_five_damages_are_found(untouched: Scene, tmp_path: Path) -> None:
    last = untouched.events()[-1]
    for name, (damage, tell) in DAMAGES.items():
        with copy_of(untouched, tmp_path / name) as scene:
            damage(scene)
            report = scene.check(heads={ACME: (last.seq, last.hash)})
            assert {found.place for found in report.findings} == tell, name
    told_by = ", ".join(
        f"{name} by the {' and the '.join(sorted(tell))}" for name, (_, tell) in DAMAGES.items()
    )
    print(f"T18 {untouched.place.kind}: {len(DAMAGES)}/5 damages, {told_by}")


# --- the database ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    ["content='{}'", "kind='x'", "actor='eve'", "at=at+1", "call_id='d'", "account_id='b'", "salt='0'"],
)
def test_t18_an_edited_event_is_found(scene: Scene, change: str) -> None:
    scene.sql(f"UPDATE audit_events SET {change} WHERE tenant_id='acme' AND seq=7")
    assert told(scene.check(mirror=False), "database") == [(7, 7)]


def test_t18_a_time_beyond_json_is_found_and_named(scene: Scene) -> None:
    scene.sql("UPDATE audit_events SET at=9007199254740993 WHERE tenant_id='acme' AND seq=7")
    assert told(scene.check(mirror=False), "database") == [(7, 7)]
    assert told(scene.check(), "mirror") == [(7, 7)]


@pytest.mark.parametrize("change", ["at='soon'", "kind=x'ff'", "kind=CAST(x'ff' AS TEXT)", "content=x'00'"])
def test_t18_bytes_that_are_no_event_are_found_and_named(file_scene: Scene, change: str) -> None:
    scene = file_scene
    scene.sql(f"UPDATE audit_events SET {change} WHERE tenant_id='acme' AND seq=7")
    assert told(scene.check(mirror=False), "database") == [(7, 7)]
    assert told(scene.check(), "mirror") == [(7, 7)]


def test_t18_a_deleted_event_is_found(scene: Scene) -> None:
    scene.sql("DELETE FROM audit_events WHERE tenant_id='acme' AND seq IN (7, 8)")
    found = only(scene.check(mirror=False))
    assert (found.seq, found.problem) == (7, "missing: 7 to 8")


def test_t18_swapped_events_are_found(scene: Scene) -> None:
    scene.sql(*SWAPS)
    assert told(scene.check(mirror=False), "database")[0][0] == 7


def test_t18_a_tail_cut_off_is_found_by_the_head(scene: Scene) -> None:
    scene.sql("DELETE FROM audit_events WHERE tenant_id='acme' AND seq > 30")
    found = only(scene.check(mirror=False))
    assert (found.seq, found.problem) == (31, "the end is missing: the head says 40")


def cut_with_head(scene: Scene) -> None:
    hash_30 = scene.events()[29].hash
    scene.sql(
        "DELETE FROM audit_events WHERE tenant_id='acme' AND seq > 30",
        f"UPDATE audit_heads SET seq=30, hash='{hash_30}', mirrored_seq=30 WHERE tenant_id='acme'",
    )


def test_t18_a_tail_cut_off_with_its_head_is_found_by_the_mirror(scene: Scene) -> None:
    cut_with_head(scene)
    assert scene.check(mirror=False).ok
    found = only(scene.check())
    assert (found.place, found.seq, found.last) == ("mirror", 31, 40)


def test_t18_a_tail_cut_off_everywhere_is_found_by_the_head_kept_outside(scene: Scene) -> None:
    last = scene.events()[-1]
    cut_with_head(scene)
    scene.lines(lambda lines: lines[:30])
    assert scene.check().ok
    found = only(scene.check(heads={ACME: (last.seq, last.hash)}))
    assert (found.place, found.seq) == ("head", 31)


def test_t18_a_chain_computed_anew_is_found_by_the_mirror(scene: Scene) -> None:
    scene.recompute(7)
    assert scene.check(mirror=False).ok
    found = only(scene.check())
    assert (found.place, found.seq, found.last) == ("mirror", 7, 40)


@pytest.mark.parametrize("kept", [7, 20, 40])
def test_t18_a_chain_computed_anew_everywhere_is_found_by_the_head_kept_outside(
    scene: Scene, kept: int
) -> None:
    outside = scene.events()[kept - 1]
    made = scene.recompute(7)
    scene.lines(lambda lines: [line_of(event) for event in made])
    assert scene.check().ok
    found = only(scene.check(heads={ACME: (kept, outside.hash)}))
    assert (found.place, found.seq) == ("head", kept)
    assert "rewritten" in str(found)


def test_t18_an_added_event_is_found(scene: Scene) -> None:
    scene.sql(
        "INSERT INTO audit_events SELECT tenant_id, 41, account_id, at, kind, actor, call_id, content, "
        "salt, content_hash, hash, hash FROM audit_events WHERE tenant_id='acme' AND seq=40"
    )
    assert (41, 41) in told(scene.check(mirror=False), "database")


def test_t18_a_chain_removed_whole_is_found(scene: Scene) -> None:
    scene.sql("DELETE FROM audit_events WHERE tenant_id='acme'")
    assert told(scene.check(mirror=False), "database") == [(1, 1)]
    scene.sql("DELETE FROM audit_heads WHERE tenant_id='acme'")
    assert told(scene.check(), "mirror") == [(1, 1)]
    assert told(scene.check(heads={ACME: (40, "x")}), "head") == [(40, 40)]


def test_t18_a_head_removed_or_changed_is_found(scene: Scene) -> None:
    scene.sql("UPDATE audit_heads SET hash='x' WHERE tenant_id='acme'")
    assert told(scene.check(mirror=False), "database") == [(40, 40)]
    scene.sql("UPDATE audit_heads SET seq=39 WHERE tenant_id='acme'")
    assert told(scene.check(mirror=False), "database") == [(40, 40)]


def test_t18_a_head_that_is_no_number_is_found(file_scene: Scene) -> None:
    file_scene.sql("UPDATE audit_heads SET seq='x' WHERE tenant_id='acme'")
    assert told(file_scene.check(mirror=False), "database") == [(0, 0)]


def test_t18_one_event_computed_anew_is_found_by_the_next(scene: Scene) -> None:
    new = scene.anew(7)[6]
    scene.sql(
        f"UPDATE audit_events SET content='{new.content}', content_hash='{new.content_hash}', "
        f"hash='{new.hash}' WHERE tenant_id='acme' AND seq=7"
    )
    found = only(scene.check(mirror=False))
    assert (found.seq, found.problem) == (8, "does not follow the event before it")


def test_t18_a_tail_cut_off_is_found_by_a_forgotten_cursor(scene: Scene) -> None:
    cut_with_head(scene)
    scene.sql("UPDATE audit_heads SET mirrored_seq=40 WHERE tenant_id='acme'")
    scene.lines(lambda lines: lines[:30])
    assert only(scene.check()).problem == "the mirror was written up to 40, the database ends at 30"


# --- the mirror --------------------------------------------------------------------------------------------


def test_t18_an_edited_line_is_found(scene: Scene) -> None:
    scene.lines(lambda lines: [*lines[:6], lines[6].replace(b"ann", b"eve"), *lines[7:]])
    found = only(scene.check())
    assert (found.place, found.seq, found.last) == ("mirror", 7, 7)
    assert "altered" in found.problem


def test_t18_a_deleted_line_is_found(scene: Scene) -> None:
    scene.lines(lambda lines: [*lines[:6], *lines[8:]])
    found = only(scene.check())
    assert (found.seq, found.last, found.problem) == (7, 8, "missing in the mirror")


def test_t18_swapped_lines_are_found(scene: Scene) -> None:
    scene.lines(lambda lines: [*lines[:6], lines[7], lines[6], *lines[8:]])
    found = [found.problem for found in scene.check().findings if found.seq == 8]
    assert sorted(found) == ["missing in the mirror", "the mirror's line stands where 7 should be"]


def test_t18_a_cut_mirror_is_found_by_its_cursor(scene: Scene) -> None:
    scene.lines(lambda lines: lines[:30])
    found = only(scene.check())
    assert (found.seq, found.last, found.problem) == (31, 40, "the end is missing: it was written up to 40")


def test_t18_a_mirror_removed_whole_is_found(scene: Scene) -> None:
    scene.file.unlink()
    assert told(scene.check(), "mirror") == [(1, 40)]


def test_t18_a_mirror_computed_anew_is_found(scene: Scene) -> None:
    made = scene.anew(7)
    scene.lines(lambda lines: [line_of(event) for event in made])
    found = only(scene.check())
    assert (found.place, found.seq, found.last) == ("mirror", 7, 40)


@pytest.mark.parametrize("place", [0, 6, 39, 40])
@pytest.mark.parametrize("line", [b"garbage\n", b"{}\n", b"\n"])
def test_t18_an_added_line_is_found(scene: Scene, place: int, line: bytes) -> None:
    scene.lines(lambda lines: [*lines[:place], line, *lines[place:]])
    assert len(told(scene.check(), "mirror")) == 1


def test_t18_a_doubled_line_is_found(scene: Scene) -> None:
    scene.lines(lambda lines: [*lines[:7], lines[6], *lines[7:]])
    assert told(scene.check(), "mirror") == [(7, 7)]


def test_t18_a_line_of_another_spelling_is_found(scene: Scene) -> None:
    scene.lines(lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]])
    assert told(scene.check(), "mirror") == [(1, 1)]


# --- what is no fault --------------------------------------------------------------------------------------


async def test_a_mirror_that_is_behind_is_no_fault(tmp_path: Path, place: Place) -> None:
    async with open_world(tmp_path, place=place) as world:
        await fill(world, 5)
        await mirror_of(world).catch_up()
        await fill(world, 5)
        report = verify(place.address, tmp_path / "audit")  # beside the running writer
    assert report.ok
    assert (report.chains[0].seq, report.chains[0].mirrored) == (10, 5)


async def test_a_line_that_is_being_written_is_no_fault(tmp_path: Path, place: Place) -> None:
    async with open_world(tmp_path, place=place) as world:
        await fill(world, 5)
        await mirror_of(world).catch_up()
        await fill(world, 1)
    scene = Scene(tmp_path, place)
    scene.lines(lambda lines: [*lines, line_of(scene.events()[-1])[:50]])
    assert scene.check().ok


def test_no_database_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no database"):
        verify(tmp_path / "absent.db", None)
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        verify(tmp_path / "broken.db", None)
    with pytest.raises(ConfigError, match="cannot be read"):
        list(export(tmp_path / "broken.db", ACME))


def test_an_export_is_the_mirror(scene: Scene) -> None:
    assert b"".join(export(scene.database, ACME)) == scene.file.read_bytes()
    assert list(export(scene.database, TenantId("nobody"))) == []


def test_an_export_of_an_altered_chain_says_so(file_scene: Scene) -> None:
    file_scene.sql("UPDATE audit_events SET kind=x'ff' WHERE tenant_id='acme' AND seq=7")
    with pytest.raises(ConfigError, match="altered"):
        list(export(file_scene.database, ACME))


def test_a_server_without_our_tables_is_a_plain_error(tmp_path: Path) -> None:
    """As a file that is no database is one."""
    empty = new_place("postgresql", tmp_path, empty=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        verify(empty.address, None)
    with pytest.raises(ConfigError, match="cannot be read"):
        list(export(empty.address, ACME))
    empty.drop()


def test_batches_join(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.verify.BATCH", 7)
    assert scene.check().ok
    assert len(list(export(scene.database, ACME))) == COUNT


async def test_beside_a_running_bot_nothing_is_found_wrong(tmp_path: Path, place: Place) -> None:
    async with open_world(tmp_path, place=place) as world:
        mirror = mirror_of(world)
        stop = asyncio.Event()

        async def busy() -> None:
            while not stop.is_set():
                await fill(world, 3)
                await mirror.catch_up()

        working = asyncio.create_task(busy())
        for _ in range(30):
            report = await asyncio.to_thread(verify, place.address, tmp_path / "audit")
            assert report.ok, [str(found) for found in report.findings]
        stop.set()
        await working
