"""The database of a running stack is brought back to an earlier moment (R4), with people at their devices."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import closing
from uuid import uuid4

from tests.fixtures.client_devices import Device, Devices
from tests.fixtures.pipeline import PHONES, Pipeline
from tests.fixtures.stack import ROOT
from tests.fixtures.wedding_devices import PEOPLE

PUT_OFF = """
    select count(*) from wedsync.deliveries d join wedsync.delivery_attempts a on a.delivery_id = d.id
     where d.message_id = %s and d.channel = 'sms' and a.outcome = 'later'
"""
UNDONE = """
    select o.seq from wedsync.outbox o
      join wedsync.thread_messages m on (m.thread_id, m.seq) = (o.thread_id, o.seq)
      left join wedsync.deliveries d on d.message_id = m.id and d.status in ('queued', 'sending')
     where o.thread_id = %s and (o.planned_at is null or d.id is not null)
"""


def drill(pipeline: Pipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make backup` and `make restore` run."""
    command = [sys.executable, "-m", "local.drill", *arguments, "--console", pipeline.stack.console]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603


def clockwork(pipeline: Pipeline) -> bool:
    """The next minute is here; false, so that a condition can begin with it."""
    assert pipeline.stack.local("POST", "/_local/functions/ClockworkFunction", {}).status == 200
    return False


def delayed_text(pipeline: Pipeline, thread: str) -> str:
    """An urgent message whose SMS the provider puts off; its text."""
    text = f"canary-{uuid4().hex}"
    pipeline.trouble("twilio", "429", times=3)  # each of the three who are told
    message = pipeline.send("ana", thread, text)
    pipeline.until(lambda: pipeline.query(PUT_OFF, message) == [(3,)])
    return text


def texts_once(pipeline: Pipeline, *canaries: str) -> bool:
    counts = [pipeline.sent("sms", canary) for canary in canaries]
    return all(count[PHONES["flora"]] == 1 and {*count.values()} == {1} for count in counts)


async def all_show(devices: list[Device], thread: str, *texts: str) -> None:
    """Wait until every device has these messages and no other, and nothing to send."""
    for device in devices:
        await device.until(
            lambda device=device: sorted(device.texts(thread)) == sorted(texts) and not device.client.unsent()
        )


async def test_after_a_restore_nothing_acknowledged_is_lost_and_nobody_is_told_twice(
    pipeline: Pipeline, devices: Devices
) -> None:
    thread = pipeline.party.thread("ana", "flora", "carlo", "petra")
    delayed, lost = delayed_text(pipeline, thread), f"canary-{uuid4().hex}"
    async with devices.together("ana", "flora") as people:
        await all_show(people, thread, delayed)
        backup = drill(pipeline, "backup").stdout.strip()
        people[0].client.send(thread, lost, priority_level="urgent")
        people[1].client.send(thread, "On my way")
        await all_show(people, thread, delayed, lost, "On my way")
        pipeline.until(lambda: clockwork(pipeline) or texts_once(pipeline, delayed, lost))

        held = drill(pipeline, "restore", "--hold", "--name", backup)
        refused = pipeline.party.call("petra", "GET", f"/threads/{thread}")
        people[0].client.send(thread, "Anybody?")
        await asyncio.sleep(0.3)
        unsent = people[0].client.unsent()
        released = drill(pipeline, "release")
        await all_show(people, thread, delayed, lost, "On my way", "Anybody?")

    pipeline.until(lambda: clockwork(pipeline) or not pipeline.query(UNDONE, thread))
    assert (held.returncode, released.returncode, len(unsent)) == (0, 0, 1)
    assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    assert texts_once(pipeline, delayed, lost)


def test_after_a_restore_the_removed_stay_out_and_what_the_old_epoch_says_moves_nothing(
    pipeline: Pipeline,
) -> None:
    party = pipeline.party
    thread = party.thread("ana", "flora", "carlo")
    party.send("ana", thread, "kept")
    drill(pipeline, "backup")
    party.call("ana", "DELETE", f"/threads/{thread}/participants/{PEOPLE['carlo']}")
    before = party.call("flora", "GET", f"/threads/{thread}").body["epoch"]

    with closing(party.connect("flora")) as device:
        restored = drill(pipeline, "restore")
        device.send("ack", epoch=before, cursors={thread: 2})
        device.send("read", epoch=before, thread_id=thread, seq=2)
        stale = party.call("flora", "PUT", f"/threads/{thread}/read", {"seq": 2, "epoch": before})
        device.send("sync", id="after", cursors={}, limit=10)
        device.wait("synced", re="after")

    after = party.call("flora", "GET", f"/threads/{thread}").body
    assert party.call("carlo", "GET", f"/threads/{thread}").status == 404
    assert after["epoch"] in restored.stdout
    assert after["epoch"] != before
    assert (stale.status, after["me"]["read_seq"], after["me"]["delivered_seq"]) == (200, 0, 0)
    logged = "select kind from wedsync.thread_events where thread_id = %s order by seq"
    assert [kind for (kind,) in pipeline.query(logged, thread)] == [
        "thread.created",
        "message.created",
        "participant.removed",
    ]


def test_what_is_whole_is_not_released_and_what_was_not_saved_not_brought_back(pipeline: Pipeline) -> None:
    refused = drill(pipeline, "release")
    unknown = drill(pipeline, "restore", "--name", "none")
    function = pipeline.stack.local("POST", "/_local/functions/NoFunction", {})
    event = pipeline.stack.local("POST", "/_local/functions/MigrateFunction", b"{")

    assert (refused.returncode, unknown.returncode) == (1, 1)
    assert (function.status, event.status) == (404, 422)
    assert "was not restored" in refused.stderr
    assert "no such backup" in unknown.stderr
