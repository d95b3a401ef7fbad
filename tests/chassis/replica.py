"""A replica of the ledger service in a process of its own, started again whenever it dies: ``python -m`` this module."""

import asyncio
import os
import sys

from chassis import logs
from chassis.settings import Settings
from tests.chassis import ledger


async def _serve() -> None:
    logs.configure(ledger.NAME, "DEBUG")
    async with ledger.build(Settings(), replica="process").running():
        await asyncio.Event().wait()


def main() -> None:
    # Forked, because it is the imports that make a start slow.
    while True:
        child = os.fork()
        if child == 0:
            asyncio.run(_serve())
            sys.exit()
        os.waitpid(child, 0)
        print("died", flush=True)


if __name__ == "__main__":
    main()
