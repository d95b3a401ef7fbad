"""What is held is taken out once, each tenant's in the stream's order, and no tenant waits behind all of another's."""

from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.msg import Msg

from chassis.held import Held, Stamp

TENANTS = ("ann", "bob", "cy")


def message(sequence: int, tenant: str, body: bytes = b"{}", delivered: int = 1) -> Msg:
    reply = f"$JS.ACK.COMMANDS.intake.{delivered}.{sequence}.{sequence}.1700000000000000000.0"
    return Msg(Mock(), f"intake.command.submit_lead.v1.{tenant}", reply, body)


whose = st.lists(st.sampled_from(TENANTS), min_size=1, max_size=60)


@given(whose, st.randoms(use_true_random=False), st.integers(1, 20), st.booleans())
def test_each_tenants_messages_come_out_once_and_in_order_however_they_came_in(
    whose: list[str], chance: object, limit: int, by_tenant: bool
) -> None:
    messages = [message(sequence, tenant) for sequence, tenant in enumerate(whose, 1)]
    shuffled = [*messages, *messages[::3]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    held = Held(by_tenant=by_tenant)
    held.add(shuffled)
    came: list[tuple[int, str]] = []
    while held:
        batch = held.next(limit)
        assert 0 < len(batch) <= limit
        assert [d.sequence for d in batch] == sorted(d.sequence for d in batch)
        came += [(d.sequence, d.wire.tenant) for d in batch]
        held.done(batch)
    assert sorted(came) == list(enumerate(whose, 1))
    assert held.size == 0
    for tenant in TENANTS:
        own = [sequence for sequence, of in came if of == tenant]
        assert own == sorted(own)
    if not by_tenant:
        assert came == sorted(came)


@given(whose, st.integers(1, 20))
def test_a_batch_has_as_many_of_one_tenant_as_of_another_who_has_more_waiting(whose: list[str], limit: int) -> None:
    held = Held(by_tenant=True)
    held.add([message(sequence, tenant) for sequence, tenant in enumerate(whose, 1)])
    waiting = {tenant: whose.count(tenant) for tenant in TENANTS}
    while held:
        batch = held.next(limit)
        taken = {tenant: sum(d.wire.tenant == tenant for d in batch) for tenant in TENANTS}
        most = max(taken.values())
        assert all(taken[tenant] >= min(waiting[tenant], most - 1) for tenant in TENANTS)
        waiting = {tenant: waiting[tenant] - taken[tenant] for tenant in TENANTS}
        held.done(batch)


@given(whose, st.integers(1, 20), st.integers(0, 60), st.sampled_from(TENANTS), st.booleans())
def test_what_comes_back_late_is_seen_to_belong_before_a_batch(
    whose: list[str], limit: int, late: int, tenant: str, by_tenant: bool
) -> None:
    held = Held(by_tenant=by_tenant)
    held.add([message(10 * number, each) for number, each in enumerate(whose, 1)])
    batch = held.next(limit)
    assert not held.precedes(batch)
    held.add([message(10 * late + 5, tenant)])
    own = [d.sequence for d in batch if d.wire.tenant == tenant or not by_tenant]
    assert held.precedes(batch) == any(sequence > 10 * late + 5 for sequence in own)
    held.put_back(batch)
    assert len(held.next(100)) == len(held) == len(whose) + 1


def test_with_more_tenants_than_fit_a_batch_each_has_its_turn_before_anybody_has_another() -> None:
    held = Held(by_tenant=True)
    held.add([message(number, f"tenant-{number % 10}") for number in range(1, 31)])
    turns = []
    for _ in range(10):
        batch = held.next(3)
        turns.append({d.wire.tenant for d in batch})
        held.done(batch)
    assert [len(turn) for turn in turns] == [3] * 10
    first_ten = [tenant for turn in turns[:3] for tenant in turn]
    assert len(set(first_ten)) == 9


def test_of_a_message_delivered_twice_the_later_delivery_is_acknowledged() -> None:
    held = Held(by_tenant=True)
    held.add([message(1, "ann", b"12345"), message(1, "ann", b"12345", delivered=2)])
    (delivery,) = held.next(10)
    assert delivery.stamp.delivered == 2
    assert (len(held), held.size) == (1, 5)
    assert delivery in held
    held.done([delivery])
    assert delivery not in held


@pytest.mark.parametrize("domain", ["", "hub.AccountHash."])
def test_the_brokers_stamp_says_what_the_client_librarys_metadata_does(domain: str) -> None:
    for rest in ("0", "0.random") if domain else ("0",):
        reply = f"$JS.ACK.{domain}EVENTS.aggregator.3.41.17.1700000000123456789.{rest}"
        metadata = Msg(Mock(), "intake.event.lead_accepted.v1.ann", reply, b"{}").metadata
        assert Stamp.read(reply) == (metadata.sequence.stream, metadata.num_delivered, metadata.timestamp)
