"""The REST API where it waits: POST /sync holds an environment for up to 20 s, and so has its own to hold (R22)."""

from __future__ import annotations

from app import app, handler
from routes import sync

app.include_router(sync.router)

__all__ = ["handler"]
