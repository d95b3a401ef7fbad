"""The dashboard's numbers over HTTP: campaigns by name, as of any moment, each number with its events."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.aggregator.kpis import CampaignSnapshot, CampaignStatus, Dashboard, NextAction
from gateway.api.kpis import named
from tests.gateway.conftest import Tenancy
from tests.waiting import until


async def test_the_dashboard_has_the_shape_of_the_numbers_and_opens_their_events(acme: Tenancy) -> None:
    campaign = (await acme.client.post(acme.path("/campaigns"), json={"title": "Autumn"})).json()

    async def there() -> Dashboard | None:
        response = await acme.client.get(acme.path("/dashboard/stats"))
        assert response.status_code == 200, response.text
        found = Dashboard.model_validate(response.json())
        return found if found.campaign_snapshots else None

    found = await until(there, what="the campaign on the dashboard")
    (shown,) = found.campaign_snapshots
    assert (str(shown.id), shown.name, shown.status) == (campaign["campaign_id"], "Autumn", CampaignStatus.RUNNING)
    assert [action.action for action in found.next_actions] == ["import_contacts", "configure_limit"]
    asked = {"kpi": "campaigns_running", "as_of": found.as_of.isoformat()}
    page = (await acme.client.get(acme.path("/dashboard/events"), params=asked)).json()
    assert [event["body"]["campaign_id"] for event in page["events"]] == [campaign["campaign_id"]]
    long_ago = {"as_of": (datetime.now(UTC) - timedelta(days=30)).isoformat()}
    before = (await acme.client.get(acme.path("/dashboard/stats"), params=long_ago)).json()
    assert before["campaign_snapshots"] == []


async def test_what_is_no_number_or_no_moment_is_refused(acme: Tenancy) -> None:
    for path, query in (
        ("/dashboard/events", {"kpi": "luck"}), ("/dashboard/events", {}), ("/dashboard/stats", {"as_of": "yesterday"}),
        ("/dashboard/events", {"kpi": "errors", "cursor": "x"}),
    ):  # fmt: skip
        assert (await acme.client.get(acme.path(path), params=query)).status_code in (400, 422), path


def test_a_campaign_without_a_known_name_is_shown_all_the_same() -> None:
    ids = [UUID(int=1), UUID(int=2)]
    found = Dashboard.model_construct(
        campaign_snapshots=[
            CampaignSnapshot(id=id_, status=CampaignStatus.PAUSED, queue_remaining=1, today_sends=0, replies_today=0) for id_ in ids
        ],
        next_actions=[
            NextAction(priority=4, title="Campaign paused with 1 active enrollment", action="resume_campaign", url="/", campaign_id=id_)
            for id_ in ids
        ],
    )  # fmt: skip
    shown = named(found, {ids[0]: "Autumn"})
    assert [each.name for each in shown.campaign_snapshots] == ["Autumn", None]
    assert [each.title for each in shown.next_actions] == [
        'Campaign "Autumn" paused with 1 active enrollment', "Campaign paused with 1 active enrollment",
    ]  # fmt: skip
