"""Messages of outreach, a module for each subject."""
