"""What the operator decides about providers: environment variables of intake's that begin with ``LEADLOOP_PROVIDER_``."""

from pathlib import Path

from chassis.outside import Outside


class ProviderSettings(Outside):
    """Where providers may be.

    Attributes:
        files: the folder in which each tenant that has CSV files has a folder of its own name.
    """

    files: Path | None = None
