"""What states, routes, sets and numbers are called in front of people, and what they mean."""

from app.law import Law, Manner
from app.ledger.reasons import DenialReason, ExtensionReason
from app.ledger.states import (
    Derivation,
    DerivedState,
    ErasureState,
    JobState,
    RequestState,
    VersionState,
)
from app.reports import measured

JOB_STATES = {
    JobState.QUEUED: "waiting for a worker",
    JobState.TRAINING: "training",
    JobState.ASSESSING: "measuring how hard it will be",
    JobState.AWAITING_APPROVAL: "waiting for a person",
    JobState.UNLEARNING: "unlearning",
    JobState.AUDITING: "auditing",
    JobState.PUBLISHING: "publishing",
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
REQUEST_STATES = {
    RequestState.RECEIVED: "received",
    RequestState.VERIFYING: "being checked",
    RequestState.ACCEPTED: "accepted",
    RequestState.IN_PROGRESS: "being carried out",
    RequestState.COMPLETED: "carried out",
    RequestState.COMPLETED_NO_DATA: "nothing to do",
    RequestState.DENIED: "denied",
    RequestState.CANCELLED: "taken back",
    RequestState.ON_HOLD: "waiting for a person",
}
ERASURE_STATES = {
    ErasureState.PENDING: "waiting to begin",
    ErasureState.BATCHED: "being carried out",
    ErasureState.FORGOTTEN: "forgotten",
    ErasureState.CLEARED: "already gone",
    ErasureState.CANCELLED: "left as it was",
    ErasureState.ON_HOLD: "waiting for a person",
}
LAWS = {
    Law.GDPR: "GDPR (European Union)",
    Law.CCPA: "CCPA (California)",
}
MANNERS = {
    Manner.WEB_FORM: "by a form on the web",
    Manner.EMAIL: "by e-mail",
    Manner.PHONE: "by telephone",
    Manner.MAIL: "by letter",
    Manner.IN_PERSON: "in person",
    Manner.API: "by another program",
    Manner.AUTHORIZED_AGENT: "by an authorized agent",
    Manner.OTHER: "in another way",
}
EXTENSIONS = {
    ExtensionReason.COMPLEXITY: "it is complex",
    ExtensionReason.NUMBER_OF_REQUESTS: "there are many requests to answer",
}
DENIALS = {
    DenialReason.SUSPECTED_FRAUD: "it looked like fraud",
    DenialReason.INSUFFICIENT_VERIFICATION: "it could not be made sure that it came from you",
    DenialReason.NO_MATCH: "nothing could be matched with you",
    DenialReason.CLAIM_NOT_COVERED: "the law does not give this right in your case",
    DenialReason.OUTSIDE_JURISDICTION: "the law that you named does not apply",
    DenialReason.TOO_MANY_REQUESTS: "you have asked too often",
    DenialReason.OTHER: "of another reason, which the notice to you gives",
}
DERIVATIONS = {
    Derivation.FINE_TUNE: "by training it further",
    Derivation.DISTILLATION: "by training another model to answer as it does",
    Derivation.QUANTISATION: "by storing its numbers more coarsely",
    Derivation.MERGE: "by merging it with another model",
    Derivation.OTHER: "in another way",
}
DERIVED_STATES = {
    DerivedState.IN_USE: "in use",
    DerivedState.WITHDRAWN: "withdrawn, not confirmed",
    DerivedState.CONFIRMED: "confirmed out of use",
}
CHANGES = {
    VersionState.CANDIDATE: "made",
    VersionState.PUBLISHED: "published",
    VersionState.WITHDRAWN: "withdrawn",
    VersionState.PURGED: "weights destroyed",
}
ROUTES = {
    "none": "no change needed",
    "hamu": "unlearning (HAMU)",
    "nabla_tau": "unlearning (∇τ)",
    "rum": "unlearning (RUM)",
    "retrain": "retraining",
    "trained": "training",
    "uploaded": "upload",
}
NETWORKS = {
    measured.BEFORE: "before",
    measured.AFTER: "after",
    measured.REFERENCE: "retrained reference",
}
SETS = {
    measured.FORGOTTEN: "forgotten",
    measured.RETAINED: "retained",
    measured.VALIDATION: "unseen (validation)",
    measured.UNSEEN: "unseen (test)",
}
# What forgotten samples look like where an attack's leak is below zero, and above it.
LOOKS = {
    "loss": ("← pushed too far", "remembered →"),
    "spread": ("← split into extremes", "too much alike →"),
    "calibrated": ("← pushed too far", "remembered →"),
}
ATTACKS = {
    "loss": "members have lower losses",
    "spread": "the losses of what was unlearned lie too close together, or at the ends",
    "calibrated": "members are surer than references that never saw them",
    "entropy": "members get more certain outputs",
    "margin": "members lie further inside their class",
    "tree": "a small tree that learns from loss, entropy and margin",
    "rmia": "members' confidence has risen more than that of unseen samples",
    "lira": "as calibrated, in standard deviations",
    "tokens": "members surprise a language model less, token by token",
    "min_k": "so do the tokens of members that surprise it most",
}

# Numbers of a decision in the order of a page: what they are called, and which threshold each is
# held against.
DECIDED_BY = {
    "deficit_mean": ("mean forgetting deficit", None),
    "deficit_spread": ("spread of that among retrained networks", None),
    "exposed_share": ("samples outside their own references' band", "exposed_share"),
    "memorized_share": ("memorized samples, share", "memorized_share"),
    "cosine": ("cosine of retain and forget gradient", None),
    "kappa": ("κ, conflict of retaining and forgetting", "kappa2"),
    "beyond_kappa2_error": ("standard error of κ − κ2", None),
    "largest_stratum_share": ("largest share of one stratum", "stratum_share"),
    "forget_share": ("share of the training set to forget", None),
    "forget_samples": ("samples to forget", "forget_samples"),
    "least_left": ("samples that the emptiest stratum concerned keeps", None),
    "comparable_share": ("samples an audit can compare, share", "comparable_share"),
    "rounds": ("approximate rounds since the last exact version", "max_rounds"),
    "share": ("share forgotten since the last exact version", "max_share"),
    "cost_retrain": ("cost of a retrain, s", None),
    "cost_unlearn": ("expected cost of unlearning, s", None),
    "cost_audit": ("expected cost of the audit, s", None),
    "cost_yardstick": ("training of the audit's own reference, s", None),
    "cost_assess": ("cost of the assessment, s", None),
    "p_escalate": ("probability that the audit demands a retrain", None),
    "cost_expected": ("expected cost of unlearning, failed audits included, s", "cost_expected"),
    "time_left": (
        "time until the earliest due date, s; with a failed audit all would take",
        "time_needed",
    ),
}
THRESHOLDS = {"sigmas": "standard errors that count as certain"}

# Where a number lies in the record of hardness, what it is called, and how to read it.
HARDNESS = {
    "shares.total": ("share of the training set", "what is to be forgotten of it"),
    "deficit.mean": (
        "forgetting deficit",
        "how far the loss lies below that of a network that never saw the samples; where "
        "references tell that, in log(eˡ − 1)",
    ),
    "deficit.error": ("… its standard error", ""),
    "deficit.owed": ("… owed", "the mean of its positive part: what remains to be done"),
    "deficit.positive": ("… share of samples that owe any", ""),
    "reconciliation.kappa": (
        "reconciliation hardness κ",
        "inner product of the gradients of retaining and of forgetting",
    ),
    "reconciliation.kappa_error": ("… its standard error", ""),
    "reconciliation.kappa1": ("… κ1", "up to here, training on what is kept forgets by itself"),
    "reconciliation.kappa2": ("… κ2", "above it, every step that forgets enough does harm"),
    "reconciliation.cosine": ("… cosine of the two gradients", "1 in conflict, 0 independent"),
    "reconciliation.predicted_harm": (
        "… predicted harm of a step",
        "change of the retain loss, −1 to 1; below 0 it falls",
    ),
    "entanglement.score": (
        "entanglement ES",
        "how closely forgotten and retained samples lie together inside the network",
    ),
    "entanglement.random": ("… of a random set of this size", "to compare with"),
    "entanglement.rank": ("… random sets with a lower one, share", "1: harder than all of them"),
    "memorization.mean": ("memorization", "mean of the proxy, in its own unit"),
    "memorization.share": (
        "… memorized samples, share",
        "learnt by heart more than nine in ten retained ones are; 0.1 at random",
    ),
}

GLOSSARY = {
    "AUC": "how often a forgotten sample looks more like a member of the training set than an "
    "unseen one does: 0.5 is chance.",
    "leak": "how far an attack's AUC lies from what it is on networks that never saw the samples; "
    "zero is perfect forgetting, and both directions tell.",
    "margin": "how large a leak may be; declared before the run. A version passes only if the "
    "whole interval lies inside.",
    "interval": "the values that the measurement does not speak against, at the stated confidence.",
    "forgetting deficit": "how much lower the loss on a sample is than it would be had the network "
    "never seen it; what is still owed. References tell it in log(eˡ − 1), where attacks look.",
    "κ (reconciliation hardness)": "inner product of the gradients of retaining and forgetting: "
    "below κ1 keeping the rest forgets by itself, above κ2 every step that forgets does harm.",
    "entanglement (ES)": "how closely forgotten and retained samples lie together in the network's "
    "representation; higher is harder to take apart.",
    "memorization": "how much of the forget set was learnt by heart instead of understood.",
    "unseen": "samples that no version was trained on.",
    "reference": "a network trained by the same recipe without the forgotten samples: the "
    "yardstick. It is scored, then destroyed.",
    "stratum": "what samples are compared within: the class of a labelled sample.",
    "score": "how well a sample is served, 0 to 1; for a classifier, whether it is right.",
    "withdrawn": "no longer handed out; whoever asks for it is sent to its successor.",
}
