"""What waiting saves, at a glance."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.batching.rows import Row


def draw(rows: Sequence[Row], file: Path) -> None:
    """One panel for each rate of escalation; one line for each load, one mark for each policy."""
    mpl.rcParams["svg.hashsalt"] = "lacuna"  # the same rows give the same bytes
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(10.0, 5.2), layout="constrained")
    rates = sorted({each.world.escalated for each in rows})
    panels = figure.subplots(1, len(rates), squeeze=False, sharey=True)[0]
    for panel, escalated in zip(panels, rates, strict=True):
        fill(panel, escalated, [each for each in rows if each.world.escalated == escalated])
    panels[0].set_ylabel("cost of a request, in retrains")
    panels[-1].legend(frameon=False, fontsize=8)
    figure.savefig(file, metadata={"Date": None})


def fill(panel: Axes, escalated: float, rows: Sequence[Row]) -> None:
    loads = sorted({each.world.per_day for each in rows})
    for load, marker in zip(loads, "os^", strict=True):
        found = sorted((each for each in rows if each.world.per_day == load), key=lambda r: r.p95)
        panel.plot(
            [each.p95 for each in found],
            [each.cost for each in found],
            marker=marker,
            label=f"{load:.2g} requests a day",
        )
        for each in found:
            place = (each.p95, each.cost)
            panel.annotate(
                each.policy, place, fontsize=6, xytext=(3, 3), textcoords="offset points"
            )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_title(f"audits send {escalated:.0%} back")
    panel.set_xlabel("95 % are out of use after, days")
