"""`paid doctor`: looks at every part that Paid needs and says how to mend what is broken."""

from paid.doctor.examination import examine
from paid.doctor.findings import Finding, State

__all__ = ["Finding", "State", "examine"]
