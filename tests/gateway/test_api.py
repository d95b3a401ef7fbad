"""The HTTP API: its statuses, its formats, and how it says what was wrong."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.gateway import NewTenantSettings
from tests.gateway.conftest import Gateway, Tenancy
from tests.waiting import until

LEAD = {
    "source_system": "crm",
    "source_id": "L-1",
    "full_name": "Zebedee Quark",
    "phone": "(614) 555-0142",
    "email": "zebedee.quark@example.com",
    "source": "Open house",
    "geo": "Dublin, OH",
    "intent": "buyer",
}
CANARIES = ("zebedee", "quark", "555-0142", "5550142", "+1614")


async def submit(acme: Tenancy, **changes: Any) -> httpx.Response:
    return await acme.client.post(acme.path("/leads"), json=LEAD | changes)


async def record(acme: Tenancy, lead: dict[str, Any], *outcomes: dict[str, Any], **more: Any) -> httpx.Response:
    return await acme.client.post(acme.path("/outcomes"), json={"lead": lead, "outcomes": outcomes, **more})


def assert_problem(response: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """The response is a problem as RFC 9457 has it, and quotes nothing personal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert problem["type"].startswith("urn:leadloop:problem:")
    assert problem["instance"] == f"urn:uuid:{response.headers['x-request-id']}"
    assert problem.get("field") == field
    assert not [canary for canary in CANARIES if canary in response.text.lower()]
    return problem


async def test_a_lead_is_created_once_then_known_then_updated(acme: Tenancy) -> None:
    created = await submit(acme)
    again = await submit(acme)
    updated = await submit(acme, source="Referral")
    assert [r.status_code for r in (created, again, updated)] == [201, 200, 200]
    assert [r.json()["verdict"] for r in (created, again, updated)] == ["accepted", "duplicate", "updated"]
    one = await acme.client.get(created.headers["location"])
    assert one.json()["attribution"]["source_key"] == "referral"
    assert (await acme.client.get(acme.path("/leads"), params={"source_key": "referral"})).json()["leads"] == [
        one.json()
    ]
    assert (await acme.client.get(acme.path("/leads"), params={"source_key": "web"})).json()["leads"] == []


async def test_a_source_is_told_what_is_left_of_its_rate_limit_and_when_to_come_again(
    gateway: Gateway, tenant: str
) -> None:
    slow = NewTenantSettings(leads_per_minute_by_source={"crm": 2})
    acme = await gateway.tenant(tenant, slow)
    async with acme.client:
        for remaining, changes in ((1, {}), (0, {"source_id": "L-2"})):
            taken = await submit(acme, **changes)
            assert taken.status_code == 201
            assert taken.headers["ratelimit-policy"] == '"leads";q=2;w=60'
            assert re.fullmatch(rf'"leads";r={remaining};t=\d+', taken.headers["ratelimit"])
        refused = await submit(acme, source_id="L-3")
        problem = assert_problem(refused, 429, "source_system")
        assert problem["type"] == "urn:leadloop:problem:rate_limited"
        wait = int(refused.headers["retry-after"])
        assert 0 < wait <= 120
        assert refused.headers["ratelimit-policy"] == '"leads";q=2;w=60'
        assert refused.headers["ratelimit"] == f'"leads";r=0;t={wait}'
        assert problem["allowance"] == {"limit": 2, "window_seconds": 60, "remaining": 0, "reset_seconds": wait}
        other = await submit(acme, source_system="web")
        assert other.headers["ratelimit-policy"] == '"leads";q=100;w=60'


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone": "555-0142"}, "phone"),
        ({"email": "zebedee.quark"}, "email"),
        ({"phnoe": "(614) 555-0142"}, "?"),
        ({"full_name": ["Zebedee Quark"]}, "full_name"),
        ({"source_id": ""}, "source_id"),
        ({"created_at": "zebedee.quark@example.com"}, "created_at"),
        ({"zebedee.quark@example.com": 1}, "?"),
    ],
)
async def test_an_invalid_lead_is_refused_by_the_fields_name(
    anyone: Tenancy, changes: dict[str, Any], field: str
) -> None:
    assert_problem(await submit(anyone, **changes), 400, field)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"full_name": "Zebedee Quark"', "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b'"Zebedee Quark"', "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"price": ' + b"9" * 5000 + b"}", "application/json"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(anyone: Tenancy, body: bytes, content_type: str) -> None:
    response = await anyone.client.post(anyone.path("/leads"), content=body, headers={"Content-Type": content_type})
    assert_problem(response, 400)


