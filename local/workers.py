"""One worker: a real `awslambdaric` process that runs one function, one event at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
import uuid

from local.cloudformation import ACCOUNT, REGION
from local.model import FunctionSpec, Outcome, Rank
from local.processes import give_way, spawn_watched
from local.runtime_api import Invocation, RuntimeApi
from local.worker_environment import WorkerEnvironment

# Lambda gives an init 10 s; a laptop that starts many workers at once gets more.
INIT_TIMEOUT = 30.0


class Worker:
    """Started once, invoked many times, never reused after an error that Lambda would end it for."""

    def __init__(self, spec: FunctionSpec, environment: WorkerEnvironment, rank: Rank) -> None:
        self.spec = spec
        self._rank = rank
        self.idle_since = time.monotonic()
        self._environment = environment
        self._api = RuntimeApi()
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.Task[int] | None = None
        self._killed = False

    @property
    def alive(self) -> bool:
        """True until its process has ended or was killed."""
        return self._ended is not None and not self._ended.done() and not self._killed

    @property
    def pid(self) -> int | None:
        """Its process id, once started."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> Outcome | None:
        """Start the process and wait for its init; returns what went wrong, None when it is ready."""
        await self._api.start()
        variables = self._environment.variables(self.spec, self._api.address)
        command = self._environment.command(self.spec)
        with (self._environment.logs / f"{self.spec.name}.log").open("ab") as log:
            self._process = await spawn_watched(
                command, environment=variables, cwd=self.spec.code, output=log
            )
        self._ended = asyncio.create_task(self._process.wait())
        ready = asyncio.wait(
            {self._api.ready, self._ended}, timeout=INIT_TIMEOUT, return_when=asyncio.FIRST_COMPLETED
        )
        await asyncio.gather(give_way(self._process.pid, self._rank), ready)
        if self._api.ready.done() and self.alive:
            return None
        failure = self._api.init_error or self._failed_init()
        await self.stop()
        return failure

    async def invoke(self, event: bytes) -> Outcome:
        """Run one event; after a time-out or a crash the worker is dead."""
        if self._ended is None:
            raise RuntimeError("a worker is started before it is invoked")
        invocation = self._invocation(event)
        self._api.give(invocation)
        await asyncio.wait(
            {invocation.outcome, self._ended},
            timeout=self.spec.timeout,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not invocation.outcome.done():
            if self.alive:
                self.kill()
                message = f"Task timed out after {self.spec.timeout:.2f} seconds"
                outcome = _error(invocation, "Sandbox.Timedout", message, timed_out=True)
            else:
                outcome = _error(invocation, "Runtime.ExitError", f"Runtime exited {self._exit_words()}")
            invocation.outcome.set_result(outcome)
        self.idle_since = time.monotonic()
        return invocation.outcome.result()

    def kill(self) -> None:
        """SIGKILL the process and everything it started."""
        if self._process is not None and self.alive:
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """End the process: politely, so that coverage is saved, then by force."""
        if self._process is not None and self._ended is not None:
            if self.alive:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGTERM)
                # It waits inside the client's C code, where no signal handler runs, until this connection ends.
                await self._api.stop()
                await asyncio.wait({self._ended}, timeout=3.0)
            self.kill()
            await self._ended
        await self._api.stop()

    async def ended(self) -> None:
        """Wait until the process has ended."""
        if self._ended is not None:
            await asyncio.wait({self._ended})

    def _invocation(self, event: bytes) -> Invocation:
        now = time.time()
        return Invocation(
            request_id=str(uuid.uuid4()),
            event=event,
            arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.spec.name}:live",
            deadline_ms=int((now + self.spec.timeout) * 1000),
            trace_id=f"Root=1-{int(now):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0",
        )

    def _failed_init(self) -> Outcome:
        if self.alive:
            message = f"Init did not finish within {INIT_TIMEOUT:.0f} seconds"
            return Outcome(error_type="Sandbox.Timedout", error_message=message, timed_out=True)
        return Outcome(error_type="Runtime.ExitError", error_message=f"Runtime exited {self._exit_words()}")

    def _exit_words(self) -> str:
        code = self._process.returncode if self._process is not None else None
        if code is not None and code < 0:
            return f"with error: signal: {signal.strsignal(-code)}"
        return f"with error: exit status {code}" if code else "without providing a reason"


def _error(invocation: Invocation, kind: str, message: str, *, timed_out: bool = False) -> Outcome:
    text = f"RequestId: {invocation.request_id} Error: {message}"
    return Outcome(error_type=kind, error_message=text, timed_out=timed_out)
