"""Which workspace each lead belongs to, by the tenant's rules, and how far the work on it has come."""
