"""The one way in which checking evidence fails."""


class VerificationFailed(Exception):
    """The evidence does not show what it claims; the message says why, in words for a person."""
