"""Who may come in, and what for: users, roles, API keys, sessions, and the audit of every change to them."""
