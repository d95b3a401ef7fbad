"""Which errors pass by themselves: those cost a message nothing, every other one counts against it."""

import asyncio

import nats.errors
from asyncpg import InternalClientError
from nats.js.errors import APIError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from contracts.message import Problem, ProblemCode, ProblemError, UnreadableError

_PASSING_SQLSTATES = ("08", "40", "53", "55P03", "57P", "25P03", "25P04")
"""Connection, rollback (deadlock, serialisation), resources (disk full), lock not available, shutdown, idle time-outs."""


class KeysUnavailableError(Exception):
    """The key service does not answer, or the key is not there: nothing may be stored in clear, so work waits."""


class NotUnwrappedError(KeysUnavailableError):
    """The key service answers, and cannot open what it was given: another key wrapped it, or it is damaged."""


class TenantKeyError(Exception):
    """One tenant's key cannot be opened although the key service is well: the tenant's messages cannot be handled."""

    def __init__(self, tenant: str) -> None:
        super().__init__("the key service is well and cannot open the tenant's key; bring back its rows of tenant_key")
        self.tenant = tenant


class TenantsUnavailableError(Exception):
    """The gateway does not say whether there is such a tenant, so what was sent to it waits."""


class PeerUnavailableError(Exception):
    """Another service, without whose answer the work cannot be done, does not give it."""


class LostRaceError(Exception):
    """Another unit of work did the same thing a moment before; tried again, this one will see it."""


def is_transient(error: BaseException) -> bool:
    """Whether the cause lies outside the message: database, broker, key service or another service away, or a lost race."""
    if isinstance(error, DBAPIError):
        sqlstate = getattr(error.orig, "sqlstate", None) or ""
        if sqlstate:
            return sqlstate.startswith(_PASSING_SQLSTATES)
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return isinstance(
        error,
        KeysUnavailableError
        | TenantsUnavailableError
        | PeerUnavailableError
        | LostRaceError
        | InternalClientError  # what asyncpg raises when the server dies in the middle of a statement
        | PoolTimeoutError
        | OSError
        | asyncio.TimeoutError
        | TimeoutError
        | nats.errors.Error,
    )


def lost_a_race(error: BaseException) -> bool:
    """Whether trying again at once is all it takes: a deadlock, a serialisation failure, a lost race."""
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return isinstance(error, LostRaceError) or sqlstate.startswith("40")


def is_unstorable(error: BaseException) -> bool:
    """Whether a value was refused for what it is (SQLSTATE class 22): too large, out of range, no such character."""
    return (getattr(getattr(error, "orig", None), "sqlstate", None) or "").startswith("22")


def problem_of(error: Exception) -> Problem:
    """What a caller is told of the error: to mend the request, to try again, or that the fault is ours."""
    if isinstance(error, TenantKeyError):
        return Problem(code=ProblemCode.UNAVAILABLE, message=str(error))
    if isinstance(error, UnreadableError):
        return Problem(code=ProblemCode.INVALID, message=str(error))
    if is_unstorable(error):
        return Problem(code=ProblemCode.INVALID, message="a value is one that no database field can hold")
    if is_transient(error):
        return Problem(code=ProblemCode.UNAVAILABLE, message="try again in a moment")
    return Problem(code=ProblemCode.INTERNAL, message="this should not have happened; it was logged")


def describe(error: BaseException) -> str:
    """The error's class with a database's SQLSTATE, the broker's words or our own; other texts can quote personal data."""
    if isinstance(error, ProblemError):
        return f"{error.problem.code}: {error.problem.message}"
    if isinstance(error, TenantKeyError):
        return str(error)
    if isinstance(error, APIError):
        return f"{type(error).__name__}[{error.code} {error.description}]"
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    return f"{type(error).__name__}[{sqlstate}]" if sqlstate else type(error).__name__
