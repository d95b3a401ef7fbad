"""An export lacks nothing: while somebody is away who may hold something, there is none, and nobody is kept waiting for it."""

import pytest

from contracts.intake.privacy import ExportLead
from contracts.message import ProblemCode, ProblemError
from tests.intake.privacy.scene import Vault
from tests.platform import Platform


async def test_an_export_waits_for_nobody_who_is_away(vault: Vault, platform: Platform) -> None:
    async with platform.running("outreach", "aggregator"):
        await platform.introduce(vault.tenant, "outreach", "aggregator")
        lead = await vault.new_lead("1")
        with pytest.raises(ProblemError) as refused:
            await vault.ask("operator", ExportLead(lead_id=lead))
    assert (refused.value.problem.code, "outcomes" in str(refused.value)) == (ProblemCode.UNAVAILABLE, True)
    assert await vault.rows("select from intake.reveal_audit where tenant_id = $1") == []
