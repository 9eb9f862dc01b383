"""Nurseries whose children do as a script says, and need no torch for it."""

from workers.nursery import Nursery


def scripted(script: str) -> Nursery:
    return Nursery(("-c", f"from workers import nursery\nnursery.births()\n{script}"))
