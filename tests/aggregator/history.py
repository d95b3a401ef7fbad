"""Events as services publish them, of a small world: few leads, campaigns, accounts and replies, so that they meet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from aggregator.events import store
from aggregator.events.archiving import Archiving
from aggregator.events.parquet import Archive
from aggregator.kpis import projecting
from aggregator.replay.handlers import Replaying
from aggregator.win_rates import store_projections as win_rates
from chassis.unit_of_work import Database, UnitOfWork
from contracts.gateway import TenantChanged, TenantSettings
from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.message import Event
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.outreach import accounts, campaigns, replies, sending
from contracts.outreach.accounts import Transport
from contracts.outreach.campaigns import EnrollmentEnd
from contracts.taxonomy import STAGE_OF, Channel, OutcomeType, ReplyClass, SendKind
from contracts.values import Attribution


def numbered(what: str, number: int) -> UUID:
    """The id of the n-th thing of a kind, the same in every tenant, so that whoever forgets the tenant mixes them up."""
    return UUID(int=int.from_bytes(what.encode()[:6].ljust(6)) << 80 | number + 1, version=4)


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a tenant's as it is stored."""

    tenant: str
    event_id: UUID
    event: Event
    occurred_at: datetime
    told_at: datetime

    @property
    def row(self) -> store.Row:
        body = self.event
        return store.Row(
            self.tenant, self.event_id, self.told_at, body.topic.type, self.occurred_at,
            getattr(body, "lead_id", None), getattr(body, "campaign_id", None), getattr(body, "account_id", None),
            body.model_dump_json(),
        )  # fmt: skip


async def store_told(uow: UnitOfWork, told: Sequence[Told]) -> None:
    """What the aggregator does with a batch, once its messages are read."""
    withdrawn = [(each.tenant, each.event) for each in told if isinstance(each.event, LeadWithdrawn)]
    await store.keep_erased(uow, [store.Gone(tenant, lead.lead_id, lead.version) for tenant, lead in withdrawn])
    await store.make_months(uow, {each.told_at.date() for each in told})
    items = projecting.with_events({each.event.topic.type for each in told})
    await store.store_events(uow, [each.row for each in told], *items)
    await projecting.project(uow, [each.row for each in told])
    counted = [each for each in told if each.event.topic.type in win_rates.PROJECTED]
    await win_rates.project(uow, [(each.tenant, each.event.topic.type, each.row.body) for each in counted])


def checking(database: Database, archive: str = "") -> Replaying:
    """What checks numbers, where events may be archived at this address."""
    return Replaying(database, Archiving(Archive(archive)))


def _message(at: datetime, n: int) -> dict[str, Any]:
    """What every event of a message says, of the n-th message."""
    return {
        "campaign_id": numbered("campaign", n % 2), "message_id": numbered("message", n % 6),
        "lead_id": numbered("lead", n % 4), "channel": Channel.EMAIL, "enrollment_id": numbered("enrollment", n % 4),
        "account_id": numbered("account", n % 2), "occurred_at": at,
    }  # fmt: skip


def _anew(at: datetime, n: int) -> dict[str, Any]:
    """The same message after somebody put it off."""
    return _sent(at, n) | {"followup_id": numbered("follow", n % 6)}


def _sent(at: datetime, n: int) -> dict[str, Any]:
    return _message(at, n) | {"step": 1 + n % 3, "kind": SendKind.EMAIL}


def _reply(at: datetime, n: int) -> dict[str, Any]:
    return _message(at, n) | {"reply_id": numbered("reply", n % 5)}


def _account(at: datetime, n: int) -> dict[str, Any]:
    return {"account_id": numbered("account", n % 2), "occurred_at": at}


def _campaign(at: datetime, n: int) -> dict[str, Any]:
    return {"campaign_id": numbered("campaign", n % 2), "occurred_at": at}


def _enrollment(at: datetime, n: int) -> dict[str, Any]:
    return _campaign(at, n) | {"enrollment_id": numbered("enrollment", n % 4), "lead_id": numbered("lead", n % 4)}


def arrived(at: datetime, n: int, version: int = 1) -> LeadAccepted | LeadUpdated:
    """The n-th lead came, or is said to be otherwise with a later version."""
    told = {
        "lead_id": numbered("lead", n), "version": version, "submission_id": numbered("submit", n), "source_system": "crm",
        "source_id": f"lead-{n}", "person_id": numbered("person", n), "created_at": at,
        "attribution": Attribution.model_validate({"source_key": ("web", "ads", "mail")[(n + version) % 3], "intent": "buyer"}),
    }  # fmt: skip
    return LeadAccepted(**told) if version == 1 else LeadUpdated(**told, changed=["source"])


def withdrawn(at: datetime, n: int, version: int) -> LeadWithdrawn:
    """The n-th lead was taken back with its import."""
    return LeadWithdrawn(
        lead_id=numbered("lead", n), version=version, person_id=numbered("person", n), run_id=numbered("import", 0), occurred_at=at
    )  # fmt: skip


