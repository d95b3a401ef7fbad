"""The aggregator: every event, and the numbers anyone can recompute from them."""

from functools import partial

from aggregator import handlers
from chassis.jobs import Job
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import aggregator as messages
from contracts import catalogue
from contracts.message import Kind


def build(settings: Settings) -> Service:
    database = Database("aggregator", settings.database_url)
    return Service(
        "aggregator",
        settings,
        database=database,
        consumes={entry.message: handlers.store_events for entry in catalogue.read_by("aggregator", Kind.EVENT)},
        answers={
            messages.WinRates: handlers.win_rates,
            messages.WeeklyWinRates: handlers.weekly_win_rates,
            messages.ListEvents: handlers.list_events,
            messages.Replay: handlers.replay,
        },
        jobs=[Job("weekly_win_rates", "0 2 * * sun", partial(handlers.refresh_weekly, database))],
    )
