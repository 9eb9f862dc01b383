"""Why requests are extended, held or refused, and versions withdrawn: codes that stay, in words."""

from enum import StrEnum


class ExtensionReason(StrEnum):
    """Why it takes longer than the first period (GDPR 12(3), second sentence; CCPA 7021(b))."""

    COMPLEXITY = "complexity"
    NUMBER_OF_REQUESTS = "number_of_requests"


class HoldReason(StrEnum):
    """Why nothing is forgotten for now (GDPR 17(3), and 12(6) for the identity)."""

    LEGAL_OBLIGATION = "legal_obligation"
    LEGAL_CLAIMS = "legal_claims"
    PUBLIC_INTEREST = "public_interest"
    IDENTITY_IN_DOUBT = "identity_in_doubt"
    OTHER = "other"


class ReleaseReason(StrEnum):
    """Why a request that was held goes on."""

    GROUND_ENDED = "ground_ended"
    IDENTITY_CONFIRMED = "identity_confirmed"
    HELD_BY_MISTAKE = "held_by_mistake"
    OTHER = "other"


class DenialReason(StrEnum):
    """Why a request is refused, in the Data Rights Protocol's words (1.0, section 3.02)."""

    SUSPECTED_FRAUD = "suspected_fraud"
    INSUFFICIENT_VERIFICATION = "insuf_verification"
    NO_MATCH = "no_match"
    CLAIM_NOT_COVERED = "claim_not_covered"
    OUTSIDE_JURISDICTION = "outside_jurisdiction"
    TOO_MANY_REQUESTS = "too_many_requests"
    OTHER = "other"


class WithdrawalReason(StrEnum):
    """Why a version may not be used any more."""

    FORGOTTEN_SAMPLES = "forgotten_samples"
    WRONG_TRAINING_SET = "wrong_training_set"
    DEFECTIVE = "defective"
    OTHER = "other"


HOLD_WORDS: dict[HoldReason, str] = {
    HoldReason.LEGAL_OBLIGATION: "a legal obligation needs the data",
    HoldReason.LEGAL_CLAIMS: "legal claims need the data",
    HoldReason.PUBLIC_INTEREST: "the public interest or research needs the data",
    HoldReason.IDENTITY_IN_DOUBT: "it is in doubt who asked",
    HoldReason.OTHER: "it is held by an operator",
}
RELEASE_WORDS: dict[ReleaseReason, str] = {
    ReleaseReason.GROUND_ENDED: "the ground for holding it has ended",
    ReleaseReason.IDENTITY_CONFIRMED: "it is known who asked",
    ReleaseReason.HELD_BY_MISTAKE: "it was held by mistake",
    ReleaseReason.OTHER: "an operator has released it",
}
DENIAL_WORDS: dict[str, str] = {
    DenialReason.SUSPECTED_FRAUD: "it is suspected of fraud",
    DenialReason.INSUFFICIENT_VERIFICATION: "it could not be verified who asked",
    DenialReason.NO_MATCH: "no data matched who asked",
    DenialReason.CLAIM_NOT_COVERED: "the law that it names does not cover it",
    DenialReason.OUTSIDE_JURISDICTION: "the law that it names does not hold for who asked",
    DenialReason.TOO_MANY_REQUESTS: "the same person asked too often",
    DenialReason.OTHER: "the notice to the person says why",
}
WITHDRAWAL_WORDS: dict[str, str] = {
    WithdrawalReason.FORGOTTEN_SAMPLES: "it had seen samples that were to be forgotten",
    WithdrawalReason.WRONG_TRAINING_SET: "it was registered with a wrong list of samples",
    WithdrawalReason.DEFECTIVE: "it does not do what it should",
    WithdrawalReason.OTHER: "an operator withdrew it",
}
