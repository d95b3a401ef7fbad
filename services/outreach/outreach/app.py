"""Outreach: campaigns, the messages they put into the send queue, and the worker that sends them at most once."""

from functools import partial
from random import Random

from chassis.clock import MovedClock, real
from chassis.jobs import Job
from chassis.keys import TenantKeys, key_service
from chassis.outside import Outside
from chassis.requests import InOwnUnits
from chassis.service import Service
from chassis.settings import PublicAddress, Settings
from chassis.unit_of_work import Database, Row
from contracts.intake.erasure import LeadErased
from contracts.intake.imports import LeadWithdrawn
from contracts.intake.leads import LeadAccepted, LeadUpdated
from contracts.intake.people import LeadMerged, LeadUnmerged
from contracts.outcomes import OutcomeRecorded, OutcomeVoided
from contracts.outreach import accounts as account_messages
from contracts.outreach import activity as activity_messages
from contracts.outreach import backfill as backfill_messages
from contracts.outreach import campaigns as campaign_messages
from contracts.outreach import generated as generated_messages
from contracts.outreach import mailboxes as mailbox_messages
from contracts.outreach import people as people_messages
from contracts.outreach import replies as reply_messages
from contracts.outreach import sending as messages
from contracts.outreach import templates as template_messages
from outreach.accounts import handlers as accounts
from outreach.activity import handlers as activity
from outreach.backfill.handlers import Handlers as Backfill
from outreach.campaigns import handlers as campaigns
from outreach.campaigns.recalling import PATIENCE_SECONDS, Memory
from outreach.generated.handlers import Handlers as Generated
from outreach.leads import handlers as leads
from outreach.people import handlers as people
from outreach.people.suppressing import RESEALED
from outreach.providers.carriers import Carriers
from outreach.providers.protocol import Provider
from outreach.proving import Proving
from outreach.replies import handlers_mailboxes as mailboxes
from outreach.replies.handlers import Handlers as Replies
from outreach.replies.mailboxes import Mailboxes
from outreach.sending import handlers as sending
from outreach.sending.composing import Composer
from outreach.sending.sender import Worker
from outreach.templates.handlers import Handlers as Templates
from outreach.unsubscribing import Links
from outreach.upkeep import Upkeep, forget_old, look_after_accounts, refresh_eligibility


