"""Win rates: the outcomes projected from the events, and the weeks counted from those."""
