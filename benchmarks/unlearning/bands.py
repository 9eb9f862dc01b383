"""Whether a network could be one more retrain: held against several, in everything judged."""

from statistics import mean, stdev

from scipy.stats import t as student

from benchmarks.unlearning.rows import Row

JUDGED = ("forget", "retain", "test", "doubt", "attack")
CONFIDENCE = 0.95
NOTHING = 0.005  # of the score on what is kept and on the test set makes no difference


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