async def test_outcomes_are_recorded_once_and_blocked_by_what_contradicts_them(acme: Tenancy) -> None:
    lead = {"lead_id": (await submit(acme)).json()["lead_id"]}
    lost = {"type": "closed_lost", "occurred_at": "2026-01-05T12:00:00Z", "notes": "Zebedee Quark: 614 555-0142"}
    assert (await record(acme, lead, lost)).status_code == 201
    assert (await record(acme, lead, lost)).status_code == 200
    by_source_id = {"source_system": "crm", "source_id": "L-1"}
    won = {"type": "closed_won", "notes": "Zebedee Quark"}
    blocked = assert_problem(await record(acme, by_source_id, lost, won), 409, "outcomes.1")
    assert blocked["refusal"] == "won_after_lost"
    assert [result["verdict"] for result in blocked["results"]] == ["duplicate", "blocked"]
    assert (await record(acme, lead, won | {"override_reason": "it was won"})).status_code == 201
    history = (await acme.client.get(acme.path(f"/leads/{lead['lead_id']}/outcomes"))).json()
    assert [outcome["type"] for outcome in history["outcomes"]] == ["closed_lost", "closed_won"]
    state = (await acme.client.get(acme.path(f"/leads/{lead['lead_id']}/state"))).json()
    assert (state["won"], state["lost"]) == (True, True)


