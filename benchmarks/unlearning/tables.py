"""The rows as a small text: per data set and forget set, each way against the retrain band."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import t as student

from benchmarks.unlearning.cases import SETS
from benchmarks.unlearning.grid import RETRAIN, TUNING_SET, UNTOUCHED, Row, Rows
from benchmarks.unlearning.measured import tow
from benchmarks.unlearning.methods import WAYS

JUDGED = ("forget", "retain", "test", "doubt", "attack")
CONFIDENCE = 0.95
NOTHING = 0.005  # of the score on what is kept and on the test set makes no difference
HEAD = (
    f"{'':26} {'forget':>7} {'retain':>7} {'test':>7} {'loss':>7} {'doubt':>7} {'attack':>7}"
    f" {'ToW':>6} {'inside':>9} {'cost':>7}"
)


def text(folder: Path, data: Sequence[str], *, seeds: int, band: int) -> str:
    """Everything that is known, with the command that measured it."""
    parts = [
        f"$ python -m benchmarks.unlearning {' '.join(data)} --seeds {seeds} --band {band}",
        LEGEND,
    ]
    for name in data:
        rows = Rows(folder / f"{name}.jsonl").all()
        parts.append(chosen(name, rows))
        parts += [section(name, which, of_set) for which in SETS if (of_set := of(rows, set=which))]
    parts.append(summary([(name, Rows(folder / f"{name}.jsonl").all()) for name in data]))
    return "\n\n".join(parts) + "\n"


LEGEND = """\
forget, retain, test: mean score, and how far it lies from the retrains' mean. loss, doubt, attack:
of the forgotten samples: mean loss, mean log(e^loss - 1), and the AUC of an attack calibrated by
references that steered nothing (0.5 is chance). ToW: the product of 1 - |gap| over the three
scores. inside: in how many runs all of forget, retain, test, doubt and attack lay within the 95 %
prediction interval of the retrains (a retrain itself: each against the others; so about three of
four would be inside by chance alone). cost: processor
seconds as a share of a retrain's. Rows are means over seeds; the retrains' are means with their
standard deviations below."""


def chosen(data: str, rows: list[Row]) -> str:
    """What the baselines were tuned to."""
    tuned = [f"{row['way']} {row['settings']}" for row in of(rows, set=TUNING_SET)]
    return f"{data}: baselines with the settings of highest ToW on another network\n" + "\n".join(
        tuned
    )


def section(data: str, which: str, rows: list[Row]) -> str:
    """One forget set of one data set."""
    band = of(rows, way=RETRAIN)
    lines = [f"{data}, {which}: {rows[0]['forgotten']} forgotten", HEAD]
    lines += [line(RETRAIN, band, band), spread(band)]
    for way in (UNTOUCHED, *(way.name for way in WAYS)):
        if done := of(rows, way=way):
            lines.append(line(way, done, band))
    return "\n".join(lines)


def line(way: str, rows: list[Row], band: list[Row]) -> str:
    """One way: gaps to the band's mean; its own values where it is the band."""
    done = [row for row in rows if "failed" not in row]
    if not done:
        return f"{way:26} diverged in all runs"
    base = {name: 0.0 if way == RETRAIN else average(band, name) for name in JUDGED}
    cells = [f"{average(done, name) - base[name]:+7.3f}" for name in ("forget", "retain", "test")]
    cells += [f"{average(done, name):7.3f}" for name in ("loss", "doubt", "attack")]
    cells.append(f"{mean(tow(row, band) for row in done):6.3f}")
    cells.append(f"{sum(inside(row, band) for row in done):>4} of {len(rows)}")
    cells.append(f"{average(done, 'seconds') / average(band, 'seconds'):7.3f}")
    return f"{way:26} {' '.join(cells)}"


def spread(band: list[Row]) -> str:
    cells = [
        f"±{stdev(row[name] for row in band):6.3f}"
        for name in ("forget", "retain", "test", "loss", "doubt", "attack")
    ]
    return f"{'':26} {' '.join(cells)}"


def summary(every: list[tuple[str, list[Row]]]) -> str:
    """Per way: the share of its runs that lay inside the band, by kind of forget set."""
    lines = [
        "Inside the band, over all data sets, by forget set; and the mean cost.",
        f"{'':26} " + " ".join(f"{which:>13}" for which in SETS) + f" {'cost':>7}",
    ]
    for way in (RETRAIN, UNTOUCHED, *(way.name for way in WAYS)):
        cells, costs = [], []
        for which in SETS:
            hits, runs = 0, 0
            for _, rows in every:
                band = of(rows, set=which, way=RETRAIN)
                done = of(rows, set=which, way=way)
                sound = [row for row in done if "failed" not in row]
                hits += sum(inside(row, band) for row in sound)
                runs += len(done)
                costs += [row["seconds"] / average(band, "seconds") for row in sound]
            cells.append(f"{hits:>6} of {runs:>3}")
        if costs:
            lines.append(
                f"{way:26} " + " ".join(f"{cell:>13}" for cell in cells) + f" {mean(costs):7.3f}"
            )
    return "\n".join(lines)


def inside(row: Row, band: list[Row]) -> bool:
    """Whether the row could be one more retrain, in everything that is judged."""
    others = [other for other in band if other is not row]
    return all(within(row, others, name) for name in JUDGED)


def within(row: Row, band: list[Row], name: str) -> bool:
    """Within the prediction interval, widened where a difference is none: by half a sample of the
    forgotten, for scores are counts, and by half a point of the others."""
    values = [other[name] for other in band]
    reach = student.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * (1 + 1 / len(values)) ** 0.5
    slack = {"forget": 0.5 / row["forgotten"], "retain": NOTHING, "test": NOTHING}.get(name, 0.0)
    return bool(abs(row[name] - mean(values)) <= reach * stdev(values) + slack)


def average(rows: list[Row], name: str) -> float:
    return mean(row[name] for row in rows)


def of(rows: list[Row], **key: object) -> list[Row]:
    return [row for row in rows if all(row.get(name) == value for name, value in key.items())]
