"""What the toy platform does, in one process: an ASGI application with a memory, and what tests do to it."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Row = dict[str, Any]


class Truth:
    """What no run of the daemon may bring about."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def duplicates(self) -> dict[str, int]:
        """Names that were run or copied more than once."""
        return {name: count for name, count in self._server.done.items() if count > 1}


@dataclass
class Server:
    """Tasks, copies and sessions. What ends does so by the clock; a name says how."""

    clock: Any
    base_path: str = ""
    tasks: dict[str, Row] = field(default_factory=dict)
    copies: dict[str, Row] = field(default_factory=dict)
    sessions: dict[str, Row] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    """How often each name was run or copied."""
    calls: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """Answers that are lost after the effect, by route."""
    busy: Counter[str] = field(default_factory=Counter)
    """Sources that the platform has no time for, so often."""

    @property
    def truth(self) -> Truth:
        return Truth(self)

    def drafts(self, name: str) -> int:
        """How often this task was drafted."""
        return sum(task["name"] == name for task in self.tasks.values())

    def begin_session(self, name: str, tasks: int) -> None:
        """Somebody begins a session that orchestrates so many tasks."""
        row = {"id": name, "name": name, "seconds": 30.0, "at": self.clock.monotonic()}
        self.sessions[name] = row | {"children": [self._task(f"{name}.{n}", run=True) for n in range(tasks)]}

    # ------------------------------------------------------------ HTTP

    async def app(
        self, scope: Row, receive: Callable[[], Awaitable[Row]], send: Callable[[Row], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        parts = scope["path"].strip("/").split("/")
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        route = f"{scope['method']} {parts[0]}{'/' + parts[2] if len(parts) > 2 else ''}"
        self.calls[route] += 1
        status, answer = self._answer(route, parts, query, json.loads(body or b"{}"))
        if self.lost[route]:
            self.lost[route] -= 1
            status, answer = 502, {}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def _answer(self, route: str, parts: list[str], query: dict[str, str], body: Row) -> tuple[int, Row]:
        match route:
            case "POST tasks":
                return 200, self._shown(self.tasks[self._task(**body)])
            case "POST copies":
                return 200, {"rows": [self._copy(item["source"], body["token"]) for item in body["items"]]}
            case "POST tasks/run" | "POST tasks/abort" if parts[1] in self.tasks:
                task = self.tasks[parts[1]]
                self._run(task) if route.endswith("run") else task.update(aborted=True)
                return 200, self._shown(task)
            case "GET tasks" | "GET copies":
                return 200, {"rows": self._listed(self.tasks if parts[0] == "tasks" else self.copies, query)}
            case "GET sessions" if parts[1] in self.sessions:
                return 200, {"rows": [self._shown(self.sessions[parts[1]])]}
        return 404, {"error": "there is none"}

    def _listed(self, rows: dict[str, Row], query: dict[str, str]) -> list[Row]:
        if "token" in query:
            return [self._shown(row) for row in rows.values() if row.get("token") == query["token"]]
        return [self._shown(rows[each]) for each in query["ids"].split(",") if each in rows]

    # ------------------------------------------------------------ what happens

    def _task(self, name: str, *, token: str = "", parts: int = 0, run: bool = False, **_more: Any) -> str:
        task = {"id": f"t{len(self.tasks) + 1}", "name": name, "token": token, "parts": parts, "children": []}
        self.tasks[task["id"]] = task | {"seconds": 30.0}
        if run:
            self._run(self.tasks[task["id"]])
        return str(task["id"])

    def _run(self, task: Row) -> None:
        if "at" in task:  # the id is the key
            return
        self.done[task["name"]] += 1
        task["at"] = self.clock.monotonic()
        for part in range(task["parts"]):
            child = self.tasks[self._task(f"{task['name']}.{part}", run="never" not in task["name"] or part == 0)]
            child["seconds"] = 300.0 * (part + 1)  # long after its parent
            task["children"].append(child["id"])

    def _copy(self, source: str, token: str) -> Row:
        if self.busy[source]:
            self.busy[source] -= 1
            return {"name": source, "again": True, "status": "FAILED"}
        if "bad" in source:
            return {"id": None, "name": source, "status": "FAILED", "error": "no such file"}
        self.done[source] += 1
        row = {"id": f"c{len(self.copies) + 1}", "name": source, "token": token, "at": self.clock.monotonic()}
        self.copies[row["id"]] = row | {"seconds": 60.0}
        return self._shown(self.copies[row["id"]])

    def _shown(self, row: Row) -> Row:
        shown = {"id": row["id"], "name": row["name"], "status": self._status(row)}
        if "at" in row:
            shown["price"] = 0.5
        return shown | {"children": [self._shown(self.tasks[each]) for each in row.get("children", ())]}

    def _status(self, row: Row) -> str:
        if row.get("aborted"):
            return "ABORTED"
        if "at" not in row:
            return "DRAFT"
        if self.clock.monotonic() - row["at"] < row["seconds"]:
            return "RUNNING"
        return "FAILED" if "fail" in row["name"] else "COMPLETED"
