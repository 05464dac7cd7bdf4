"""SQL of deliveries. The rules stand in the schema's functions; text is read under row-level security."""

from __future__ import annotations

from typing import Final, LiteralString

CLAIM: Final[LiteralString] = "select * from app.claim_deliveries(%(asked)s, %(token)s)"

RECORD: Final[LiteralString] = """
    select app.record_delivery(%(delivery_id)s, %(token)s, %(outcome)s, %(provider)s, %(provider_ref)s, %(code)s,
                               %(suppress)s, %(retry_after)s) as moved
"""

# For the recipient: what he does not see is not there (R12).
TEXTS: Final[LiteralString] = "select * from app.notification_texts(%(messages)s)"
