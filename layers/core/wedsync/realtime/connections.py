"""Who is connected: one DynamoDB item per user, a map of his connections by device (decision 8).

One connection per device follows from the key (R22). A connection is stored before `$connect`
answers, so before its client can sync: what commits later finds it, by a strongly consistent read.
Every function raises `aws.AwsError` when DynamoDB is in trouble; none of it may fail a send.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from uuid import UUID

from wedsync.platform import aws
from wedsync.platform.observability import logger
from wedsync.platform.settings import settings
from wedsync.realtime.connection_entries import Connection, Item, number, parse

LIFETIME_SECONDS = 2 * 60 * 60  # API Gateway ends a connection after two hours
KEPT_SECONDS = LIFETIME_SECONDS + 60 * 60  # after the last connect no connection of the item is alive
MAX_DEVICES = 10
LAG_SECONDS = 10.0
MAX_KEYS = 100  # of one BatchGetItem
WRITE_SECONDS = 0.25  # of one update of what is known about a connection
READ_SECONDS = 0.25  # a send waits no longer for the list of connections
READ_ATTEMPTS = 4
CONDITION_FAILED = "ConditionalCheckFailedException"


def opened(
    user_id: UUID, device_id: str, connection_id: str, token_expires_at: int, at: int | None = None
) -> Connection:
    """A connection that began then, or begins now; its identity holds until the token's end, or its own."""
    at = int(time.time()) if at is None else at
    return Connection(user_id, device_id, connection_id, at, min(at + LIFETIME_SECONDS, token_expires_at))


def register(connection: Connection) -> tuple[Connection, ...]:
    """Store it; returns those whose place it took: of the same device, or the oldest of too many.

    They are remembered as `supersedes` and `crowds_out`: until its handshake is answered the newcomer may still fail.
    """
    before = _put(connection)
    others = sorted(
        (each for each in before if each.device_id != connection.device_id),
        key=lambda each: each.connected_at,
    )
    alive = [each for each in others if each.expires_at > connection.connected_at]
    crowded_out = alive[: max(0, len(alive) - MAX_DEVICES + 1)]
    for each in {*others} - {*alive} | {*crowded_out}:
        remove(each)
    replaced = [
        each
        for each in before
        if each.device_id == connection.device_id and each.connection_id != connection.connection_id
    ]
    gone = (*replaced, *crowded_out)
    if gone:
        _update(
            connection,
            "set #connections.#device.supersedes = :replaced, #connections.#device.crowds_out = :crowded",
            "#connections.#device.connection_id = :id",
            {
                ":replaced": _ids(replaced, *(each.supersedes for each in gone)),
                ":crowded": _ids(crowded_out, *(each.crowds_out for each in gone)),
            },
        )
    return gone


def remove(connection: Connection) -> None:
    """Forget it, unless its device has connected again meanwhile."""
    _update(connection, "remove #connections.#device", "#connections.#device.connection_id = :id")


def mark_lagging(connection: Connection) -> None:
    """Leave it out of pushes for a while, or until it has synced (`settle`), unless it has since its entry was read.

    By the first push after that while its client learns that it has missed some.
    """
    condition = "attribute_not_exists(#connections.#device.synced_at)"
    values: Item = {":until": number(time.time() + LAG_SECONDS)}
    if connection.synced_at is not None:
        condition = "#connections.#device.synced_at = :then"
        values[":then"] = number(connection.synced_at)
    change(connection, "set #connections.#device.lags_until = :until", values, condition)


def settle(connection: Connection) -> Connection | None:
    """Push to it again. To be called before the log is read, or a commit in between is missed.

    The entry as it was before; None if it is not registered: it was replaced, or the table was lost.
    """
    return change(
        connection,
        "set #connections.#device.synced_at = :now remove #connections.#device.lags_until,"
        " #connections.#device.supersedes, #connections.#device.crowds_out",
        {":now": number(time.time())},
    )


def prolong(connection: Connection) -> Connection | None:
    """Take it for alive until its `expires_at`, never for a shorter time; the entry as it is then, or None."""
    risen = _update(
        connection,
        "set #connections.#device.expires_at = :until",
        "#connections.#device.connection_id = :id and #connections.#device.expires_at < :until",
        {":until": {"N": str(connection.expires_at)}},
    )
    return connection if risen else stored(connection)


