"""What a report says first: a few plain sentences."""

from collections.abc import Iterator

from app.ledger.states import DerivedState, ErasureState, JobKind, JobState, RequestState
from app.reports.clocks import Denied, Extended, Held
from app.reports.derivations import Derived
from app.reports.job_report import JobReport
from app.reports.numbers import day, duration, moment, number, percent
from app.reports.period_report import PeriodReport
from app.reports.request_report import Outcome, RequestReport
from app.reports.words import DENIALS, DERIVATIONS, EXTENSIONS, JOB_STATES, ROUTES


def of_job(report: JobReport) -> list[str]:
    """What the job was to do, how it was done, what the audit says, what became of it."""
    return [*asked(report), *done(report), *judged(report), *ended(report)]


def asked(report: JobReport) -> Iterator[str]:
    batch = report.batch
    if report.job.kind is JobKind.TRAIN:
        yield f"The first version of {report.model.name}, trained on {counted(batch.retain)}."
        return
    assert report.before is not None
    if report.job.kind is JobKind.REFERENCES:
        yield (
            f"Networks trained as {report.model.name}, version {report.before.number}, was, each "
            "without a part of the people; they are scored and destroyed."
        )
        return
    if report.job.kind is JobKind.CALIBRATE:
        yield (
            f"Synthetic forget sets of {report.model.name}, version {report.before.number}, are "
            "unlearned and retrained, to calibrate its decisions; every network is destroyed."
        )
        return
    if report.job.kind is JobKind.CHECK:
        yield (
            f"What was made of {report.model.name}, version {report.before.number}, is held "
            "against a network that is trained without the forgotten samples, and destroyed."
        )
        return
    verb = "would be" if report.job.kind is JobKind.ASSESS else "are to be"
    on_behalf = f", for {many(batch.requests, 'deletion request')}" if batch.requests else ""
    riding = (
        f"; {number(batch.riders)} of these are of canaries that ride along" if batch.riders else ""
    )
    yield (
        f"{report.model.name}, version {report.before.number}, was trained on "
        f"{counted(batch.forget + batch.retain)}; {number(batch.forget)} of them "
        f"({percent(batch.share)}) {verb} forgotten{on_behalf}{riding}."
    )


def done(report: JobReport) -> Iterator[str]:
    for run in report.overruled:
        yield (
            f"A first run by {ROUTES.get(run.route, run.route)} took {duration(run.seconds)} and "
            "was not published."
        )
    if report.training:
        yield f"Training took {duration(report.training.train_seconds)}."
    if report.run and report.decision:
        yield (
            f"It was done by {ROUTES.get(report.run.route, report.run.route)} in "
            f"{duration(report.run.seconds)}; a retrain was predicted to take "
            f"{duration(report.decision.retrain_seconds)}."
        )
    elif report.decision and report.decision.route == "none":
        yield "Nothing had to be changed: the measurements show that nothing is owed."


def judged(report: JobReport) -> Iterator[str]:
    if report.audit:
        yield f"The audit's verdict is {report.audit.verdict}."
    if report.checked:
        yield f"Beside a retrain, the verdict on version {report.checked.version} is " + (
            f"{report.checked.verdict}."
        )
    if any(step.facts.get("approved") for step in report.timeline):
        yield "A person approved it."


def ended(report: JobReport) -> Iterator[str]:
    match report.job.state:
        case JobState.SUCCEEDED:
            yield from published(report)
        case JobState.FAILED | JobState.CANCELLED:
            yield from came_to_nothing(report)
        case JobState.AWAITING_APPROVAL:
            yield (
                "The job waits for a person: approve it with POST "
                f"/v1/jobs/{report.job.id}:approve, or cancel it."
            )
        case state:
            yield f"The job is under way: {JOB_STATES[state]}."


def published(report: JobReport) -> Iterator[str]:
    if report.after is None:
        yield "No version comes of it: nothing that is served was changed."
        return
    yield f"Version {report.after.number} was published on {moment(report.after.made_at)}."
    if report.withdrawn:
        numbers = ", ".join(str(version.number) for version in report.withdrawn)
        yield f"Withdrawn, because trained on what is forgotten: version {numbers}."


def came_to_nothing(report: JobReport) -> Iterator[str]:
    why = f" ({report.job.failure.code})" if report.job.failure else ""
    yield f"The job was {report.job.state}{why}; nothing was published."
    if report.job.kind is JobKind.UNLEARN:
        yield "What it was to forget is pending again and goes into the next job."
    if report.job.kind is JobKind.TRAIN:
        yield f"To train the model again: POST /v1/models/{report.model.name}:train."


def of_request(report: RequestReport) -> list[str]:
    """What became of the request as a whole, and whether in time."""
    request, models = report.request, many(len(report.outcomes), "model")
    match request.state:
        case RequestState.COMPLETED:
            told = [f"Your request was carried out for {models}."]
        case RequestState.COMPLETED_NO_DATA:
            told = ["No model in use was trained on your data, so there was nothing to change."]
        case RequestState.CANCELLED:
            told = ["Your request was taken back before any model had begun to carry it out."]
        case RequestState.DENIED:
            assert request.denial is not None
            told = denied(request.denial)
        case RequestState.ON_HOLD:
            told = ["Your request waits for a person to look at it."]
        case _:
            told = [f"Your request is being carried out for {models}."]
    longer = [extended(request.extension)] if request.extension else []
    owed = sum(child.state is DerivedState.WITHDRAWN for child in report.derived)
    open_ends = [f"Outstanding elsewhere: {many(owed, 'confirmation')}; see below."] if owed else []
    return [*told, *longer, kept_to_time(report), *open_ends]


