"""The vendor's client libica, imported in half the time: every worker of a test run imports it, and few call it.

It has about a thousand methods, and pydantic builds a validator for each of them when it is imported. Here that is done
when the method is first called.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pydantic
import pytest


def validated_late(function: Callable[..., Any]) -> Callable[..., Any]:
    """`pydantic.validate_call`, whose validator is built with the first call."""
    validated: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not validated:
            validated.append(pydantic.validate_call(function))
        return validated[0](*args, **kwargs)

    return call


with pytest.MonkeyPatch.context() as monkeypatch:
    monkeypatch.setattr(pydantic, "validate_call", validated_late)
    import libica.openapi.v3 as libica  # noqa: F401 - for whoever imports it from here
