"""A place in the order of commits ↔ the opaque word that clients keep.

In: the number of the last verdict that a client has seen. Out: a signed word, the same in every process of one ledger,
because its key lies in the ledger. Refuses: a word that this ledger has not made (`BadCursor`).
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

from app.ledger.errors import BadCursor

FORM = struct.Struct(">BQ")  # version, number
VERSION = 1
SIGNATURE = 15  # bytes; 24 in all, which is 32 characters without padding


@dataclass(frozen=True)
class Cursors:
    """Those of one ledger, whose id and key take part in the signature."""

    ledger_id: str
    key: bytes

    def sign(self, seq: int) -> str:
        """The word for `seq`."""
        body = FORM.pack(VERSION, seq)
        return base64.urlsafe_b64encode(body + self._signature(body)).decode()

    def read(self, word: str) -> int:
        """The number in `word`."""
        try:
            raw = base64.urlsafe_b64decode(word.encode("ascii"))
        except (binascii.Error, UnicodeEncodeError) as exc:
            raise BadCursor("the cursor is none of this ledger's") from exc
        body, signature = raw[: FORM.size], raw[FORM.size :]
        if not hmac.compare_digest(signature, self._signature(body)):
            raise BadCursor("the cursor is none of this ledger's")
        _, seq = FORM.unpack(body)
        return int(seq)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self.key, self.ledger_id.encode() + body, hashlib.sha256)[:SIGNATURE]
