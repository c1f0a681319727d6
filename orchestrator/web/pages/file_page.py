"""`/files`: what was queued of late and its mistakes, and a form that queues a file."""

import secrets
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestrator.intake.directory.arrivals import IGNORED, NOT_IGNORED
from orchestrator.intake.directory.moves import GOOD_NAME, mistake_of_name
from orchestrator.settings.state import state_directory
from orchestrator.web.components import Shown
from orchestrator.web.monitoring.health import LISTED_FILES
from orchestrator.web.pages.actions import actor_of
from orchestrator.web.pages.content.recent_files import MISTAKES_LISTED, RecentFiles
from orchestrator.web.pages.forms import field, read_form
from orchestrator.web.pages.job_list import job_url
from orchestrator.web.pages.queueing import FileMistake, Outcome, Queueing, unwritable
from orchestrator.web.pages.site import Site

MOST_FILES = 20
"""Files in one form: a queue file and its tables."""
_FORM_BYTES = 64 * 1024
"""Bytes of a form besides its files."""
_PIECE = 1024 * 1024


class FilePage:
    """The pages of queue files."""

    def __init__(self, site: Site, shown: Shown, queueing: Queueing) -> None:
        self._site = site
        self._shown = shown
        self._queueing = queueing
        self._files = RecentFiles(shown.settings.queue.directory)
        self._most = shown.settings.queue.max_bytes
        self._state = state_directory(shown.settings)

    async def get(self, request: Request) -> Response:
        """The page."""
        return await self._site.page(request, "files.html", self._read, live=True)

    async def rejected(self, request: Request) -> Response:
        """Every mistake of one rejected file."""
        name: str = request.path_params["name"]

        async def read() -> Mapping[str, Any]:
            known = GOOD_NAME.fullmatch(name) is not None
            errors = await anyio.to_thread.run_sync(self._files.errors_of, name) if known else None
            if errors is None:
                raise HTTPException(404, f"rejected/ has no error file of {name!r}; it may have been removed by now")
            return {"section": "files", "name": name, "errors": errors}

        return await self._site.page(request, "rejected.html", read, live=True)

    async def post(self, request: Request) -> Response:
        """Check a file, or queue it."""
        form = await read_form(request, most_bytes=self._most + _FORM_BYTES, most_files=MOST_FILES)
        try:
            return await self._received(request, form)
        except OSError as error:
            raise unwritable(error) from None
        finally:
            await form.close()

    async def _received(self, request: Request, form: FormData) -> Response:
        only_check = field(form, "action") == "check"
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=self._state) as folder:
            paths, refused = await _saved(form, Path(folder))
            if refused is not None:
                outcome = refused
            elif only_check:
                outcome = await self._queueing.check(paths)
            else:
                outcome = await self._queueing.files(paths, actor_of(request))
        self._site.cache.clear()
        if outcome.mistakes or only_check or request.state.session is None:
            return await self._with_outcome(request, outcome, field(form, "text"))
        request.state.session.notices.extend([outcome.text, *outcome.notes])
        return RedirectResponse(job_url(outcome.jobs[0]) if len(outcome.jobs) == 1 else "/files", 303)

    async def _with_outcome(self, request: Request, outcome: Outcome, text: str) -> Response:
        status = 422 if outcome.mistakes else 200
        values = {**await self._read(), "outcome": outcome, "text": text}
        return self._site.single(request, "files.html", status=status, **values)

    async def _read(self) -> Mapping[str, Any]:
        accepted, rejected, waiting = await anyio.to_thread.run_sync(self._list)
        return {
            "section": "files",
            "accepted": accepted,
            "rejected": rejected,
            "incoming": waiting,
            "staying": self._staying(),
            "mistakes_listed": MISTAKES_LISTED,
            "most_bytes": self._most,
            "outcome": None,
            "text": "",
        }

    def _staying(self) -> Mapping[str, str]:
        """What remains in incoming/ until somebody acts, and why: name → reason, the first hundred."""
        spool = self._shown.spool
        found = {Path(path).name: why for path, why in spool.kept_back.items()} | dict(spool.stale)
        return dict(islice(sorted(found.items()), LISTED_FILES))

    def _list(self) -> tuple[Sequence[Any], Sequence[Any], int]:
        return self._files.accepted(), self._files.rejected(), self._files.incoming()


async def _saved(form: FormData, folder: Path) -> tuple[list[Path], Outcome | None]:
    """Write what was uploaded or pasted into a folder, under its own names."""
    uploads = [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]
    text = field(form, "text").strip()
    if bool(uploads) == bool(text):
        what = "both files and a text" if text else "neither a file nor a text"
        return [], _mistake("", f"the form has {what}", "choose a file, or paste the text of one")
    if text:
        path = folder / f"pasted-{secrets.token_hex(4)}{'.json' if text.startswith('{') else '.yaml'}"
        path.write_text(text.replace("\r\n", "\n") + "\n", encoding="utf-8")
        return [path], None
    paths = []
    for upload in uploads:
        name = upload.filename or ""
        bad = mistake_of_name(name)
        if bad is not None or IGNORED.fullmatch(name):
            remedy = (bad and bad.remedy) or NOT_IGNORED
            return [], _mistake(name, "is a name that is not accepted", remedy)
        if (folder / name) in paths:
            return [], _mistake(name, "was chosen twice", "choose each file once")
        await _write(upload, folder / name)
        paths.append(folder / name)
    return paths, None


async def _write(upload: UploadFile, path: Path) -> None:
    async with await anyio.open_file(path, "wb") as file:
        while piece := await upload.read(_PIECE):
            await file.write(piece)


def _mistake(file: str, message: str, remedy: str) -> Outcome:
    return Outcome("1 mistake. Nothing was queued.", mistakes=[FileMistake(file, "the upload", message, remedy)])