def build(settings: Settings, provider: Provider | None = None, chance: Random | None = None) -> Service:
    """The service; it sends by way of `provider`, or as each account says where none is given.

    Parameters:
        chance: draws the gaps between an account's messages.
    """
    file = Proving().moved_clock
    moved = MovedClock(file) if file else None
    database = Database("outreach", settings.database_url, clock=moved or real)
    keys = TenantKeys(key_service(settings.kms_uri))
    links = Links(keys, PublicAddress().public_url)
    outside = Outside()
    carriers = Carriers(database, outside, sandbox_only=moved is not None)

    def provider_of(row: Row) -> Provider:
        return provider or carriers.of(row)

    templates = Templates(lambda tenant, request, cause: service.caller.ask(tenant, request, cause=cause))
    replies = Replies(lambda tenant, request, cause: service.caller.ask(tenant, request, cause=cause))
    backfill = Backfill(keys, lambda tenant, request, cause: service.caller.ask(tenant, request, cause=cause))
    generated = Generated(lambda tenant, request, cause: service.caller.ask(tenant, request, cause=cause))
    memory = Memory(
        lambda tenant, request, cause: service.caller.ask(tenant, request, seconds=PATIENCE_SECONDS, cause=cause)
    )
    composer = Composer(database, lambda tenant, request: service.caller.ask(tenant, request, seconds=15), links)
    worker, upkeep = Worker(database, provider_of, composer, chance), Upkeep(database)
    # Whatever makes a message due, or a campaign begin, publishes an event.
    database.after_publishing(worker.wake)
    database.after_publishing(upkeep.wake)
    service = Service(
        "outreach",
        settings,
        database=database,
        consumes={
            LeadAccepted: leads.keep_leads,
            LeadUpdated: leads.keep_leads,
            LeadMerged: leads.keep_leads,
            LeadUnmerged: leads.keep_leads,
            LeadErased: leads.forget_leads,
            LeadWithdrawn: leads.forget_leads,
            OutcomeRecorded: leads.note_wins,
            OutcomeVoided: leads.void_wins,
        },
        answers={
            account_messages.SetAccount: accounts.set_account,
            account_messages.ListAccounts: accounts.list_accounts,
            account_messages.ExplainAccount: accounts.explain_account,
            account_messages.PauseAccount: accounts.pause_account,
            account_messages.ResumeAccount: accounts.resume_account,
            account_messages.RemoveAccount: accounts.remove_account,
            campaign_messages.CheckCampaign: InOwnUnits(memory.check_campaign),
            campaign_messages.CreateCampaign: partial(campaigns.create_campaign, memory),
            campaign_messages.ListCampaigns: campaigns.list_campaigns,
            campaign_messages.ListCampaignTitles: campaigns.list_campaign_titles,
            campaign_messages.GetCampaign: campaigns.get_campaign,
            campaign_messages.JudgeVariants: campaigns.judge_variants,
            campaign_messages.PauseCampaign: campaigns.pause_campaign,
            campaign_messages.ResumeCampaign: partial(campaigns.resume_campaign, memory),
            campaign_messages.ArchiveCampaign: campaigns.archive_campaign,
            messages.LeadMessages: sending.lead_messages,
            messages.ExplainMessage: sending.explain_message,
            messages.MessageHistory: sending.message_history,
            messages.SkipMessage: sending.skip_message,
            messages.PostponeFollowup: sending.postpone_followup,
            messages.SettleMessage: sending.settle_message,
            people_messages.Suppress: partial(people.suppress, keys),
            people_messages.Unsubscribe: partial(people.unsubscribe, links),
            people_messages.Unsuppress: partial(people.unsuppress, keys),
            people_messages.ListSuppressions: partial(people.list_suppressions, keys),
            people_messages.GetContact: people.get_contact,
            backfill_messages.BackfillSent: backfill.backfill_sent,
            backfill_messages.BackfillPending: backfill.backfill_pending,
            backfill_messages.ImportSuppressions: backfill.import_suppressions,
            people_messages.ListContacts: people.list_contacts,
            people_messages.OutreachHistory: people.outreach_history,
            activity_messages.ListActivity: activity.list_activity,
            mailbox_messages.SetMailbox: mailboxes.set_mailbox,
            mailbox_messages.RemoveMailbox: mailboxes.remove_mailbox,
            mailbox_messages.ListMailboxes: mailboxes.list_mailboxes,
            reply_messages.TakeReply: replies.take_reply,
            reply_messages.TakeMail: replies.take_mail,
            reply_messages.ReportDelivery: replies.report_delivery,
            reply_messages.ReportComplaint: replies.report_complaint,
            reply_messages.ListReplies: replies.list_replies,
            reply_messages.ClassifyReply: replies.classify_reply,
            reply_messages.HandleReply: replies.handle_reply,
            reply_messages.StopAfterReply: replies.stop_after_reply,
            generated_messages.GenerateHistory: generated.generate,
            template_messages.SaveTemplate: templates.save,
            template_messages.CheckTemplate: templates.check,
            template_messages.GetTemplate: templates.get,
            template_messages.ListTemplates: templates.list_templates,
            template_messages.ListTemplateVersions: templates.list_versions,
            template_messages.PreviewTemplate: templates.preview,
        },
        jobs=[
            Job("look_after_accounts", "* * * * *", partial(look_after_accounts, database)),
            Job("refresh_eligibility", "11 4 * * *", partial(refresh_eligibility, database)),
            Job("forget_old", "47 4 * * *", partial(forget_old, database)),
        ],
        workers=[
            worker.run,
            upkeep.run,
            *([partial(moved.tell, worker.wake)] if moved else [Mailboxes(database, replies.mail, outside).run]),
        ],
        closes=[carriers.close],
        keys=keys,
        sealed=RESEALED,
    )
    return service
