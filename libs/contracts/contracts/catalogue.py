"""Every message with its owner and who reads it: the single source of the topology.

Streams, durables, broker permissions, the AsyncAPI document, docs/messages.md and the contract tests are all made from
here; who owns, sends and reads what is said nowhere else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from contracts import gateway, notifier, operations, outcomes
from contracts.aggregator import events, kpis, replay, win_rates
from contracts.gateway import access, audit, keys, sign_in, users, webhooks
from contracts.intake import (
    aliases,
    distribution,
    enrichment,
    erasure,
    imports,
    leads,
    limits,
    memory,
    people,
    privacy,
    providers,
    routing,
    texts,
)
from contracts.message import Kind, Message, Topic
from contracts.outreach import (
    accounts,
    activity,
    backfill,
    campaigns,
    generated,
    mailboxes,
    replies,
    sending,
    templates,
)
from contracts.outreach import people as contacts

SERVICES: Final = ("gateway", "intake", "outcomes", "outreach", "aggregator", "notifier")
OPERATOR: Final = "operator"
"""The command line: it may ask anything, give any command, and publish no event."""
UPSTREAM: Final = "upstream"
"""A publisher outside, pinned to one tenant."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in the topology.

    Attributes:
        message: its class.
        readers: the services that consume it (event, command) or answer it (request).
        senders: who publishes it; for an event its owner alone.
        watchers: the services of which each replica hears an event as it is published, for somebody who looks at that moment: nothing
            is kept for one that is away, and nothing may rest on it.
    """

    message: type[Message]
    topic: Topic
    readers: tuple[str, ...]
    senders: tuple[str, ...]
    watchers: tuple[str, ...] = ()


def _event(message: type[Message], *readers: str, watchers: tuple[str, ...] = ()) -> Entry:
    # The aggregator stores every event there is.
    everyone = tuple(service for service in SERVICES if service in readers or service == "aggregator")
    return Entry(message, message.topic, everyone, (message.topic.owner,), watchers)


def _order(message: type[Message], *senders: str) -> Entry:
    return Entry(message, message.topic, (message.topic.owner,), (*senders, OPERATOR))


_FEED: Final = ("gateway",)
"""Who shows messages as they change to those who have the activity feed open."""
_DECLARED: Final = (
    _event(gateway.TenantChanged, *SERVICES),
    _order(gateway.CreateTenant),
    _order(gateway.ChangeTenant, "gateway"),
    _order(gateway.ListTenants, *(service for service in SERVICES if service != "gateway")),
    _order(users.ListUsers, "gateway"),
    _order(users.GetUser, "gateway"),
    _order(users.CreateUser, "gateway"),
    _order(users.ChangeUser, "gateway"),
    _order(users.RemoveUser, "gateway"),
    _order(users.EndSessions, "gateway"),
    _event(users.UserChanged, "notifier"),
    _event(users.UserSignedIn),
    _order(keys.CreateApiKey, "gateway"),
    _order(keys.RevokeApiKey, "gateway"),
    _order(keys.ListApiKeys, "gateway"),
    _order(webhooks.MakeWebhookSecret, "gateway"),
    _order(webhooks.GetWebhook, "gateway"),
    _order(webhooks.ListWebhooks, "gateway"),
    _order(webhooks.RemoveWebhook, "gateway"),
    _order(sign_in.CreateSignInLink, "gateway"),
    _order(sign_in.ListSignInProviders, "gateway"),
    _order(sign_in.SetSignInProvider, "gateway"),
    _order(sign_in.RemoveSignInProvider, "gateway"),
    _order(audit.ListChanges, "gateway"),
    _event(access.AccessRefused, "notifier"),
    _order(leads.SubmitLead, UPSTREAM),
    _order(leads.SubmitLeadNow, "gateway"),
    _order(leads.GetLead, "gateway"),
    _order(leads.ListLeads, "gateway"),
    _order(leads.TokeniseSourceIds, "gateway", "outcomes"),
    _order(leads.GetSubmissions, UPSTREAM),
    _order(leads.CountSubmissions, UPSTREAM),
    _order(leads.GetImportKey),
    _order(limits.ListParked, "gateway"),
    _event(leads.LeadAccepted, "outcomes", "outreach"),
    _event(leads.LeadUpdated, "outcomes", "outreach"),
    _event(leads.LeadDuplicated, "outcomes"),
    _event(leads.LeadRejected, "outcomes"),
    _order(aliases.SetAliases, "gateway"),
    _order(aliases.ListAliases, "gateway"),
    _order(aliases.DeleteAliases, "gateway"),
    _event(aliases.AliasesChanged),
    _order(people.MergeLeads, "gateway"),
    _order(people.UnmergeLead, "gateway"),
    _order(people.GetPerson, "gateway"),
    _order(people.FindLeads, "gateway"),
    _order(people.IdentifyPersons, "outreach"),
    _order(people.LeadsForReview, "gateway"),
    _order(people.DismissReview, "gateway"),
    _event(people.LeadMerged, "outcomes", "outreach"),
    _event(people.LeadUnmerged, "outcomes", "outreach"),
    _order(memory.CheckAction, "gateway", "outreach"),
    _order(memory.RecordAction, "gateway"),
    _order(memory.UpdateAction, "gateway"),
    _order(memory.ListActions, "gateway"),
    _event(memory.ActionRecorded),
    _event(memory.ActionUpdated),
    _order(routing.SaveRoutingDraft, "gateway"),
    _order(routing.GetRouting, "gateway"),
    _order(routing.ListRoutingVersions, "gateway"),
    _order(routing.DeleteRoutingDraft, "gateway"),
    _order(routing.DryRunRouting, "gateway"),
    _order(routing.PublishRouting, "gateway"),
    _order(routing.RollBackRouting, "gateway"),
    _order(routing.ListWorkQueue, "gateway"),
    _order(routing.RouteLead, "gateway"),
    _order(routing.GetLeadStatus, "gateway"),
    _order(routing.GetLeadDecisions, "gateway"),
    _event(routing.RoutingPublished),
    _event(routing.LeadRouted),
    _event(routing.LeadUnrouted),
    _order(distribution.UpsertAgent, "gateway"),
    _order(distribution.GetAgent, "gateway"),
    _order(distribution.ListAgents, "gateway"),
    _order(distribution.RemoveAgent, "gateway"),
    _order(distribution.SetTimeOff, "gateway"),
    _order(distribution.CancelTimeOff, "gateway"),
    _order(distribution.AssignLead, "gateway"),
    _order(distribution.ClaimLead, "gateway"),
    _order(distribution.ReassignLead, "gateway"),
    _order(distribution.UnassignLead, "gateway"),
    _order(distribution.CompleteWork, "gateway"),
    _order(distribution.ListAssignments, "gateway"),
    _order(distribution.GetWorkload, "gateway"),
    _order(distribution.ListWorkspaces, "gateway"),
    _event(distribution.AgentChanged),
    _event(distribution.LeadAssigned),
    _event(distribution.LeadReassigned),
    _event(distribution.LeadUnassigned),
    _event(distribution.LeadSlaMissed),
    _order(providers.SetProvider, "gateway"),
    _order(providers.ListProviders, "gateway"),
    _order(providers.DeleteProvider, "gateway"),
    _order(providers.SetPatternConfidence, "gateway", "outcomes", "outreach"),
    _order(enrichment.StartRun, "gateway"),
    _order(enrichment.GetRun, "gateway"),
    _order(enrichment.ListRuns, "gateway"),
    _order(enrichment.ListCompanies, "gateway"),
    _order(enrichment.CancelRun, "gateway"),
    _order(enrichment.ResumeRun, "gateway"),
    _order(enrichment.SubmitContacts, "gateway"),
    _event(enrichment.EnrichmentStarted),
    _event(enrichment.ProviderCalled),
    _event(enrichment.EnrichmentStepCompleted),
    _event(enrichment.EnrichmentCompleted),
    _event(enrichment.EnrichmentFailed),
    _event(enrichment.EnrichmentCancelled),
    _event(enrichment.ContactsBecameLeads),
    _order(imports.CreateImport, "gateway"),
    _order(imports.BeginImport),
    _order(imports.NoteImport),
    _order(imports.AddImportChunk, "gateway"),
    _order(imports.FinishUpload, "gateway"),
    _order(imports.SetImportMapping, "gateway"),
    _order(imports.GetImport, "gateway"),
    _order(imports.PreviewImport, "gateway"),
    _order(imports.CheckImport, "gateway"),
    _order(imports.StartImport, "gateway"),
    _order(imports.CancelImport, "gateway"),
    _order(imports.RevertImport, "gateway"),
    _order(imports.ListImports, "gateway"),
    _order(imports.ListImportErrors, "gateway"),
    _order(imports.ListKeptLeads, "gateway"),
    _event(imports.ImportStarted),
    _event(imports.ImportPreviewed),
    _event(imports.ImportCompleted),
    _event(imports.ImportCancelled),
    _event(imports.ImportFailed),
    _event(imports.ImportReverted),
    _event(imports.LeadWithdrawn, "outcomes", "outreach"),
    _order(privacy.RevealPii, "gateway", "outreach"),
    _order(privacy.ListReveals, "gateway"),
    _order(texts.KeepText, "outreach"),
    _order(texts.RevealTexts, "gateway", "outreach"),
    _order(erasure.EraseLead, "gateway"),
    _order(erasure.GetErasureCertificate, "gateway"),
    _order(erasure.LiftSuppression, "gateway"),
    _order(privacy.ExportLead, "gateway"),
    _event(privacy.PiiRevealed),
    _event(privacy.RevealLimitReached, "notifier"),
    _event(erasure.LeadErased, "outcomes", "outreach"),
    _event(erasure.SuppressionLifted),
    _order(outcomes.RecordOutcome, UPSTREAM),
    _order(outcomes.RecordOutcomes, UPSTREAM, "intake"),
    _order(outcomes.RecordOutcomesNow, "gateway"),
    _order(outcomes.RecordOutcomesInBulk, "gateway"),
    _order(outcomes.ChooseLeads, "gateway"),
    _order(outcomes.ListLeadKeys, "gateway"),
    _order(outcomes.ListBulks, "gateway"),
    _order(outcomes.VoidOutcomesInBulk, "gateway"),
    _order(outcomes.VoidOutcome, "gateway"),
    _order(outcomes.CorrectOutcome, "gateway"),
    _order(outcomes.OutcomeHistory, "gateway", "intake"),
    _order(outcomes.LeadState, "gateway"),
    _order(outcomes.LeadStates, "gateway"),
    _order(outcomes.LeadBoard, "gateway"),
    _order(outcomes.MissingOutcomes, "gateway", "notifier"),
    _order(outcomes.RebuildLeadStates),
    _order(outcomes.GetRecordings, UPSTREAM, "intake"),
    _order(outcomes.CountRecordings, UPSTREAM, "intake"),
    _order(outcomes.VoidRecordings, "intake"),
    _order(outcomes.LeadsWithOutcomes, "intake"),
    _event(outcomes.OutcomeRecorded, "intake", "outreach"),
    _event(outcomes.OutcomeVoided, "intake", "outreach"),
    _event(outcomes.OutcomeRefused),
    _event(outcomes.OutcomeReasonRefused),
    _order(accounts.SetAccount, "gateway"),
    _order(accounts.ListAccounts, "gateway"),
    _order(accounts.ExplainAccount, "gateway"),
    _order(accounts.PauseAccount, "gateway"),
    _order(accounts.ResumeAccount, "gateway"),
    _order(accounts.RemoveAccount, "gateway"),
    _event(accounts.SendingLimitSet, "notifier"),
    _event(accounts.AutomationThrottled, "notifier"),
    _event(accounts.AutomationResumed, "notifier"),
    _event(accounts.CaptchaDetected, "notifier"),
    _order(campaigns.CheckCampaign, "gateway"),
    _order(campaigns.CreateCampaign, "gateway"),
    _order(campaigns.ListCampaigns, "gateway"),
    _order(campaigns.ListCampaignTitles, "gateway"),
    _order(campaigns.GetCampaign, "gateway"),
    _order(campaigns.JudgeVariants, "gateway"),
    _order(campaigns.PauseCampaign, "gateway"),
    _order(campaigns.ResumeCampaign, "gateway"),
    _order(campaigns.ArchiveCampaign, "gateway"),
    _event(campaigns.CampaignCreated),
    _event(campaigns.CampaignStarted, "intake"),
    _event(campaigns.CampaignPaused, "notifier"),
    _event(campaigns.CampaignResumed, "notifier"),
    _event(campaigns.CampaignCompleted, "notifier", "intake"),
    _event(campaigns.EnrollmentStarted),
    _event(campaigns.EnrollmentEnded),
    _order(sending.LeadMessages, "gateway", "intake"),
    _order(sending.ExplainMessage, "gateway"),
    _order(sending.MessageHistory, "gateway"),
    _order(sending.SkipMessage, "gateway"),
    _order(sending.PostponeFollowup, "gateway"),
    _order(sending.SettleMessage, "gateway"),
    _event(sending.MessageQueued, watchers=_FEED),
    _event(sending.MessageSent, "intake", "outcomes", watchers=_FEED),
    _event(sending.MessageFailed, watchers=_FEED),
    _event(sending.MessageSkipped, watchers=_FEED),
    _event(sending.MessageUnknown, watchers=_FEED),
    _event(sending.FollowupScheduled),
    _event(sending.FollowupPostponed, watchers=_FEED),
    _event(sending.FollowupSent),
    _order(activity.ListActivity, "gateway"),
    _order(templates.SaveTemplate, "gateway"),
    _order(templates.CheckTemplate, "gateway"),
    _order(templates.GetTemplate, "gateway"),
    _order(templates.ListTemplates, "gateway"),
    _order(templates.ListTemplateVersions, "gateway"),
    _order(templates.PreviewTemplate, "gateway"),
    _event(templates.TemplateSaved),
    _event(templates.TemplatePreviewed),
    _order(contacts.Suppress, "gateway"),
    _order(contacts.Unsubscribe, "gateway"),
    _order(contacts.Unsuppress, "gateway"),
    _order(contacts.ListSuppressions, "gateway", "intake"),
    _order(contacts.GetContact, "gateway"),
    _order(contacts.ListContacts, "gateway"),
    _order(contacts.OutreachHistory, "gateway", "intake"),
    _event(contacts.Unsubscribed),
    _order(backfill.BackfillSent),
    _order(backfill.BackfillPending),
    _order(backfill.ImportSuppressions, "gateway"),
    _order(generated.GenerateHistory),
    _order(mailboxes.SetMailbox, "gateway"),
    _order(mailboxes.RemoveMailbox, "gateway"),
    _order(mailboxes.ListMailboxes, "gateway"),
    _order(replies.TakeReply, "gateway"),
    _order(replies.TakeMail, "gateway"),
    _order(replies.ReportDelivery, "gateway"),
    _order(replies.ReportComplaint, "gateway"),
    _order(replies.ListReplies, "gateway"),
    _order(replies.ClassifyReply, "gateway"),
    _order(replies.HandleReply, "gateway"),
    _order(replies.StopAfterReply, "gateway"),
    _event(replies.ReplyReceived, "outcomes", watchers=_FEED),
    _event(replies.ReplyClassified, watchers=_FEED),
    _event(replies.ReplyHandled),
    _event(replies.ManualActionRequired, watchers=_FEED),
    _event(replies.DeliveryReported, watchers=_FEED),
    _event(replies.ComplaintReceived, watchers=_FEED),
    _order(win_rates.WinRates, "gateway"),
    _order(win_rates.WeeklyWinRates, "gateway"),
    _order(win_rates.TrendOfWinRates, "gateway"),
    _order(win_rates.ListWinRateEvents, "gateway"),
    _order(events.ListEvents, "gateway", "intake", "outreach"),
    _order(events.ListEventMonths),
    _order(events.ArchiveEvents),
    _order(events.RestoreEvents),
    _order(kpis.DashboardStats, "gateway"),
    _order(kpis.ListKpiEvents, "gateway"),
    _order(replay.Replay, "gateway"),
    _order(replay.Validate, "gateway"),
    _order(notifier.ListAlerts, "gateway"),
    _order(notifier.AcknowledgeAlert, "gateway"),
    _order(notifier.DismissAlert, "gateway"),
    _event(notifier.AlertRaised),
    _event(notifier.AlertResolved),
    _event(notifier.AlertAcknowledged),
    _event(notifier.AlertDismissed),
)


_ASKED_BY_SUPERADMINS: Final = (
    operations.GetStatus,
    operations.ListDeadLetters,
    operations.RedriveDeadLetters,
    operations.ListJobs,
    operations.RunJob,
)
"""What the gateway asks each service for those who look after the installation."""


def _for_each_service(message: type[Message]) -> Iterator[Entry]:
    for service in SERVICES:
        topic = message.topic.owned_by(service)
        if topic.kind is Kind.EVENT:
            readers = ("intake", "aggregator") if message is operations.PersonalDataDropped else ("aggregator",)
            yield Entry(message, topic, readers, (service,))
        else:
            senders = ("gateway", OPERATOR) if message in _ASKED_BY_SUPERADMINS else (OPERATOR,)
            yield Entry(message, topic, (service,), senders)


CATALOGUE: Final = (*_DECLARED, *(entry for message in operations.MESSAGES for entry in _for_each_service(message)))


@cache
def by_type() -> dict[str, Entry]:
    """Every entry under its CloudEvents type."""
    return {entry.topic.type: entry for entry in CATALOGUE}


def read_by(service: str, kind: Kind) -> list[Entry]:
    """What a service consumes or answers, of one kind, in the catalogue's order."""
    return [entry for entry in CATALOGUE if entry.topic.kind is kind and service in entry.readers]


