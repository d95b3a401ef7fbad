"""CSV files as they were last read, each a table in memory with an index on every column that it is asked by."""

import asyncio
import csv
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from intake.enrichment.domain_run import ProviderError

MOST_BYTES = 16 * 2**20
_MOST_BYTES_HELD = 64 * 2**20
"""Of memory, for all tables: a file of 16 MiB takes some 40; the last one asked is held whatever it takes."""

Row = tuple[str | None, ...]
Stamp = tuple[int, int, int]
"""By which it is seen that a file is another: its inode, time of change and size."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a file.

    Attributes:
        columns: those whose values are the answer.
        by: those it may be asked by.
        wanted: by column, the values (`plain`) of which a row has one; of columns in `by`, not necessarily all.
    """

    path: Path
    columns: tuple[str, ...]
    by: tuple[str, ...]
    wanted: Mapping[str, Sequence[str]]


class Tables:
    """The files that were asked last. One that has changed is read again.

    One thread reads and looks up, so that what is slow for one file is not done twice, nor holds up what else threads do.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "csv")
        self._held: OrderedDict[tuple[Path, tuple[str, ...], tuple[str, ...]], _Table] = OrderedDict()

    async def rows(self, question: Question) -> Sequence[Row]:
        """The rows that match, as they stand in the file; a short row's missing values are none.

        Raises:
            ProviderError: `no_file`, `too_large` or `unreadable`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._find, question)

    def _find(self, question: Question) -> Sequence[Row]:
        key = question.path, question.columns, question.by
        table = self._held.pop(key, None)
        try:
            stat = question.path.stat()
            stamp = stat.st_ino, stat.st_mtime_ns, stat.st_size
            if table is None or table.stamp != stamp:
                table = _Table.read(question, stamp)
        except OSError:
            raise ProviderError("no_file") from None
        self._held[key] = table
        while len(self._held) > 1 and sum(held.size for held in self._held.values()) > _MOST_BYTES_HELD:
            self._held.popitem(last=False)
        return table.matching(question)


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns of a file.

    Attributes:
        content: a table `line` with the columns' values as v0, v1 and so on, and what it may be asked by as k0, k1 and so on.
        size: bytes of memory.
    """

    stamp: Stamp
    content: sqlite3.Connection
    size: int

    @classmethod
    def read(cls, question: Question, stamp: Stamp) -> "_Table":
        if stamp[2] > MOST_BYTES:
            raise ProviderError("too_large")
        values = [f"v{number}" for number in range(len(question.columns))]
        keys = [f"k{number}" for number in range(len(question.by))]
        names = ", ".join([*values, *keys])
        content = sqlite3.connect(":memory:", check_same_thread=False)  # closed by whoever drops the last reference
        content.execute(f"create table line ({names})")
        try:
            marks = ", ".join("?" * len([*values, *keys]))
            content.executemany(f"insert into line ({names}) values ({marks})", _lines(question))
        except (UnicodeDecodeError, csv.Error):
            raise ProviderError("unreadable") from None
        for key in keys:
            content.execute(f"create index by_{key} on line ({key})")
        content.commit()
        (pages,), (page_size,) = (content.execute(f"pragma {name}").fetchone() for name in ("page_count", "page_size"))
        return cls(stamp, content, pages * page_size)

    def matching(self, question: Question) -> Sequence[Row]:
        conditions = ["true"]
        given: list[str] = []
        for column, values in question.wanted.items():
            conditions.append(f"k{question.by.index(column)} in ({', '.join('?' * len(values))})")
            given += values
        columns = ", ".join(f"v{number}" for number in range(len(question.columns)))
        with closing(self.content.cursor()) as cursor:
            found = cursor.execute(f"select {columns} from line where {' and '.join(conditions)} order by rowid", given)
            return found.fetchall()


def _lines(question: Question) -> Iterator[Row]:
    """Each row's values, and plain what it may be asked by."""
    with question.path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        places = {column: at for at, column in enumerate(next(lines, []))}
        if {*question.columns, *question.by} - places.keys():
            raise ProviderError("unreadable")
        values = [places[column] for column in question.columns]
        keys = [places[column] for column in question.by]
        for line in filter(None, lines):
            yield (
                *(line[at] if at < len(line) else None for at in values),
                *(plain(line[at]) if at < len(line) else None for at in keys),
            )


def plain(value: str) -> str:
    """A value as it is compared."""
    return value.strip().casefold()
