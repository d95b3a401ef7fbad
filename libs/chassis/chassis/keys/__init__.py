"""Keys: a key service wraps each tenant's keys, and those wrap or seal what the tenant's rows hold."""

from chassis.keys.key_service import FileKeyService, KeyService, key_service
from chassis.keys.resealing import Resealed, ResealedColumn, Resealing, Sealed, sealed_anew
from chassis.keys.tenant_keys import TenantKey, TenantKeys

__all__ = [
    "FileKeyService",
    "KeyService",
    "Resealed",
    "ResealedColumn",
    "Resealing",
    "Sealed",
    "TenantKey",
    "TenantKeys",
    "key_service",
    "sealed_anew",
]
