"""SQL of the planner."""

from __future__ import annotations

from typing import Final, LiteralString

PLAN: Final[LiteralString] = "select * from app.plan_deliveries(%(threads)s::uuid[], %(seqs)s::bigint[])"