def stored(connection: Connection) -> Connection | None:
    """The entry of this connection; None if it is not registered."""
    of_person = find([connection.user_id])
    return next((each for each in of_person if each.connection_id == connection.connection_id), None)


def change(connection: Connection, expression: str, values: Item, only_if: str = "") -> Connection | None:
    """Change its entry, `#connections.#device`; the entry as it was before. None if it is not registered, or not so."""
    condition = "#connections.#device.connection_id = :id" + (f" and {only_if}" if only_if else "")
    before = _update_returning(connection, expression, condition, values)
    return next((each for each in parse(before) if each.device_id == connection.device_id), None)


def find(user_ids: Collection[UUID], seconds: float = READ_SECONDS) -> list[Connection]:
    """The connections of these people, also expired ones, by strongly consistent reads (R22)."""
    deadline = time.monotonic() + seconds
    keys = [{"pk": {"S": _key(user_id)}} for user_id in user_ids]
    found: list[Connection] = []
    for first in range(0, len(keys), MAX_KEYS):
        for item in _read(keys[first : first + MAX_KEYS], deadline):
            found.extend(parse(item))
    return found


def _read(keys: list[Item], deadline: float) -> Iterator[Item]:
    table = settings().connections_table
    for attempt in range(READ_ATTEMPTS):
        wanted = {"Keys": keys, "ConsistentRead": True}
        left = max(deadline - time.monotonic(), 0.01)
        answer = aws.call("dynamodb", "BatchGetItem", {"RequestItems": {table: wanted}}, seconds=left)
        yield from answer["Responses"].get(table, [])
        unprocessed = answer.get("UnprocessedKeys", {}).get(table)
        if not unprocessed:
            return
        keys = unprocessed["Keys"]
        time.sleep(min(0.005 * 2**attempt, max(deadline - time.monotonic(), 0)))
    logger().warning("connections left unread", extra={"users": len(keys)})


def _put(connection: Connection) -> list[Connection]:
    """Write the entry into the user's map, or the map; returns the entries that were there before."""
    entry = {
        "M": {
            "connection_id": {"S": connection.connection_id},
            "connected_at": {"N": str(connection.connected_at)},
            "expires_at": {"N": str(connection.expires_at)},
        }
    }
    values = {":ttl": {"N": str(connection.connected_at + KEPT_SECONDS)}}
    forms = (
        ("#connections.#device = :entry", "attribute_exists(#connections)", entry),
        ("#connections = :entry", "attribute_not_exists(#connections)", {"M": {connection.device_id: entry}}),
    )
    names = {"#connections": "connections", "#ttl": "ttl"}
    for assignment, condition, value in (*forms, *forms):
        request = {
            "TableName": settings().connections_table,
            "Key": {"pk": {"S": _key(connection.user_id)}},
            "UpdateExpression": f"set {assignment}, #ttl = :ttl",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names
            | ({"#device": connection.device_id} if "#device" in assignment else {}),
            "ExpressionAttributeValues": values | {":entry": value},
            "ReturnValues": "ALL_OLD",
        }
        try:
            return list(parse(aws.call("dynamodb", "UpdateItem", request).get("Attributes", {})))
        except aws.AwsError as error:
            if error.code != CONDITION_FAILED:
                raise
    raise aws.UnavailableError("Contended", "the user's item changed under every attempt", 0)


def _update(connection: Connection, expression: str, condition: str, values: Item | None = None) -> bool:
    return bool(_update_returning(connection, expression, condition, values))


def _update_returning(
    connection: Connection, expression: str, condition: str, values: Item | None = None
) -> Item:
    """The user's item as it was before; empty if the condition did not hold."""
    request = {
        "TableName": settings().connections_table,
        "Key": {"pk": {"S": _key(connection.user_id)}},
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#connections": "connections", "#device": connection.device_id},
        "ExpressionAttributeValues": {":id": {"S": connection.connection_id}, **(values or {})},
        "ReturnValues": "ALL_OLD",
    }
    try:
        return aws.call("dynamodb", "UpdateItem", request, seconds=WRITE_SECONDS)["Attributes"]
    except aws.AwsError as error:
        if error.code == CONDITION_FAILED:
            return {}
        raise


def _ids(told: Collection[Connection], *earlier: Collection[str]) -> Item:
    """These connections, and those that were still to be told of."""
    return {"L": [{"S": each} for each in sorted({each.connection_id for each in told}.union(*earlier))]}


def _key(user_id: UUID) -> str:
    return f"U#{user_id}"
