"""Messages of the gateway: tenants, and who may do what in them.

Every service keeps a copy of the tenants, so their messages are found here too.
"""

from contracts.gateway.tenants import (
    MOST_TENANTS,
    ChangeTenant,
    CreateTenant,
    ListTenants,
    NewTenantSettings,
    TenantChanged,
    TenantList,
    TenantSettings,
    TenantView,
)

__all__ = [
    "MOST_TENANTS",
    "ChangeTenant",
    "CreateTenant",
    "ListTenants",
    "NewTenantSettings",
    "TenantChanged",
    "TenantList",
    "TenantSettings",
    "TenantView",
]
