"""The list of supported platforms."""

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.domain.kinds import Kinds
from orchestrator.platforms.declaration import Declaration
from orchestrator.platforms.ica.declared import PLATFORM as ICA
from orchestrator.platforms.odm.declared import PLATFORM as ODM
from orchestrator.platforms.sevenbridges.declared import PLATFORM as SEVEN_BRIDGES

_PLANNED_KINDS = frozenset(
    {
        "ica.workflow_session",
    }
)
"""Kinds whose names are reserved; this version rejects them."""


class Platforms(Mapping[str, Declaration]):
    """Platforms by name, with all their kinds."""

    def __init__(self, declarations: Iterable[Declaration], planned_kinds: Iterable[str] = ()) -> None:
        self._declarations = {each.name: each for each in declarations}
        kinds = (kind for each in self._declarations.values() for kind in each.kinds)
        self.kinds = Kinds(kinds, planned_kinds)

    def __getitem__(self, name: str) -> Declaration:
        return self._declarations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declarations)

    def __len__(self) -> int:
        return len(self._declarations)

    def __hash__(self) -> int:
        return hash(frozenset(self._declarations))

    @property
    def planned(self) -> frozenset[str]:
        """Platforms whose names are reserved; this version rejects them."""
        return frozenset(name.partition(".")[0] for name in self.kinds.planned) - self._declarations.keys()


def load(extra: Iterable[Declaration] = ()) -> Platforms:
    """The platforms of this version, and `extra` ones beside them."""
    return Platforms((ICA, SEVEN_BRIDGES, ODM, *extra), _PLANNED_KINDS)


PLATFORMS: Platforms = load()
"""The platforms of this version."""
KINDS: Kinds = PLATFORMS.kinds
"""Their kinds of work."""
