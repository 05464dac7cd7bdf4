"""The secret with the keys of `wedsync.platform.keys`: its first key, and the next one in a rotation (R12)."""

from __future__ import annotations

import base64
import json
import secrets
from uuid import uuid4

from wedsync.platform import aws
from wedsync.platform.keys import Keys, parse

KEY_BYTES = 32


def read(secret: str) -> Keys | None:
    """The keys in the secret, None if it was just created and is empty."""
    try:
        value = aws.call("secretsmanager", "GetSecretValue", {"SecretId": secret})
    except aws.AwsError as error:
        if error.code == "ResourceNotFoundException":
            return None
        raise
    # AWS answers that an empty secret has no value; an emulator answers without one.
    return parse(value["SecretString"]) if "SecretString" in value else None


def advance(known: Keys | None, key_id: int) -> Keys:
    """Keys whose current one has at least this id: the same ones, or a new key beside the last current one.

    A lower id changes nothing: a deployment that is rolled back must not bring a retired key back.
    """
    if known is None:
        return Keys(key_id, {key_id: secrets.token_bytes(KEY_BYTES)})
    if key_id <= known.current:
        return known
    overlap = {known.current: known.by_id[known.current]}
    return Keys(key_id, {**overlap, key_id: secrets.token_bytes(KEY_BYTES)})


def write(secret: str, keys: Keys) -> None:
    """Make these the current value of the secret."""
    stated = {str(key_id): base64.b64encode(key).decode() for key_id, key in keys.by_id.items()}
    aws.call(
        "secretsmanager",
        "PutSecretValue",
        {
            "SecretId": secret,
            "ClientRequestToken": str(uuid4()),
            "SecretString": json.dumps({"current": keys.current, "keys": stated}),
        },
    )
