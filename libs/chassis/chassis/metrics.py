"""What a service counts and measures. Labels are services, types and streams; never a tenant, a subject or a person."""

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter("leadloop_messages_handled_total", "Messages handled", ["service", "type"])
DEAD_LETTERED = Counter("leadloop_dead_lettered_total", "Messages buried as dead letters", ["service"])
PUBLISHED = Counter("leadloop_events_published_total", "Events the relay published", ["service"])
REQUESTS = Counter("leadloop_requests_total", "Requests answered", ["service", "type", "result"])
BATCH_SECONDS = Histogram(
    "leadloop_batch_seconds", "Seconds from taking up a batch to its commit and acknowledgements", ["service", "stream"]
)
LAG = Gauge("leadloop_consumer_lag", "Messages a service has not yet handled", ["service", "stream"])
OUTBOX_UNSENT = Gauge("leadloop_outbox_unsent", "Events waiting to be published", ["service"])
OUTBOX_AGE = Gauge("leadloop_outbox_age_seconds", "Age of the oldest event waiting to be published", ["service"])
DEAD_LETTERS = Gauge("leadloop_dead_letters", "Dead letters not yet redriven", ["service"])
