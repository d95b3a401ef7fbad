"""What is asked of the replay."""

from aggregator.events.archiving import check_at_hand
from aggregator.replay import store
from chassis.received import Received
from chassis.unit_of_work import UnitOfWork
from contracts.aggregator import replay as messages


async def replay(uow: UnitOfWork, request: Received[messages.Replay]) -> messages.ReplayReport:
    await check_at_hand(uow, request.tenant)
    events, rows, differences = await store.replay(uow, request.tenant)
    return messages.ReplayReport(events=events, rows=rows, differences=differences)