def of_derived(child: Derived) -> str:
    """What others made of a version that saw the samples, and whether that is out of use."""
    made = f"{child.name} was made from it elsewhere, {DERIVATIONS[child.how]}."
    match child.state:
        case DerivedState.IN_USE:
            return f"{made} It has to be withdrawn when this version is."
        case DerivedState.WITHDRAWN:
            assert child.withdrawn_at is not None
            return (
                f"{made} It counts as withdrawn since {day(child.withdrawn_at)}. Its owner has not "
                "confirmed that it is out of use; it is not in this service's hands."
            )
        case DerivedState.CONFIRMED:
            assert child.confirmed_at is not None
            return (
                f"{made} Its owner confirmed that it is out of use; this was noted on "
                f"{day(child.confirmed_at)}."
            )


def denied(denial: Denied) -> list[str]:
    """That it was refused, why, and how the person was told."""
    why = "; ".join(DENIALS[reason] for reason in denial.reasons)
    because = f", because {why}" if why else ""
    return [
        f"Your request was denied on {moment(denial.denied_at)}{because}.",
        *([f"You were told by: {denial.notice}."] if denial.notice else []),
    ]


def extended(extension: Extended) -> str:
    """That the answer takes longer, why, and how the person was told."""
    notice = f"; you were told by: {extension.notice}" if extension.notice else ""
    return (
        f"It had to be answered by {moment(extension.due_before)} at first. On "
        f"{moment(extension.extended_at)} that was extended, because "
        f"{EXTENSIONS[extension.reason]}{notice}."
    )


def kept_to_time(report: RequestReport) -> str:
    request = report.request
    if request.finished_at is None:
        return f"It has to be answered by {moment(request.due_at)}."
    told = "in time" if request.in_time else "late"
    return (
        f"It ended on {moment(request.finished_at)}, {told}: it had to be answered by "
        f"{moment(request.due_at)}."
    )


def of_outcome(outcome: Outcome, state: RequestState) -> list[str]:
    """What one model did about a request in this state, and when it was put aside."""
    return [*map(put_aside, outcome.holds), *came_to(outcome, state)]


def put_aside(hold: Held) -> str:
    """When it was put aside, why, and until when."""
    why = f", because {hold.reason}" if hold.reason else ""
    if hold.until is None:
        return (
            f"It was put aside on {moment(hold.since)}{why}. Its due date has not moved for that."
        )
    ended = f", because {hold.ended_because}" if hold.ended_because else ""
    return (
        f"It was put aside on {moment(hold.since)}{why}. That ended on {moment(hold.until)}{ended}."
    )


def came_to(outcome: Outcome, state: RequestState) -> list[str]:
    """What one model did about it."""
    match outcome.state:
        case ErasureState.FORGOTTEN:
            return [*how(outcome), *proven(outcome), *taken_out(outcome)]
        case ErasureState.CLEARED:
            return ["Another request had your samples removed already; no version in use saw them."]
        case ErasureState.CANCELLED:
            ended = "denied" if state is RequestState.DENIED else "taken back"
            return [f"Nothing was changed, because the request was {ended}."]
        case ErasureState.ON_HOLD:
            return ["A person has to look at it."]
        case ErasureState.BATCHED:
            assert outcome.job_state is not None
            return [f"Work has begun; the present step is: {JOB_STATES[outcome.job_state]}."]
        case ErasureState.PENDING:
            return ["Work has not begun yet: requests are collected and carried out together."]


MADE = {
    "retrain": "It was trained again from the beginning without your samples.",
    "none": "Measurements showed that it already treated your samples like samples it never saw, "
    "so nothing in it was changed.",
}
ADJUSTED = (
    "It was made by adjusting the version before, with the aim that it treats your samples like "
    "samples it never saw."
)


def how(outcome: Outcome) -> Iterator[str]:
    assert outcome.made_at is not None
    assert outcome.made_by is not None
    yield f"Version {outcome.version} has been in use since {moment(outcome.made_at)}."
    yield MADE.get(outcome.made_by, ADJUSTED)


def proven(outcome: Outcome) -> Iterator[str]:
    match outcome.verdict:
        case "pass":
            yield (
                "It was then attacked, to see whether what it was to forget can still be told from "
                "samples that it never saw. It stayed within the limits set beforehand."
            )
        case "inconclusive":
            yield "Attacks on it could not settle the matter; a person looked and approved it."
        case "escalate":
            yield "Attacks on it went beyond the limits; a person looked and approved it."


def taken_out(outcome: Outcome) -> Iterator[str]:
    for version in outcome.withdrawn:
        yield (
            f"Version {version.number}, which had been trained on your samples, was taken out of "
            f"use on {day(version.withdrawn_at)}; its stored copy is deleted after "
            f"{day(version.purged_after)}."
        )
        if version.consumers.registered:
            yield (
                f"{many(version.consumers.registered, 'registered user')} of it outside of this "
                f"service had to be told; {number(version.consumers.acknowledged)} confirmed what "
                "they did about it."
            )


def of_period(report: PeriodReport) -> list[str]:
    """What came in, what was done about it, and how fast."""
    requests, timeliness = report.requests, report.timeliness
    told = [
        f"{many(requests.received, 'request')} came in; {number(requests.complied)} "
        f"{'was' if requests.complied == 1 else 'were'} complied with in whole or in part, and "
        f"{number(requests.denied)} denied."
    ]
    if timeliness.answered:
        told.append(
            f"Answers took {number(timeliness.median_days)} days (median; mean "
            f"{number(timeliness.mean_days)}), {number(timeliness.late)} of "
            f"{number(timeliness.answered)} after the due date."
        )
    told.append(f"{many(timeliness.overdue, 'request')} open at the end and past the due date.")
    return told


def counted(samples: int) -> str:
    return many(samples, "sample")


def many(count: int, noun: str) -> str:
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"
