"""Importing a client without aiohttp, where only its asynchronous half needs that and nobody calls it (decision 25)."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_aiohttp() -> Generator[None]:
    """Whoever imports aiohttp meanwhile gets three names for annotations; afterwards everything is as it was."""
    real = sys.modules.get("aiohttp")
    named = ModuleType("aiohttp")
    vars(named).update(client=named, ClientSession=object, ClientResponse=object)
    sys.modules["aiohttp"] = named
    try:
        yield
    finally:
        del sys.modules["aiohttp"]
        if real is not None:
            sys.modules["aiohttp"] = real
