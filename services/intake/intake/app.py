"""Intake: leads become clean and private."""

from chassis.keys import TenantKeys, key_service
from chassis.service import Service
from chassis.settings import Settings
from contracts.intake import leads as messages
from intake.leads.handlers import Handlers


def build(settings: Settings) -> Service:
    handlers = Handlers(TenantKeys(key_service(settings.kms_uri)))
    return Service(
        "intake",
        settings,
        consumes={messages.SubmitLead: handlers.submit_leads},
        answers={
            messages.SubmitLeadNow: handlers.submit_lead_now,
            messages.GetLead: handlers.get_lead,
            messages.ListLeads: handlers.list_leads,
            messages.GetSubmissions: handlers.get_submissions,
            messages.CountSubmissions: handlers.count_submissions,
        },
    )
