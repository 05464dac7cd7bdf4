"""Functions run in real runtime clients: what they see, and what becomes of the ones that misbehave."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from local import pools, workers
from local.model import Rank
from local.runtime_api import PAYLOAD_LIMIT
from tests.unit.local.conftest import MakePool

PID = """
    import os
    def handler(event, context):
        return os.getpid()
"""
SLOW = """
    import time
    def handler(event, context):
        time.sleep(event["seconds"])
        return "late"
"""


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


async def test_a_function_gets_the_event_and_returns_json(pool_of: MakePool) -> None:
    pool = pool_of(
        "def handler(event, context): return {'got': event['text'], 'name': context.function_name}"
    )

    outcome = await pool.invoke({"text": "blå 💐"})

    assert outcome.ok
    assert outcome.payload == {"got": "blå 💐", "name": "Function0"}


async def test_events_one_after_the_other_are_run_by_one_worker(pool_of: MakePool) -> None:
    pool = pool_of(PID)

    pids = [(await pool.invoke({})).payload for _ in range(5)]

    assert len(set(pids)) == 1
    assert pool.state().invocations == 5


async def test_events_at_once_are_run_by_several_workers(pool_of: MakePool) -> None:
    pool = pool_of(
        """
        import os, time
        def handler(event, context):
            time.sleep(0.4)
            return os.getpid()
        """
    )

    outcomes = await asyncio.gather(*(pool.invoke({}) for _ in range(3)))

    assert len({outcome.payload for outcome in outcomes}) >= 2


async def test_the_deadline_and_the_trace_reach_the_function(pool_of: MakePool) -> None:
    pool = pool_of(
        """
        import os
        def handler(event, context):
            remaining = context.get_remaining_time_in_millis()
            return [remaining, os.environ["_X_AMZN_TRACE_ID"], context.invoked_function_arn]
        """,
        timeout=7,
    )

    [remaining, trace, arn] = (await pool.invoke({})).payload

    assert 0 < remaining <= 7000
    assert trace.startswith("Root=1-")
    assert arn.endswith(":function:Function0:live")


async def test_an_exception_is_reported_as_lambda_does_and_the_worker_lives_on(pool_of: MakePool) -> None:
    pool = pool_of(
        """
        import os
        def handler(event, context):
            if event.get("fail"):
                raise ValueError("no such florist")
            return os.getpid()
        """
    )
    before = (await pool.invoke({})).payload

    outcome = await pool.invoke({"fail": True})

    assert (outcome.ok, outcome.error_type, outcome.error_message) == (False, "ValueError", "no such florist")
    assert not outcome.timed_out
    assert (await pool.invoke({})).payload == before


async def test_a_function_that_takes_too_long_is_killed_and_replaced(pool_of: MakePool) -> None:
    pool = pool_of(SLOW, timeout=1)

    outcome = await pool.invoke({"seconds": 60})

    assert outcome.timed_out
    assert outcome.error_message is not None
    assert outcome.error_message.endswith("Task timed out after 1.00 seconds")
    assert (await pool.invoke({"seconds": 0})).payload == "late"


async def test_a_crash_is_an_error_of_its_event_alone(pool_of: MakePool) -> None:
    pool = pool_of(
        """
        import os
        def handler(event, context):
            if "exit" in event:
                os._exit(event["exit"])
            if "signal" in event:
                os.kill(os.getpid(), event["signal"])
            return "fine"
        """
    )

    exited = await pool.invoke({"exit": 3})
    killed = await pool.invoke({"signal": signal.SIGKILL})

    assert exited.error_type == killed.error_type == "Runtime.ExitError"
    assert (exited.error_message or "").endswith("exit status 3")
    assert (killed.error_message or "").endswith("signal: Killed")
    assert (await pool.invoke({})).payload == "fine"


async def test_an_idle_worker_that_is_killed_is_replaced_before_anybody_asks(pool_of: MakePool) -> None:
    pool = pool_of(PID)
    await pool.warm()
    [first] = pool.state().pids

    os.kill(first, signal.SIGKILL)
    await until(lambda: pool.state().pids not in ((first,), ()))
    second = (await pool.invoke({})).payload

    assert second != first


async def test_an_import_that_fails_is_an_init_error_of_every_event(pool_of: MakePool) -> None:
    pool = pool_of("import no_such_package\ndef handler(event, context): pass")

    outcomes = await asyncio.gather(*(pool.invoke({}) for _ in range(3)))

    assert {outcome.error_type for outcome in outcomes} == {"Runtime.ImportModuleError"}
    assert "no_such_package" in (outcomes[0].error_message or "")


async def test_an_exit_at_import_is_an_error_too(pool_of: MakePool) -> None:
    pool = pool_of("import os\nos._exit(4)")

    outcome = await pool.invoke({})

    assert outcome.error_type == "Runtime.ExitError"
    assert (outcome.error_message or "").endswith("exit status 4")


async def test_reserved_concurrency_refuses_the_next_event(pool_of: MakePool) -> None:
    pool = pool_of(SLOW, reserved_concurrency=1)
    running = asyncio.create_task(pool.invoke({"seconds": 0.5}))
    await asyncio.sleep(0.01)

    refused = await pool.invoke({"seconds": 0})

    assert refused.throttled
    assert not refused.ok
    assert (await running).payload == "late"


@pytest.mark.parametrize(
    ("seconds", "rank", "most"), [(28, Rank.AWAITED, 3), (28, Rank.BEHIND, 1), (10, Rank.AWAITED, 1)]
)
async def test_only_those_whose_answers_wait_get_more_workers_than_there_are_processors_for(
    pool_of: MakePool, monkeypatch: pytest.MonkeyPatch, seconds: int, rank: Rank, most: int
) -> None:
    monkeypatch.setattr(pools, "MOST_WORKERS", 1)
    monkeypatch.setattr(pools, "MOST_WAITING", 3)
    pool = pool_of(SLOW, timeout=seconds, rank=rank)

    await asyncio.gather(*(pool.invoke({"seconds": 0.2}) for _ in range(4)))

    assert pool.state().workers == most


async def test_what_cannot_be_begun_in_time_is_throttled_and_never_run(
    pool_of: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(SLOW)
    await pool.warm()
    monkeypatch.setattr(pools, "MOST_WORKERS", 1)
    monkeypatch.setattr(pools, "WAIT_SECONDS", 0.05)

    late, refused = await asyncio.gather(pool.invoke({"seconds": 0.3}), pool.invoke({"seconds": 0}))

    assert late.payload == "late"
    assert refused.throttled
    assert pool.state().invocations == 1


async def test_an_answer_above_six_megabytes_is_an_error(pool_of: MakePool) -> None:
    pool = pool_of("def handler(event, context): return 'x' * event['size']")

    fits = await pool.invoke({"size": PAYLOAD_LIMIT - 2})
    too_large = await pool.invoke({"size": PAYLOAD_LIMIT})

    assert len(fits.payload) == PAYLOAD_LIMIT - 2
    assert too_large.error_type == "Function.ResponseSizeTooLarge"


async def test_an_event_above_six_megabytes_never_reaches_the_function(pool_of: MakePool) -> None:
    pool = pool_of("def handler(event, context): return 1")

    outcome = await pool.invoke({"text": "x" * PAYLOAD_LIMIT})

    assert outcome.error_type == "RequestTooLargeException"
    assert pool.state().workers == 0


async def test_who_hangs_up_does_not_stop_the_function(pool_of: MakePool) -> None:
    pool = pool_of(
        """
        import pathlib, time
        def handler(event, context):
            time.sleep(0.3)
            pathlib.Path("written").touch()
            return 1
        """
    )
    await pool.warm()
    asking = asyncio.create_task(pool.invoke({}))
    await asyncio.sleep(0.1)

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: pool.state().busy == 0)

    assert (pool.spec.code / "written").exists()
    assert pool.state().invocations == 1


async def test_a_worker_sees_its_code_and_layers_and_no_package_of_the_project(pool_of: MakePool) -> None:
    pool = pool_of(
        """
        import importlib.util, os, sys
        def handler(event, context):
            found = {name: importlib.util.find_spec(name) is not None for name in event["names"]}
            return [found, dict(os.environ), sys.path]
        """,
        environment={"MINE": "alone"},
    )

    [found, environment, path] = (
        await pool.invoke({"names": ["awslambdaric", "psycopg", "pytest", "wedsync"]})
    ).payload

    assert found == {"awslambdaric": True, "psycopg": False, "pytest": False, "wedsync": False}
    assert (environment["MINE"], environment["SHARED"], environment["TZ"]) == ("alone", "by all", ":UTC")
    assert "HOME" not in environment
    assert not [place for place in path if "site-packages" in place]


async def test_a_missing_package_of_a_layer_fails_here_and_not_in_the_cloud(
    pool_of: MakePool, tmp_path: Path
) -> None:
    layer = tmp_path / "layers" / "core"
    layer.mkdir(parents=True)
    (layer / "product.py").write_text("import psycopg")
    pool = pool_of("import product\ndef handler(event, context): pass", layers=(layer,))

    outcome = await pool.invoke({})

    assert outcome.error_type == "Runtime.ImportModuleError"
    assert "psycopg" in (outcome.error_message or "")


async def test_a_layer_whose_packages_are_not_installed_is_told_before_anything_runs(
    pool_of: MakePool, tmp_path: Path
) -> None:
    layer = tmp_path / "layers" / "core"
    layer.mkdir(parents=True)
    (layer / "requirements.txt").touch()
    pool = pool_of("def handler(event, context): pass", layers=(layer,))

    outcome = await pool.invoke({})

    assert "packages of layers/core are not installed" in (outcome.error_message or "")


async def test_what_a_function_prints_is_in_its_log(pool_of: MakePool, tmp_path: Path) -> None:
    pool = pool_of(
        """
        import sys
        def handler(event, context):
            print("to stdout")
            print("to stderr", file=sys.stderr)
        """
    )

    await pool.invoke({})

    assert (tmp_path / "logs" / "Function0.log").read_text().split("\n")[:2] == ["to stdout", "to stderr"]


async def test_closing_leaves_no_process(pool_of: MakePool) -> None:
    pool = pool_of(PID)
    pid = (await pool.invoke({})).payload

    await pool.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_more_events_than_workers_wait_for_their_turn(
    pool_of: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MOST_WORKERS", 2)
    pool = pool_of(PID)

    outcomes = await asyncio.gather(*(pool.invoke({}) for _ in range(12)))

    assert all(outcome.ok for outcome in outcomes)
    assert len({outcome.payload for outcome in outcomes}) <= 2


async def test_workers_without_work_are_ended_but_for_one(
    pool_of: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(SLOW)
    await asyncio.gather(*(pool.invoke({"seconds": 0.3}) for _ in range(3)))
    before = pool.state().workers
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.0)

    await pool.reap()

    assert before >= 2
    assert pool.state().workers == 1
    assert (await pool.invoke({"seconds": 0})).payload == "late"


async def test_a_function_that_nobody_waits_for_has_no_worker_without_work(
    pool_of: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(PID, rank=Rank.BEHIND)
    first = (await pool.invoke({})).payload
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.0)

    await pool.reap()
    reaped = pool.state().workers
    second = (await pool.invoke({})).payload
    os.kill(second, signal.SIGKILL)
    await until(lambda: pool.state().workers == 0)

    assert reaped == 0
    assert second != first
    assert (await pool.invoke({})).ok


async def test_a_function_that_nobody_waits_for_gives_way_to_the_others(pool_of: MakePool) -> None:
    source = """
        import os, pathlib
        def handler(event, context):
            group = pathlib.Path("/proc/self/autogroup")
            return os.nice(0), group.exists() and int(group.read_text().split()[-1])
    """
    awaited, unawaited = pool_of(source), pool_of(source, rank=Rank.BEHIND)

    ordinary = (await awaited.invoke({})).payload
    given_way = (await unawaited.invoke({})).payload

    assert given_way[0] > ordinary[0]
    assert given_way[1] > ordinary[1] or given_way[1] is False


async def test_workers_leave_nothing_running_however_they_end(pool_of: MakePool) -> None:
    pool = pool_of(PID)
    first = (await pool.invoke({})).payload

    os.kill(first, signal.SIGKILL)
    await until(lambda: pool.state().workers == 1 and first not in pool.state().pids)
    await pool.invoke({})
    await pool.close()
    await asyncio.sleep(0.05)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_init_that_never_ends_is_given_up(
    pool_of: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "INIT_TIMEOUT", 0.5)
    pool = pool_of("import time\ntime.sleep(60)")

    outcome = await pool.invoke({})

    assert (outcome.error_type, outcome.timed_out) == ("Sandbox.Timedout", True)
    assert pool.state().workers == 0
