"""Messages of imports: a file of another system, uploaded in parts, read by a mapping, imported by a run, and taken back.

A run is known by its id, which is the correlation id of all it leads to. Its file comes over the gateway in chunks and is read by intake
(`create_import`), or whoever has the file reads it and sends the commands, and tells of it here (`begin_import`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from contracts.message import Event, Kind, Reply, Request, Topic
from contracts.values import NO_NUL, Actor

CHUNK_BYTES: Final = 512 * 1024
"""How much of a file a chunk holds; only the last of a file is smaller."""
MOST_CHUNKS: Final = 4096
"""How many chunks a file has at most: 2 GiB."""
ERRORS_AT_ONCE: Final = 1000
"""How many errors are told at once."""

FileName = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, examples=["leads-2026-11.csv"])]
"""What a file is called by whoever uploads it; kept sealed."""


class ImportState(StrEnum):
    """Where an import stands."""

    UPLOADING = "uploading"
    """Chunks of its file are missing still."""
    READY = "ready"
    """The file is here: it can be mapped, checked and started."""
    CHECKING = "checking"
    """Every row is looked at; nothing is imported."""
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """It was stopped; what it had imported by then stays, until it is reverted."""
    FAILED = "failed"
    """It stands still; it can be started again, and goes on."""
    EXPIRED = "expired"
    """Nobody started it in time, and its file was deleted."""
    REVERTING = "reverting"
    REVERTED = "reverted"


class ImportOrigin(StrEnum):
    """How the rows of an import come."""

    UPLOAD = "upload"
    """Its file is uploaded, and read by intake."""
    COMMANDS = "commands"
    """Whoever has the file reads it, and sends each row's commands."""


class KeptFor(StrEnum):
    """Why a lead stays where its import is reverted."""

    ASSIGNED = "assigned"
    """A person gave it to an agent, claimed it, or finished work on it."""
    CHANGED = "changed"
    """It was submitted by others too, or merged with another."""
    CONTACTED = "contacted"
    """A message was sent to its person."""
    OUTCOME = "outcome"
    """An outcome was recorded of it that the import did not bring."""


class ImportCounts(BaseModel):
    """What is in an import's file, and what became of it; what is not known yet is 0."""

    rows: int = 0
    """Data rows that were read; blank ones do not count."""
    bad_rows: int = 0
    """Rows that make no lead."""
    repeated: int = 0
    """Good rows that say of their lead exactly what an earlier row said."""
    superseded: int = 0
    """Those of them that come after a row that said otherwise."""
    accepted: int = 0
    """Leads that are new by it."""
    updated: int = 0
    """Rows that changed a lead."""
    duplicate: int = 0
    """Rows that say nothing new."""
    rejected: int = 0
    """Rows that no lead can be made of."""
    outcomes: int = 0
    """Outcomes in good rows, repeated ones included."""
    outcomes_recorded: int = 0
    """Those that count by it."""
    outcomes_duplicate: int = 0
    """Those that were recorded before."""
    outcomes_blocked: int = 0
    """Those that the sequence rules do not allow."""
    outcomes_refused: int = 0
    """Those that never will be recorded."""
    outcomes_waiting: int = 0
    """Those that wait for something else of their lead, up to 24 hours."""
    errors: int = 0
    """What `list_import_errors` lists."""


class RevertCounts(BaseModel):
    """What became of an import that was reverted."""

    withdrawn: int = 0
    """Leads that are withdrawn."""
    kept: int = 0
    """Leads that stay, see `KeptFor`."""
    outcomes_voided: int = 0
    """Outcomes of it that count no more."""


class ImportView(Reply):
    """An import at a glance."""

    run_id: UUID
    state: ImportState
    origin: ImportOrigin
    """How its rows come."""
    file_name: str
    """Opened for the caller."""
    actor: str
    """Who made it."""
    bytes: int
    """How much of the file is here, or how large it is where others read it; 0 where that is not known."""
    bytes_read: int
    """How far it was read."""
    chunks: int
    """How many chunks are here, the first to the last without a gap."""
    mapped: bool
    """Whether it has a mapping."""
    checked: bool
    """Whether every row was looked at by this mapping; `check` has what was found."""
    check: ImportCounts | None = None
    """What the last dry run found."""
    counts: ImportCounts
    """What was imported so far."""
    reverted: RevertCounts | None = None
    """What was taken back so far."""
    error: str | None = None
    """Why it stands still, and what to do."""
    created_at: datetime
    started_at: datetime | None = None
    """When its first row was begun."""
    ended_at: datetime | None = None
    """When it came to its end, or stood still."""
    reverted_at: datetime | None = None
    """When it had been taken back."""


