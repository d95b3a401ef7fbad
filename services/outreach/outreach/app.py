"""Outreach: campaigns, the messages they put into the send queue, and the worker that sends them at most once."""

from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import outreach as messages
from contracts.intake.erasure import LeadErased
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged
from outreach import handlers
from outreach.provider import Provider
from outreach.sandbox import Sandbox
from outreach.sender import Sender


def build(settings: Settings, provider: Provider | None = None) -> Service:
    """The service; it sends by way of `provider`, or into the sandbox where none is given."""
    database = Database("outreach", settings.database_url)
    sender = Sender(database, provider or Sandbox(database))
    # Whatever makes a message due publishes an event: it was queued, or its campaign resumed.
    database.after_publishing(sender.wake)
    return Service(
        "outreach",
        settings,
        database=database,
        consumes={
            LeadAccepted: handlers.keep_leads,
            LeadUpdated: handlers.keep_leads,
            LeadMerged: handlers.keep_leads,
            LeadUnmerged: handlers.keep_leads,
            LeadErased: handlers.forget_leads,
        },
        answers={
            messages.CreateCampaign: handlers.create_campaign,
            messages.ListCampaigns: handlers.list_campaigns,
            messages.PauseCampaign: handlers.pause_campaign,
            messages.ResumeCampaign: handlers.resume_campaign,
            messages.LeadMessages: handlers.lead_messages,
        },
        workers=[sender.run],
    )
