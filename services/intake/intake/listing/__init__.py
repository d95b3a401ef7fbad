"""Leads as people list them: by what they are, and by how far the work on them has come and whose it is."""
