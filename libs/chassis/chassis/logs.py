"""Structured logs, one JSON object a line, from an allow-list of fields, so that personal data cannot get in by accident."""

import logging
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from chassis.failures import describe

ALLOWED = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "module",
        "service",
        "tenant",
        "message_id",
        "type",
        "stream",
        "durable",
        "count",
        "reason",
        "error",
        "where",
        "job",
        "slot",
        "state",
        "request_id",
        "correlation_id",
        "lead_id",
        "campaign_id",
        "method",
        "route",
        "status",
        "ms",
        "attempts",
        "seconds",
        "port",
        "dropped",
    ]
)
"""The only fields a log line may have. Their values are ids, words of our own and numbers, never what people typed."""


def get_logger(name: str) -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def _keep_allowed(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    dropped = sorted(event.keys() - ALLOWED)
    kept: EventDict = {key: value for key, value in event.items() if key in ALLOWED}
    if dropped:
        kept["dropped"] = dropped
    return kept


def _exception_without_its_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Class, SQLSTATE and place of an exception; its text may quote the values it failed on."""
    error: Any = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = describe(error)
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        event["where"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return event


class _Bridge(logging.Handler):
    """Brings the libraries' own log lines into ours: the template they wrote, never the values they filled in."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = get_logger(record.name)
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        logger.log(record.levelno, template, exc_info=record.exc_info)


def configure(service: str, level: str = "INFO") -> None:
    """Send this process' log lines, the libraries' included, to standard output as JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_without_its_text,
            _keep_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[_Bridge()], force=True)
