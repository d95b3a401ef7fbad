"""What is promised in numbers: a dry run over 100,000 leads takes 10 seconds at most."""

from time import process_time

from contracts.intake import routing as messages
from leadloop import bench
from tests.intake.routing.desk import Desk, rule

LEADS = 100_000
SECONDS = 10.0


async def test_a_dry_run_of_forty_rules_over_100_000_leads_takes_no_more_than_ten_seconds(desk: Desk) -> None:
    """Of this process's time, in which intake does nearly all the work: the clock's depends on what else runs here."""
    await desk.publish(rule("buyers", "buyers", intent=["buyer"]), rule("texas", "texas"))
    async with desk.platform.sql() as sql:
        await bench.fill(sql, desk.tenant, LEADS)
    rules = messages.NewRoutingConfiguration.model_validate(bench.FORTY_RULES)
    began = process_time()
    request = messages.DryRunRouting(configuration=rules, last=LEADS)
    run = await desk.platform.caller.ask(desk.tenant, request, seconds=60)
    took = process_time() - began
    print(f"a dry run over {LEADS:,} leads took {took:.2f} s of this process")
    assert (run.leads, sum(move.leads for move in run.moves), len(run.moves)) == (LEADS, LEADS, 5)
    assert run.moving == run.moving_now
    assert run.unrouted
    assert took <= SECONDS
