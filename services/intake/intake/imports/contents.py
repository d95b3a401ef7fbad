"""What is personal in an import, sealed with the tenant's key: its file, what that is called, how it is mapped, and what is said of its
errors, which may quote a cell."""

from typing import Final
from uuid import UUID

from chassis.keys import ResealedColumn, TenantKey

RESEALED: Final = (
    ResealedColumn("import_run", "file_name", key={"run_id": "uuid"}, context="import/name/{run_id}"),
    ResealedColumn("import_run", "mapping", key={"run_id": "uuid"}, context="import/mapping/{run_id}"),
    ResealedColumn(
        "import_chunk", "sealed", key={"run_id": "uuid", "number": "integer"}, context="import/chunk/{run_id}/{number}"
    ),
    ResealedColumn(
        "import_error", "reason", key={"run_id": "uuid", "number": "integer"}, context="import/error/{run_id}/{number}"
    ),
)
"""What is sealed here, with its contexts."""


def seal_name(key: TenantKey, run_id: UUID, name: str) -> bytes:
    return key.seal(name.encode(), f"import/name/{run_id}")


def open_name(key: TenantKey, run_id: UUID, sealed: bytes) -> str:
    return key.open(sealed, f"import/name/{run_id}").decode()


def seal_mapping(key: TenantKey, run_id: UUID, text: str) -> bytes:
    return key.seal(text.encode(), f"import/mapping/{run_id}")


def open_mapping(key: TenantKey, run_id: UUID, sealed: bytes) -> str:
    return key.open(sealed, f"import/mapping/{run_id}").decode()


def seal_chunk(key: TenantKey, run_id: UUID, number: int, content: bytes) -> bytes:
    return key.seal(content, f"import/chunk/{run_id}/{number}")


def open_chunk(key: TenantKey, run_id: UUID, number: int, sealed: bytes) -> bytes:
    return key.open(sealed, f"import/chunk/{run_id}/{number}")


def seal_reason(key: TenantKey, run_id: UUID, number: int, reason: str) -> bytes:
    return key.seal(reason.encode(), f"import/error/{run_id}/{number}")


def open_reason(key: TenantKey, run_id: UUID, number: int, sealed: bytes) -> str:
    return key.open(sealed, f"import/error/{run_id}/{number}").decode()
