"""How much forgetting the next HAMU step is asked for, and how long it may be."""

from dataclasses import dataclass

from models.unlearning.hamu_step import (
    NO_GRADIENT,
    Floats,
    Form,
    Plan,
    capacity,
    plan,
    share_of_quota,
)


@dataclass(frozen=True)
class Pace:
    """The rule for the quota.

    `share`: the relative quota q, as the paper's scripts have it. `quota`: the absolute Q (or U) of
    a step with η at `rate`; of a shorter one less is asked, in proportion.
    With neither: Q is `part` of what is owed, and η is raised above `rate` as far as Q needs it and
    the trust region allows, so that vanishing retain gradients do not end the forgetting;
    `ceiling` is the largest q then, which leaves some of the radius to the retain set.
    """

    form: Form
    rate: float
    share: float | None = None
    quota: float | None = None
    ceiling: float = 0.8
    part: float = 0.3

    def __post_init__(self) -> None:
        if self.form is Form.UTILITY and self.share is None and self.quota is None:
            raise ValueError("the form `utility` needs a bound: give `share` or `quota`")


def next_plan(triples: Floats, *, pace: Pace, owed: float, cap: float) -> Plan:
    """The next step for these triples: gaining a part of `owed`, with η at most `cap`.

    Nothing owed means a quota of nought: the retain loss falls and the forget loss must not.
    """
    rate = min(pace.rate, cap)
    room = capacity(triples)
    if owed <= 0 or room <= NO_GRADIENT:
        return plan(triples, rate=rate, share=0.0)
    if pace.quota is not None:
        share = share_of_quota(triples, rate=pace.rate, quota=pace.quota)
        return plan(triples, rate=rate, share=share, form=pace.form)
    if pace.share is not None:
        return plan(triples, rate=rate, share=pace.share, form=pace.form)
    wanted = min(pace.part * owed, pace.ceiling * cap * room)
    rate = max(rate, wanted / (pace.ceiling * room))
    return plan(triples, rate=rate, share=wanted / (rate * room))
