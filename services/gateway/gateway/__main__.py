from chassis import logs
from chassis.service import serve_asgi
from chassis.settings import Settings
from gateway.app import application, build

settings = Settings()
logs.configure("gateway", settings.log_level)
serve_asgi(application(build(settings)), settings)
