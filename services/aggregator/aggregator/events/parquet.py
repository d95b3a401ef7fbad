"""Archived events as Parquet files: one file holds events of one tenant and month, in the order in which they were stored.

Files lie in a folder of this machine or of an object store, whatever pyarrow's file systems reach. None is changed once it is written.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Row = Mapping[Any, Any]
Meanwhile = Callable[[], Awaitable[object]]
"""Called now and then while files are read, so that whoever waits for them is not taken for dead."""
COLUMNS: Final = (
    "seq", "event_id", "told_at", "type", "occurred_at", "stored_at", "lead_id", "campaign_id", "account_id", "body",
    "correlation_id",
)  # fmt: skip
"""In this order they are digested; a file that was written before there was the last of them has the others only."""
_MOMENTS: Final = ("told_at", "occurred_at", "stored_at")
_GROUP: Final = 1_000
"""How many events are read, and written, at once."""


class ArchiveSettings(BaseSettings):
    """Where archived events go, and when: ``LEADLOOP_ARCHIVE_URI``, ``LEADLOOP_EVENT_MONTHS``.

    Attributes:
        archive_uri: ``file:///srv/leadloop/archive``, ``s3://bucket/leadloop``, ``gs://…``; without one nothing is archived.
        event_months: how many months of events are kept at hand of a tenant whose settings do not say it; all, if empty.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_", frozen=True, extra="ignore")

    archive_uri: str = ""
    event_months: Annotated[int, Field(ge=2)] | None = None


class ArchiveError(Exception):
    """A file cannot be written, is gone, or is not what was written."""


class Archive:
    """The folder of archived events.

    pyarrow is loaded when a file is first written or read: it takes longer than a service takes to start.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    async def write(
        self, path: str, rows: AsyncIterator[Sequence[Row]], meanwhile: Meanwhile
    ) -> tuple[int, int, bytes]:
        """Write events into a new file, read it back, and compare; returns how many they are, the file's bytes, and their digest.

        Raises:
            ArchiveError: what was read is not what was written, or the folder does not take it.
        """
        import pyarrow as arrow
        from pyarrow import parquet

        moment = arrow.timestamp("us", tz="UTC")
        types = {"seq": arrow.int64()} | dict.fromkeys(_MOMENTS, moment)
        schema = arrow.schema([(name, types.get(name, arrow.string())) for name in COLUMNS])
        written = _Sum()
        with _explained(path):
            files, whole = await asyncio.to_thread(self._place, path)
            await asyncio.to_thread(files.create_dir, whole.rpartition("/")[0], recursive=True)
            opened = await asyncio.to_thread(parquet.ParquetWriter, whole, schema, filesystem=files, compression="zstd")
            with opened as file:
                async for group in rows:
                    columns = {name: [_cell(row[name]) for row in group] for name in COLUMNS}
                    await asyncio.to_thread(file.write_table, arrow.table(columns, schema=schema))
                    written.add(group)
            size = (await asyncio.to_thread(files.get_file_info, whole)).size
        await self._check(path, written.count, written.digest, meanwhile)
        return written.count, int(size), written.digest

    async def read(self, path: str, count: int, digest: bytes, meanwhile: Meanwhile) -> AsyncIterator[Sequence[Row]]:
        """A file's events, some at a time, once it is known that they are those that were written.

        Raises:
            ArchiveError: they are not, or the file cannot be read.
        """
        await self._check(path, count, digest, meanwhile)
        async for group in self._groups(path):
            yield [dict.fromkeys(COLUMNS) | dict(row) for row in group]

    async def _check(self, path: str, count: int, digest: bytes, meanwhile: Meanwhile) -> None:
        found = _Sum()
        async for group in self._groups(path):
            found.add(group)
            await meanwhile()
        if (found.count, found.digest) != (count, digest):
            raise ArchiveError(f"{path} does not hold the {count} events that were archived")

    async def remove(self, path: str) -> None:
        """Delete a file; one that is not there is deleted already."""
        files, whole = await asyncio.to_thread(self._place, path)
        try:
            await asyncio.to_thread(files.delete_file, whole)
        except FileNotFoundError:
            return

    async def _groups(self, path: str) -> AsyncIterator[Sequence[Row]]:
        from pyarrow import parquet

        with _explained(path):
            files, whole = await asyncio.to_thread(self._place, path)
            opened = await asyncio.to_thread(parquet.ParquetFile, whole, filesystem=files)
            with opened as file:
                groups: Iterator[Any] = file.iter_batches(_GROUP)
                while (group := await asyncio.to_thread(next, groups, None)) is not None:
                    yield group.to_pylist()

    def _place(self, path: str) -> tuple[Any, str]:
        from pyarrow import fs

        files, folder = fs.FileSystem.from_uri(self.uri)
        return files, f"{folder.rstrip('/')}/{path}"


class _Sum:
    """How many events, and a digest of them: of their texts, so that it is the same whoever reads them."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = sha256()

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    def add(self, rows: Sequence[Row]) -> None:
        self.count += len(rows)
        for row in rows:
            texts = [row[name].isoformat() if name in _MOMENTS else str(row[name]) for name in COLUMNS if name in row]
            self._digest.update("\x1f".join(texts).encode() + b"\x1e")


@contextmanager
def _explained(path: str) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        raise ArchiveError(f"{path} can be neither written nor read: {type(error).__name__}") from error


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
