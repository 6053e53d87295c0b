"""Why a run is paused, for money or for a vendor's limit, and until when, in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session

from paid.models import Run, RunHold
from paid.store import caps
from paid.store.caps import Cap
from paid.store.holds import Hold, Reason

_VENDORS = {"anthropic": "Anthropic", "openai": "OpenAI", "gemini": "Gemini"}


@dataclass(frozen=True)
class Pause:
    """Why, and when it ends by itself; `until` of None means that a person has to raise a limit."""

    reason: Reason
    until: datetime | None
    why: str

    @property
    def text(self) -> str:
        """The whole of it in sentences."""
        at = "" if self.until is None else f"{self.until.astimezone(UTC):%d %b %Y, %H:%M} UTC"
        if self.reason == "quota":
            return f"{self.why} The run goes on by itself at {at}; its work so far is kept."
        rest = f" Without that it goes on by itself at {at}." if at else ""
        return f"{self.why} Nothing is lost: raise it, and the run goes on where it was.{rest}"


def of_run(session: Session, run: Run, hold: RunHold | Hold | None) -> Pause | None:
    """The pause of a run with this hold; None when it is not paused."""
    if run.ended_at is None and hold is not None and hold.reason == "quota":
        return for_quota(hold)
    cap = caps.waiting(session, run, hold)
    return None if cap is None else for_money(cap)


def for_quota(hold: RunHold | Hold) -> Pause:
    """A wait for the vendor whose keys have all reached their limit."""
    name = _VENDORS.get(str(hold.detail.get("vendor")), "the model vendor")
    return Pause("quota", hold.until, f"The limit of {name} for this account is reached.")


def for_money(cap: Cap) -> Pause:
    """A wait at a cap."""
    lack = "has no room for the next request" if cap.needed_microdollars else "is used up"
    return Pause("budget", cap.ends_at, f"{cap.name[0].upper()}{cap.name[1:]} {lack}.")
