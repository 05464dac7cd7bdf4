"""The reference client of WedSync Threads: see docs/clients-python.md."""

from wedsync_client.client import Client
from wedsync_client.frames import (
    Applied,
    Event,
    Filled,
    Hint,
    Left,
    Page,
    Refused,
    Reloaded,
    Sent,
    Told,
)
from wedsync_client.rest import Problem, Unreachable
from wedsync_client.state import State, StateChanged
from wedsync_client.store import StoreError
from wedsync_client.timing import Timing

__all__ = [
    "Applied",
    "Client",
    "Event",
    "Filled",
    "Hint",
    "Left",
    "Page",
    "Problem",
    "Refused",
    "Reloaded",
    "Sent",
    "State",
    "StateChanged",
    "StoreError",
    "Timing",
    "Told",
    "Unreachable",
]
