"""Compression of answers, as a REST API with a `minimumCompressionSize` does it.

Developer guide, "Receive an API response with a compressed payload" and "Enable payload compression": only if the
client's coding of the highest priority is one that API Gateway knows; an answer that is coded already is left alone.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace

from local.http_gateway_answers import Answer

_CODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def compressed(answer: Answer, accepted: str | None, minimum: int | None) -> Answer:
    """The answer as the client gets it; `minimum` in bytes, None where the API has none."""
    if minimum is None or len(answer.body) < minimum:
        return answer
    if any(name.lower() == "content-encoding" for name, _ in answer.headers):
        return answer
    coding = _preferred(accepted or "")
    if coding not in _CODINGS or not answer.body:
        return answer
    coded = ("Content-Encoding", coding)
    return replace(answer, headers=(*answer.headers, coded), body=_CODINGS[coding](answer.body))


def _preferred(accepted: str) -> str:
    """The coding of the highest weight; of equals the first (RFC 9110 section 12.5.3)."""
    weighed: list[tuple[float, str]] = []
    for part in accepted.lower().split(","):
        coding, _, parameters = part.partition(";")
        weighed.append((_weight(parameters.strip()), coding.strip()))
    best = max(weighed, key=lambda each: each[0])
    return best[1] if best[0] > 0 else ""


def _weight(parameters: str) -> float:
    try:
        return float(parameters.removeprefix("q=")) if parameters else 1.0
    except ValueError:
        return 0.0
