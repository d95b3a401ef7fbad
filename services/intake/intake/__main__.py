from chassis.settings import Settings
from intake.app import build

build(Settings()).run()
