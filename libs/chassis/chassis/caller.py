"""Asking a service over core NATS, and hearing its typed reply, its typed error, or that there is none in time.

This is all that a mere caller needs, so it imports neither a database nor a framework: the command line starts with it.
"""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import nats.errors
from nats.aio.client import Client
from uuid_utils.compat import uuid7

from chassis.received import encode
from contracts.catalogue import UPSTREAM
from contracts.message import Envelope, Problem, ProblemCode, ProblemError, Reply, Request

ERROR: Final = "Nats-Service-Error"
"""The header of a refusal; with `ERROR_CODE` as the NATS services framework has it (ADR-32)."""
ERROR_CODE: Final = "Nats-Service-Error-Code"

INBOX: Final = "_INBOX_"
"""How every inbox begins, and nothing else."""
RELAYED: Final = "_R_."
"""How the broker names the way back into another account, whatever the inbox is called there; no client may say it."""

R = TypeVar("R", bound=Reply)


def inbox_prefix(user: str) -> str:
    """Where a user's replies go; its credential may read there and nowhere else."""
    return f"{INBOX}{user}"


def asker(reply: str) -> str:
    """Who asks, by where the reply goes: it reaches nobody else. Whoever asks from outside is `UPSTREAM`.

    The reply subject is the asker's choice, and may be another's inbox: then that other is told, and not the asker. What an
    order *does* therefore rests on the broker's permissions, on who may send it at all.
    """
    return UPSTREAM if reply.startswith(RELAYED) else reply.removeprefix(INBOX).partition(".")[0]


class Caller:
    """Asks other services.

    Parameters:
        patience: how many seconds an answer is waited for, unless whoever asks says otherwise.
    """

    def __init__(self, client: Client, patience: float = 5.0) -> None:
        self._client = client
        self._patience = patience

    async def ask(
        self,
        tenant: str,
        request: Request[R],
        *,
        of: str = "",
        seconds: float | None = None,
        cause: Envelope | None = None,
    ) -> R:
        """The reply to a request; `of` names the service where each service has the request under its own name.

        Raises:
            ProblemError: it was refused (`invalid`, `not_found`, ...), is larger than a message may be (`invalid`), nobody answers, or not in time (`unavailable`).
        """
        topic = request.topic.owned_by(of)
        seconds = self._patience if seconds is None else seconds
        id_ = uuid7()
        envelope = Envelope(
            id=id_,
            type=topic.type,
            tenant=tenant,
            time=datetime.now(UTC),
            correlation_id=cause.correlation_id if cause else id_,
            causation_id=cause.id if cause else None,
        )
        try:
            message = await self._client.request(
                topic.subject(tenant), encode(request), timeout=seconds, headers=envelope.headers
            )
        except nats.errors.NoRespondersError:
            raise ProblemError(ProblemCode.UNAVAILABLE, f"{topic.owner} is not running") from None
        except nats.errors.MaxPayloadError:
            raise ProblemError(ProblemCode.INVALID, "this is larger than a message may be; send less at once") from None
        except (nats.errors.Error, TimeoutError):
            raise ProblemError(ProblemCode.UNAVAILABLE, f"{topic.owner} did not answer in {seconds:g} s") from None
        if message.headers and ERROR in message.headers:
            problem = Problem.model_validate_json(message.data)
            raise ProblemError(problem.code, problem.message, problem.field, problem.allowance)
        reply: Any = type(request).reply_type().model_validate_json(message.data)
        return reply  # type: ignore[no-any-return]
