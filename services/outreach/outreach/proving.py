"""Outreach on a moved clock: what its rules do over weeks is proven and simulated in minutes (`leadloop outreach verify`)."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Proving(BaseSettings):
    """Whether this process goes by a moved clock: ``LEADLOOP_MOVED_CLOCK``. If it does, it hands messages to the sandbox alone.

    Attributes:
        moved_clock: the file that says what time it is (`chassis.clock.MovedClock`); none for the real time.
    """

    model_config = SettingsConfigDict(env_prefix="LEADLOOP_", frozen=True, extra="ignore")

    moved_clock: Path | None = None
