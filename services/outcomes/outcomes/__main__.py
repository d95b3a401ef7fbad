from chassis.settings import Settings
from outcomes.app import build

build(Settings()).run()
