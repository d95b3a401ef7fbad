"""What was sealed can be opened again, whatever became of the unit of work in which its key was made."""

import pytest

from chassis.keys import TenantKeys, key_service
from chassis.unit_of_work import Database
from tests.platform import Platform


async def test_a_key_made_in_a_unit_of_work_that_is_undone_is_kept(platform: Platform, tenant: str) -> None:
    settings = platform.settings("intake")
    database = Database("intake", settings.database_url)
    first, after_restart = (TenantKeys(key_service(settings.kms_uri)) for _ in range(2))
    with pytest.raises(ZeroDivisionError):
        async with database.begin(tenant) as uow:
            await first.of(uow, tenant)
            raise ZeroDivisionError
    async with database.begin(tenant) as uow:
        sealed = (await first.of(uow, tenant)).seal(b"a note", "place")
        assert (await after_restart.of(uow, tenant)).open(sealed, "place") == b"a note"
    await database.close()