async def test_an_outcome_is_recorded_by_the_key_unless_it_says_by_whom(acme: Tenancy) -> None:
    lead = {"lead_id": (await submit(acme)).json()["lead_id"]}
    await record(acme, lead, {"type": "contacted", "occurred_at": "2026-01-05T12:00:00Z"})
    await record(acme, lead, {"type": "appointment_set", "occurred_at": "2026-01-06T12:00:00Z"}, recorded_by="user:7")
    history = (await acme.client.get(acme.path(f"/leads/{lead['lead_id']}/outcomes"))).json()
    assert [outcome["recorded_by"] for outcome in history["outcomes"]] == [f"key:{acme.key_id}", "user:7"]
    path = acme.path(f"/leads/{lead['lead_id']}/outcomes")
    first = (await acme.client.get(path, params={"limit": 1})).json()
    second = (await acme.client.get(path, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert (first["outcomes"] + second["outcomes"], second["next_cursor"]) == (history["outcomes"], None)


async def test_an_outcome_is_voided_and_corrected(acme: Tenancy) -> None:
    lead_id = (await submit(acme)).json()["lead_id"]
    lead, path = {"lead_id": lead_id}, acme.path(f"/leads/{lead_id}/outcomes")
    at = {"occurred_at": "2026-01-05T12:00:00Z"}
    made = (await record(acme, lead, {"type": "closed_won", "value": "350000"} | at, {"type": "contacted"})).json()
    won, contacted = (result["outcome_id"] for result in made["results"])
    why = {"reason_code": "typo", "reason": "Zebedee Quark's half"}
    right = {"outcome": {"type": "closed_won", "value": "250000"}, **why}
    corrected = await acme.client.post(f"{path}/{won}/correction", json=right)
    again = await acme.client.post(f"{path}/{won}/correction", json=right)
    assert (corrected.status_code, again.status_code) == (201, 200)
    stands = corrected.json()["result"]["outcome_id"]
    assert (again.json()["result"]["verdict"], again.json()["result"]["outcome_id"]) == ("duplicate", stands)
    late = {"outcome": {"type": "closed_lost"}}
    assert_problem(await acme.client.post(f"{path}/{won}/correction", json=late), 409, "outcome_id")
    refused = await acme.client.post(f"{path}/{contacted}/correction", json=late)
    assert assert_problem(refused, 409, "outcome")["refusal"] == "lost_after_won"

    voided = await acme.client.post(f"{path}/{contacted}/void", json={"voided_by": "user:7"})
    assert (voided.status_code, voided.json()["already"]) == (200, False)
    assert (await acme.client.post(f"{path}/{contacted}/void", json={})).json() == voided.json() | {"already": True}
    assert_problem(await acme.client.post(f"{path}/{uuid4()}/void", json={}), 404, "outcome_id")
    history = (await acme.client.get(path, params={"attribution_now": True})).json()
    assert history["attribution_now"]["source_key"] == "open_house"
    by_id = {outcome["outcome_id"]: outcome for outcome in history["outcomes"]}
    assert (by_id[won]["void"]["corrected_by"], by_id[won]["void"]["reason"]) == (stands, "Zebedee Quark's half")
    assert by_id[won]["void"]["voided_by"] == by_id[stands]["recorded_by"] == f"key:{acme.key_id}"
    assert (by_id[stands]["corrects"], by_id[stands]["void"]) == (won, None)
    assert by_id[contacted]["void"]["voided_by"] == "user:7"


async def test_many_outcomes_are_recorded_in_one_request_each_with_its_own_verdict(acme: Tenancy) -> None:
    leads = [(await submit(acme, source_id=str(n), email=None, phone=None)).json()["lead_id"] for n in range(3)]
    await record(acme, {"lead_id": leads[2]}, {"type": "closed_lost"})
    rows = [{"lead_id": lead_id} for lead_id in leads] + [{"source_system": "crm", "source_id": "none"}]
    bulk = {"outcome": {"type": "closed_won"}, "rows": rows}
    response = await acme.client.post(acme.path("/outcomes/bulk"), json=bulk)
    assert response.status_code == 200, response.text
    assert response.json()["counts"] == {"recorded": 2, "blocked": 1, "refused": 1}
    assert [(group["refusal"], group["rows"]) for group in response.json()["verdicts"]] == [
        ("won_after_lost", [2]), ("lead_unknown", [3]),
    ]  # fmt: skip
    chosen = {"outcome": {"type": "contacted"}, "leads": {"source_key": "open_house"}}
    response = await acme.client.post(acme.path("/outcomes/bulk"), json=chosen)
    assert sorted(response.json()["lead_ids"]) == sorted(leads)
    history = (await acme.client.get(acme.path(f"/leads/{leads[0]}/outcomes"))).json()["outcomes"]
    assert {outcome["recorded_by"] for outcome in history} == {f"key:{acme.key_id}"}
    assert_problem(await acme.client.post(acme.path("/outcomes/bulk"), json={"outcome": {"type": "contacted"}}), 400)


async def test_outcomes_that_are_missed_are_recorded_at_once(gateway: Gateway, acme: Tenancy) -> None:
    path = acme.path("/missing-outcomes/outcomes")
    none = await acme.client.post(path, json={"outcome": {"type": "invalid"}})
    assert none.json() == {"bulk_id": None, "counts": {}, "verdicts": [], "lead_ids": []}
    lead_id = await gateway.neglected_lead(acme)
    done = (await acme.client.post(path, json={"outcome": {"type": "contacted"}})).json()
    assert (done["counts"], done["lead_ids"]) == ({"recorded": 1}, [lead_id])
    assert (await acme.client.get(acme.path("/missing-outcomes"))).json()["count"] == 0, "they were contacted now"
    named = {"outcome": {"type": "invalid"}, "lead_ids": [lead_id], "recorded_by": "user:7"}
    assert (await acme.client.post(path, json=named)).json()["counts"] == {"recorded": 1}


async def test_an_outcome_for_a_reason_that_the_tenant_has_not_is_refused(gateway: Gateway, tenant: str) -> None:
    acme = await gateway.tenant(tenant, NewTenantSettings(reason_codes={"price"}))
    async with acme.client:
        lead = {"lead_id": (await submit(acme)).json()["lead_id"]}
        lost = {"type": "closed_lost", "reason_code": "whim"}
        assert_problem(await record(acme, lead, {"type": "contacted"}, lost), 400, "outcomes.1.reason_code")
        assert (await record(acme, lead, lost | {"reason_code": "price"})).status_code == 201
        path = acme.path(f"/leads/{lead['lead_id']}/outcomes/{uuid4()}/void")
        assert_problem(await acme.client.post(path, json={"reason_code": "whim"}), 400, "reason_code")


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        ({"type": "zebedee"}, "outcomes.0.type"),
        ({"type": "contacted", "occurred_at": "2126-01-05T12:00:00Z"}, "outcomes.0.occurred_at"),
        ({"type": "contacted", "value": "-1"}, "outcomes.0.value"),
        ({"type": "contacted", "remark": "x"}, "outcomes.0.?"),
    ],
)
async def test_an_invalid_outcome_is_refused_by_the_fields_name(
    anyone: Tenancy, outcome: dict[str, Any], field: str
) -> None:
    lead = {"lead_id": (await submit(anyone, source_id="invalid")).json()["lead_id"]}
    assert_problem(await record(anyone, lead, outcome), 400, field)


