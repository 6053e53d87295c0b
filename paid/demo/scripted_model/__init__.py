"""A stand-in for the model vendors: real protocols, scripted answers, an exact bill."""

from paid.demo.scripted_model.bill import Entry
from paid.demo.scripted_model.faults import Fault
from paid.demo.scripted_model.server import ScriptedModel

__all__ = ["Entry", "Fault", "ScriptedModel"]
