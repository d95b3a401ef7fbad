"""Messages of the aggregator: the event store, and the numbers made of it."""
