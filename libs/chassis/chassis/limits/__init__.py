"""Rate limits: how much somebody takes within a time, counted by all replicas together or by each for itself."""
