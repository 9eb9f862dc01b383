"""What waiting saves, at a glance."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.batching.rows import Row

MARKERS = "*+os^vDP"  # one for each policy
DAYS = (0.5, 1, 2, 7, 30)


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
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(file, metadata={"Date": None})


def fill(panel: Axes, escalated: float, rows: Sequence[Row]) -> None:
    """Lines go from policy to policy; a mark that lies under another costs and waits the same."""
    for colour, load in enumerate(sorted({each.world.per_day for each in rows})):
        found = sorted((each for each in rows if each.world.per_day == load), key=lambda r: r.p95)
        places = [each.p95 for each in found], [each.cost for each in found]
        panel.plot(*places, color=f"C{colour}", zorder=1, label=f"{load:.2g} requests a day")
    for marker, policy in zip(MARKERS, dict.fromkeys(each.policy for each in rows), strict=True):
        named = [each for each in rows if each.policy == policy]
        places = [each.p95 for each in named], [each.cost for each in named]
        panel.scatter(*places, marker=marker, s=60, color="0.2", label=policy, zorder=2)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(DAYS, [str(days) for days in DAYS])
    panel.minorticks_off()
    panel.set_title(f"audits send {escalated:.0%} back")
    panel.set_xlabel("95 % of requests are carried out within, days")
