"""What may be wrong with a device, and what to do about it: one check for each thing."""

from edgevoice.checks.check import Check, Found, Place, Result, Status, carry_out, worst
from edgevoice.checks.table import TABLE

__all__ = ["TABLE", "Check", "Found", "Place", "Result", "Status", "carry_out", "worst"]
