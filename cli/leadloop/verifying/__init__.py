"""`leadloop outreach verify`: every line of the go-live checklist (implementation tasklist, 8), proven on what runs.

Each scene plays with the outreach that runs (`play`), and keeps what it saw: messages the sandbox was handed, by its own log, and what
outreach answered. What the rule demands of it is said apart (`judge`), purely, and anew: no number of a rule is taken from the
code that is to keep it. A check passes only if what may leave did leave, and what must wait was looked at and did wait.
"""
