"""What people write, and what opens doors, is in no log of any part."""

from __future__ import annotations

from uuid import uuid4

from tests.fixtures.stack import RunningStack
from tests.fixtures.wedding_devices import PEOPLE, WEDDING, Party


def test_no_log_holds_text_addresses_tokens_or_tickets(stack: RunningStack, party: Party) -> None:
    secret = f"canary-{uuid4().hex}"
    token = stack.token(PEOPLE["ana"])
    service = stack.token(str(uuid4()), "service")
    thread = party.thread("ana", "flora")
    ticket = party.ticket("flora", "canary-phone")
    address = f"{secret}@example.com"
    message = {"client_msg_id": str(uuid4()), "message": secret, "metadata": {"note": secret}}

    assert stack.call("POST", f"/threads/{thread}/messages", token, message).status == 201
    flora = party.connect("flora")
    flora.send("send", id="1", thread_id=thread, messages=[message | {"message": secret * 2}])
    flora.socket.send(f'{{"action": "{secret}", "id": "{secret}"}}')
    flora.sync()
    person = {"display_name": secret, "email": address, "phone": "+447700900999"}
    assert stack.call("PUT", f"/directory/users/{uuid4()}", service, person).status == 201
    refused = [
        stack.call("POST", f"/threads/{thread}/messages", token, message | {"message": secret + "changed"}),
        stack.call("POST", f"/threads/{thread}/messages", token, {"message": secret, secret: 1}),
        stack.call("POST", f"/threads/{thread}/messages", token, f'{{"{secret}'.encode()),
        stack.call("POST", "/threads", token, {"wedding_id": WEDDING, "subject": secret * 30}),
        stack.call("GET", f"/threads?cursor={secret}", token),
        stack.call("GET", "/threads", token + "x"),
    ]
    flora.close()

    assert [answer.status for answer in refused] == [409, 422, 400, 422, 422, 401]
    logs = [path for path in stack.data_dir.rglob("*.log") if path.is_file()]
    assert len(logs) >= 4
    for path in logs:
        text = path.read_text(errors="replace")
        for canary in (secret, token, service, ticket, "+447700900999"):
            assert canary not in text, path.name
    assert not any(secret in line or token in line for line in stack.lines)