def watched_by(service: str) -> list[Entry]:
    """The events that each of a service's replicas hears as they are published."""
    return [entry for entry in CATALOGUE if service in entry.watchers]


def sent_by(sender: str) -> list[Entry]:
    """What a service, the operator or an upstream may publish."""
    return [entry for entry in CATALOGUE if sender in entry.senders]


@dataclass(frozen=True, slots=True)
class Stream:
    """A JetStream stream: its name, its subjects, and whether a message is gone once its owner acknowledged it.

    Attributes:
        name: what the broker calls it.
        kind: what is in it.
        max_bytes: how large it may grow; what would make it larger is refused, and its sender waits.
    """

    name: str
    kind: Kind
    max_bytes: int = 8 * 1024**3

    @property
    def subjects(self) -> tuple[str, ...]:
        """One per owner: a leading wildcard would overlap with the broker's own ``$JS`` subjects, and is refused."""
        return tuple(f"{service}.{self.kind}.>" for service in SERVICES)

    @property
    def work_queue(self) -> bool:
        return self.kind is Kind.COMMAND


@dataclass(frozen=True, slots=True)
class Durable:
    """A durable consumer: one per service and stream, filtered to what the service reads."""

    stream: Stream
    service: str
    filters: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.service


EVENTS: Final = Stream("EVENTS", Kind.EVENT)
COMMANDS: Final = Stream("COMMANDS", Kind.COMMAND)
STREAMS: Final = (EVENTS, COMMANDS)


def _subjects(entry: Entry) -> Iterator[str]:
    """Every subject that an event or a command of any tenant is stored under."""
    yield entry.topic.every_tenant
    if UPSTREAM in entry.senders:
        yield entry.topic.signed("*", "*")


def durables_of(service: str) -> list[Durable]:
    """The durables a service pulls from; who reads all of a stream needs no filter, which spares the broker matching."""
    found = []
    for stream in STREAMS:
        entries = read_by(service, stream.kind)
        if entries:
            everything = len(entries) == sum(entry.topic.kind is stream.kind for entry in CATALOGUE)
            filters = () if everything else tuple(subject for entry in entries for subject in _subjects(entry))
            found.append(Durable(stream, service, filters))
    return found
