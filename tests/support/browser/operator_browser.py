"""A browser of few words: follows redirects, keeps cookies, and sends forms with what the page gave it."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx

_CSRF = re.compile(r'name="csrf" value="([^"]*)"')


@dataclass
class OperatorBrowser:
    """One operator at one server."""

    client: httpx.AsyncClient
    origin: str | None = None
    """What it sends as `Origin`; by default that of the server."""
    csrf: str = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A page, after all redirects."""
        answer = await self.client.get(path, headers={"accept": "text/html", **headers}, follow_redirects=True)
        self._remember(answer)
        return answer

    async def post(self, path: str, files: Any = None, *, follow: bool = True, **fields: str) -> httpx.Response:
        """Send a form with the CSRF token of the last page."""
        origin = self.origin or str(self.client.base_url).rstrip("/")
        answer = await self.client.post(
            path,
            data={"csrf": self.csrf, **fields},
            files=files,
            headers={"accept": "text/html", "origin": origin},
            follow_redirects=follow,
        )
        self._remember(answer)
        return answer

    async def log_in(self, token: str, name: str = "Ada", target: str = "/") -> httpx.Response:
        """Log in; the answer is the page that the login was for."""
        await self.get("/login")
        return await self.post("/login", name=name, token=token, next=target)

    def _remember(self, answer: httpx.Response) -> None:
        if found := _CSRF.search(answer.text):
            self.csrf = found[1]


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style", "option", "title")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style", "option", "title")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of(html: str) -> str:
    """What a reader sees, in one line."""
    parser = _Texts()
    parser.feed(html)
    return " ".join(" ".join(parser.parts).split())


def tags_of(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element with its attributes, as a browser would make them."""
    parser = _Texts()
    parser.feed(html)
    return parser.tags
