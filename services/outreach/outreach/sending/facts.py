"""What the gates look at, read from the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from chassis.unit_of_work import Row, UnitOfWork
from contracts.outreach.accounts import AccountSettings, AccountState
from contracts.outreach.campaigns import AudienceView, CampaignSettings, CampaignState, Step
from contracts.outreach.people import SuppressionReason
from contracts.outreach.sending import Gate
from contracts.taxonomy import Channel, SendKind
from outreach.accounts.domain_guard import TOLERANCE
from outreach.accounts.store_circuit import breaker_of
from outreach.sending import store_queue
from outreach.sending.domain_gates import FOREVER, AccountFacts, CampaignFacts, Facts, Held, Spent, Suppressed, earliest

GATE_NAMES: Final = frozenset(gate.value for gate in Gate)
"""Of the reasons for which a message waits those that are a gate's."""

_STEPS = TypeAdapter(tuple[Step, ...])


class Accounts:
    """Accounts, with what has left each of them on its day; counted on with `Spent.add`."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._facts: dict[UUID, AccountFacts] = {}
        self._spent: dict[UUID, Spent] = {}
        self._providers: dict[UUID, tuple[str, str]] = {}

    @classmethod
    async def read(
        cls, uow: UnitOfWork, rows: Iterable[Row], *, uncounted: Collection[UUID] = frozenset()
    ) -> "Accounts":
        """Those of rows with `tenant_id`, `account_id` and `account_…` columns, some of which may have no account; what has left those
        that are `uncounted` is not looked at."""
        accounts = cls(uow.now)
        tenants = {}
        for row in rows:
            if row["account_id"] and row["account_id"] not in accounts._facts:
                accounts._facts[row["account_id"]] = account_of(row)
                accounts._providers[row["account_id"]] = row["tenant_id"], row["account_endpoint"]
                tenants[row["account_id"]] = row["tenant_id"]
        days = {id_: facts.day_of(uow.now) for id_, facts in accounts._facts.items() if id_ not in uncounted}
        accounts._spent = {id_: Spent(day) for id_, day in days.items()}
        for row in await store_queue.spent(uow, tenants, days) if days else ():
            accounts._spent[row["account_id"]].add(SendKind(row["kind"]), row["campaign_id"], row["messages"])
        return accounts

    def facts(self, account_id: UUID | None) -> AccountFacts | None:
        return self._facts[account_id] if account_id else None

    def spent(self, account_id: UUID | None) -> Spent | None:
        return self._spent.get(account_id) if account_id else None

    def waits_until(self, account_id: UUID, next_at: datetime) -> None:
        """A message leaves the account, and the next one not before that."""
        facts = self._facts[account_id]
        self._facts[account_id] = replace(facts, next_at=next_at)

    def probe(self, account_id: UUID) -> tuple[str, str]:
        """A message is to show whether the account's provider works again: all others by way of it wait for what comes of it.

        Returns the tenant and the provider.
        """
        provider = self._providers[account_id]
        for other, facts in self._facts.items():
            if facts.breaker and self._providers[other] == provider:
                self._facts[other] = replace(facts, breaker=facts.breaker.ask(self._now, TOLERANCE)[0])
        return provider


def account_of(row: Row) -> AccountFacts:
    until = row["account_throttled_until"]  # without a time zone the driver's own word for infinity
    return AccountFacts(
        account_id=row["account_id"],
        state=AccountState(row["account_state"]),
        settings=account_settings(row["account_settings"]),
        blocked=row["account_blocked"],
        throttled_until=FOREVER if until and until.tzinfo is None else until,
        next_at=row["account_next_at"],
        recovering_since=None if row["account_blocked"] else row["account_changed_at"],
        domain_stopped=row["account_domain_stopped"]["why"] if row["account_domain_stopped"] else None,
        breaker=breaker_of(row["account_circuit"]),
    )


def limits_of(row: Row) -> tuple[Any, ...]:
    """All that says how much may leave a message's account on a day, besides the hour, which allows no less later on: as long as it is the
    same, what was claimed within it is within it. Whoever claims counts what was claimed before, with the account locked."""
    return (
        row["account_id"], row["account_settings"], row["account_blocked"], row["account_changed_at"], row["campaign_settings"]
    )  # fmt: skip


def campaign_of(row: Row) -> CampaignFacts:
    settings = campaign_settings(row["campaign_settings"])
    stopped = row["campaign_stopped"]
    return CampaignFacts(
        row["campaign_id"], CampaignState(row["campaign_state"]), settings.daily_cap, settings.hours, row["region"],
        stopped["why"] if stopped else None,
    )  # fmt: skip


def facts_of(row: Row, accounts: Accounts) -> Facts:
    """Of a message's row (`store_queue`); one that is claimed is not counted as having left its account."""
    spent = accounts.spent(row["account_id"])
    is_claimed = row["state"] in ("claimed", "sending")
    kind = SendKind(row["kind"])
    if is_claimed and spent and row["spent_at"]:
        account = accounts.facts(row["account_id"])
        assert account
        if account.day_of(row["spent_at"]) == spent.day:
            spent = Spent(spent.day, dict(spent.by_kind), dict(spent.by_campaign))
            spent.add(kind, row["campaign_id"], -1)
    return Facts(
        kind=kind,
        enrollment_id=row["enrollment_id"],
        campaign=campaign_of(row),
        account=accounts.facts(row["account_id"]),
        spent=spent,
        channels=frozenset(row["channels"]),
        attribution=row["attribution"],
        condition=step.condition if (step := step_of(row)) else AudienceView(),
        time_zone=row["time_zone"],
        merged=row["merged"],
        erased=row["erased"],
        replied_at=row["replied_at"],
        paused_until=row["paused_until"],
        held=[_held(each) for each in row["held"] or ()],
        suppressed=[_suppressed(each) for each in row["suppressed"] or ()],
        is_claimed=is_claimed,
        claimed_at=row["spent_at"] if is_claimed else None,
    )


