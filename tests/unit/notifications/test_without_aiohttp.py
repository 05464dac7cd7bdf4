"""The push channel is imported without what only the asynchronous half of its client needs."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from tests.fixtures.functions import FUNCTIONS, python_alone

CHANNEL = "import wedsync.notifications.channels.push, sys"
FOLDERS = (FUNCTIONS.parent / "layers/core", Path(sysconfig.get_paths()["purelib"]))


def test_the_push_channel_comes_without_aiohttp_and_who_needs_that_still_gets_it() -> None:
    said = python_alone(f"{CHANNEL}; assert 'aiohttp' not in sys.modules; from aiohttp import web", FOLDERS)

    assert said == ""


def test_aiohttp_stays_where_it_was_imported_before() -> None:
    said = python_alone(f"import aiohttp; {CHANNEL}; assert sys.modules['aiohttp'] is aiohttp", FOLDERS)

    assert said == ""
