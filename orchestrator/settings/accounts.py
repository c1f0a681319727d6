"""Validates an account of the configuration with the model of its platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, GetCoreSchemaHandler, Tag, create_model
from pydantic_core import CoreSchema

from orchestrator.domain.fields import BaseUrl, ConfigPath
from orchestrator.domain.queue_file.validation_messages import TAG
from orchestrator.platforms.account import BudgetSettings, LimitSettings, Section, known_kinds_only
from orchestrator.platforms.registry import Platforms

_UNKNOWN = f"{TAG}?"


@dataclass(frozen=True, slots=True)
class OnAnyOf:
    """Validates an account with the model of its platform, which must be one of `platforms`."""

    platforms: Platforms

    def model(self, tag: str) -> type[Section]:
        """The model of an account with this tag, as it occurs in the paths of mistakes."""
        declaration = self.platforms.get(tag.removeprefix(TAG))
        return declaration.account if declaration else _unknown(self.platforms)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's
        del source
        models: list[Any] = [
            Annotated[each.account, AfterValidator(known_kinds_only(each.kinds)), Tag(f"{TAG}{name}")]
            for name, each in self.platforms.items()
        ]
        models.append(Annotated[_unknown(self.platforms), Tag(_UNKNOWN)])
        return handler.generate_schema(Annotated[reduce(or_, models), Discriminator(self._tag)])

    def _tag(self, value: object) -> str:
        name = value.get("platform") if isinstance(value, Mapping) else getattr(value, "platform", None)
        return f"{TAG}{name}" if isinstance(name, str) and name in self.platforms else _UNKNOWN


class _Unknown(Section):
    """The keys that all platforms share; used to check an account whose platform is unknown."""

    model_config = ConfigDict(extra="ignore")

    base_url: BaseUrl | None = None
    api_key_file: ConfigPath | None = None
    budget: BudgetSettings = BudgetSettings()
    limits: LimitSettings = LimitSettings()


def _unknown(platforms: Platforms) -> type[Section]:
    """A model that accepts nothing: its `platform` is missing or wrong."""
    known = tuple(platforms)
    fields: dict[str, Any] = {"platform": (Literal[known], ...)}
    model: type[Section] = create_model("Account", __base__=_Unknown, **fields)
    return model
