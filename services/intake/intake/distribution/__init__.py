"""Who works on which lead: agents, assignment, absence, fairness, and the time to first contact."""
