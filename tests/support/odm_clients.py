"""Genestack's own client, odm-api, in several versions in one process: each in a folder of its own beside the packages.

A folder is made once for each virtual environment, from PyPI, with the hash that the list of versions demands.
"""

import importlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

_PACKAGE = "odm_api"
_VERSIONS = Path(__file__).parents[1] / "conformance" / "odm_clients.txt"
_FOLDER = Path(sys.prefix) / "clients"


def load(version: str) -> ModuleType:
    """The client in this version. Other versions that were loaded before keep their own modules."""
    folder = _FOLDER / f"odm-api-{version}"
    if not folder.exists():
        _fetch(version, folder)
    _forget()
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(_PACKAGE)
    finally:
        sys.path.remove(str(folder))
        _forget()


def _fetch(version: str, folder: Path) -> None:
    """Install it by pip. Another process may do so at the same time: the folder that is there first stays."""
    pinned = next(line for line in _VERSIONS.read_text().splitlines() if line.startswith(f"odm-api=={version} "))
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER) as scratch:
        wanted, target = Path(scratch, "wanted.txt"), Path(scratch, "packages")
        wanted.write_text(f"{pinned}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "--target", target, "-r", wanted], check=True)
        try:
            target.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(target)


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
        del sys.modules[name]
