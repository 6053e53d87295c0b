"""All of Paid on one machine: servers, gateway, worker, jobs and dashboard, started as one."""

from paid.up.installation import EmbeddedPaid

__all__ = ["EmbeddedPaid"]
