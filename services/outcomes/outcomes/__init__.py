"""What became of each lead, append-only, attribution frozen."""
