"""How much forgetting the next HAMU step is asked for, and how long it may be."""

from dataclasses import dataclass

from models.unlearning.hamu_step import NO_GRADIENT, Floats, Form, Plan, capacity, plan, share_of_quota


@dataclass(frozen=True)
class Pace:
    """The rule for the quota.

    Without `share` and `quota`: `part` of what is owed, and η raised above `rate` where the quota
    needs it, so that vanishing retain gradients do not end the forgetting. `share`: the relative
    quota q, as the paper's scripts have it. `quota`: the absolute Q (or U). `ceiling`: the largest
    q that is granted, which leaves some of the radius to the retain set.
    """

    form: Form
    rate: float
    share: float | None
    quota: float | None
    ceiling: float
    part: float


def next_plan(triples: Floats, *, pace: Pace, owed: float, cap: float) -> Plan:
    """The next step for these triples; never meant to gain more than `owed`, η at most `cap`."""
    rate = min(pace.rate, cap)
    if pace.quota is not None:
        share = share_of_quota(triples, rate=rate, quota=pace.quota)
        return plan(triples, rate=rate, share=share, ceiling=pace.ceiling, form=pace.form)
    if pace.share is not None:
        return plan(triples, rate=rate, share=pace.share, ceiling=pace.ceiling, form=pace.form)
    room = capacity(triples)
    wanted = min(pace.part * max(owed, 0.0), pace.ceiling * cap * room)
    rate = max(rate, wanted / (pace.ceiling * room)) if room > NO_GRADIENT else rate
    return plan(triples, rate=rate, share=share_of_quota(triples, rate=rate, quota=wanted))