def recorded_outcome(at: datetime, n: int) -> OutcomeRecorded:
    """The n-th outcome; what became of it is its own, whenever it is told."""
    type_ = list(OutcomeType)[n % len(OutcomeType)]
    value, currency = ((Decimal(n) * 100, ("EUR", "USD", None)[n % 3])) if n % 2 else (None, None)
    return OutcomeRecorded(
        outcome_id=numbered("outcome", n), lead_id=numbered("lead", n % 4), sequence=1, type=type_, stage=STAGE_OF[type_],
        occurred_at=at, recorded_at=at, recorded_by="tester", value=value, currency=currency,
        attribution=Attribution.model_validate({"source_key": ("web", "", "ads")[n % 3], "geo_key": "dublin_oh"}),
    )  # fmt: skip


def voided(outcome: OutcomeRecorded, at: datetime) -> OutcomeVoided:
    return OutcomeVoided(
        **outcome.model_dump(include={"outcome_id", "lead_id", "type", "occurred_at"}),
        attribution=outcome.attribution, voided_at=at, voided_by="tester",
    )  # fmt: skip


ZONES = (
    "Europe/Berlin", "America/Havana", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "UTC", "America/New_York",
    "Africa/Cairo",
)  # fmt: skip

MAKERS: Mapping[str, Callable[[datetime, int], Event]] = {
    "sent": lambda at, n: sending.MessageSent(**_sent(at, n)),
    "failed": lambda at, n: sending.MessageFailed(**_sent(at, n), reason="mailbox_unknown"),
    "skipped": lambda at, n: sending.MessageSkipped(**_sent(at, n), reason="replied"),
    "queued": lambda at, n: sending.MessageQueued(**_sent(at, n)),
    "scheduled": lambda at, n: sending.FollowupScheduled(**_sent(at, n), due_at=at),
    "followup": lambda at, n: sending.FollowupSent(**_sent(at, n)),
    "postponed": lambda at, n: sending.FollowupPostponed(**_sent(at, n), until=at),
    "scheduled_anew": lambda at, n: sending.FollowupScheduled(**_anew(at, n), due_at=at),
    "postponed_again": lambda at, n: sending.FollowupPostponed(**_anew(at, n), until=at),
    "followup_anew": lambda at, n: sending.FollowupSent(**_anew(at, n)),
    "unknown": lambda at, n: sending.MessageUnknown(**_sent(at, n)),
    "reply": lambda at, n: replies.ReplyReceived(**_reply(at, n), received_at=at),
    "handled": lambda at, n: replies.ReplyHandled(**_reply(at, n), actor="user:7"),
    "classified": lambda at, n: replies.ReplyClassified(**_reply(at, n), reply_class=ReplyClass.INTERESTED),
    "manual": lambda at, n: replies.ManualActionRequired(**_reply(at, n)),
    "throttled": lambda at, n: accounts.AutomationThrottled(**_account(at, n), reason="quota"),
    "resumed": lambda at, n: accounts.AutomationResumed(**_account(at, n)),
    "captcha": lambda at, n: accounts.CaptchaDetected(**_account(at, n)),
    "limit": lambda at, n: accounts.SendingLimitSet(
        **_account(at, n), channel=Channel.EMAIL, daily_limits={SendKind.EMAIL: n % 4},
        transport=(None, Transport.SMTP, Transport.SANDBOX)[n % 3],
    ),
    "created": lambda at, n: campaigns.CampaignCreated(**_campaign(at, n), channel=Channel.EMAIL, draft=n % 4 == 0),
    "paused": lambda at, n: campaigns.CampaignPaused(**_campaign(at, n)),
    "campaign_resumed": lambda at, n: campaigns.CampaignResumed(**_campaign(at, n)),
    "completed": lambda at, n: campaigns.CampaignCompleted(**_campaign(at, n)),
    "enrolled": lambda at, n: campaigns.EnrollmentStarted(**_enrollment(at, n)),
    "ended": lambda at, n: campaigns.EnrollmentEnded(**_enrollment(at, n), reason=EnrollmentEnd.COMPLETED),
    "settings": lambda at, n: TenantChanged(
        version=n + 1, settings=TenantSettings(time_zone=ZONES[n % len(ZONES)]), created_at=datetime(2026, 1, 1, tzinfo=UTC)
    ),
}  # fmt: skip
"""Everything that can happen but outcomes, by name: the n-th of it, at a moment."""

OPENING = tuple(
    name for name in MAKERS
    if name not in (
        "classified", "handled", "ended", "completed", "resumed", "skipped", "unknown", "followup", "failed", "settings", "postponed",
        "postponed_again", "followup_anew",
    )
)  # fmt: skip
"""What leaves something to count in each number but a few."""
