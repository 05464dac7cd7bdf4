"""PostgreSQL refuses root: here root gives up being root, for one child process alone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

from local.processes import LocalError

# The kernel's overflow uid: it exists everywhere, owns nothing and needs no account.
NOBODY = 65534


def dropped(directory: Path, death_signal: signal.Signals) -> list[str | Path]:
    """The command prefix to use `directory` without being root; empty for ordinary users."""
    tied = ["setpriv", "--pdeathsig", death_signal.name.removeprefix("SIG"), "--"]
    uid = os.geteuid()
    owner = directory.stat().st_uid
    if uid == 0 and owner != 0:
        return [*other_user(owner), *tied[1:]]
    # initdb looks its user up: one without an account (containers) is called nobody, like root.
    return [] if uid != 0 and _has_account(uid) else [*_namespace(), *tied]


def hand_over(directory: Path) -> None:
    """Make a new directory usable under `dropped`: where user namespaces are refused it goes to nobody.

    Raises: LocalError when this machine offers no way.
    """
    if os.geteuid() != 0:
        return
    parent = directory.parent.stat()
    # In a directory of somebody else the data belongs to him too, so that he can start the stack himself.
    if parent.st_uid != 0 and _has_account(parent.st_uid):
        os.chown(directory, parent.st_uid, parent.st_gid)
    elif not _works((*_namespace(), "test", "-x", str(directory))):
        if not _works((*other_user(NOBODY), "--", "true")):
            raise LocalError(
                "PostgreSQL refuses root, and neither `unshare --user` nor `setpriv --reuid` works here"
            )
        os.chown(directory, NOBODY, NOBODY)


def _namespace() -> tuple[str, ...]:
    # Inside, root is called nobody but keeps root's access to root's files.
    return ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


def other_user(uid: int) -> tuple[str, ...]:
    """The command prefix with which root runs a program as `uid`; it still passes closed folders."""
    capability = "-all,+dac_override"
    return (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
    )


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


@cache
def _works(command: tuple[str, ...]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
