"""Outcomes: what became of each lead, append-only, attribution frozen."""

from functools import partial

from chassis.jobs import Job
from chassis.keys import ResealedColumn, TenantKeys, key_service
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import outcomes as messages
from contracts.catalogue import EVENTS
from contracts.intake import erasure, imports, leads, people
from contracts.outreach import replies, sending
from outcomes import board, choosing, handlers
from outcomes.bulk import Bulk
from outcomes.handlers import Handlers
from outcomes.source_ids import Naming
from outcomes.store_orders import SealedOrders
from outcomes.voiding import BulkVoiding, Voiding, leads_with_outcomes, void_recordings


def build(settings: Settings) -> Service:
    database = Database("outcomes", settings.database_url)
    keys = TenantKeys(key_service(settings.kms_uri))
    naming = Naming(keys, lambda tenant, request: service.caller.ask(tenant, request))
    asking, voiding, bulk = Handlers(keys, naming), Voiding(keys), Bulk(database, keys, naming)
    service: Service = Service(
        "outcomes",
        settings,
        database=database,
        keys=keys,
        sealed=[
            SealedOrders(),  # before the outcomes, which orders become
            ResealedColumn("waiting", "sealed_id", key={"position": "bigint"}, context="source_id"),
            ResealedColumn(
                "outcome", "sealed", key={"lead_id": "uuid", "sequence": "integer"}, context="outcome/{outcome_id}"
            ),
            ResealedColumn(
                "outcome_void", "sealed", key={"lead_id": "uuid", "sequence": "integer"}, context="void/{outcome_id}"
            ),
        ],
        consumes={
            erasure.LeadErased: handlers.forget_leads,
            imports.LeadWithdrawn: handlers.forget_leads,
            messages.RecordOutcome: asking.record,
            messages.RecordOutcomes: asking.record,
            leads.LeadAccepted: asking.follow_leads,
            leads.LeadUpdated: asking.follow_leads,
            leads.LeadDuplicated: asking.follow_leads,
            leads.LeadRejected: asking.follow_leads,
            people.LeadMerged: asking.follow_leads,
            people.LeadUnmerged: asking.follow_leads,
            sending.MessageSent: asking.follow_leads,
            replies.ReplyReceived: asking.follow_leads,
        },
        answers={
            messages.RecordOutcomesNow: asking.record_now,
            messages.RecordOutcomesInBulk: bulk.record,
            messages.ChooseLeads: choosing.choose_leads,
            messages.ListLeadKeys: choosing.list_lead_keys,
            messages.ListBulks: choosing.list_bulks,
            messages.VoidOutcome: voiding.void,
            messages.VoidOutcomesInBulk: BulkVoiding(database, keys).void,
            messages.CorrectOutcome: voiding.correct,
            messages.OutcomeHistory: asking.outcome_history,
            messages.LeadState: handlers.lead_state,
            messages.LeadStates: handlers.lead_states,
            messages.LeadBoard: board.lead_board,
            messages.MissingOutcomes: handlers.missing_outcomes,
            messages.RebuildLeadStates: handlers.rebuild_lead_states,
            messages.GetRecordings: handlers.get_recordings,
            messages.CountRecordings: handlers.count_recordings,
            messages.VoidRecordings: void_recordings,
            messages.LeadsWithOutcomes: leads_with_outcomes,
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
