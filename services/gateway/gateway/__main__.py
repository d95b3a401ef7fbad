from chassis.settings import Settings
from gateway.app import application, build

service = build(Settings())
service.run(application(service))
