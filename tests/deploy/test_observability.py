"""Alert rules and dashboard: sound by Prometheus's own tools, and about metrics that the daemon has."""

import json
import re
import runpy
import sys
import urllib.parse
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from processes import free_port, get, running, until
from tools import ROOT, run, tool
from waiting import PATIENCE

pytestmark = pytest.mark.xdist_group("observability")

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
    text, alert = RULES.read_text(), "OrchestratorCredentialRefused"
    assert "orchestrator_credential_rejected == 1" in text
    (tmp_path / "rules.yml").write_text(
        text.replace("orchestrator_credential_rejected == 1", "orchestrator_credential_rejected == 2")
    )
    tests = yaml.safe_load((FOLDER / "rules_test.yml").read_text())
    tests["tests"] = [each for each in tests["tests"] if each["alert_rule_test"][0]["alertname"] == alert]
    (tmp_path / "rules_test.yml").write_text(yaml.safe_dump(tests))
    seen = run(tool("promtool"), "test", "rules", tmp_path / "rules_test.yml")
    assert seen.returncode != 0
    assert alert in seen.stdout + seen.stderr


def test_the_operator_gets_the_same_rules():
    """There is one truth; `python deploy/observability/prometheusrule.py` writes the other form of it."""
    module = runpy.run_path(str(FOLDER / "prometheusrule.py"))
    assert module["TARGET"].read_text() == module["prometheusrule"]()
    assert yaml.safe_load(module["prometheusrule"]())["spec"] == yaml.safe_load(RULES.read_text())


def test_every_alert_says_what_to_do():
    """In one line with the alert, and in the operations guide under its name, which knows no other."""
    assert all(rule["annotations"]["summary"] for rule in ALERTS.values())
    guide = (ROOT / "docs/operations.md").read_text()
    described = re.findall(r"^\| `(Orchestrator\w+)` \| (.+) \|$", guide, re.MULTILINE)
    assert [name for name, _ in described] == list(ALERTS)
    assert all(len(remedy) > 20 for _, remedy in described)


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
        drop(folder, "done")
        until(lambda: json.loads(get(f"{daemon}/api/v1/jobs/done"))["job"]["settled_at"])
        knobs = f"http://127.0.0.1:{ports[0]}/ica/rest/_simulator/knobs"
        urlopen(Request(knobs, data=b'{"link_seconds": 100000}', method="PUT"), timeout=PATIENCE).close()
        drop(folder, "open")  # metrics of work on the platform exist while there is any
        for name in (b"orchestrator_oldest_poll_timestamp_seconds", b"orchestrator_unchanged_since_timestamp_seconds"):
            until(lambda name=name: name + b"{" in get(f"{daemon}/metrics"))

        def ask(query):
            url = f"http://127.0.0.1:{ports[2]}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            return json.loads(get(url))["data"]["result"]

        until(lambda: ask('rate(orchestrator_requests_total{job="orchestrator"}[1m])'))
        yield get(f"{daemon}/metrics").decode(), ask


def drop(folder, name):
    """Put a queue file with a job of this name into incoming/."""
    project = "11111111-1111-1111-1111-111111111111"
    items = [{"dataId": f"fil.{name}-{number}"} for number in range(2)]
    job = {"name": name, "kind": "ica.data_linking", "account": "ica", "project": project, "items": items}
    draft = folder / f"queue/incoming/.{name}.tmp"
    draft.write_text(json.dumps({"version": 1, "jobs": [job]}))
    draft.rename(folder / f"queue/incoming/{name}.json")


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
    assert named - known == set()


@pytest.mark.parametrize("query", QUERIES, ids=QUERIES.values())
def test_every_query_of_the_dashboard_is_answered(scraped, query):
    """With a result, by a real Prometheus that scrapes a real daemon with work done and work open."""
    _, ask = scraped
    until(lambda: ask(filled(query)))  # from the next scrape on


def test_prometheus_takes_the_rules(scraped):
    """They are loaded, and none fires on a daemon that is well."""
    _, ask = scraped
    assert ask('up{job="orchestrator"} == 1')
    assert ask('ALERTS{alertstate="firing"}') == []
