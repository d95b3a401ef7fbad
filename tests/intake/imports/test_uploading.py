"""A file is uploaded in chunks, in any order and as often as it takes, and mapped."""

import random
from uuid import uuid4

import pytest

from contracts.intake import imports as messages
from contracts.intake.imports import CHUNK_BYTES, ImportState
from contracts.message import PLATFORM, ProblemCode, ProblemError
from contracts.operations import RunJob
from tests.intake.imports.scene import ACTOR, HEADER, MAPPING, Scene, chunk_of, file_of, row


async def test_chunks_come_in_any_order_and_as_often_as_they_like(scene: Scene) -> None:
    content = file_of([row(number, name="x" * 400) for number in range(2500)])
    run_id = uuid4()
    for _ in range(2):
        await scene.ask(messages.CreateImport(run_id=run_id, file_name="leads.csv", actor=ACTOR))
    chunks = list(enumerate(content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)))
    assert len(chunks) > 2
    with pytest.raises(ProblemError, match="chunk 0 is missing"):
        await scene.ask(messages.FinishUpload(run_id=run_id, chunks=len(chunks)))
    random.Random(7).shuffle(chunks)
    assert [(await scene.ask(chunk_of(run_id, *chunk))).already for chunk in chunks] == [False] * len(chunks)
    assert (await scene.ask(chunk_of(run_id, *chunks[0]))).already
    view = await scene.ask(messages.FinishUpload(run_id=run_id, chunks=len(chunks)))
    assert (view.state, view.bytes, view.chunks) == (ImportState.READY, len(content), len(chunks))
    assert (await scene.ask(chunk_of(run_id, *chunks[0]))).already


async def test_another_content_for_a_chunk_is_refused(scene: Scene) -> None:
    run_id = (await scene.ask(messages.CreateImport(file_name="leads.csv", actor=ACTOR))).run_id
    await scene.ask(chunk_of(run_id, 0, file_of([row(1)])))
    with pytest.raises(ProblemError) as refused:
        await scene.ask(chunk_of(run_id, 0, file_of([row(2)])))
    assert refused.value.problem.code is ProblemCode.CONFLICT


async def test_nothing_of_a_file_is_kept_in_clear(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of([row(1, name="Grace Hopper")]))
    kept = await scene.rows(
        "select import_chunk::text || import_run::text as all from intake.import_chunk "
        "join intake.import_run using (tenant_id, run_id) where tenant_id = $1"
    )
    assert len(kept) == 1
    for secret in ("Grace", "Id,Name", "leads.csv", "column"):
        assert secret.encode().hex() not in kept[0]["all"]
        assert secret not in kept[0]["all"]
    await scene.started(run_id)
    assert not await scene.rows("select from intake.import_chunk where tenant_id = $1")


async def test_a_mapping_that_does_not_fit_names_line_and_key(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of([row(1)]), mapping=None)
    with pytest.raises(ProblemError) as refused:
        await scene.ask(messages.SetImportMapping(run_id=run_id, mapping=MAPPING.replace("Email", "E-Mail")))
    assert 'mapping:6: lead.email.column: the file has no column "E-Mail"; did you mean "Email"?' in str(refused.value)
    with pytest.raises(ProblemError, match="set a mapping"):
        await scene.ask(messages.StartImport(run_id=run_id, actor=ACTOR))


async def test_who_maps_a_file_sees_its_first_rows_and_that_is_told(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of([row(1), row(2), row(3)]), mapping=None)
    assert (await scene.ask(messages.GetImport(run_id=run_id))).columns == HEADER.split(",")
    shown = await scene.ask(messages.PreviewImport(run_id=run_id, limit=2, actor=ACTOR))
    assert [cells[:2] for cells in shown.rows] == [["L-1", "Ada 1"], ["L-2", "Ada 2"]]
    told = await scene.told("import_previewed")
    assert [(each["actor"], each["rows"]) for each in told] == [(ACTOR, 2)]
    await scene.ask(messages.SetImportMapping(run_id=run_id, mapping=MAPPING))
    await scene.started(run_id)
    with pytest.raises(ProblemError) as refused:
        await scene.ask(messages.PreviewImport(run_id=run_id, actor=ACTOR))
    assert refused.value.problem.code is ProblemCode.CONFLICT


async def test_a_file_that_nobody_imports_is_deleted(scene: Scene) -> None:
    run_id = await scene.uploaded(file_of([row(1)]))
    await scene.rows("update intake.import_run set noted_at = now() - interval '25 hours' where tenant_id = $1")
    await scene.platform.caller.ask(PLATFORM, RunJob(job="forget_imports"), of="intake")
    view = await scene.stands(run_id, ImportState.EXPIRED)
    assert view.columns == []
    assert not await scene.rows("select from intake.import_chunk where tenant_id = $1")
