"""The comparison at a glance: what a way costs, and how far it stays from a retrain."""

from pathlib import Path
from statistics import mean

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.unlearning import fastest, tables
from benchmarks.unlearning.cases import SETS
from benchmarks.unlearning.grid import RETRAIN
from benchmarks.unlearning.methods import WAYS, ways_on
from benchmarks.unlearning.rows import Row, of

SHOWN = tuple(name for name in SETS if name != "one class")  # a class is always retrained
PICTURED = tuple(way for way in WAYS if not way.name.startswith("…"))  # variants stand in the table
DEFAULT, *OURS = "hamu, reference targets", "hamu, targets by rank", "distil to p̄"
COSTS = (0.05, 0.1, 0.2, 0.5)
COLOURS = mpl.color_sequences["tab20"]


def draw(every: dict[str, list[Row]], file: Path) -> None:
    """One panel for each data set, one mark for each way: means over networks and forget sets."""
    mpl.rcParams["svg.hashsalt"] = "lacuna"  # the same rows give the same bytes
    mpl.rcParams["svg.fonttype"] = "none"
    measured = {name: rows for name, rows in every.items() if of(rows, way=RETRAIN)}
    figure = Figure(figsize=(4.2 * len(measured), 5.4), layout="constrained")
    panels = figure.subplots(1, len(measured), squeeze=False, sharey=True)[0]
    for panel, (name, rows) in zip(panels, measured.items(), strict=True):
        fill(panel, name, rows)
    panels[0].set_ylabel("attack's AUC: distance from the retrains'")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.suptitle(
        "Nearer to the lower left is better\n"
        "grey: retrains among themselves; dotted: the shortest training that serves as well",
        size=10,
    )
    figure.savefig(file, metadata={"Date": None})


def fill(panel: Axes, name: str, rows: list[Row]) -> None:
    """One data set; the line is where the shortest training that serves as well lies."""
    panel.axvline(fastest.share_of(rows), color="0.6", linestyle=":")
    panel.axhspan(0, mean(distances(rows, RETRAIN)), color="0.85")
    for place, way in enumerate(PICTURED):
        if way in ways_on(name) and (found := distances(rows, way.name)):
            panel.scatter(
                mean(costs(rows, way.name)),
                mean(found),
                label=way.name,
                color=COLOURS[place],
                marker="*" if way.name == DEFAULT else "o" if way.name in OURS else "s",
                s=160 if way.name == DEFAULT else 45,
            )
    panel.set_xscale("log")
    panel.set_xticks(COSTS, [str(cost) for cost in COSTS])
    panel.minorticks_off()
    panel.set_title(name)
    panel.set_xlabel("cost, of a retrain")


def distances(rows: list[Row], way: str) -> list[float]:
    """How far each network's attack lies from the mean of the other retrains."""
    return [
        abs(row["attack"] - mean(other["attack"] for other in band if other is not row))
        for which in SHOWN
        if (band := of(rows, set=which, way=RETRAIN))
        for row in of(rows, set=which, way=way)
        if "failed" not in row
    ]


def costs(rows: list[Row], way: str) -> list[float]:
    """Processor seconds over those of a retrain by the recipe."""
    return [
        share
        for which in SHOWN
        if of(rows, set=which, way=RETRAIN)
        for share in tables.shares(rows, which, way)
    ]
