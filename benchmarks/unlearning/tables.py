"""The rows as a text: per data set and forget set, each way against the retrain band."""

from itertools import chain
from statistics import mean, stdev

from benchmarks.unlearning import fastest, regret
from benchmarks.unlearning.bands import inside
from benchmarks.unlearning.cases import SETS
from benchmarks.unlearning.grid import HARDNESS, RETRAIN, TUNING_SET, UNNAMED, UNTOUCHED
from benchmarks.unlearning.measured import tow
from benchmarks.unlearning.methods import WAYS, ways_on
from benchmarks.unlearning.rows import Row, of

GAPS = ("forget", "retain", "test")
VALUES = ("loss", "doubt", "attack")
NAMES = (RETRAIN, UNNAMED, UNTOUCHED, *(way.name for way in WAYS))
COSTS = ("cost", "of fastest")
COLUMNS = (*GAPS, *VALUES, "ToW", "ToW-MIA", "inside", "audit", *COSTS)
HEAD = f"{'':25}" + "".join(f" {name:>13}" for name in COLUMNS)
LEGEND = """\
Each cell: the mean over the networks ± its standard deviation.
forget, retain, test: the score, and below the retrain's line how far it lies from the retrains'
mean. loss, doubt, attack: of the forgotten samples: mean loss, mean log(e^loss - 1), and the AUC
of an attack calibrated by references that steered nothing (0.5 is chance). ToW: the product of
1 - |gap| over the three scores; ToW-MIA: the same with a population attack in place of the score on
the forgotten. inside: in how many runs all of forget, retain, test, doubt and attack lay within the
95 % prediction interval of the retrains (a retrain itself: each against the others; so about three
of four would be inside by chance alone). audit: in how many runs the service's audit, judging by
the references that steered nothing, says pass; of retrains also where it is not told that they are
any. cost: processor seconds of runs that did not diverge, as a share of a retrain by the recipe and
without the references by which some are steered; of fastest: as a share of the shortest training
whose test score is at most half a point below the recipe's own."""
LEFT_OUT = """\
Left out: all but one of our variants (…), but for digits and careers; CIFAR-10 and a ResNet-18,
which --gpu adds."""


def text(every: dict[str, list[Row]], *, seeds: int, band: int) -> str:
    """Everything that is known, with the command that measured it."""
    parts = [
        f"$ python -m benchmarks.unlearning {' '.join(every)} --seeds {seeds} --band {band}",
        LEGEND,
        LEFT_OUT,
    ]
    for name, rows in every.items():
        parts.append(chosen(name, rows))
        share = fastest.share_of(rows)
        parts += [
            section(name, which, of_set, share) for which in SETS if (of_set := of(rows, set=which))
        ]
    parts += [summary(every), costs(every), steps(every), regret.text(every)]
    return "\n\n".join(parts) + "\n"


def chosen(data: str, rows: list[Row]) -> str:
    """The base of the costs, what measuring takes, and what the baselines were tuned to."""
    tuned = [f"  {row['way']} {row['settings']}" for row in of(rows, set=TUNING_SET)]
    measured, retrains = of(rows, way=HARDNESS), of(rows, way=RETRAIN)
    measuring = average(measured, "seconds") / average(retrains, "seconds") if measured else 0.0
    return "\n".join(
        [
            f"{data}: the shortest training that serves as well takes {fastest.share_of(rows):.2f}"
            f" of the recipe's own; measuring hardness, with nothing logged, {measuring:.3f};",
            "published methods with the settings of highest ToW on another network, random 5 %:",
            *tuned,
        ]
    )


def section(data: str, which: str, rows: list[Row], share: float) -> str:
    """One forget set of one data set."""
    band = of(rows, way=RETRAIN)
    lines = [f"{data}, {which}: {band[0]['forgotten']} forgotten", HEAD]
    lines += [line(way, done, band, share) for way in shown_on(data) if (done := of(rows, way=way))]
    return "\n".join(lines)


def shown_on(data: str) -> tuple[str, ...]:
    """The lines of a data set."""
    return (RETRAIN, UNNAMED, UNTOUCHED, *(way.name for way in ways_on(data)))


def line(way: str, rows: list[Row], band: list[Row], share: float) -> str:
    """One way: gaps to the band's mean; its own values where it is the band."""
    done = [row for row in rows if "failed" not in row]
    if not done:
        return f"{way:25} diverged in all runs"
    if way == UNNAMED:
        return (
            f"{way:25}"
            + "".join(
                f" {passed(rows) if name == 'audit' else '':>13}" for name in COLUMNS
            ).rstrip()
        )
    base = {name: 0.0 if way == RETRAIN else average(band, name) for name in GAPS}
    cells = [cell([row[name] - base[name] for row in done], "+.3f") for name in GAPS]
    cells += [cell([row[name] for row in done], ".3f") for name in VALUES]
    against = [[other for other in band if other is not row] for row in done]
    pairs = list(zip(done, against, strict=True))
    cells.append(cell([tow(row, them) for row, them in pairs], ".3f"))
    cells.append(cell([tow(row, them, forgotten="called_unseen") for row, them in pairs], ".3f"))
    cells.append(f"{sum(inside(row, band) for row in done)} of {len(rows)}")
    cells.append(passed(rows))
    retrain = average(band, "seconds")
    cells.append(cell([row["seconds"] / retrain for row in done], ".3f"))
    cells.append(f"{average(done, 'seconds') / retrain / share:.2f}")
    return f"{way:25}" + "".join(f" {written:>13}" for written in cells)


