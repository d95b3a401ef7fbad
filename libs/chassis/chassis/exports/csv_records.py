"""A CSV file of any size read record by record in constant memory, so that a broken record harms no other.

The format is RFC 4180 as exports practise it: comma, semicolon or tab; LF, CRLF or CR; a byte order mark or none.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

from chassis.exports.errors import LeadLoopError

DELIMITERS = ",;\t"
_LONGEST_LINE = 16 * 1024 * 1024
"""Characters; what has no line end for so long is no CSV file."""
_LONGEST_HEADER = 1000
"""Lines."""
_NO_TEXT = re.compile("[\udc80-\udcff\0]")
"""Bytes that the encoding does not have (as `surrogateescape` shows them), and NUL, which no database keeps in a text."""


class ExportError(LeadLoopError):
    """The file as a whole is not readable as CSV; the message says why and what to do."""


class Record(NamedTuple):
    """A record: the line it begins in (from 1), its cells, and what is wrong with it, in which column if in one."""

    line: int
    cells: list[str]
    flaw: str | None = None
    column: str = ""


class Records:
    """The records of a CSV file after its header; blank ones are skipped. A cell holds at most 131,072 characters.

    Args:
        stream: the file, open for reading bytes.
        encoding: of its text; a byte order mark is skipped.
        columns: names that the header should hold; they decide between the characters that may separate cells.

    Raises:
        ExportError: the file is empty, its header is not text of that encoding, or (while iterating) it has no lines.
    """

    def __init__(self, stream: BinaryIO, encoding: str, columns: Collection[str]) -> None:
        self._encoding = encoding
        self._lines = _Lines(stream, encoding)
        self.header, delimiter = self._read_header(columns)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[Record]:
        lines, reader, width = self._lines, self._reader, len(self.header)
        while True:
            line = lines.begin_record()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # A quote mark that nobody closed swallows the rows after it: those are read again, on their own.
                lines.return_all_but_first()
                yield Record(line, [], _quoting_flaw(error))
                continue
            if not any(cells):
                continue
            if len(cells) != width:
                yield Record(line, cells, f"the row has {len(cells)} cells, the header {width}")
            elif lines.hold_no_text:
                at = next(at for at, cell in enumerate(cells) if _NO_TEXT.search(cell))
                yield Record(line, cells, f"holds {self._advice}", self.header[at])
            else:
                yield Record(line, cells)

    @property
    def bytes_read(self) -> int:
        """How many bytes have been read: a little ahead of the last record."""
        return self._lines.bytes.count

    @property
    def _advice(self) -> str:
        return f"a NUL or bytes that are not {self._encoding}: save the file as UTF-8, or set encoding: in the mapping"

    def _read_header(self, columns: Collection[str]) -> tuple[list[str], str]:
        # Some who name plain utf-8 have a byte order mark all the same.
        text = next((line for line in self._lines if line.strip()), "").removeprefix("\ufeff")
        if not text:
            raise ExportError("the file is empty: an export has a line with the names of its columns")
        while text.count('"') % 2 and self._lines.number < _LONGEST_HEADER and (more := next(self._lines, "")):
            text += more
        if _NO_TEXT.search(text):
            raise ExportError(f"the header holds {self._advice}")
        found = [(header, delimiter) for delimiter in DELIMITERS if (header := _split(text, delimiter))]
        if not found:
            raise ExportError("the quote marks of the header are wrong: double those within a name, and close it")
        return max(found, key=lambda pair: (len(set(pair[0]).intersection(columns)), len(pair[0])))


class _Bytes(io.BufferedIOBase):
    """The bytes of a stream, counted; the stream stays open when this is closed."""

    name = "export"

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data


class _Lines:
    """The lines of a text. Those of the current record are kept, so that all but the first can be read again."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.bytes = _Bytes(stream)
        self._text = io.TextIOWrapper(self.bytes, encoding, errors="surrogateescape", newline="")
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self.number = 0
        self.hold_no_text = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._again.popleft() if self._again else self._text.readline(_LONGEST_LINE)
        except UnicodeDecodeError as error:
            raise ExportError(f"the file is not {error.encoding} after line {self.number}: correct encoding:") from None
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == _LONGEST_LINE:
            raise ExportError(f"line {self.number} is longer than {_LONGEST_LINE:,} characters: this is no CSV file")
        if (not line.isascii() or "\0" in line) and _NO_TEXT.search(line):
            self.hold_no_text = True
        self._record.append(line)
        return line

    def begin_record(self) -> int:
        """Forget the record before; the number of the line to come."""
        self._record.clear()
        self.hold_no_text = False
        return self.number + 1

    def return_all_but_first(self) -> None:
        """Read the lines of this record again, without the first."""
        self._again.extendleft(reversed(self._record[1:]))
        self.number -= max(0, len(self._record) - 1)


def _split(header: str, delimiter: str) -> list[str]:
    """The names in a header, or nothing where its quote marks do not fit the delimiter."""
    try:
        names = next(csv.reader(io.StringIO(header, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return []
    return [name.strip() for name in names]


def _quoting_flaw(error: csv.Error) -> str:
    if "limit" in str(error):
        return f"a cell is longer than {csv.field_size_limit():,} characters; perhaps a quote mark is not closed"
    return f"the quote marks are wrong ({error}): double those within a cell, and close each cell"
