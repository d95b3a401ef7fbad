from chassis.settings import Settings
from notifier.app import build

build(Settings()).run()
