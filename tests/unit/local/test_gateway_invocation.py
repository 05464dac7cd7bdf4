"""A gateway stops waiting for a function; the function does not stop for the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from local.gateway_invocation import invoke_within
from tests.fixtures.gateways import Functions


async def test_an_answer_in_time_is_the_outcome() -> None:
    async def quick(_: Mapping[str, Any]) -> Any:
        return {"a": 1}

    outcome = await invoke_within(Functions({"Function": quick}), "Function", {}, 1)

    assert outcome is not None
    assert outcome.payload == {"a": 1}


async def test_a_late_function_ends_its_work() -> None:
    ended = asyncio.Event()

    async def late(_: Mapping[str, Any]) -> Any:
        await asyncio.sleep(0.05)
        ended.set()

    outcome = await invoke_within(Functions({"Function": late}), "Function", {}, 0.01)

    assert outcome is None
    await asyncio.wait_for(ended.wait(), 2)


async def test_whoever_is_cancelled_takes_the_invocation_with_him() -> None:
    cancelled = asyncio.Event()

    async def hangs(_: Mapping[str, Any]) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    waiting = asyncio.create_task(invoke_within(Functions({"Function": hangs}), "Function", {}, 60))
    await asyncio.sleep(0.01)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cancelled.wait(), 2)
