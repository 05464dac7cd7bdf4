"""The functions of the channels with a provider: the real client, a stand-in, the same event twice."""

from __future__ import annotations

import json

import pytest

from local.providers.outbox import Channel
from tests.database.test_conversation import make_thread, say
from tests.fixtures.functions import modules_of
from tests.fixtures.notifying import Notifying
from tests.fixtures.queue_server import sqs_event
from tests.fixtures.wedding import ANA, FLORA
from tests.unit.notifications.channels.conftest import Providers, keys, loop, providers
from wedsync.notifications import planner_sql
from wedsync.notifications.channels import push
from wedsync.platform import aws, db
from wedsync.platform.context import WORKER

__all__ = ["keys", "loop", "providers"]


@pytest.mark.parametrize("channel", ["email", "sms", "push"])
def test_the_same_event_twice_is_one_call_of_the_provider(
    notifying: Notifying, providers: Providers, monkeypatch: pytest.MonkeyPatch, channel: Channel
) -> None:
    device = json.dumps(providers.stand_ins.push.subscribe())
    notifying.stored(
        "insert into wedsync.contact_points values (gen_random_uuid(), %(u)s, 'device', %(a)s, 'self', now())",
        u=FLORA.user_id,
        a=device,
    )
    thread = make_thread(people=(FLORA,))
    say(ANA, thread, priority_level="urgent")
    asked = {"threads": [thread] * 2, "seqs": [1, 2], "recipients": 100}
    notifying.run(db.transaction, WORKER, (planner_sql.PLAN, asked))
    body = json.dumps({"deliveries": [str(notifying.delivery(thread, FLORA.user_id, channel)["id"])]})

    monkeypatch.setattr(aws, "secret", lambda name: json.dumps(providers.secrets[name]))
    with modules_of(channel) as app:
        answers = [notifying.run(app.handler, sqs_event(body, body), None) for _ in range(2)]

    assert answers == [{"batchItemFailures": []}] * 2
    assert len(providers.accepted(channel)) == 1
    assert notifying.delivery(thread, FLORA.user_id, channel)["status"] == "sent"
    push.SESSION.close()
    notifying.stored("delete from wedsync.contact_points where channel = 'device'")
