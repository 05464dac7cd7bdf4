"""`make backup` and `make restore`: the database of a running local stack, saved and brought back."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from typing import Any

RELEASE = {"action": "release"}


class RefusedError(Exception):
    """The stack does not do it, and says why."""


def main() -> int:
    """0 when it is done, 1 with one line on stderr when it is not."""
    parser = argparse.ArgumentParser(prog="python -m local.drill", description=__doc__)
    parser.add_argument("act", choices=["backup", "restore", "release"])
    parser.add_argument("--console", default="http://127.0.0.1:8080", help="where `make up` says it is")
    parser.add_argument("--name", help="of a backup; by default the last one")
    parser.add_argument("--hold", action="store_true", help="bring it back and release nothing yet")
    asked = parser.parse_args()
    console: str = asked.console.rstrip("/")
    try:
        match asked.act:
            case "backup":
                print(_ask(console, "POST", "/_local/backups")["name"])
            case "restore":
                _restore(console, asked.name, hold=asked.hold)
            case _:
                _release(console)
    except RefusedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _restore(console: str, name: str | None, *, hold: bool) -> None:
    names = [each["name"] for each in _ask(console, "GET", "/_local/backups")["data"]]
    if not names:
        raise RefusedError("there is no backup: make one with `make backup`")
    chosen = name or names[-1]
    _ask(console, "POST", f"/_local/backups/{chosen}/restore")
    print(f"the database is what it was at {chosen}; until it is released everything answers 503")
    if not hold:
        _release(console)


def _release(console: str) -> None:
    released = _ask(console, "POST", "/_local/functions/MigrateFunction", RELEASE)
    print(
        f"released as epoch {released['epoch']}: {released['reapplied']} losses of access done again, "
        f"{released['settled']} deliveries settled"
    )


def _ask(console: str, method: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(console + path, data, method=method)  # noqa: S310 (the person's own stack)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(json.load(error)["detail"]) from None
    except OSError:
        raise RefusedError(f"nothing answers at {console}: run `make up` in another terminal") from None


if __name__ == "__main__":
    sys.exit(main())