async def test_what_is_unknown_is_404(anyone: Tenancy) -> None:
    assert_problem(await record(anyone, {"lead_id": str(uuid4())}, {"type": "contacted"}), 404, "lead_id")
    assert_problem(
        await record(anyone, {"source_system": "crm", "source_id": "none"}, {"type": "contacted"}),
        404,
        "lead.source_id",
    )
    for rest in ("", "/outcomes", "/state"):
        assert_problem(await anyone.client.get(anyone.path(f"/leads/{uuid4()}{rest}")), 404, "lead_id")
    assert_problem(await anyone.client.get(anyone.path("/nothing")), 404)
    assert_problem(await anyone.client.get("/nothing"), 404)


async def test_a_method_that_an_address_does_not_take_is_405(anyone: Tenancy) -> None:
    response = await anyone.client.delete(anyone.path("/leads"))
    assert_problem(response, 405)
    assert response.headers["allow"]


async def test_what_answers_get_answers_head_without_a_body(anyone: Tenancy) -> None:
    got, head = await anyone.client.get(anyone.path("/campaigns")), await anyone.client.head(anyone.path("/campaigns"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("intent=zebedee", "intent"),
        ("cursor=zebedee", "cursor"),
        ("s=1", "?"),
        ("4155550123=1", "?"),
    ],
)
async def test_a_wrong_query_is_refused_by_the_parameters_name(anyone: Tenancy, query: str, field: str) -> None:
    assert_problem(await anyone.client.get(anyone.path(f"/leads?{query}")), 400, field)


