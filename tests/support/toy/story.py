"""Work of every kind of the toy platform, as it is dropped, and its judge."""

from typing import Any


def drop(lab: Any) -> None:
    """A task with parts, one that fails, copies of which one is refused, and a session that somebody began."""
    lab.simulator.begin_session("night", 2)
    job = {"account": "toy"}
    lab.drop_jobs(
        "toy.json",
        job | {"name": "tasks", "kind": "toy.task", "items": [{"name": "a", "parts": 2}, {"name": "b-fail"}]},
        job | {"name": "copies", "kind": "toy.file_copy", "items": [{"source": "c1"}, {"source": "c2-bad"}]},
        job | {"name": "sessions", "kind": "toy.session", "items": [{"id": "night"}]},
    )


def judge(lab: Any) -> None:
    """The results on disk, and what the server counts, are what was asked for: once."""
    states = {name: {item["key"]: item["state"] for item in lab.result(name)["items"]} for name in ("tasks", "copies")}
    parts = [item for item in lab.result("tasks")["items"] if item["parent"] == "a"]
    assert {key: states["tasks"][key] for key in ("a", "b-fail")} == {"a": "succeeded", "b-fail": "failed"}
    assert [item["state"] for item in parts] == ["succeeded", "succeeded"]
    assert states["copies"] == {"c1": "succeeded", "c2-bad": "failed"}
    assert lab.result("sessions")["job"]["counts"] == {"succeeded": 2}
    assert lab.simulator.truth.duplicates() == {}
    assert {name: lab.simulator.done[name] for name in ("a", "b-fail", "c1")} == {"a": 1, "b-fail": 1, "c1": 1}
