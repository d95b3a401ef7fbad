"""Outcomes: what became of each lead, append-only, attribution frozen."""

from functools import partial

from chassis.jobs import Job
from chassis.keys import TenantKeys, key_service
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import outcomes as messages
from contracts import outreach
from contracts.catalogue import EVENTS
from contracts.intake import leads, privacy
from outcomes import handlers
from outcomes.handlers import Handlers


def build(settings: Settings) -> Service:
    database = Database("outcomes", settings.database_url)
    keyed = Handlers(TenantKeys(key_service(settings.kms_uri)))
    service = Service(
        "outcomes",
        settings,
        database=database,
        consumes={
            messages.RecordOutcome: keyed.record,
            messages.RecordOutcomes: keyed.record,
            leads.LeadAccepted: handlers.follow_leads,
            leads.LeadUpdated: handlers.follow_leads,
            leads.LeadDuplicated: handlers.follow_leads,
            leads.LeadRejected: handlers.follow_leads,
            outreach.MessageSent: handlers.follow_leads,
            privacy.LeadErased: handlers.forget_leads,
        },
        answers={
            messages.RecordOutcomesNow: keyed.record_now,
            messages.OutcomeHistory: keyed.outcome_history,
            messages.LeadState: handlers.lead_state,
            messages.MissingOutcomes: handlers.missing_outcomes,
            messages.GetRecordings: handlers.get_recordings,
            messages.CountRecordings: handlers.count_recordings,
        },
        jobs=[
            Job(
                "give_up_waiting",
                "* * * * *",
                partial(handlers.give_up_waiting, database, lambda: service.behind(EVENTS)),
            )
        ],
    )
    return service
