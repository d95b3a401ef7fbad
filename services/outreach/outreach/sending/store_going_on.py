"""Every query about what comes after a message."""

from collections.abc import Sequence

from sqlalchemy import RowMapping
from uuid_utils.compat import uuid7

from chassis.unit_of_work import Row, UnitOfWork, columns
from contracts.taxonomy import CHANNEL_OF, SendKind


async def sequences(uow: UnitOfWork, messages: Sequence[Row]) -> list[RowMapping]:
    """Of these messages those whose sequences go on, with their campaigns' `steps` and `settings`, and a name and the
    `channels` of the lead."""
    given = columns(messages, "tenant_id", "message_id")
    rows = await uow.execute(
        """select message.tenant_id, message.enrollment_id, message.campaign_id, message.lead_id, message.step, message.kind,
                  message.account_id, campaign.steps, campaign.settings::text as settings, campaign.state as campaign_state,
                  coalesce(lead.names[1], '') as person, lead.channels
           from unnest(cast(:tenants as text[]), cast(:messages as uuid[])) as given (tenant_id, message_id)
           cross join lateral (
               select * from send_queue where tenant_id = given.tenant_id and message_id = given.message_id offset 0
           ) as message
           cross join lateral (
               select ended_at from enrollment
               where tenant_id = message.tenant_id and enrollment_id = message.enrollment_id offset 0
           ) as enrollment
           cross join lateral (
               select * from campaign where tenant_id = message.tenant_id and campaign_id = message.campaign_id offset 0
           ) as campaign
           cross join lateral (
               select names, channels from lead where tenant_id = message.tenant_id and lead_id = message.lead_id offset 0
           ) as lead
           where enrollment.ended_at is null""",
        tenants=given["tenant_id"], messages=given["message_id"],
    )  # fmt: skip
    return list(rows.mappings())


async def keep_history(uow: UnitOfWork, messages: Sequence[Row]) -> None:
    """Keep for good who was contacted when."""
    given = columns(messages, "tenant_id", "lead_id", "campaign_id", "message_id")
    await uow.execute(
        """insert into outreach_history (tenant_id, history_id, lead_id, channel, campaign_id, message_id, sent_at)
           select tenant_id, history_id, lead_id, channel, campaign_id, message_id, :now
           from unnest(cast(:tenants as text[]), cast(:ids as uuid[]), cast(:leads as uuid[]), cast(:channels as text[]),
                       cast(:campaigns as uuid[]), cast(:messages as uuid[]))
                as given (tenant_id, history_id, lead_id, channel, campaign_id, message_id)""",
        now=uow.now, tenants=given["tenant_id"], ids=[uuid7() for _ in messages], leads=given["lead_id"],
        channels=[CHANNEL_OF[SendKind(row["kind"])].value for row in messages], campaigns=given["campaign_id"],
        messages=given["message_id"],
    )  # fmt: skip
