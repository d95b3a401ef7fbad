"""The entry point of ``leadloop``, and the index of its commands.

A command's module is imported when the command is given: nobody waits for what he did not ask for. That is why each
command's description stands here, where the help finds it.
"""

import sys

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from chassis.exports.errors import LeadLoopError
from leadloop.output import fail

app = App(
    name="leadloop",
    help="Run LeadLoop and work with it. Every command takes --home (or LEADLOOP_HOME) and answers --json.",
    version_flags=[],
    default_parameter=Parameter(negative=()),
)
app.command(tenant := App(name="tenant", help="Create, change and list tenants, and sign in to their pages."))
app.command(
    key := App(name="key", help="Make and revoke credentials of a tenant's systems, and rotate the keys of its vault.")
)
app.command(user := App(name="user", help="Add, change and list who works in a tenant, and who runs the installation."))
app.command(lead := App(name="lead", help="Export all that is known of a lead's person, or erase the person."))
app.command(audit := App(name="audit", help="Show who was shown what is personal, and who changed what."))
app.command(events := App(name="events", help="List a tenant's events, archive and restore them, or make up a week."))
app.command(job := App(name="job", help="List scheduled jobs and run one by hand."))
app.command(dead := App(name="dead", help="List, show and redrive dead letters."))
app.command(
    outreach := App(
        name="outreach", help="Prove what outreach promises; take over what another system sent, or must never send."
    )
)
outreach.command(backfill := App(name="backfill", help="Take over messages of another system."))
outreach.command(suppressions := App(name="suppressions", help="Take over, or write down, who is not to be contacted."))
app.command(bench := App(name="bench", help="Measure the running home."))

app.command(
    "leadloop.commands_home:up",
    help="Start everything: database, broker and services. Ctrl-C stops all; the data stays.",
)
app.command(
    "leadloop.commands_home:up_with_demo",
    name="demo",
    help="Start everything with a synthetic tenant: weeks of history, live traffic, and a link to sign in with.",
)
app.command("leadloop.commands_home:down", help="Stop everything that runs in the home.")
app.command("leadloop.commands_home:status", help="Show every process of the home.")
app.command(
    "leadloop.commands_home:provision",
    help="Bring roles, schemas, streams and durables to what this version needs, and say what had drifted.",
)

tenant.command(
    "leadloop.commands_tenants:create_tenant",
    name="create",
    help="Create a tenant; returns when every service knows it. Creating it again changes nothing.",
)
tenant.command(
    "leadloop.commands_tenants:change_tenant",
    name="set",
    help="Change settings of a tenant (NAME=VALUE ...; without any: show them); returns when every service knows.",
)
tenant.command("leadloop.commands_tenants:list_tenants", name="list", help="List every tenant.")
tenant.command("leadloop.commands_tenants:sign_in", help="Make a link that signs in once to a tenant's pages.")
key.command(
    "leadloop.commands_tenants:create_key", name="create", help="Make a credential of a tenant and show it this once."
)
key.command("leadloop.commands_users:list_keys", name="list", help="List a tenant's API keys, without their secrets.")
key.command("leadloop.commands_tenants:revoke_key", name="revoke", help="Revoke an API key; it opens nothing any more.")
key.command(
    "leadloop.commands_tenants:rotate_keys",
    name="rotate",
    help="Give a tenant a new key for what is sealed, or for its tokens, and seal anew what the old one sealed.",
)

user.command("leadloop.commands_users:add", help="Add a user to a tenant, and make a link that signs them in once.")
user.command("leadloop.commands_users:list_users", name="list", help="List a tenant's users.")
user.command(
    "leadloop.commands_users:change",
    name="set",
    help="Change a user's role, e-mail address or name, or suspend them; another role, or none for now, ends their sessions.",
)
user.command("leadloop.commands_users:remove", help="Remove a user for good; their id stays where they acted.")
user.command("leadloop.commands_users:sign_in", help="Make a link that signs a user in once.")
user.command(
    "leadloop.commands_users:superadmin",
    help="Make a link that signs in the first superadmin, who sees every tenant; with --email, one more is added.",
)

app.command(
    "leadloop.commands_leads:import_",
    name="import",
    help="Import a CRM export; returns when all of it is applied. Running it again changes nothing, unless with --again. "
    "Rows that cannot be used are listed in FILE.errors.csv, all others are imported; the exit status is 0 only if there "
    "are none.",
)
app.command(
    "leadloop.commands_leads:publish",
    help="Publish one message as it is, with no header at all, and wait until the broker has stored it.",
)

app.command(
    "leadloop.commands_requests:ask",
    help="Ask a service anything the catalogue lets an operator ask, in JSON; without a request: what it can be asked.",
)

