"""Before a campaign is started, intake is asked what it remembers of a similar one: advice, without which it starts as well."""

from collections.abc import Awaitable, Callable

from chassis.logs import get_logger
from chassis.received import Received
from contracts.intake.memory import ActionRecall, CheckAction
from contracts.message import Envelope, ProblemError
from contracts.outreach.campaigns import CampaignOutline, CheckCampaign
from outreach.campaigns.domain_outline import outline

log = get_logger("campaigns")

Ask = Callable[[str, CheckAction, Envelope], Awaitable[ActionRecall]]
"""Asks intake on behalf of a tenant, because of a message."""

PATIENCE_SECONDS = 1.0
"""How long intake is waited for; whoever starts a campaign waits as well."""


class Memory:
    """What intake remembers of campaigns.

    Parameters:
        ask: asks intake, and waits for not longer than whoever is answered does.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def recall(self, tenant: str, about: CampaignOutline, cause: Envelope) -> ActionRecall | None:
        """What is remembered of a campaign like this; none where intake cannot say."""
        try:
            return await self._ask(tenant, CheckAction.model_validate(about.about()), cause)
        except ProblemError as error:
            log.warning(
                "whether a similar campaign is known could not be asked", tenant=tenant, reason=error.problem.code
            )
            return None

    async def check_campaign(self, request: Received[CheckCampaign]) -> ActionRecall:
        order = request.body
        about = outline(order.audience, order.steps, order.offer)
        recall = await self.recall(request.tenant, about, request.envelope)
        return recall or ActionRecall(similar_action_found=False)
