"""Intake: leads become clean, private, routed and owned, those of one person are merged, and what was done is known."""

from collections.abc import Sequence
from functools import partial
from time import monotonic

from chassis.jobs import Job
from chassis.keys import TenantKeys, key_service
from chassis.limits.counters import Clock, counters_in
from chassis.received import Received
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database, UnitOfWork
from contracts import outcomes
from contracts.catalogue import EVENTS
from contracts.intake import aliases as alias_messages
from contracts.intake import distribution, enrichment, erasure, imports, limits, memory, providers, routing
from contracts.intake import leads as messages
from contracts.intake import people as people_messages
from contracts.intake import privacy as privacy_messages
from contracts.intake import texts as text_messages
from contracts.operations import PersonalDataDropped
from contracts.outcomes import OutcomeRecorded
from contracts.outreach import campaigns, sending
from contracts.outreach.sending import MessageSent
from intake.distribution import catching_up, progress, reopening
from intake.distribution import handlers as distributor
from intake.distribution.jobs import distribute
from intake.enrichment import contents
from intake.enrichment.executing import Runner
from intake.enrichment.forgetting import forget_old_runs
from intake.enrichment.handlers import Handlers as Enrichment
from intake.enrichment.providers import Providers
from intake.enrichment.settings import ProviderSettings
from intake.imports import contents as imported
from intake.imports.executing import Runner as Importing
from intake.imports.forgetting import forget_left_alone
from intake.imports.handlers import Handlers as Imports
from intake.leads import aliases
from intake.leads import handlers as leads
from intake.leads.narrowing import Narrowing
from intake.limits import admission
from intake.limits.admission import Admission
from intake.limits.handlers import list_parked
from intake.limits.limiter import Limiter
from intake.limits.releasing import Releaser
from intake.listing import handlers as listing
from intake.memory.campaigns import Campaigns, note_sent
from intake.memory.handlers import Handlers as Memory
from intake.memory.jobs import clear_expired
from intake.people import handlers as people
from intake.people.review import compare_names
from intake.privacy.handlers import Handlers as Privacy
from intake.privacy.handlers import confirm_drop
from intake.routing.handlers import Handlers as Routing
from intake.submissions.handlers import Handlers as Submissions
from intake.vault import sealing


