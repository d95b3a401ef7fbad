"""Synthetic exports of the shapes of examples/: a bank's telephone campaign, and a CRM with leads and opportunities.

The same arguments make the same file. The people are invented: names are drawn part by part, e-mail addresses are of
the domains that RFC 2606 reserves, and phone numbers are of 555-0100 to 555-0199, which the North American Numbering
Plan keeps for fiction.
"""

import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Literal, get_args

Shape = Literal["bank", "crm"]
UNTIL = date(2025, 9, 30)

BANK_COLUMNS = ["poutcome", "job", "marital", "education", "default", "housing", "loan", "contact", "day", "month",
                "campaign", "duration", "pdays", "previous", "age", "balance", "y"]  # fmt: skip
CRM_COLUMNS = ["LeadID", "FullName", "Email", "Phone", "City", "State", "Country", "LeadSource", "LeadStatus",
               "CreatedDate", "LastActivityDate", "LeadNotes", "ActivityID", "ActivityType", "ActivityDate",
               "ActivityCompleted", "OpportunityID", "OpportunityStage", "EstimatedValue", "CloseDate",
               "SalesID"]  # fmt: skip

_JOBS = ["admin.", "blue-collar", "entrepreneur", "housemaid", "management", "retired", "self-employed", "services",
         "student", "technician", "unemployed", "unknown"]  # fmt: skip
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_SUBSCRIBED_AFTER = {"success": 0.65, "failure": 0.13, "other": 0.17, "unknown": 0.09}
"""How likely a contact is to say yes, by the outcome before; close to the UCI data set's own shares."""

_FIRST = ["Ana", "Brooke", "Chinedu", "Dana", "Elif", "Fiona", "Grace", "Hiroshi", "Ingrid", "José", "Karim", "Lucía",
          "Mary Ann", "Ngọc", "Olga", "Priya", "Quentin", "Renée", "Søren", "Tomasz", "Uma", "Víctor", "Wei",
          "Zoë"]  # fmt: skip
_LAST = ["Abbott", "Brown", "Castañeda", "de la Cruz", "Eriksson", "Fitzgerald", "García", "Hughes-Stone", "Ito",
         "Jensen", "Kowalski", "Lefèvre", "McDonald", "Nguyễn", "O'Brien", "Patel", "Quinn", "Rossi", "Singh", "Tran",
         "Usman", "van Dijk", "Williams", "Yılmaz"]  # fmt: skip
_PLACES = [("Los Angeles", "California", 213), ("Miami", "Florida", 305), ("Atlanta", "Georgia", 404),
           ("Chicago", "Illinois", 312), ("New York", "New York", 212), ("Raleigh", "North Carolina", 919),
           ("Dublin", "Ohio", 614), ("Philadelphia", "Pennsylvania", 215), ("Dallas", "Texas", 214),
           ("Seattle", "Washington", 206)]  # fmt: skip
_WON_FROM = {"Referral": 0.34, "Website": 0.24, "Event": 0.2, "Email Campaign": 0.14, "Social Media": 0.1}
"""The share of a source's opportunities that are won, so that win rates by source differ."""
_PHONES = ["+1-{area}-555-{line}", "({area}) 555-{line}", "{area}.555.{line}x{extension}", "{area}555{line}",
           "001-{area}-555-{line}"]  # fmt: skip
_USELESS_PHONES = ["555-{line}", "+1-395-555-{line}", "call the office", "n/a", "0000000000", ""]
_NOTES = ["Asked for a call back.", 'Said "maybe in spring", wants two offers.', "Moved; new address follows.",
          "First call went well.\nSecond call: voicemail.", ""]  # fmt: skip


def generate(shape: Shape, rows: int, seed: int = 0, until: date = UNTIL) -> Iterator[str]:
    """The text of an export, record by record: its header, then `rows` records; constant memory for any number.

    The CRM's dates lie in the twelve weeks that end with `until`; the bank's have no year.

    Raises:
        ValueError: there is no such shape.
    """
    if shape not in get_args(Shape):
        raise ValueError(f"there is no shape {shape!r}: choose one of {', '.join(get_args(Shape))}")
    random = Random(f"{shape} {seed}")
    columns, records = (
        (BANK_COLUMNS, _bank(random, rows)) if shape == "bank" else (CRM_COLUMNS, _crm(random, rows, until))
    )
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    yield buffer.getvalue()
    for record in records:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(record)
        yield buffer.getvalue()


