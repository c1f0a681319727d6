"""The list of supported platforms; docs/platforms.md says how to add one."""

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.domain.kinds import Kinds
from orchestrator.platforms.declaration import Declaration
from orchestrator.platforms.ica.declared import PLATFORM as ICA
from orchestrator.platforms.odm.declared import PLATFORM as ODM
from orchestrator.platforms.sevenbridges.declared import PLATFORM as SEVEN_BRIDGES


class Platforms(Mapping[str, Declaration]):
    """Platforms by name, with all their kinds."""

    def __init__(self, declarations: Iterable[Declaration]) -> None:
        self._declarations = {each.name: each for each in declarations}
        kinds = (kind for each in self._declarations.values() for kind in each.kinds)
        self.kinds = Kinds(kinds)

    def __getitem__(self, name: str) -> Declaration:
        return self._declarations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declarations)

    def __len__(self) -> int:
        return len(self._declarations)

    def __hash__(self) -> int:
        return hash(frozenset(self._declarations))


def load(extra: Iterable[Declaration] = ()) -> Platforms:
    """The platforms of this version, and `extra` ones beside them."""
    return Platforms((ICA, SEVEN_BRIDGES, ODM, *extra))


PLATFORMS: Platforms = load()
"""The platforms of this version."""
KINDS: Kinds = PLATFORMS.kinds
"""Their kinds of work."""
