"""Imports: files of other systems, uploaded in parts, read by a mapping, imported row by row, and taken back."""
