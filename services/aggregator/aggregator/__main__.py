from aggregator.app import build
from chassis.settings import Settings

build(Settings()).run()
