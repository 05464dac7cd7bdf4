"""Pools of workers, one per function: warm, growing on demand, throttled beyond what they can begin in time."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from local.model import FunctionSpec, Outcome, Rank
from local.processes import LocalError
from local.runtime_api import PAYLOAD_LIMIT
from local.worker_environment import WorkerEnvironment
from local.workers import Worker

# One machine: more workers that compute only take each other's time; those of a long poll wait.
MOST_WORKERS = 2 * max(2, os.cpu_count() or 1)
MOST_WAITING, LONG_SECONDS = 50, 20
MOST_STARTING = 2
IDLE_SECONDS = 60.0
# What is not begun by then is throttled: the gateways give up after 29 s, and nothing is run for nobody.
WAIT_SECONDS = 20.0
THROTTLED = Outcome(throttled=True, error_type="TooManyRequestsException", error_message="Rate Exceeded.")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PoolState:
    """What the console shows of one function."""

    function: str
    workers: int
    busy: int
    invocations: int
    errors: int
    pids: tuple[int, ...]


class Pool:
    """Workers of one function; an event takes the one used last, as Lambda does, or starts one.

    One is kept warm of a function that somebody waits for.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        environment: WorkerEnvironment,
        report: Callable[[str], None],
        rank: Rank,
    ) -> None:
        self.spec = spec
        self._rank = rank
        self._keep = int(rank is Rank.AWAITED)
        self._environment = environment
        self._report = report
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._waiting: deque[asyncio.Future[Worker | Outcome]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._starting = 0
        self._active = 0
        self._invocations = 0
        self._errors = 0
        self._closed = False

    async def warm(self) -> None:
        """Have one worker ready; a failed init is reported, and tried again by the next event."""
        await self._launch()

    async def invoke(self, event: Mapping[str, Any]) -> Outcome:
        """One synchronous invocation."""
        if self._is_full:
            return THROTTLED
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        if len(payload) > PAYLOAD_LIMIT:
            message = f"{len(payload)} byte payload is too large for the RequestResponse invocation type"
            return Outcome(
                error_type="RequestTooLargeException",
                error_message=f"{message} (limit {PAYLOAD_LIMIT} bytes)",
            )
        # Whoever asked may go away meanwhile: the function runs on, as in the cloud.
        return await asyncio.shield(self._in_background(self._run(payload)))

    async def close(self) -> None:
        """End every worker."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        self._workers.clear()

    def state(self) -> PoolState:
        """Numbers for the console."""
        pids = tuple(worker.pid for worker in self._workers if worker.pid is not None)
        return PoolState(
            self.spec.name, len(self._workers), self._active, self._invocations, self._errors, pids
        )

    async def reap(self) -> None:
        """End workers that have had nothing to do for a minute, but for those that are kept warm."""
        long_ago = time.monotonic() - IDLE_SECONDS
        while len(self._idle) > self._keep and self._idle[0].idle_since < long_ago:
            worker = self._idle.pop(0)
            self._workers.discard(worker)
            await worker.stop()

    @property
    def _is_full(self) -> bool:
        reserved = self.spec.reserved_concurrency
        return reserved is not None and self._active >= reserved

    async def _run(self, payload: bytes) -> Outcome:
        worker = await self._take()
        if isinstance(worker, Outcome):
            return worker
        if self._is_full:
            self._give_back(worker)
            return THROTTLED
        self._active += 1
        try:
            outcome = await worker.invoke(payload)
        finally:
            self._active -= 1
        self._invocations += 1
        self._errors += not outcome.ok
        self._give_back(worker)
        return outcome

    async def _take(self) -> Worker | Outcome:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
        waiter: asyncio.Future[Worker | Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._grow()
        try:
            return await asyncio.wait_for(waiter, WAIT_SECONDS)
        except TimeoutError:
            return THROTTLED

    def _give_back(self, worker: Worker) -> None:
        if worker.alive:
            self._offer(worker)

    def _offer(self, found: Worker | Outcome) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(found)
                return
        if isinstance(found, Worker):
            self._idle.append(found)

    def _grow(self) -> None:
        wanted = min(len(self._waiting), MOST_STARTING) - self._starting
        waits = self._rank is Rank.AWAITED and self.spec.timeout > LONG_SECONDS
        most = MOST_WAITING if waits else MOST_WORKERS
        for _ in range(min(wanted, most - len(self._workers))):
            self._launch()

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _launch(self) -> asyncio.Task[None]:
        worker = Worker(self.spec, self._environment, self._rank)
        # Counted at once: whoever asks before its task has run must not start one more.
        self._workers.add(worker)
        self._starting += 1
        return self._in_background(self._start(worker))

    async def _start(self, worker: Worker) -> None:
        try:
            failure = await worker.start()
        except LocalError as error:
            failure = Outcome(error_type="Local.NotInstalled", error_message=str(error))
            await worker.stop()
        finally:
            self._starting -= 1
        if failure is not None:
            self._workers.discard(worker)
            self._report(f"{self.spec.name} does not start: {failure.error_type}: {failure.error_message}")
            self._offer(failure)
            self._grow()
            return
        self._in_background(self._bury(worker))
        self._offer(worker)
        self._grow()

    async def _bury(self, worker: Worker) -> None:
        """When a worker dies, forget it, and start another one where one is kept warm."""
        await worker.ended()
        if worker in self._workers and not self._closed:
            self._idle = [each for each in self._idle if each is not worker]
            await worker.stop()
            self._workers.discard(worker)
            if len(self._workers) < self._keep:
                self._launch()
            self._grow()
