"""What the coins of an audit's canaries mean for its verdict, in words."""

from models.auditing.canary_report import CanaryReport, Outcome
from models.auditing.finding import Finding, Verdict


def finding(told: CanaryReport, route: str) -> Finding:
    """Escalate where riders are told apart; where coins cannot tell, the other attacks decide.

    A retrain never saw its riders, and its coins are told apart in so many of all cases as the
    level says: a person looks at it then.
    """
    match Outcome(told.outcome):
        case Outcome.UNTESTED | Outcome.INCONCLUSIVE:
            return Finding(Verdict.PASS, f"Canaries tested nothing: {told.why}.")
        case Outcome.ALIKE:
            return Finding(Verdict.PASS, f"{measured(told)}: no better than chance. {seen(told)}")
        case Outcome.TOLD_APART if route == "retrain":
            return Finding(
                Verdict.INCONCLUSIVE,
                f"{measured(told)}, though the network was trained without the riders. Either this "
                f"is chance ({told.level:g} of all retrains), or the training saw them.",
            )
        case Outcome.TOLD_APART:
            assert told.after is not None
            look = "remembered" if told.after.estimate > 0.5 else "pushed further than forgotten"
            return Finding(Verdict.ESCALATE, f"{measured(told)}: the riders look {look}.")


def measured(told: CanaryReport) -> str:
    return (
        f"The coins of {told.riders} riders and {told.never_seen} canaries that were never trained "
        f"on are told from the network's scores with p = {told.p_value:.2g} (level {told.level:g})"
    )


def seen(told: CanaryReport) -> str:
    """The minimum detectable leak."""
    if told.detectable_share is None:
        return (
            "So few canaries see little: not even a run that forgot no rider, each remembered at "
            "three standard deviations, would have been found in 8 of 10 audits."
        )
    return (
        f"A leak that moves their AUC by {told.detectable_auc:.2f} would have been seen with 80 % "
        f"power: as if {told.detectable_share:.0%} of the riders were remembered at three standard "
        "deviations."
    )