def build(settings: Settings, clock: Clock = monotonic) -> Service:
    """The service; `clock` is by which its rate limits count, but for those counted in Valkey."""
    database = Database("intake", settings.database_url)
    keys = TenantKeys(key_service(settings.kms_uri))
    counters = counters_in(settings.valkey_url, clock, "leads")
    limiter = Limiter(counters, clock)
    releaser = Releaser(database, keys, limiter, clock)
    submissions = Submissions(keys, Admission(limiter, keys))
    actions = Memory(keys)
    remembered = Campaigns(keys)
    runs = Enrichment(keys)
    runner = Runner(database, keys, Providers(ProviderSettings()))
    importer = Imports(keys)
    importing = Importing(database, keys, settings, lambda: service.caller)
    applying = catching_up.CatchingUp(database)
    router = Routing(applying.wake)

    async def apply_what_is_published() -> None:
        await applying.published()
        await service.jobs.run_now(catching_up.JOB)

    privacy = Privacy(keys, lambda: service.caller)
    service: Service = Service(
        "intake",
        settings,
        database=database,
        keys=keys,
        sealed=[sealing.RESEALED, admission.RESEALED, *contents.RESEALED, *imported.RESEALED],
        consumes={
            messages.SubmitLead: submissions.submit_leads,
            # Of a batch these are handled first: a campaign's first message is told behind its start.
            campaigns.CampaignStarted: remembered.follow,
            campaigns.CampaignCompleted: remembered.follow,
            outcomes.OutcomeRecorded: _follow,
            outcomes.OutcomeVoided: reopening.reopen,
            sending.MessageSent: _follow,
            PersonalDataDropped: confirm_drop,
        },
        answers={
            messages.SubmitLeadNow: submissions.submit_lead_now,
            messages.GetLead: leads.get_lead,
            messages.ListLeads: listing.list_leads,
            messages.TokeniseSourceIds: partial(leads.tokenise_source_ids, keys),
            messages.GetSubmissions: submissions.get_submissions,
            messages.CountSubmissions: submissions.count_submissions,
            messages.GetImportKey: submissions.get_import_key,
            people_messages.MergeLeads: people.merge_leads,
            people_messages.UnmergeLead: people.unmerge_lead,
            people_messages.GetPerson: people.get_person,
            people_messages.FindLeads: partial(people.find_leads, keys),
            people_messages.IdentifyPersons: partial(people.identify_persons, keys),
            people_messages.LeadsForReview: people.leads_for_review,
            people_messages.DismissReview: partial(people.dismiss_review, keys),
            limits.ListParked: list_parked,
            alias_messages.SetAliases: aliases.set_aliases,
            alias_messages.ListAliases: aliases.list_aliases,
            alias_messages.DeleteAliases: aliases.delete_aliases,
            memory.CheckAction: actions.check_action,
            memory.RecordAction: actions.record_action,
            memory.UpdateAction: actions.update_action,
            memory.ListActions: actions.list_actions,
            routing.SaveRoutingDraft: router.save_draft,
            routing.DeleteRoutingDraft: router.delete_draft,
            routing.GetRouting: router.get,
            routing.ListRoutingVersions: router.list_versions,
            routing.DryRunRouting: router.dry_run,
            routing.PublishRouting: router.publish,
            routing.RollBackRouting: router.roll_back,
            routing.ListWorkQueue: router.list_queue,
            routing.RouteLead: distributor.route_lead,
            routing.GetLeadStatus: router.get_status,
            routing.GetLeadDecisions: router.get_decisions,
            distribution.UpsertAgent: distributor.upsert_agent,
            distribution.GetAgent: distributor.get_agent,
            distribution.ListAgents: distributor.list_agents,
            distribution.RemoveAgent: distributor.remove_agent,
            distribution.SetTimeOff: distributor.set_time_off,
            distribution.CancelTimeOff: distributor.cancel_time_off,
            distribution.AssignLead: distributor.assign_lead,
            distribution.ClaimLead: distributor.claim_lead,
            distribution.ReassignLead: distributor.reassign_lead,
            distribution.UnassignLead: distributor.unassign_lead,
            distribution.CompleteWork: distributor.complete_work,
            distribution.ListAssignments: distributor.list_assignments,
            distribution.GetWorkload: distributor.get_workload,
            distribution.ListWorkspaces: distributor.list_workspaces,
            providers.SetProvider: runs.set_provider,
            providers.ListProviders: runs.list_providers,
            providers.DeleteProvider: runs.delete_provider,
            providers.SetPatternConfidence: runs.set_pattern_confidence,
            enrichment.StartRun: runs.start_run,
            enrichment.GetRun: runs.get_run,
            enrichment.ListRuns: runs.list_runs,
            enrichment.ListCompanies: runs.list_companies,
            enrichment.CancelRun: runs.cancel_run,
            enrichment.ResumeRun: runs.resume_run,
            enrichment.SubmitContacts: runs.submit_contacts,
            imports.CreateImport: importer.create,
            imports.BeginImport: importer.begin,
            imports.NoteImport: importer.note,
            imports.AddImportChunk: importer.add_chunk,
            imports.FinishUpload: importer.finish_upload,
            imports.SetImportMapping: importer.set_mapping,
            imports.GetImport: importer.get,
            imports.PreviewImport: importer.preview,
            imports.CheckImport: importer.check,
            imports.StartImport: importer.start,
            imports.CancelImport: importer.cancel,
            imports.RevertImport: importer.revert,
            imports.ListImports: importer.list,
            imports.ListImportErrors: importer.list_errors,
            imports.ListKeptLeads: importer.list_kept,
            privacy_messages.RevealPii: privacy.reveal_pii,
            privacy_messages.ListReveals: privacy.list_reveals,
            text_messages.KeepText: privacy.keep_text,
            text_messages.RevealTexts: privacy.reveal_texts,
            erasure.EraseLead: privacy.erase_lead,
            erasure.GetErasureCertificate: privacy.get_erasure_certificate,
            erasure.LiftSuppression: privacy.lift_suppression,
            privacy_messages.ExportLead: privacy.export_lead,
        },
        jobs=[
            Job("compare_names", "*/5 * * * *", partial(compare_names, database, keys)),
            Job("clear_expired", "0 * * * *", lambda _: clear_expired(database)),
            Job("seal_metadata", "20 * * * *", Narrowing(database, keys).run),
            Job("forget_enrichment", "10 * * * *", lambda _: forget_old_runs(database)),
            Job("forget_imports", "40 * * * *", lambda _: forget_left_alone(database)),
            Job(catching_up.JOB, "* * * * *", applying.run),
            Job("distribute", "* * * * *", partial(distribute, database, lambda: service.behind(EVENTS))),
        ],
        workers=[lambda: releaser.run(service.handle_kept), apply_what_is_published, runner.run, importing.run],
        closes=[counters.close],
    )
    return service


async def _follow(uow: UnitOfWork, received: Sequence[Received[OutcomeRecorded | MessageSent]]) -> None:
    """The work on leads follows what is heard of them, and what is remembered of a campaign its messages."""
    await progress.follow(uow, received)
    await note_sent(uow, received)
