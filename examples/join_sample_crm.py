"""Join the four files of the sample CRM into one export: python join_sample_crm.py DIRECTORY OUT.csv

One row for each opportunity, in the order of Opportunity.csv, so that a lead that was lost and then won appears in that
order; then one row for each lead that has none. A lead's own columns are the same in all its rows.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

LEAD = ["LeadID", "FullName", "Email", "Phone", "City", "State", "Country", "LeadSource", "LeadStatus", "CreatedDate",
        "LastActivityDate", "LeadNotes"]  # fmt: skip
OPPORTUNITY = ["ActivityID", "ActivityType", "ActivityDate", "ActivityCompleted", "OpportunityID", "OpportunityStage",
               "EstimatedValue", "CloseDate", "SalesID"]  # fmt: skip

Record = dict[str, str]


def join(directory: Path) -> Iterator[Record]:
    """The rows of the joined export.

    Raises:
        KeyError: a file refers to a record that another lacks.
        OSError: a file cannot be read.
    """
    contacts = {contact["ContactID"]: contact for contact in _read(directory / "Contacts.csv")}
    activities = {activity["ActivityID"]: activity for activity in _read(directory / "Activity.csv")}
    last_activity: dict[str, str] = {}
    for activity in activities.values():
        if activity["Completed"] == "True":
            last_activity[activity["LeadID"]] = max(last_activity.get(activity["LeadID"], ""), activity["DueDate"])

    leads: dict[str, Record] = {}
    for lead in _read(directory / "Leads.csv"):
        person = {name: value for name, value in contacts[lead["ContactID"]].items() if name != "ContactID"}
        own = {**lead, "LeadNotes": lead["Notes"], "LastActivityDate": last_activity.get(lead["LeadID"], "")}
        leads[lead["LeadID"]] = {name: {**person, **own}[name] for name in LEAD}

    seen: set[str] = set()
    for opportunity in _read(directory / "Opportunity.csv"):
        activity = activities[opportunity["ActivityID"]]
        seen.add(activity["LeadID"])
        yield {
            **leads[activity["LeadID"]],
            **opportunity,
            "ActivityType": activity["ActivityType"],
            "ActivityDate": activity["DueDate"],
            "ActivityCompleted": activity["Completed"],
        }
    yield from (lead for lead_id, lead in leads.items() if lead_id not in seen)


def _read(path: Path) -> list[Record]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def write(directory: Path, out: Path) -> None:
    """Write the joined export."""
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*LEAD, *OPPORTUNITY], restval="")
        writer.writeheader()
        writer.writerows(join(directory))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(Path(sys.argv[1]), Path(sys.argv[2]))
