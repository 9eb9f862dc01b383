"""Simulates every policy in every world, and writes the table and the picture."""

import argparse
import sys
from datetime import timedelta
from pathlib import Path

from app.ledger.policy import Policy
from benchmarks.batching.picture import draw
from benchmarks.batching.rows import row, told
from benchmarks.batching.simulation import (
    ASSESS,
    AUDIT,
    BURSTS,
    EACH,
    PEOPLE,
    RETRAIN,
    UNLEARN,
    World,
    simulate,
)

RESULTS = Path(__file__).parents[1] / "results"
LOADS = (1 / 7, 1.0, 10.0)  # requests a day
ESCALATED = (0.2, 0.76)  # of audits; the second is results/unlearning.txt's: 91 of 120
POLICIES = {
    "at once": Policy(max_wait_seconds=0.0),
    "5 minutes (default)": Policy(),
    "1 day": Policy(max_wait_seconds=86400.0),
    "1 week": Policy(max_wait_seconds=7 * 86400.0),
    "50 samples or 1 week": Policy(max_wait_seconds=7 * 86400.0, max_samples=50),
    "5 people": Policy(min_subjects=5),
    "20 people": Policy(min_subjects=20),
    "2 days before due": Policy(max_wait_seconds=1e8, due_margin_seconds=2 * 86400.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    worlds = [World(load, escalated) for escalated in ESCALATED for load in LOADS]
    rows = []
    for world in worlds:
        for name, policy in POLICIES.items():
            rows.append(row(name, world, [simulate(policy, world, seed) for seed in seeds]))
            sys.stdout.write(f"{world.per_day:.3g} {name}\n")
    head = [
        f"$ python -m benchmarks.batching --seeds {len(seeds)}",
        f"A simulated year, {len(seeds)} times. {PEOPLE} people with {EACH} samples each. A retrain"
        f" takes {RETRAIN / timedelta(hours=1):.0f} h,",
        f"unlearning {UNLEARN} of that, an audit {AUDIT}, measuring {ASSESS}. {BURSTS:.0f} bursts"
        " a year.",
        "jobs: a year. cost: of one request, in retrains. p50, p95, p99: days from the request"
        " until",
        "the weights that saw the samples are withdrawn. late: after the GDPR's due date.",
    ]
    (RESULTS / "batching.txt").write_text("\n".join([*head, *told(rows)]) + "\n")
    draw(rows, RESULTS / "batching.svg")


if __name__ == "__main__":
    main()
