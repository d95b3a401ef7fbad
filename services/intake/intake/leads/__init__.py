"""A lead: what is read of a submission, how it is stored, and how it is told and shown."""