class CreateImport(Request[ImportView]):
    """Begin an import whose file is uploaded."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "create_import")
    run_id: UUID | None = None
    """The caller's own id for it: one that was made under it is returned as it is. Made here, if empty."""
    file_name: FileName
    """What the file is called; kept sealed."""
    actor: Actor
    """Who makes it: a user, key or service id, never a name."""


class BeginImport(Request[ImportView]):
    """Tell that an import begins whose rows the caller sends as commands, under this id as their correlation id."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "begin_import")
    run_id: UUID
    """One that was begun under it is returned as it is."""
    file_name: FileName
    """What the file is called; kept sealed."""
    bytes: Annotated[int, Field(ge=0)] = 0
    """How large the file is; 0 where that is not known."""
    actor: Actor = "operator"


class ImportErrorView(BaseModel):
    """Why a row, or a part of it, was not imported."""

    row: int
    """Which: 1 is the first below the header."""
    line: int
    """Where in the file it begins."""
    field: str
    """The field at fault; empty where the row is."""
    reason: str
    """What is wrong and what to do; quotes nothing personal."""


class CountsSoFar(ImportCounts):
    """An import's counts, as whoever sends its rows tells them."""

    model_config = ConfigDict(extra="forbid")


class RowError(ImportErrorView):
    """An error, as whoever reads the file tells of it."""

    model_config = ConfigDict(extra="forbid")


class NoteImport(Request[ImportView]):
    """Tell how far an import is whose rows the caller sends, and in the end how it went.

    One that was cancelled meanwhile is a `conflict`, and so is one that has ended.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "note_import")
    run_id: UUID
    bytes_read: Annotated[int, Field(ge=0)] = 0
    """How far the file was read."""
    counts: CountsSoFar
    """As they are now, instead of those told before; `errors` is what was told of them here."""
    errors: Annotated[list[RowError], Field(max_length=ERRORS_AT_ONCE)] = []
    """Those that were not told before."""
    first_error: Annotated[int, Field(ge=0)] = 0
    """How many were told before: told again they are the same."""
    ended: ImportState | None = None
    """`completed`, or `cancelled` where it ended before its end; empty while it goes on."""


class ChunkResult(Reply):
    """A chunk is kept."""

    number: int
    """Which."""
    already: bool
    """Whether it was here before."""


class AddImportChunk(Request[ChunkResult]):
    """Keep a part of an import's file: chunks of `CHUNK_BYTES`, counted from 0, in whatever order and however often.

    A chunk of which another content is here is a `conflict`.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "add_import_chunk")
    run_id: UUID
    number: Annotated[int, Field(ge=0, lt=MOST_CHUNKS)]
    """Which, counted from 0."""
    content: Annotated[Base64Bytes, Field(min_length=1, max_length=CHUNK_BYTES * 2, examples=["SWQsTmFtZQo="])]
    """Its bytes, in base 64."""


class FinishUpload(Request[ImportView]):
    """Tell that an import's file has so many chunks; while some are missing it is a `conflict`, which names the first of them."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "finish_upload")
    run_id: UUID
    chunks: Annotated[int, Field(ge=1, le=MOST_CHUNKS)]
    """How many it has."""


class SetImportMapping(Request[ImportView]):
    """Say what the columns of an import's file mean.

    A mapping that is none, or that does not fit the file's header, is `invalid`: each problem is named with its line and key.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "set_import_mapping")
    run_id: UUID
    mapping: Annotated[
        str, Field(max_length=100_000, examples=["source_system: crm\nlead:\n  source_id: {column: Id}"])
    ]
    """YAML, or JSON, as the mappings of `leadloop import` (examples/README.md)."""


class ImportDetails(ImportView):
    """An import with what it is mapped by."""

    columns: list[str] = []
    """The columns of its file; empty while its first chunk is missing or once the file was deleted."""
    mapping: str | None = None
    """As it was set."""


class GetImport(Request[ImportDetails]):
    """How an import stands."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "get_import")
    run_id: UUID


class ImportPreview(Reply):
    """The first rows of an import's file."""

    columns: list[str]
    """Their names."""
    rows: list[list[str]]
    """Their cells, personal data included."""


