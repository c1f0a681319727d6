"""Alert rules and dashboard: sound by Prometheus's own tools, and about metrics that the daemon has."""

import json
import re
import runpy
import sys
import urllib.parse
from pathlib import Path

import pytest
import yaml
from processes import free_port, get, running, until
from tools import ROOT, run, tool

FOLDER = ROOT / "deploy/observability"
RULES = FOLDER / "rules.yml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
QUERIES = {target["expr"]: panel["title"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
SCRAPED = {"up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""What Prometheus itself or its client library adds."""


def names_in(expression):
    """The metrics of a PromQL expression."""
    return set(re.findall(r"\b(?:orchestrator|process)_\w+", expression))


def filled(expression):
    """A query of the dashboard with its variables filled in as Grafana does."""
    return expression.replace("$job", "orchestrator").replace("$account", ".*").replace("$__rate_interval", "1m")


# ---------------------------------------------------------------- rules


def test_rules_pass_promtool():
    """Without a single warning of its linter."""
    seen = run(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert seen.returncode == 0, seen.stdout + seen.stderr


def test_every_alert_fires_when_it_should_and_not_otherwise():
    """By their unit tests, run by promtool."""
    seen = run(tool("promtool"), "test", "rules", FOLDER / "rules_test.yml")
    assert seen.returncode == 0, seen.stdout + seen.stderr


def test_every_alert_has_both_tests():
    """One with input that fires it, one with input that does not."""
    tests = yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
    fired, silent = set(), set()
    for case in tests:
        for check in case["alert_rule_test"]:
            (fired if check["exp_alerts"] else silent).add(check["alertname"])
    assert fired == silent == set(ALERTS)


def test_an_alert_that_no_longer_fires_would_be_seen(tmp_path):
    """The unit tests of the rules can fail."""
    text = RULES.read_text()
    assert "orchestrator_credential_rejected == 1" in text
    (tmp_path / "rules.yml").write_text(
        text.replace("orchestrator_credential_rejected == 1", "orchestrator_credential_rejected == 2")
    )
    (tmp_path / "rules_test.yml").write_text((FOLDER / "rules_test.yml").read_text())
    seen = run(tool("promtool"), "test", "rules", tmp_path / "rules_test.yml")
    assert seen.returncode != 0
    assert "OrchestratorCredentialRefused" in seen.stdout + seen.stderr


def test_the_operator_gets_the_same_rules():
    """There is one truth; `python deploy/observability/prometheusrule.py` writes the other form of it."""
    module = runpy.run_path(str(FOLDER / "prometheusrule.py"))
    assert module["TARGET"].read_text() == module["prometheusrule"]()
    assert yaml.safe_load(module["prometheusrule"]())["spec"] == yaml.safe_load(RULES.read_text())


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_to_do(alert):
    """In one line with the alert, and in the operations guide under its name."""
    assert ALERTS[alert]["annotations"]["summary"]
    assert f"| `{alert}` |" in (ROOT / "docs/operations.md").read_text()


# ---------------------------------------------------------------- against a daemon and a real Prometheus


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """A running daemon with work behind it, scraped by a real Prometheus: the metrics page, and a way to ask."""
    folder = tmp_path_factory.mktemp("scraped")
    program, prometheus = Path(sys.executable).parent / "orchestrator", tool("prometheus")
    ports = [free_port() for _ in range(3)]
    (folder / "key").write_text("simulator")
    (folder / "key").chmod(0o600)
    (folder / "config.yaml").write_text(
        json.dumps(
            {
                "accounts": {
                    "ica": {
                        "platform": "ica",
                        "base_url": f"http://127.0.0.1:{ports[0]}/ica/rest",
                        "api_key_file": "key",
                    }
                },
                "server": {"listen": f"127.0.0.1:{ports[1]}"},
                "backup": {"directory": "backups"},
            }
        )
    )
    (folder / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(RULES)],
                "scrape_configs": [
                    {"job_name": "orchestrator", "static_configs": [{"targets": [f"127.0.0.1:{ports[1]}"]}]}
                ],
            }
        )
    )
    daemon = f"http://127.0.0.1:{ports[1]}"
    with (
        running(folder, program, "simulator", "--port", str(ports[0])),
        running(folder, program, "run", "--config", "config.yaml"),
        running(
            folder,
            prometheus,
            "--config.file=prometheus.yml",
            f"--web.listen-address=127.0.0.1:{ports[2]}",
            "--storage.tsdb.path=tsdb",
        ),
    ):
        until(lambda: get(f"{daemon}/readyz"))
        (folder / "queue/incoming/.job.tmp").write_text(JOB)
        (folder / "queue/incoming/.job.tmp").rename(folder / "queue/incoming/job.json")
        until(
            lambda: json.loads(get(f"{daemon}/api/v1/jobs/run"))["job"]["state"] in ("succeeded", "partial", "failed")
        )

        def ask(query):
            url = f"http://127.0.0.1:{ports[2]}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            return json.loads(get(url))["data"]["result"]

        until(lambda: ask('rate(orchestrator_requests_total{job="orchestrator"}[1m])'))
        yield get(f"{daemon}/metrics").decode(), ask


JOB = json.dumps(
    {
        "version": 1,
        "jobs": [
            {
                "name": "run",
                "kind": "ica.data_linking",
                "account": "ica",
                "project": "11111111-1111-1111-1111-111111111111",
                "items": [{"dataId": "fil.0a1b"}, {"dataId": "fil.1a1b"}],
            }
        ],
    }
)


def test_the_metrics_page_passes_promtool(scraped):
    """Names, types and help texts are as Prometheus wants them."""
    page, _ = scraped
    seen = run(tool("promtool"), "check", "metrics", input=page)
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")


def test_every_metric_of_rules_and_dashboard_exists(scraped):
    """A query on a name that nothing has is an empty panel, and an alert that never fires."""
    page, _ = scraped
    known = set(re.findall(r"^(\w+)[{ ]", page, re.MULTILINE)) | SCRAPED
    named = {name for rule in ALERTS.values() for name in names_in(rule["expr"])}
    named |= {name for query in QUERIES for name in names_in(query)}
    variables = " ".join(str(each["query"]) for each in DASHBOARD["templating"]["list"])
    named |= names_in(variables)
    assert len(named) > 15
    # There is nothing to be polled any more once all is settled.
    assert named - known <= {
        name for name in named if name.startswith(("orchestrator_oldest_", "orchestrator_unchanged_"))
    }


@pytest.mark.parametrize("query", QUERIES, ids=QUERIES.values())
def test_every_query_of_the_dashboard_is_answered(scraped, query):
    """By a real Prometheus that scrapes a real daemon; with a result, where an idle daemon has one."""
    _, ask = scraped
    result = ask(filled(query))
    idle = "> 0" in query or "orchestrator_oldest_" in query
    assert result or idle


def test_prometheus_takes_the_rules(scraped):
    """They are loaded, and none fires on a daemon that is well."""
    _, ask = scraped
    assert ask('up{job="orchestrator"} == 1')
    assert ask('ALERTS{alertstate="firing"}') == []
