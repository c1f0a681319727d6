"""Signs webhooks as Standard Webhooks defines it (https://www.standardwebhooks.com): HMAC-SHA256, version `v1`."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from orchestrator.clock import SECOND, Micros

_PREFIX = "whsec_"


def signed_headers(secrets: Sequence[str], event_id: str, now: Micros, body: bytes) -> Mapping[str, str]:
    """The headers of one attempt; with two secrets, as while rotating, there are two signatures.

    The signature covers the id, the time of the attempt and the body, so that a receiver can refuse old ones.
    """
    timestamp = str(now // SECOND)
    content = f"{event_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{_signature(secret, content)}" for secret in secrets]
    return {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
