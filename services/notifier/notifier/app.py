"""The notifier: what needs people's attention, said once."""

from datetime import datetime

from chassis.jobs import Counts, Job
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import notifier as messages
from contracts.gateway.access import AccessRefused
from contracts.gateway.users import UserChanged
from contracts.intake.privacy import RevealLimitReached
from contracts.outreach import accounts, campaigns
from notifier import handlers, jobs


def build(settings: Settings) -> Service:
    database = Database("notifier", settings.database_url)

    async def missing_outcomes(_: datetime) -> Counts:
        return await jobs.find_missing_outcomes(database, service.caller)

    service = Service(
        "notifier",
        settings,
        database=database,
        consumes={
            RevealLimitReached: handlers.alert_of_reveals,
            AccessRefused: handlers.alert_of_refusals,
            UserChanged: handlers.alert_of_keys,
            accounts.AutomationThrottled: handlers.alert_of_stops,
            accounts.AutomationResumed: handlers.alert_of_stops,
            accounts.CaptchaDetected: handlers.alert_of_stops,
            accounts.SendingLimitSet: handlers.alert_of_stops,
            campaigns.CampaignPaused: handlers.alert_of_stops,
            campaigns.CampaignResumed: handlers.alert_of_stops,
            campaigns.CampaignCompleted: handlers.alert_of_stops,
        },
        answers={
            messages.ListAlerts: handlers.list_alerts,
            messages.AcknowledgeAlert: handlers.acknowledge_alert,
            messages.DismissAlert: handlers.dismiss_alert,
        },
        jobs=[Job("missing_outcomes", "0 6 * * *", missing_outcomes)],
    )
    return service
