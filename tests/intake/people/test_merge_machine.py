"""Whatever is submitted, merged and parted, in any order: nothing is lost, and everybody who listens knows all of it."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from contracts.gateway import TenantSettings
from contracts.intake.leads import LeadAccepted, SubmitLead
from contracts.message import ProblemError
from contracts.taxonomy import MergePolicy
from intake.leads.shown import snapshot
from tests.intake.people.desk import Desk, lead
from tests.platform import Platform

TOLD = ("lead_accepted", "lead_updated", "lead_merged", "lead_unmerged")
ALLOWED = TenantSettings().metadata_allowed
FIELDS = ("phone_token", "email_token", "geo_key", "intent", "tier")
submissions = st.builds(
    lead,
    source_id=st.sampled_from("12345"),
    full_name=st.just("Jane Roe"),
    phone=st.none() | st.sampled_from(["+16145550101", "+16145550102"]),
    email=st.none() | st.sampled_from(["jane@example.com", "roe@example.com"]),
    geo=st.none() | st.sampled_from(["Dublin", "Columbus"]),
    tier=st.none() | st.sampled_from("AB"),
    metadata=st.sampled_from([{}, {"utm_source": "mail"}, {"utm_term": "house"}]),
)


async def test_nothing_is_lost_and_what_is_parted_is_what_it_was(platform: Platform) -> None:
    class Machine(Merging):
        installation = platform

    await asyncio.to_thread(
        run_state_machine_as_test, Machine,
        settings=settings(
            max_examples=12, stateful_step_count=14, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


class Merging(RuleBasedStateMachine):
    """Drives one tenant, and looks at all of it after each step. It runs in a thread of its own, with a loop of its own."""

    installation: Platform

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.sent: dict[str, SubmitLead] = {}
        self.leads: dict[str, UUID] = {}

    def do(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    @initialize(policy=st.sampled_from(MergePolicy))
    def open(self, policy: MergePolicy) -> None:
        self.policy = policy
        self.desk = Desk(self.installation, f"machine-{uuid4().hex}")
        self.do(self.desk.open(policy))

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.do(self.desk.close())
        self.runner.close()

    @rule(batch=st.lists(submissions, min_size=1, max_size=3))
    def submit(self, batch: list[SubmitLead]) -> None:
        for message, verdict in zip(batch, self.do(self.desk.submit(*batch)), strict=True):
            self.sent[message.source_id] = message
            assert self.leads.setdefault(message.source_id, verdict.lead_id) == verdict.lead_id
        rows, _, apart = self.look()
        if self.policy is not MergePolicy.KEEP_BOTH:
            for message in batch:
                person = rows[self.leads[message.source_id]]["person_id"]
                groups = groups_of(rows, person)
                assert all(
                    any(frozenset((a, b)) in apart for a in one for b in other)
                    for one in groups for other in groups if one is not other
                ), "a person has one lead that stands, but for those that somebody parted"  # fmt: skip

    @precondition(lambda self: len(self.leads) > 1)
    @rule(data=st.data(), part=st.booleans())
    def merge(self, data: st.DataObject, part: bool) -> None:
        survivor, merged = data.draw(st.permutations(sorted(self.leads.values())))[:2]
        before = {id_: shown(row) for id_, row in self.do(self.desk.rows()).items()}
        is_free = self.do(self.desk.rows())[merged]["merged_into"] is None
        try:
            self.do(self.desk.merge(survivor, merged))
        except ProblemError:
            assert not is_free, "a lead that stands can be merged"
            return
        rows, merges, _ = self.look()
        assert standing(rows, merged) == standing(rows, survivor)
        if part and is_free and merged in merges:
            self.do(self.desk.unmerge(merged))
            rows, _, _ = self.look()
            assert {id_: shown(row) for id_, row in rows.items()} == before, "unmerge restores both exactly"

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def unmerge(self, data: st.DataObject) -> None:
        lead_id = data.draw(st.sampled_from(sorted(self.leads.values())))
        was = self.do(self.desk.merges()).get(lead_id)
        try:
            self.do(self.desk.unmerge(lead_id))
        except ProblemError:
            assert was is None
            return
        rows, _, apart = self.look()
        assert was is None or frozenset((lead_id, was)) in apart
        assert rows[lead_id]["merged_into"] is None

    def look(self) -> tuple[Any, Any, Any]:
        """See that everything is there and fits together; returns leads, merges, and what is kept apart."""
        rows, merges, apart = self.do(self.desk.rows()), self.do(self.desk.merges()), self.do(self.desk.apart())
        assert set(rows) == set(self.leads.values()), "each lead that was submitted is there, once"
        for source_id, lead_id in self.leads.items():
            row, message = rows[lead_id], self.sent[source_id]
            own = {"tier": message.tier, "geo_key": message.geo and message.geo.lower(), "metadata": message.metadata}
            assert {name: row[name] for name in own} == own, "a lead keeps what its source said last"
            assert [row[f"{kind}_token"] is None for kind in ("phone", "email")] == [
                message.phone is None, message.email is None
            ]  # fmt: skip
            root = lead_id
            while root in merges:
                root = merges[root]
            assert standing(rows, lead_id) == root, "a lead is merged into the one at the end of its merges"
        for lead_id in set(self.leads.values()) - set(merges):
            row, told = rows[lead_id], snapshot(rows[lead_id], ALLOWED)
            order = [rows[UUID(id_)] for id_ in (row["combined"] or {"leads": []})["leads"]]
            others = {id_ for id_ in rows if id_ != lead_id and standing(rows, id_) == lead_id}
            assert {other["lead_id"] for other in order} == others
            assert [o["lead_id"] for o in order] == sorted(others, reverse=self.policy is MergePolicy.INTO_NEWEST)
            seen = {**told["attribution"].__dict__, **told}
            for name in FIELDS:
                given = [each[name] for each in [row, *order] if each[name] is not None]
                assert seen[name] == (given[0] if given else None), "what stands says the first that is given"
            for name in ("utm_source", "utm_term"):
                given = [each["metadata"][name] for each in [row, *order] if name in each["metadata"]]
                assert told["metadata"].get(name) == (given[0] if given else None)
        self.listen(rows)
        return rows, merges, apart

    def listen(self, rows: Any) -> None:
        """Whoever keeps the highest version of each lead that was told knows the leads as they are."""
        newest: dict[str, dict[str, Any]] = {}
        versions: dict[str, list[int]] = {}
        for name, body in self.do(self.desk.told()):
            if name in TOLD:
                versions.setdefault(body["lead_id"], []).append(body["version"])
                newest[body["lead_id"]] = body
        for lead_id, row in rows.items():
            now = json.loads(LeadAccepted(**snapshot(row, ALLOWED)).model_dump_json())
            assert {name: newest[str(lead_id)][name] for name in now} == now
            assert versions[str(lead_id)] == sorted(set(versions[str(lead_id)])), "versions are told once, in order"
            assert versions[str(lead_id)][-1] == row["version"]


def shown(row: Any) -> dict[str, Any]:
    return {name: value for name, value in snapshot(row, ALLOWED).items() if name != "version"}


def standing(rows: Any, lead_id: UUID) -> UUID:
    return rows[lead_id]["merged_into"] or lead_id


def groups_of(rows: Any, person: UUID) -> list[list[UUID]]:
    """The leads of the groups in which there is a lead of the person."""
    roots = {standing(rows, id_) for id_, row in rows.items() if row["person_id"] == person}
    return [[id_ for id_ in rows if standing(rows, id_) == root] for root in roots]
