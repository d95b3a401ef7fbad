from chassis.settings import Settings
from outreach.app import build

build(Settings()).run()