def may_leave_at(row: Row, facts: Facts, now: datetime) -> datetime | None:
    """When all gates would let a message pass, if nothing else changes; none where that has no date."""
    # What waits for a gate may leave once that opens; anything else is not looked at before it is due.
    waits = row["due_at"].tzinfo and row["waiting_for"] not in GATE_NAMES
    return earliest(facts, max(row["due_at"], now) if waits else now)


@lru_cache(maxsize=10_000)
def account_settings(text: str) -> AccountSettings:
    return AccountSettings.model_validate_json(text)


@lru_cache(maxsize=1_000)
def campaign_settings(text: str) -> CampaignSettings:
    return CampaignSettings.model_validate_json(text)


def steps_of(given: Sequence[Any]) -> list[Step]:
    return [Step.model_validate(step) for step in given]


@lru_cache(maxsize=1_000)
def campaign_steps(text: str) -> tuple[Step, ...]:
    return _STEPS.validate_json(text)


def step_of(row: Row) -> Step | None:
    """Which of its campaign's steps a message is."""
    steps = campaign_steps(row["campaign_steps"])
    return steps[row["step"] - 1] if row["step"] <= len(steps) else None


def _held(given: Mapping[str, Any]) -> Held:
    return Held(
        _id(given["enrollment_id"]), given["lasts"], _moment(given["last_sent_at"]), _id(given["campaign_id"])
    )  # fmt: skip


def _suppressed(given: Mapping[str, Any]) -> Suppressed:
    channel, campaign = given["channel"], given["campaign_id"]
    return Suppressed(
        SuppressionReason(given["reason"]), Channel(channel) if channel else None, UUID(campaign) if campaign else None,
        _moment(given["expires_at"]),
    )  # fmt: skip


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
