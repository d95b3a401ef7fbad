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
    """Brings the libraries' own log lines into ours: the text that stands in their code, never the values put into it."""

    def emit(self, record: logging.LogRecord) -> None:
        text = str(record.msg) if _is_literal(record) else "a library's message, made up as it ran"
        place = [f"{record.filename}:{record.lineno} {record.funcName}"]
        get_logger(record.name).log(record.levelno, text, where=place, exc_info=record.exc_info)


def _is_literal(record: logging.LogRecord) -> bool:
    """Whether the message is a constant of the function that logged it: an f-string's text is not, nor is asyncio's."""
    frame = sys._getframe()
    while frame.f_back and (frame.f_code.co_filename, frame.f_lineno) != (record.pathname, record.lineno):
        frame = frame.f_back
    return record.msg in frame.f_code.co_consts


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
