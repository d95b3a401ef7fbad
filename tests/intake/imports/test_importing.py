"""What an import does: the same leads and outcomes however it is interrupted; errors by row and field; a dry run nothing."""

import asyncio
import random
from typing import Any

import pytest

from contracts.intake import imports as messages
from contracts.intake.imports import ImportCounts, ImportState
from intake.imports import importing
from intake.imports.importing import Importer
from tests.intake.imports.scene import ACTOR, AT, Scene, file_of, row

ROWS = [
    *(row(number, outcome="contacted" if number % 3 == 0 else "") for number in range(1, 31)),
    row(1),  # says the same again
    row(2, tier="B"),  # says otherwise
    "L-40,Bo,bo@example.com,Web,Z,,",  # no such tier
    ",Nobody,,,A,,",  # no id
    "L-41,,,,A,,",  # nothing to reach anybody by
]


async def test_every_row_is_counted_once_and_what_was_not_imported_is_named_by_row_and_field(scene: Scene) -> None:
    view = await scene.imported(file_of(ROWS))
    assert view.counts == ImportCounts(
        rows=35, bad_rows=2, repeated=1, accepted=30, updated=1, duplicate=1, rejected=1, outcomes=10,
        outcomes_recorded=10, errors=3,
    )  # fmt: skip
    errors = await scene.errors(view.run_id)
    assert [(number, line, field) for number, line, field, _ in errors[:2]] == [(33, 34, "tier"), (34, 35, "source_id")]
    assert errors[2][0] == 35
    assert not any("bo@example.com" in reason for *_, reason in errors)
    leads = await scene.leads()
    assert len(leads) == 30
    assert (leads["L-2"]["tier"], leads["L-2"]["version"]) == ("B", 2)
    assert len(await scene.outcomes()) == 10
    (told,) = await scene.told("import_completed")
    assert told["counts"]["accepted"] == 30


async def test_a_dry_run_finds_the_same_errors_and_writes_nothing(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of(ROWS))
    await scene.ask(messages.CheckImport(run_id=run_id, actor=ACTOR))
    view = await scene.stands(run_id, ImportState.READY)
    assert view.checked
    assert view.check == ImportCounts(rows=35, bad_rows=2, repeated=1, outcomes=10, errors=2)
    assert view.counts == ImportCounts()
    assert [number for number, *_ in await scene.errors(run_id)] == [33, 34]
    assert await scene.leads() == {}
    assert await scene.told("lead_accepted") == []
    completed = await scene.started(run_id)
    assert completed.counts.errors == len(await scene.errors(run_id)) == 3


@pytest.mark.parametrize("seed", range(3))
async def test_however_it_is_interrupted_every_row_is_imported_once(
    scene: Scene, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever carries it out dies before and after leads are committed, and before and after outcomes are sent.

    However the file is cut into chunks, too.
    """
    drawn = random.Random(seed)
    size = drawn.choice([37, 200, 1000])
    monkeypatch.setattr(messages, "CHUNK_BYTES", size)
    monkeypatch.setattr(importing, "ROWS_AT_ONCE", drawn.choice([1, 3, 7]))
    deaths = 12

    def dying(name: str) -> None:
        whole: Any = getattr(Importer, name)

        async def may_die(self: Importer, *given: Any) -> Any:
            nonlocal deaths
            before, after = (deaths > 0 and drawn.random() < 0.15 for _ in range(2))
            deaths -= before or after
            if before:
                raise OSError
            done = await whole(self, *given)
            if after:
                raise OSError
            return done

        monkeypatch.setattr(Importer, name, may_die)

    for name in ("_take", "_in_one", "_send", "_settle", "_note", "_complete"):
        dying(name)
    view = await scene.started(await scene.uploaded(file_of(ROWS), chunk=size))
    assert view.counts == ImportCounts(
        rows=35, bad_rows=2, repeated=1, accepted=30, updated=1, duplicate=1, rejected=1, outcomes=10,
        outcomes_recorded=10, errors=3,
    )  # fmt: skip
    assert len(await scene.errors(view.run_id)) == 3
    assert len(await scene.leads()) == 30
    assert len(await scene.outcomes()) == 10
    assert len(await scene.told("lead_accepted")) == 30


async def test_the_same_file_again_changes_nothing(scene: Scene) -> None:
    await scene.imported(file_of(ROWS))
    again = await scene.imported(file_of(ROWS))
    assert (again.counts.accepted, again.counts.updated, again.counts.duplicate) == (0, 0, 32)
    assert (again.counts.outcomes_recorded, again.counts.outcomes_duplicate) == (0, 10)
    assert again.counts.rejected == 1
    anew = await scene.imported(file_of(ROWS), again=True)
    assert anew.counts.accepted == 0
    assert (await scene.leads())["L-2"]["tier"] == "B"


async def test_a_cancelled_import_stops_and_goes_on_when_it_is_started_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "ROWS_AT_ONCE", 5)
    some, go_on = asyncio.Event(), asyncio.Event()
    whole = Importer._send

    async def hold_back(self: Importer, *given: Any) -> None:
        await whole(self, *given)
        some.set()
        await go_on.wait()

    monkeypatch.setattr(Importer, "_send", hold_back)
    run_id = await scene.uploaded(file_of(ROWS))
    await scene.ask(messages.StartImport(run_id=run_id, actor=ACTOR))
    await asyncio.wait_for(some.wait(), 10)
    assert (await scene.ask(messages.CancelImport(run_id=run_id, actor=ACTOR))).state is ImportState.CANCELLED
    go_on.set()
    assert len(await scene.leads()) == 5
    assert [each["counts"]["accepted"] for each in await scene.told("import_cancelled")] == [5]
    view = await scene.started(run_id)
    assert (view.counts.accepted, view.counts.outcomes_recorded) == (30, 10)
    assert [each["resumed"] for each in await scene.told("import_started")] == [False, True]


async def test_a_row_that_the_database_does_not_take_harms_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: Any = importing.submit

    async def refusing(uow: Any, key: Any, new: Any, *, strict: bool) -> Any:
        if any(message.body.source_id == "L-7" for message in new):
            raise ValueError("what nobody foresaw")
        return await whole(uow, key, new, strict=strict)

    monkeypatch.setattr(importing, "submit", refusing)
    view = await scene.imported(file_of(ROWS[:30]))
    assert (view.counts.accepted, view.counts.rejected, view.counts.errors) == (29, 1, 1)
    assert [number for number, *_ in await scene.errors(view.run_id)] == [7]


async def test_a_file_that_is_no_csv_stands_still_and_says_so(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of([row(1)]) + b"x" * (17 * 1024 * 1024))
    await scene.ask(messages.StartImport(run_id=run_id, actor=ACTOR))
    view = await scene.stands(run_id, ImportState.FAILED)
    assert view.error
    assert "cannot be read as CSV" in view.error


async def test_an_outcome_that_is_refused_is_an_error_of_its_row(scene: Scene) -> None:
    view = await scene.imported(file_of([row(1, outcome="contacted").replace(AT, "2199-01-01T00:00:00Z"), row(2)]))
    assert (view.counts.accepted, view.counts.outcomes_refused) == (2, 1)
    ((number, line, field, reason),) = await scene.errors(view.run_id)
    assert (number, line, field) == (1, 2, "outcomes.1.occurred_at")
    assert "lies in the future" in reason
