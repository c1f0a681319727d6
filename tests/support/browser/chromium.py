"""Debian's chromium, driven by playwright from the environment of the deployment tools."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tools import TOOLS, tool


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window; in CI it has to be there."""
    program = tool("chromium")
    tool("playwright")
    _find_packages()
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def barriers(page: Any) -> list[str]:
    """What axe-core finds on a page: rule, element and why."""
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}" for each in found for node in each["nodes"]]


def _find_packages() -> None:
    """Behind the packages of this environment, so that it keeps its own versions of what both have."""
    for folder in TOOLS.parent.glob("lib/python*/site-packages"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