class PreviewImport(Request[ImportPreview]):
    """The first rows of a file that was not started yet, for whoever maps it; that they saw them is told (`import_previewed`)."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "preview_import")
    run_id: UUID
    limit: Annotated[int, Field(ge=1, le=20)] = 5
    actor: Actor


class CheckImport(Request[ImportView]):
    """Have every row of an import looked at, and nothing imported; `get_import` tells what was found."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "check_import")
    run_id: UUID
    actor: Actor


class StartImport(Request[ImportView]):
    """Import every row; of one that stands still, or was cancelled, those that were not. One that runs, or has ended, stays as it is."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "start_import")
    run_id: UUID
    actor: Actor
    again: bool = False
    """Whether rows that were judged before, by whatever import, are judged anew: after what they were rejected for was mended."""


class CancelImport(Request[ImportView]):
    """Stop an import; what it has imported stays. Of one that has ended nothing changes."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "cancel_import")
    run_id: UUID
    actor: Actor


class RevertImport(Request[ImportView]):
    """Take an import back: its leads that nobody has touched are withdrawn, its outcomes are voided, whoever recorded others stays right.

    Of one that is under way it is a `conflict`: cancel it first.
    """

    topic: ClassVar = Topic("intake", Kind.REQUEST, "revert_import")
    run_id: UUID
    actor: Actor


class ImportPage(Reply):
    """A page of imports."""

    imports: list[ImportView]
    """The imports of this page."""
    next_cursor: str | None = None


class ListImports(Request[ImportPage]):
    """The imports of a tenant, newest first, a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_imports")
    state: ImportState | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ImportErrorPage(Reply):
    """A page of errors."""

    errors: list[ImportErrorView]
    """The errors of this page, in the order they were found."""
    next_cursor: str | None = None


class ListImportErrors(Request[ImportErrorPage]):
    """What of an import's file was not imported and why, as it was found, of a dry run too; a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_import_errors")
    run_id: UUID
    limit: Annotated[int, Field(ge=1, le=ERRORS_AT_ONCE)] = 200
    cursor: Annotated[str, Field(max_length=200)] | None = None


class KeptLead(BaseModel):
    """A lead that stays."""

    lead_id: UUID
    kept_for: KeptFor
    """Why."""


class KeptLeadPage(Reply):
    """A page of leads that stay."""

    leads: list[KeptLead]
    """The leads of this page."""
    next_cursor: str | None = None


class ListKeptLeads(Request[KeptLeadPage]):
    """Which leads of an import that was reverted stay, and why; a page at a time."""

    topic: ClassVar = Topic("intake", Kind.REQUEST, "list_kept_leads")
    run_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class _ImportEvent(Event):
    run_id: UUID
    occurred_at: datetime


class ImportStarted(_ImportEvent):
    """An import began, or goes on."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "import_started")
    actor: Actor
    origin: ImportOrigin
    """How its rows come."""
    resumed: bool
    """Whether some of it was imported before."""


class ImportPreviewed(_ImportEvent):
    """Somebody saw the first rows of a file, with all that is personal in them."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "import_previewed")
    actor: Actor
    rows: int
    """How many."""


class ImportCompleted(_ImportEvent):
    """An import came to its end."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "import_completed")
    counts: ImportCounts
    """What it did."""


class ImportCancelled(_ImportEvent):
    """An import was stopped before its end."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "import_cancelled")
    actor: Actor
    counts: ImportCounts
    """What it had done by then."""


class ImportFailed(_ImportEvent):
    """An import stands still."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "import_failed")
    counts: ImportCounts
    """What it had done by then."""


class ImportReverted(_ImportEvent):
    """An import was taken back."""

    topic: ClassVar = Topic("intake", Kind.EVENT, "import_reverted")
    actor: Actor
    reverted: RevertCounts
    """What came of it."""


class LeadWithdrawn(Event):
    """A lead was taken back by who brought it: what is personal of it is gone, and nobody is to be asked or contacted about it.

    A later version of the lead is one that was submitted anew.
    """

    topic: ClassVar = Topic("intake", Kind.EVENT, "lead_withdrawn")
    lead_id: UUID
    version: int
    person_id: UUID
    run_id: UUID
    """The import that brought it."""
    occurred_at: datetime
