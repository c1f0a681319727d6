"""Decodes a response body while it arrives, up to a maximum size.

A compressed body may grow a thousandfold: two megabytes on the wire become gigabytes in memory. So the size is limited
while decoding, not afterwards.
"""

import zlib
from collections.abc import AsyncIterable, Iterator
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS
_STEP: Final = 64 * 1024
"""Bytes that one step of the decoder may return."""
_OVERHEAD: Final = 64 * 1024
"""Bytes by which a compressed body may be longer than what it decodes to."""
_PLAIN: Final = frozenset({"", "identity"})
_KNOWN: Final = _PLAIN | {"gzip", "x-gzip"}


class DecodingError(Exception):
    """The body is not encoded as its header says, or in an encoding that was not requested."""


async def decoded(raw: AsyncIterable[bytes], encoding: str, most: int) -> tuple[bytes, bool]:
    """Decode the first `most` bytes of the body `raw`; returns them and whether there are more.

    Raises:
        DecodingError: the body cannot be decoded.
    """
    encoding = encoding.strip().lower()
    if encoding not in _KNOWN:
        raise DecodingError(f"the body is encoded as {encoding[:40]!r}, which was not requested")
    decoder = None if encoding in _PLAIN else _Gzip()
    parts: list[bytes] = []
    size = received = 0
    async for chunk in raw:
        received += len(chunk)
        for part in (chunk,) if decoder is None else decoder.decode(chunk):
            parts.append(part)
            size += len(part)
            if size > most:
                break
        if size > most or received > most + _OVERHEAD:  # empty members decode to nothing
            return b"".join(parts)[:most], True
    if decoder is not None:
        decoder.close()
    return b"".join(parts), False


class _Gzip:
    """One or more gzip members, decoded step by step."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=_GZIP)
        self._begun = False

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk decodes to, in parts of at most one step."""
        pending = chunk
        try:
            while pending:
                if self._member.eof:  # another member follows, or padding
                    self._member, self._begun = zlib.decompressobj(wbits=_GZIP), False
                    pending = pending.lstrip(b"\0")
                    if not pending:
                        return
                self._begun = True
                yield self._member.decompress(pending, _STEP)
                pending = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise DecodingError(f"the body is not gzip: {error}") from error

    def close(self) -> None:
        """Raise DecodingError when the last member is truncated."""
        if self._begun and not self._member.eof:
            raise DecodingError("the gzip body is truncated")
