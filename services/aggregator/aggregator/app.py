"""The aggregator: every event, and the numbers anyone can recompute from them."""

from functools import partial

from aggregator.events import handlers as events
from aggregator.events.archiving import Archiving
from aggregator.events.parquet import Archive, ArchiveSettings
from aggregator.kpis import handlers as kpis
from aggregator.replay.handlers import Replaying, publish_drift
from aggregator.storing import Storing
from aggregator.win_rates import handlers as win_rates
from chassis import inbox
from chassis.jobs import Job
from chassis.requests import InOneSnapshot, InOwnUnits
from chassis.service import Service
from chassis.settings import Settings
from chassis.unit_of_work import Database
from contracts import catalogue
from contracts.aggregator.events import ArchiveEvents, ListEventMonths, ListEvents, RestoreEvents
from contracts.aggregator.kpis import DashboardStats, ListKpiEvents
from contracts.aggregator.replay import Replay, Validate
from contracts.aggregator.win_rates import ListWinRateEvents, TrendOfWinRates, WeeklyWinRates, WinRates
from contracts.message import Kind


def build(settings: Settings) -> Service:
    database = Database("aggregator", settings.database_url)
    archives = ArchiveSettings()
    archiving = Archiving(Archive(archives.archive_uri), archives.event_months)
    replaying = Replaying(database, archiving)
    storing = Storing()
    return Service(
        "aggregator",
        settings,
        database=database,
        consumes={entry.message: storing.store for entry in catalogue.read_by("aggregator", Kind.EVENT)},
        answers={
            WinRates: win_rates.win_rates,
            WeeklyWinRates: win_rates.weekly_win_rates,
            TrendOfWinRates: win_rates.trend_of_win_rates,
            ListWinRateEvents: win_rates.list_win_rate_events,
            ListEvents: events.list_events,
            ListEventMonths: archiving.list_months,
            ArchiveEvents: archiving.archive,
            RestoreEvents: archiving.restore,
            DashboardStats: kpis.dashboard_stats,
            ListKpiEvents: kpis.list_kpi_events,
            Replay: InOwnUnits(replaying.replay),
            Validate: InOneSnapshot(replaying.validate),
        },
        jobs=[
            Job("event_months", "23 0 * * *", partial(events.make_months, database)),
            Job("archive_events", "37 1 * * *", partial(archiving.run, database)),
            Job("weekly_win_rates", "0 2 * * sun", partial(win_rates.refresh_weekly, database)),
            Job("check_numbers", "37 * * * *", replaying.check_numbers),
        ],
        workers=[partial(publish_drift, database)],
        admit=inbox.every_one,
    )
