"""When what the clock starts is started: every job of every service, and no other."""

import pytest

from contracts.catalogue import SERVICES
from contracts.operations import ListJobs
from tests.platform import Platform

OF_EVERY_SERVICE = {"sweep": "17 3 * * *", "reseal": "*/10 * * * *"}
SCHEDULES = {
    "gateway": {"sign_ins": "41 3 * * *"},
    "intake": {
        "compare_names": "*/5 * * * *",
        "clear_expired": "0 * * * *",
        "seal_metadata": "20 * * * *",
        "forget_enrichment": "10 * * * *",
        "forget_imports": "40 * * * *",
        "apply_routing": "* * * * *",
        "distribute": "* * * * *",
    },
    "outcomes": {"give_up_waiting": "* * * * *"},
    "outreach": {
        "look_after_accounts": "* * * * *",
        "refresh_eligibility": "11 4 * * *",
        "forget_old": "47 4 * * *",
    },
    "aggregator": {
        "event_months": "23 0 * * *",
        "archive_events": "37 1 * * *",
        "weekly_win_rates": "0 2 * * sun",
        "check_numbers": "37 * * * *",
    },
    "notifier": {"missing_outcomes": "0 6 * * *"},
}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_job_is_started_when_it_is_meant_to_be(platform: Platform, tenant: str, service: str) -> None:
    async with platform.running(service):
        await platform.introduce(tenant, service)
        listed = await platform.caller.ask(tenant, ListJobs(), of=service)
    assert listed.jobs == {**OF_EVERY_SERVICE, **SCHEDULES[service]}
