"""The timeline of what is scheduled and what was sent."""