async def test_pages_of_leads_hold_each_lead_once(acme: Tenancy) -> None:
    made = {(await submit(acme, source_id=f"L-{n}")).json()["lead_id"] for n in range(5)}
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await acme.client.get(acme.path("/leads"), params=params)).json()
        seen += [lead["lead_id"] for lead in page["leads"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(seen) == 5 and set(seen) == made


async def test_win_rates_come_as_json_and_as_exactly_this_csv(gateway: Gateway, acme: Tenancy) -> None:
    for number, (source, outcome) in enumerate([("Web", "closed_won"), ("Web", "closed_lost"), ("=1+1", "contacted")]):
        lead = (await submit(acme, source_id=f"L-{number}", source=source)).json()["lead_id"]
        outcomes = [{"type": "appointment_set"}, {"type": outcome}]
        assert (await record(acme, {"lead_id": lead}, *outcomes)).status_code == 201

    async def rows() -> list[dict[str, Any]]:
        found = (await acme.client.get(acme.path("/win-rates"), params={"by": "source", "weeks": 4})).json()["rows"]
        return found if sum(row["leads_entered"] for row in found) == 3 else []

    by_source = await until(rows, what="the outcomes' arrival in the win rates")
    assert [(row["key"], row["won"], row["win_rate"]) for row in by_source] == [("1_1", 0, None), ("web", 1, 0.5)]
    expected = "key,intent,leads_entered,appointments,won,lost,win_rate\n1_1,buyer,1,1,0,0,\nweb,buyer,2,2,1,1,0.5\n"
    as_format = await acme.client.get(acme.path("/win-rates?by=source&format=csv"))
    as_accepted = await acme.client.get(acme.path("/win-rates?by=source"), headers={"Accept": "text/csv"})
    assert as_format.text == as_accepted.text == expected
    assert as_format.headers["content-type"] == "text/csv; charset=utf-8"
    assert (await acme.client.get(acme.path("/win-rates?by=geo"))).json()["rows"][0]["key"] == "dublin_oh"
    assert (await acme.client.get(acme.path("/win-rates?minimum=2"))).json()["rows"][0]["key"] == "web"
    assert_problem(await acme.client.get(acme.path("/win-rates?by=person")), 400, "by")


async def test_the_id_of_a_request_is_the_correlation_id_of_what_follows_from_it(
    gateway: Gateway, acme: Tenancy
) -> None:
    id_ = str(uuid4())
    response = await acme.client.post(acme.path("/leads"), json=LEAD, headers={"X-Request-Id": id_})
    assert response.headers["x-request-id"] == id_
    async with gateway.platform.sql() as sql:
        correlated = await sql.fetch("select type from intake.outbox where correlation_id = $1", UUID(id_))
    assert [row["type"] for row in correlated] == ["intake.event.lead_accepted.v1"]
    private = await acme.client.get(acme.path("/leads"), headers={"X-Request-Id": "zebedee.quark@example.com"})
    assert str(UUID(private.headers["x-request-id"])) == private.headers["x-request-id"]


async def test_events_are_found_by_the_request_that_they_follow_from_and_by_when_they_were_told(acme: Tenancy) -> None:
    id_, before = str(uuid4()), datetime.now(UTC).isoformat()
    await acme.client.post(acme.path("/leads"), json=LEAD, headers={"X-Request-Id": id_})
    await submit(acme, source_id="another")

    async def found(**params: str) -> set[tuple[str, str]]:
        """The events' causes and names."""
        events = (await acme.client.get(acme.path("/events"), params=params)).raise_for_status().json()["events"]
        return {(event["correlation_id"], event["type"].split(".")[2]) for event in events}

    ours = (id_, "lead_accepted")

    async def both_there() -> bool:
        return len([name for _, name in await found() if name == "lead_accepted"]) == 2

    await until(both_there, what="the events' arrival")
    followed = await found(correlation_id=id_)
    assert ours in followed and {cause for cause, _ in followed} == {id_}
    assert ours in await found(told_since=before)
    assert ours in await found(correlation_id=id_, told_since=before)
    assert await found(correlation_id=id_, told_until=before) == set()
    assert_problem(await acme.client.get(acme.path("/events?correlation_id=x")), 400, "correlation_id")
    assert_problem(await acme.client.get(acme.path("/events?told_since=yesterday")), 400, "told_since")


async def test_an_alert_is_listed_and_dismissed_by_the_key(gateway: Gateway, acme: Tenancy) -> None:
    missing = (await acme.client.get(acme.path("/missing-outcomes"))).json()
    assert missing == {"leads": [], "count": 0}
    assert (await acme.client.get(acme.path("/alerts"))).json()["alerts"] == []
    assert_problem(await acme.client.post(acme.path(f"/alerts/{uuid4()}/dismiss")), 404, "alert_id")
    lead_id = await gateway.neglected_lead(acme)
    missing = (await acme.client.get(acme.path("/missing-outcomes"))).json()
    assert [lead["lead_id"] for lead in missing["leads"]] == [lead_id]
    (alert,) = (await acme.client.get(acme.path("/alerts"))).json()["alerts"]
    dismissed = await acme.client.post(acme.path(f"/alerts/{alert['alert_id']}/dismiss"))
    assert dismissed.json()["dismissed_by"] == f"key:{acme.key_id}"
    assert (await acme.client.get(acme.path("/alerts"))).json()["alerts"] == []


async def test_a_campaign_is_created_paused_and_resumed(anyone: Tenancy) -> None:
    created = await anyone.client.post(anyone.path("/campaigns"), json={"title": "Spring", "audience": {"tier": "A"}})
    assert created.status_code == 201, created.text
    path = anyone.path(f"/campaigns/{created.json()['campaign_id']}")
    assert (await anyone.client.post(f"{path}/pause")).json()["state"] == "paused"
    assert (await anyone.client.post(f"{path}/resume")).json()["state"] == "running"
    assert [c["title"] for c in (await anyone.client.get(anyone.path("/campaigns"))).json()["campaigns"]] == ["Spring"]
    misspelt = await anyone.client.post(anyone.path("/campaigns"), json={"title": "Spring", "audience": {"teir": "A"}})
    assert_problem(misspelt, 400, "audience.?")


async def test_events_are_listed_without_anything_personal(gateway: Gateway, acme: Tenancy) -> None:
    await submit(acme, notes="Zebedee Quark, 614 555-0142", metadata={"friend": "Zebedee Quark"})

    async def stored() -> list[dict[str, Any]]:
        params = {"types": "intake.event.lead_accepted.v1"}
        return list((await acme.client.get(acme.path("/events"), params=params)).json()["events"])

    assert len(await until(stored, what="the event's arrival")) == 1
    everything = (await acme.client.get(acme.path("/events"))).text.lower()
    assert not [canary for canary in CANARIES if canary in everything]


async def test_events_are_filtered_and_come_as_csv_with_the_next_page_named(gateway: Gateway, acme: Tenancy) -> None:
    await submit(acme)
    await submit(acme, source_id="another")

    async def both() -> bool:
        params = {"types": ["lead_accepted", "lead_updated"], "since": "2026-01-01T00:00:00Z"}
        return len((await acme.client.get(acme.path("/events"), params=params)).json()["events"]) >= 2

    await until(both, what="the events' arrival")
    page = await acme.client.get(acme.path("/events?types=lead_accepted&format=csv&limit=1"))
    header, line = page.text.splitlines()
    assert header.startswith("event_id,type,occurred_at,")
    assert "intake.event.lead_accepted.v1" in line
    target, relation = page.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    following = await acme.client.get(target.strip("<>"))
    assert following.headers["Content-Type"].startswith("text/csv")
    assert line not in following.text
    assert_problem(await acme.client.get(acme.path("/events?types=lead_acepted")), 400, "types")


async def test_the_description_is_openapi_3_1_with_an_example_of_every_body(gateway: Gateway) -> None:
    async with gateway.client() as client:
        document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    operations = [(path, op) for path, ops in document["paths"].items() for op in ops.values()]
    assert len(operations) >= 16
    for path, operation in operations:
        assert path.startswith(("/api/t/{tenant}/", "/superadmin/api/", "/hooks/{tenant}/"))
        assert {"tenant", "service"} & {parameter["name"] for parameter in operation["parameters"]}
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        bodies = [response.get("content", {}) for response in operation["responses"].values()]
        bodies += [operation["requestBody"]["content"]] if "requestBody" in operation else []
        for body in bodies:
            if reference := body.get("application/json", {}).get("schema", {}).get("$ref"):
                assert schemas[reference.rpartition("/")[2]]["examples"], reference
    hook = document["paths"]["/hooks/{tenant}/{account_id}"]["post"]
    assert (
        hook["security"] == [{"Signature": []}]
        and hook["security"][0].keys() <= document["components"]["securitySchemes"].keys()
    )
    told = [example["type"] for example in schemas["Webhook"]["examples"]]
    assert told == list(schemas["Webhook"]["discriminator"]["mapping"]) and "mail.received" in told
    text = json.dumps(document)
    assert "HTTPValidationError" not in text and "422" not in text
    for name in re.findall(r'"\$ref": "([^"]+)"', text):
        assert name.removeprefix("#/components/schemas/") in schemas
    (weeks,) = (p for p in document["paths"]["/api/t/{tenant}/win-rates"]["get"]["parameters"] if p["name"] == "weeks")
    assert "ISO weeks" in weeks["description"]