def passed(rows: list[Row]) -> str:
    return f"{sum(row.get('verdict') == 'pass' for row in rows)} of {len(rows)}"


def cell(values: list[float], form: str) -> str:
    """The mean, and the standard deviation where there are several; large ones are shortened."""
    plain = form.removeprefix("+")
    short = [f"{max(values):.1e}"] if max(values) >= 1000 else []
    written = short or [f"{mean(values):{form}}"]
    if len(values) > 1 and not short:
        written.append(f"±{stdev(values):{plain}}")
    return " ".join(written)


def summary(every: dict[str, list[Row]]) -> str:
    """Per way: the share of its runs that lay inside the band, by kind of forget set."""
    kinds = kinds_in(every)
    lines = [
        "Inside the band, over all data sets, by forget set; passed by the audit; and the"
        " mean cost.",
        f"{'':25}" + "".join(f" {which:>13}" for which in (*kinds, "audit", *COSTS)),
    ]
    return "\n".join(lines + [total(way, every, kinds) for way in NAMES])


def total(way: str, every: dict[str, list[Row]], kinds: list[str]) -> str:
    """One way over all data sets; of retrains that are not named as such only the audit."""
    shown = {data: rows for data, rows in every.items() if way in shown_on(data)}
    cells, costs, of_fastest, runs, everywhere = [], [], [], [], True
    for which in kinds:
        hits, tried = 0, 0
        for rows in shown.values():
            band, done = of(rows, set=which, way=RETRAIN), of(rows, set=which, way=way)
            runs += done
            tried += len(done)
            if way == UNNAMED:
                continue
            hits += sum("failed" not in row and inside(row, band) for row in done)
            taken = shares(rows, which, way)
            everywhere = everywhere and bool(taken)
            costs += taken
            of_fastest += [share / fastest.share_of(rows) for share in taken]
        cells.append("" if way == UNNAMED else f"{hits} of {tried}")
    means = [mean_of(values) if everywhere else "-" for values in (costs, of_fastest)]
    cells += [passed(runs), *means]
    return (f"{way:25}" + "".join(f" {written:>13}" for written in cells)).rstrip()


def mean_of(values: list[float]) -> str:
    return f"{mean(values):.3f}" if values else ""


def costs(every: dict[str, list[Row]]) -> str:
    """Per way: its mean cost on each kind of forget set."""
    return by_kind("Mean cost, over all data sets, by forget set.", every, "seconds")


def steps(every: dict[str, list[Row]]) -> str:
    """Per way: its mean number of steps, each of one update of the weights."""
    told = (
        "Mean number of updates of the weights, over all data sets, as a share of a retrain's, by"
        " forget set.\nA step of ours sends two batches through, both larger than a retrain's; that"
        " of SSD everything."
    )
    return by_kind(told, every, "steps")


def by_kind(told: str, every: dict[str, list[Row]], name: str) -> str:
    """Per way and kind of forget set: the mean share of what a retrain takes of this."""
    kinds = kinds_in(every)
    lines = [told, f"{'':25}" + "".join(f" {which:>13}" for which in kinds)]
    for way in (one for one in NAMES if one != UNNAMED):
        tried = [rows for data, rows in every.items() if way in shown_on(data)]
        cells = [[shares(rows, which, way, name) for rows in tried] for which in kinds]
        # Where it diverged throughout on one data set, a mean over the others says nothing.
        written = [f"{mean(chain(*them)):.3f}" if all(them) else "-" for them in cells]
        lines.append(f"{way:25}" + "".join(f" {cell:>13}" for cell in written))
    return "\n".join(lines)


def kinds_in(every: dict[str, list[Row]]) -> list[str]:
    """The kinds of forget sets of which there are rows."""
    return [which for which in SETS if any(of(rows, set=which) for rows in every.values())]


def shares(rows: list[Row], which: str, way: str, name: str = "seconds") -> list[float]:
    """What each run of a way took of this on a forget set, of the mean retrain without it.

    Nothing where rows are from before this was noted in them.
    """
    band = of(rows, set=which, way=RETRAIN)
    done = [row for row in of(rows, set=which, way=way) if "failed" not in row]
    if not all(name in row for row in (*band, *done)):
        return []
    return [row[name] / average(band, name) for row in done]


def average(rows: list[Row], name: str) -> float:
    return mean(row[name] for row in rows)
