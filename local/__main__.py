"""`python -m local up`: the whole product on this machine, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import resource
import select
import signal
import stat
import sys
import threading
from pathlib import Path

import uvloop

from local.cloudformation import TemplateError
from local.data_dir import DataDir
from local.processes import LocalError
from local.stack import ROOT, Options, Stack
from local.websocket_gateway_chaos import Trouble, TroubleError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """The exit status: 0 after a requested stop, 1 with one line on stderr when it could not start."""
    arguments = _parser().parse_args()
    options = Options(
        arguments.http_port,
        arguments.ws_port,
        arguments.postgres,
        arguments.tick,
        trouble=arguments.chaos,
        pages=tuple(arguments.allow_origin),
    )
    data = DataDir(arguments.data_dir.resolve())
    _allow_many_sockets()
    try:
        with data.held(fresh=arguments.fresh):
            uvloop.run(_up(data, options))
    except (LocalError, TemplateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _up(data: DataDir, options: Options) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    if stat.S_ISCHR(
        os.fstat(sys.stdin.fileno()).st_mode
    ):  # a terminal that is closed already is no tty any more
        threading.Thread(target=_hung_up, args=(loop, stopped), daemon=True).start()
    stack = Stack(data, options, say=lambda line: print(line, file=sys.stderr, flush=True))
    try:
        starting = asyncio.create_task(stack.start())
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            print(stack.ready_line(), flush=True)
            await waiting
        starting.cancel()
        waiting.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)
    finally:
        await stack.stop()


def _allow_many_sockets() -> None:
    """As many open files as this user may have: each socket is one, and shells allow 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems name a limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _hung_up(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    """Wait until the terminal is closed: where make leads its session, only make hears SIGHUP, and waits for us."""
    waiting = select.poll()
    waiting.register(sys.stdin, 0)
    waiting.poll()
    with contextlib.suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(stopped.set)


def _trouble(text: str) -> Trouble:
    try:
        return Trouble.from_text(text)
    except TroubleError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _origin(text: str) -> str:
    """As a browser writes it in `Origin`: lower case, and nothing after the port."""
    if re.fullmatch(r"https?://[^/?#@,\sA-Z]+", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no origin such as http://localhost:5173")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    up = parser.add_subparsers(dest="command", required=True).add_parser("up", help="start everything")
    up.add_argument("--data-dir", type=Path, default=ROOT / ".local", help="where data is kept (.local)")
    up.add_argument("--http-port", type=int, default=8080, help="REST API and console; 0 = any free one")
    up.add_argument("--ws-port", type=int, default=8081, help="WebSocket API; 0 = any free one")
    up.add_argument(
        "--postgres", choices=["installed", "embedded"], help="default: installed if there is one"
    )
    up.add_argument("--tick", type=float, metavar="SECONDS", help="run schedules that are slower this often")
    up.add_argument(
        "--chaos",
        type=_trouble,
        default=Trouble(),
        metavar="drop=0.1,seed=7",
        help="trouble on the sockets, as POST /_local/chaos makes it",
    )
    up.add_argument(
        "--allow-origin",
        type=_origin,
        action="append",
        default=[],
        metavar="http://localhost:5173",
        help="a page of this origin may use the APIs too; can be repeated",
    )
    up.add_argument("--fresh", action="store_true", help="forget what the data directory holds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
