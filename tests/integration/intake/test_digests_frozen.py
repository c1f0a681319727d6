"""Digests of queue files that were dropped before: each stays what it was, or a file dropped again would be refused."""

import json

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
LINKING = {"name": "a", "kind": "ica.data_linking", "account": "ica", "project": PROJECT}
ANALYSIS = {"name": "a", "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
TEMPLATE = {
    "userReference": "run/${s}",
    "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
    "analysisInput": {
        "inputs": [{"parameterCode": "fastqs", "dataIds": ["${r1}", "${r2}"]}],
        "parameters": [{"code": "note", "value": "${s} costs $${r1} $5"}],
    },
}
ROWS = "s,r1,r2,chip\nA,fil.1,fil.2,2.04E+11\nB,fil.3,fil.4,TRUE\n"
FROM_TABLE = ANALYSIS | {"template": TEMPLATE, "table": "t.csv"}
ITEM = {
    "userReference": "run/A",
    "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
    "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["fil.1", "fol.2"]}]},
    "unknown": [1, 2.50, True, None, "é"],
}
SETTINGS = {
    "after": {"jobs": ["Other", "first"], "accept": ["succeeded", "partial"]},
    "priority": 2,
    "max_open": 40,
    "stop_after": {"failed": 3},
    "retry": {"attempts": 2, "on": ["FAILED", "ABORTED"]},
    "count": 2,
}
CASES = {
    "links": (LINKING | {"items": [{"dataId": "fil.1"}, {"dataId": "fol.2"}]}, ""),
    "links_of_a_table": (LINKING | {"table": "t.csv"}, "dataId\nfil.1\nfil.2\n"),
    "links_with_an_extra_column": (LINKING | {"table": "t.csv"}, "dataId,label\nfil.1,x\nfil.2,\n"),
    "analyses": (ANALYSIS | {"items": [ITEM]}, ""),
    "analyses_under_a_template": (
        ANALYSIS | {"template": {"tags": {"userTags": ["$${x}"]}, "unknown": 1}, "items": [ITEM]},
        "",
    ),
    "analyses_of_a_table": (FROM_TABLE, ROWS),
    "analyses_with_settings": (FROM_TABLE | SETTINGS, ROWS),
    "analyses_of_a_table_with_blanks": (FROM_TABLE, "\ufeff s , r1,r2,chip\r\n A ,fil.1,fil.2,\r\n\r\n,,,\r\n"),
    "analyses_of_json_lines": (
        FROM_TABLE | {"table": "t.jsonl"},
        '{"s":"A","r1":"fil.1","r2":"fil.2","n":1.50,"b":true,"e":null}\n',
    ),
}
FROZEN = {
    "links": "53e9be03d8e126e4255fc68a8200e9e8247fb291141a4772a7cdc27f231f05f1",
    "links_of_a_table": "0d59a8ca404d16e36b81ed9b4bddc30dfae29711490d94875809ed7b8c9bb1b6",
    "links_with_an_extra_column": "ace0d394872b4792d480f7e5784f7e71268dd54e5154f09adb6c5f1c923c44f6",
    "analyses": "1506c53dfc39424046d7cd617c415fa9eddfc3c1b7385cb37a52a4b6303805c7",
    "analyses_under_a_template": "483c322bbe9310609f9c8bba511f0af5390bfe51dd7f97ec91edf09901fe8e32",
    "analyses_of_a_table": "3d7653845eb83f7304133410ff9997e853347e397154fc9e378e46e3ba7dc7dd",
    "analyses_with_settings": "61c8516b4266c359d39138b77e32368a11fe1741f30e953a685b0d68b16dff4c",
    "analyses_of_a_table_with_blanks": "e8e64f95c4fcf8ce8f165e02e42b6cf4f15d93e78235fc8d82eca5b7f8eb036b",
    "analyses_of_json_lines": "f43763522733eb8f7e983ce44077c6888a3cca22ed718f7415cbca245b0f405d",
}


@pytest.mark.parametrize("case", CASES)
async def test_the_digest_of_a_job_stays_what_it_was(tmp_path, case):
    """The same file dropped after an upgrade is the same job."""
    job, table = CASES[case]
    if table:
        (tmp_path / job["table"]).write_text(table)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 1, "jobs": [job]}) + "\n")
    with await check(path, ACCOUNTS) as report:
        assert list(report.mistakes) == []
        assert report.jobs[0].spec.digest == FROZEN[case]
