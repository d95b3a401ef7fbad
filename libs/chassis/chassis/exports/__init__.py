"""Exports of other systems, read by a mapping: CSV records become the commands that they mean.

Nothing in here needs a broker, a database or the rest of the chassis: the command line checks a file with it, intake reads what was
uploaded with it.
"""
