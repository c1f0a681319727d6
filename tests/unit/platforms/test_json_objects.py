"""What is read of an item, or of an answer, is written again as it was."""

from types import SimpleNamespace

import pytest

from orchestrator.platforms.json_objects import as_json, request_of

NUMBERS = b'{"name":"t","inputs":{"a":1.50,"b":0.12345678901234567890,"c":1E+400,"d":99999999999999999999,"e":-0.0}}'


def test_numbers_keep_their_digits():
    """Also those that no float can hold, and that intake has accepted."""
    assert as_json(request_of(SimpleNamespace(key="t", request=NUMBERS))) == NUMBERS


def test_an_item_without_a_request_has_no_object():
    """It was pruned."""
    with pytest.raises(ValueError, match="item 't' has no request"):
        request_of(SimpleNamespace(key="t", request=None))
