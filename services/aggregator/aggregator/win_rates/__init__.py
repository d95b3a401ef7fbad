"""Win rates: the outcomes and arrivals projected from the events, and the leads counted from those."""
