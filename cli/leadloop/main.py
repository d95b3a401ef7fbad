"""The entry point of ``leadloop``: every module of commands adds its own to the root."""

import sys

from leadloop import commands_home, commands_leads, commands_numbers, commands_operations, commands_tenants
from leadloop.app import run

__all__ = ["commands_home", "commands_leads", "commands_numbers", "commands_operations", "commands_tenants", "main"]


def main() -> None:
    """Carry out the command of this process' arguments."""
    sys.exit(run(sys.argv[1:]))
