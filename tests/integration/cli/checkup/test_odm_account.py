"""`doctor` and `validate` about an account on ODM."""

import json

import anyio.to_thread
import pytest
from checkup import KEY, about, examine

from orchestrator.simulator import serve
from orchestrator.simulator.odm import Config, Simulator


def configure(desk, base_url="https://odm.example.org", **keys):
    account = {"platform": "odm", "base_url": base_url, "api_key_file": "key"} | keys
    desk.config.write_text(json.dumps({"accounts": {"odm": account}, "server": None}))


@pytest.mark.parametrize(
    ("account", "path", "code", "text"),
    [
        ({}, "", 0, "1 of 300 requests"),
        ({"header": "Authorization"}, "", 0, "1 of 300 requests"),
        ({"api_key_file": "other"}, "", 4, "replace the account's key"),
        ({}, "/elsewhere", 2, "base_url"),
    ],
)
async def test_doctor_asks_odm_for_one_page_of_studies(desk, account, path, code, text):
    """A token that is accepted in either header, one that is not, and an address at which there is no ODM."""
    (desk.folder / "other").write_text("another\n")
    (desk.folder / "other").chmod(0o600)
    simulator = Simulator(Config(tokens=(KEY,)))
    async with serve(simulator) as base_url:
        configure(desk, f"{base_url}{path}", **account)
        ended, found = await anyio.to_thread.run_sync(examine, desk)
    (finding, *_) = about(found, "account")
    assert (ended, text in f"{finding['found']} {finding['remedy']}") == (code, True), finding
    assert sum(simulator.ledger.calls.values()) == 1


def test_the_plan_of_a_file_knows_the_cost_of_each_kind(desk):
    """Batches and requests, from the budget of the account; what is only followed sends nothing."""
    configure(desk)
    link = "https://bucket.example.org/s"
    jobs = [
        {"name": "i", "kind": "odm.import", "items": [{"type": "cells", "dataLink": f"{link}{n}"} for n in range(30)]},
        {"name": "p", "kind": "odm.publish", "items": [{"study": "GSF1"}]},
        {"name": "t", "kind": "odm.task", "items": [{"id": "GSF2"}]},
    ]
    (desk.folder / "a.json").write_text(json.dumps({"version": 1, "jobs": [{"account": "odm"} | job for job in jobs]}))
    ended = desk.run("validate", str(desk.folder / "a.json"), "--plan", "--json")
    assert ended.code == 0, ended.out
    (file,) = json.loads(ended.out)["files"]
    assert [(job["name"], job["items"], job["batches"]) for job in file["jobs"]] == [
        ("i", 30, 30),
        ("p", 1, 1),
        ("t", 1, 1),
    ]