def write(path: Path, shape: Shape, rows: int, seed: int = 0, until: date = UNTIL) -> None:
    """Write an export to a file, as `generate` makes it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(generate(shape, rows, seed, until))


def _bank(random: Random, rows: int) -> Iterator[dict[str, object]]:
    for _ in range(rows):
        before = random.choices(list(_SUBSCRIBED_AFTER), [3, 11, 4, 82])[0]
        contact = random.choices(["cellular", "telephone", "unknown"], [65, 6, 29])[0]
        chance = _SUBSCRIBED_AFTER[before] * (0.4 if contact == "unknown" else 1.2)
        yield {
            "poutcome": before,
            "job": random.choice(_JOBS),
            "marital": random.choice(["married", "single", "divorced"]),
            "education": random.choice(["primary", "secondary", "tertiary", "unknown"]),
            "default": random.choices(["no", "yes"], [98, 2])[0],
            "housing": random.choice(["no", "yes"]),
            "loan": random.choices(["no", "yes"], [84, 16])[0],
            "contact": contact,
            "day": random.randint(1, 28),
            "month": random.choice(_MONTHS),
            "campaign": min(random.randint(1, 6), random.randint(1, 6)),
            "duration": random.randint(5, 1200),
            "pdays": -1 if before == "unknown" else random.randint(1, 400),
            "previous": 0 if before == "unknown" else random.randint(1, 5),
            "age": random.randint(18, 90),
            "balance": random.randint(-800, 9000),
            "y": "yes" if random.random() < chance else "no",
        }


@dataclass
class _Lead:
    columns: dict[str, object]
    source: str
    created: date
    last_activity: date


def _crm(random: Random, rows: int, until: date) -> Iterator[dict[str, object]]:
    """Rows of some leads are mixed with those of others; a lead that was lost may be won in a later row."""
    recent: deque[_Lead] = deque(maxlen=40)
    leads = 0
    for number in range(1, rows + 1):
        if not recent or random.random() < 0.4:
            leads += 1
            lead = _lead(random, leads, until)
            recent.append(lead)
            if random.random() < 0.05:
                yield lead.columns
                continue
        else:
            lead = random.choice(recent)
        activity = _between(random, lead.created, lead.last_activity)
        won = _WON_FROM[lead.source]
        stages = ["Closed Won", "Closed Lost", "Prospecting", "Proposal Sent", "Negotiation"]
        yield {
            **lead.columns,
            "ActivityID": f"A{number:06}",
            "ActivityType": random.choice(["Call", "Email", "Follow-up", "Meeting", "Demo"]),
            "ActivityDate": activity,
            "ActivityCompleted": random.choice(["True", "False"]),
            "OpportunityID": f"O{number:06}",
            "OpportunityStage": random.choices(stages, [won, 0.5 - won, 0.2, 0.15, 0.15])[0],
            "EstimatedValue": f"{random.lognormvariate(9, 0.6):.2f}",
            "CloseDate": _between(random, activity, until),
            "SalesID": random.choice(["", "S0101", "S0102", "S0103"]),
        }


def _lead(random: Random, number: int, until: date) -> _Lead:
    city, state, area = random.choice(_PLACES)
    source = random.choice(list(_WON_FROM))
    created = _between(random, until - timedelta(weeks=12), until - timedelta(days=7))
    last_activity = _between(random, created, until)
    phone = random.choice(_PHONES if random.random() < 0.85 else _USELESS_PHONES)
    email = f"person{number}@{random.choice(['example.com', 'example.org', 'example.net'])}"
    columns: dict[str, object] = {
        "LeadID": f"L{number:06}",
        "FullName": f"{random.choice(_FIRST)} {random.choice(_LAST)}",
        "Email": email if random.random() < 0.95 else random.choice(["", "n/a", f"person{number}@"]),
        "Phone": phone.format(area=area, line=f"01{random.randint(0, 99):02}", extension=random.randint(10, 9999)),
        "City": city,
        "State": state,
        "Country": "USA",
        "LeadSource": source,
        "LeadStatus": random.choice(["New", "Working", "Qualified", "Lost"]),
        "CreatedDate": created,
        "LastActivityDate": last_activity,
        "LeadNotes": random.choice(_NOTES),
    }
    return _Lead(columns, source, created, last_activity)


def _between(random: Random, first: date, last: date) -> date:
    return first + timedelta(days=random.randint(0, (last - first).days))