app.command(
    "leadloop.commands_numbers:win_rates",
    help="Show win rates: distinct leads won over distinct leads won or lost.",
)
app.command(
    "leadloop.commands_numbers:stats",
    help="Show a tenant's dashboard, as it is now or as it was at any moment.",
)
app.command(
    "leadloop.commands_numbers:replay",
    help="Rebuild all that is made of a tenant's events, compare it with the live rows, put it in their place, and show the "
    "numbers. The exit status is 1 where they differed.",
)
app.command(
    "leadloop.commands_numbers:validate",
    help="Fold a tenant's events, apart from every query, and compare each number with what is shown. The exit status is 1 where "
    "any differs, or there is nothing to compare.",
)
events.command(
    "leadloop.commands_events:list_events",
    name="list",
    help="Show a tenant's events: last told first, or last occurred first where any of --type, --campaign, --account, --since and "
    "--until is given.",
)
events.command(
    "leadloop.commands_events:generate",
    help="Make up seven days of outreach, today included, for a tenant without events; returns when all of it is stored. Nobody is "
    "contacted.",
)
events.command(
    "leadloop.commands_events:list_months", name="months", help="Show in which months events are at hand, or archived."
)
events.command(
    "leadloop.commands_events:archive",
    help="Take months that are over out of the database into Parquet files, once those were read back and are the same.",
)
events.command("leadloop.commands_events:restore", help="Bring archived months back. Running it again changes nothing.")

lead.command(
    "leadloop.commands_privacy:export_lead",
    name="export",
    help="Write all that is known of a lead's person, from every service, as JSON. The audit notes it.",
)
lead.command(
    "leadloop.commands_privacy:erase_lead",
    name="erase",
    help="Erase a lead's person for good, with all their leads, and show the certificate. The exit status is 0 only when "
    "every service has confirmed it.",
)
audit.command(
    "leadloop.commands_privacy:export_audit",
    name="export",
    help="Write every row of the audit, newest first: who was shown whose personal values, for what and when.",
)
audit.command(
    "leadloop.commands_users:export_changes",
    name="changes",
    help="Write who changed what about a tenant, its users, its keys and how they sign in, newest first.",
)
backfill.command(
    "leadloop.commands_outreach:backfill_pending",
    name="pending",
    help="Put messages that another system was about to send into the send queue. Running it again changes nothing. Rows that "
    "cannot be used are listed in FILE.errors.csv; the exit status is 0 only if there are none.",
)
backfill.command(
    "leadloop.commands_outreach:backfill_sent",
    name="sent",
    help="Remember messages that another system sent, so that nobody is contacted twice. Running it again changes nothing. Rows "
    "that cannot be used are listed in FILE.errors.csv; the exit status is 0 only if there are none.",
)
suppressions.command(
    "leadloop.commands_outreach:import_suppressions",
    name="import",
    help="Add persons to the suppression ledger, those too who are no leads. Running it again changes nothing. Rows that cannot "
    "be used are listed in FILE.errors.csv; the exit status is 0 only if there are none.",
)
suppressions.command(
    "leadloop.commands_outreach:export_suppressions",
    name="export",
    help="Write the suppression ledger into a CSV file, newest first, with what was ended.",
)
job.command(
    "leadloop.commands_operations:list_jobs", name="list", help="Show every service's jobs with their last runs."
)
job.command("leadloop.commands_operations:run_job", name="run", help="Run a service's job now, and wait for its end.")
dead.command(
    "leadloop.commands_operations:list_dead",
    name="list",
    help="Show dead letters: what they are and why, never what is in them.",
)
dead.command(
    "leadloop.commands_operations:show_dead",
    name="show",
    help="Show one dead letter: its message's id, type, size and why it could not be handled.",
)
dead.command(
    "leadloop.commands_operations:redrive",
    help="Handle dead letters again: those given, or every one that was not redriven yet.",
)
app.command(
    "leadloop.commands_operations:republish",
    help="Publish events again under the same ids: for a broker that lost its disk.",
)
outreach.command(
    "leadloop.commands_verify:verify",
    help="Prove that outreach keeps every rule that protects senders and recipients: a scratch installation is started, its "
    "clock is moved through a year of campaigns, and it is gone afterwards. Nobody is contacted, and no other installation is "
    "touched. The exit status is 0 only if every check passes.",
)
bench.command(
    "leadloop.commands_operations:bench_pipeline",
    name="pipeline",
    help="Measure the lead path of the running home with a throw-away tenant: leads a second, from first to last.",
)


def main() -> None:
    """Carry out the command of this process' arguments."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Carry out one command; returns the exit status, 0 only when what was asked is done."""
    as_json = "--json" in arguments
    try:
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False, verbose=False)
    except UnusedCliTokensError as error:
        unused = " ".join(error.unused_tokens or ())
        return fail(LeadLoopError(f"{unused}: nothing more is expected here, see --help"), as_json)
    except CycloptsError as error:
        return fail(error, as_json)
    asked = command(*bound.args, **bound.kwargs)
    if asked is None:  # it was the help
        return 0
    from leadloop.app import carry_out  # the command brought in what this needs; the help did not

    return carry_out(asked, as_json)
