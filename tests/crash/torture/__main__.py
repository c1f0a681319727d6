"""`make torture`: round after round of kills and faults, each judged by the platforms' own ledgers.

    python tests/crash/torture [--platform P] [--every-kind] [--seed S] [--kills K] [--faults F] [--rounds R]
                                [--minutes M] [--json FILE]

Runs until it has seen at least so many kills and faults, or so many rounds or minutes. Each round is drawn from its own
seed, which is printed; `--seed S --rounds 1` plays that round again. The draws repeat exactly. The instants repeat as
far as the machine does: what is killed after 1.3 s may have come further or less far, so a rare failure may need a few
repetitions (`--repeat`). The folder of a failed round is kept: queue, database, log.
"""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import anyio

sys.path.append(str(Path(__file__).parents[2] / "support"))

from chance import Plan
from rounds import Outcome, play
from sides import PLATFORMS

from orchestrator.clock import SystemClock

KILLS_A_ROUND = 8
FEW_KILLS = 4
RULES_A_KILL = 15


def main() -> None:
    """Play, print, and leave with 1 if anything was wrong."""
    asked = _arguments()
    outcomes = anyio.run(_play_all, asked)
    summary = _summary(asked.platform, outcomes)
    sys.stdout.write(f"{json.dumps(summary, indent=2)}\n")
    if asked.json is not None:
        document = {"summary": summary, "rounds": [outcome.as_json() for outcome in outcomes]}
        asked.json.write_text(json.dumps(document, indent=2) + "\n")
    sys.exit(1 if summary["failed_seeds"] or not outcomes else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--platform", choices=("all", *sorted(PLATFORMS)), default="all", help="which one fails")
    parser.add_argument("--every-kind", action="store_true", help="draw one small job of every kind")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the next has the next number")
    parser.add_argument("--kills", type=int, default=200, help="stop after so many kills")
    parser.add_argument("--faults", type=int, default=2000, help="… and so many faults")
    parser.add_argument("--rounds", type=int, default=None, help="stop after so many rounds, whatever they brought")
    parser.add_argument("--minutes", type=float, default=None, help="begin no round after so many minutes")
    parser.add_argument("--repeat", action="store_true", help="play the same seed in each round")
    parser.add_argument("--json", type=Path, default=None, help="write the summary and each round here")
    return parser.parse_args()


async def _play_all(asked: argparse.Namespace) -> list[Outcome]:
    clock = SystemClock()
    began = clock.monotonic()
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000_000)
    outcomes: list[Outcome] = []
    platforms = [each for name, each in PLATFORMS.items() if asked.platform in (name, "all")]
    while not _enough(asked, outcomes, (clock.monotonic() - began) / 60):
        number = seed if asked.repeat else seed + len(outcomes)
        kills = FEW_KILLS if asked.every_kind else KILLS_A_ROUND
        plan = Plan.draw(number, platforms, kills=kills, faults=RULES_A_KILL, every_kind=asked.every_kind)
        folder = Path(tempfile.mkdtemp(prefix=f"torture-{plan.seed}-"))
        started = clock.monotonic()
        outcome = await play(plan, folder)
        outcomes.append(outcome)
        sys.stdout.write(f"{_line(outcome, clock.monotonic() - started)}\n")
        sys.stdout.flush()
        if not outcome.wrong:
            shutil.rmtree(folder)
    return outcomes


def _enough(asked: argparse.Namespace, outcomes: list[Outcome], minutes: float) -> bool:
    if asked.minutes is not None and minutes >= asked.minutes:
        return True
    if asked.rounds is not None:
        return len(outcomes) >= asked.rounds
    kills = sum(outcome.kills for outcome in outcomes)
    return kills >= asked.kills and sum(outcome.faults.total() for outcome in outcomes) >= asked.faults


def _line(outcome: Outcome, seconds: float) -> str:
    verdict = outcome.verdict
    told = (
        f"seed {outcome.seed}: {outcome.kills} kills, {outcome.faults.total()} faults, {verdict.items} items, "
        f"{verdict.created} created, {verdict.repeated} repeated without harm, {seconds:.0f} s"
    )
    if not outcome.wrong:
        return f"{told}: right"
    return "\n  ".join([f"{told}: WRONG, see {outcome.folder}", *outcome.wrong[:20]])


def _summary(platform: str, outcomes: list[Outcome]) -> dict[str, object]:
    faults, blocked = Counter[str](), Counter[str]()
    for outcome in outcomes:
        faults.update(outcome.faults)
        blocked.update(outcome.blocked)
    verdicts = [outcome.verdict for outcome in outcomes]
    kinds = sum((verdict.kinds for verdict in verdicts), Counter[str]())
    return {
        "platform": platform,
        "rounds": len(outcomes),
        "seeds": [outcome.seed for outcome in outcomes],
        "failed_seeds": [outcome.seed for outcome in outcomes if outcome.wrong],
        "kills": sum(outcome.kills for outcome in outcomes),
        "daemon_starts": sum(outcome.starts for outcome in outcomes),
        "faults": faults.total(),
        "faults_by_kind": dict(sorted(faults.items())),
        "items": sum(verdict.items for verdict in verdicts),
        "items_by_kind": dict(sorted(kinds.items())),
        "created": sum(verdict.created for verdict in verdicts),
        "lost": sum(len(verdict.lost) for verdict in verdicts),
        "created_twice": sum(len(verdict.twice) for verdict in verdicts),
        "results_that_differ": sum(len(verdict.differ) for verdict in verdicts),
        "over_budget": sum(len(verdict.over_budget) for verdict in verdicts),
        "repeated_without_harm": sum(verdict.repeated for verdict in verdicts),
        "blocked_by_kind": dict(sorted(blocked.items())),
        "given_up": sum(verdict.given_up for verdict in verdicts),
        "an_operator_was_needed": sum(outcome.helped for outcome in outcomes),
    }


if __name__ == "__main__":
    main()
