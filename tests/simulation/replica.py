"""Outreach in a process of its own, as ``python -m outreach`` runs it, started and ended at will.

Each line that ``python -m`` this module reads has it start one; it says its process id, and "over" when it has died. Forked, because
it is the imports that make a start slow.
"""

import os
import sys
from random import Random

from chassis.settings import Settings
from outreach.app import build


def main() -> None:
    for seed in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            build(Settings(), chance=Random(seed)).run()
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("over", flush=True)


if __name__ == "__main__":
    main()
