"""What an answer may cost: memory while it is decoded, and credentials that it repeats."""

import gzip
import tracemalloc

import httpx
import pytest

from orchestrator.domain.errors import Refused, Transient
from orchestrator.platforms.http.transport import Effect

MIB = 1024 * 1024


def packed(text: bytes, **headers: str) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(text), headers={"content-encoding": "gzip", **headers})


async def test_a_gzip_bomb_is_refused_before_it_is_decoded(play, call):
    """256 MiB of zeroes in 256 KiB: decoding ends at the bound, and memory stays near it."""
    bomb = gzip.compress(bytes(256 * MIB), 9)
    platform = play(packed(bomb), max_body=MIB)
    tracemalloc.start()
    try:
        error = await platform.send(call())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(error) is Refused
    assert "more than 1048576 bytes" in error.message
    assert peak < 16 * MIB


class Trickle(httpx.AsyncByteStream):
    """A body without an end."""

    def __init__(self, piece):
        self.piece = piece
        self.sent = 0

    async def __aiter__(self):
        while True:
            self.sent += len(self.piece)
            assert self.sent < 64 * MIB, "it is read on and on"
            yield self.piece


@pytest.mark.parametrize("piece", [gzip.compress(b"") * 100, gzip.compress(b"{}") + bytes(60_000)])
async def test_a_body_that_decodes_to_nothing_is_read_up_to_the_same_bound(play, call, piece):
    """Empty members and padding between them add nothing to what is decoded."""
    body = Trickle(piece)
    platform = play(httpx.Response(200, stream=body, headers={"content-encoding": "gzip"}), max_body=MIB)
    error = await platform.send(call())
    assert type(error) is Refused
    assert body.sent < 2 * MIB


async def test_a_bomb_in_a_complaint_costs_no_more(play, call):
    """The beginning of a complaint is read, and no more of it."""
    bomb = gzip.compress(b"x" * (64 * MIB), 9)
    answer = httpx.Response(400, stream=httpx.ByteStream(bomb), headers={"content-encoding": "gzip"})
    tracemalloc.start()
    try:
        error = await play(answer).send(call())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(error) is Refused
    assert len(error.message) < 1000
    assert peak < 16 * MIB


async def test_an_answer_may_be_packed_in_several_members(play, call):
    """Servers that compress piece by piece write one gzip member after the other."""
    parts = gzip.compress(b'{"a": 1,') + gzip.compress(b' "b": 2}')
    assert (await play(packed(parts)).send(call())).body == b'{"a": 1, "b": 2}'


@pytest.mark.parametrize("cut", [5, 30])
async def test_a_packed_answer_that_was_cut_is_no_answer(play, call, cut):
    """Half a body is asked for again, never read as if it were whole."""
    error = await play(packed(gzip.compress(b'{"rows": [1, 2, 3], "more": "text"}')[:-cut])).send(call())
    assert type(error) is Transient
    assert "truncated" in error.message


async def test_an_encoding_that_was_not_asked_for_is_no_answer(play, call):
    """We ask for gzip; what comes as something else cannot be read."""
    answer = httpx.Response(200, stream=httpx.ByteStream(b"xx"), headers={"content-encoding": "br"})
    error = await play(answer).send(call())
    assert "'br'" in error.message


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_credential_that_an_answer_repeats_is_removed(play, call, token, status):
    """Neither what is kept nor what is shown holds it, whether the answer is good or not."""
    answer = httpx.Response(status, json={"detail": f"header was Bearer {token}", "items": [{"status": token}]})
    told = await play(answer).send(call(Effect.UNSAFE))
    text = told.body.decode() if status == 200 else f"{told.message} {told.detail}"
    assert token not in text
    assert "[redacted]" in text


async def test_an_earlier_credential_is_removed_from_a_later_answer(play, call, token):
    """The key that a token was made from is not in the headers of the calls that follow."""
    key = "a-very-long-api-key-0123456789"
    platform = play(httpx.Response(200, json={"token": token}), httpx.Response(200, json={"detail": f"key {key}"}))
    await platform.send(call(headers={"X-API-Key": key}))
    assert (await platform.send(call())).body == b'{"detail":"key [redacted]"}'


async def test_an_answer_that_is_a_credential_is_read_as_it_came(play, call, token):
    """A platform may hand out the same token twice."""
    platform = play(httpx.Response(200, json={"token": token}))
    await platform.send(call())
    answer = await platform.send(call(answers_with_secret=True))
    assert token.encode() in answer.body
