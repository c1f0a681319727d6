"""Write rules.yml as the PrometheusRule of deploy/kubernetes/components/prometheusrule."""

from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parent / "kubernetes/components/prometheusrule/prometheusrule.yaml"
HEAD = """\
# Written by deploy/observability/prometheusrule.py from rules.yml: change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: orchestrator
  namespace: orchestrator
spec:
"""


def prometheusrule() -> str:
    """The document, with the rules indented below `spec`."""
    rules = (HERE / "rules.yml").read_text().splitlines()
    return HEAD + "".join(f"  {line}\n" for line in rules if not line.startswith("#"))


if __name__ == "__main__":
    TARGET.write_text(prometheusrule())
