"""Imports: one within the test that must live through everything, and a command that is killed and given again."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from signal import SIGKILL
from typing import Any

from leadloop.errors_file import ErrorsFile
from leadloop.importing import Import, Report
from tests.chaos.books import Export
from tests.chaos.system import System


async def import_here(system: System, tenant: str, export: Export) -> Report:
    """Import within this process."""
    async with system.installation.connected() as client:
        with export.path.open("rb") as stream, ErrorsFile(export.path) as errors:
            return await Import(client, system.installation.address, tenant, errors).run(export.rows(stream))


class ImportCommand:
    """`leadloop import` as an operator gives it: again whenever it was killed."""

    def __init__(self, system: System, tenant: str, export: Export) -> None:
        self._argv = [
            *(sys.executable, "-m", "leadloop", "import", str(export.path), "--map", str(export.mapping)),
            *("--tenant", tenant, "--home", str(system.home.root), "--json"),
        ]
        self._process: Process | None = None

    async def run(self) -> dict[str, Any]:
        """What the command that was not killed answers.

        Raises:
            AssertionError: it failed by itself.
        """
        while True:
            process = self._process = await asyncio.create_subprocess_exec(*self._argv, stdout=PIPE, stderr=PIPE)
            try:
                answer, complaint = await process.communicate()
            finally:
                self.kill()
            if process.returncode == 0:
                report: dict[str, Any] = json.loads(answer)
                return report
            assert process.returncode == -SIGKILL, (answer + complaint).decode()

    def kill(self) -> bool:
        """Kill the command; says whether it ran."""
        if self._process is None or self._process.returncode is not None:
            return False
        self._process.kill()
        return True
