"""The faces that an operator may switch on: OpenDSR 2.0, and the Data Rights Protocol's words."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from app import opendsr_signing
from app.api.deps import SettingsDep
from app.api.webhooks import well_formed
from app.config import Settings
from app.egress import Rules, obstacle
from app.errors import NotFound
from app.opendsr_signing import BadIdentity, Identity


class FaceNotConfigured(NotFound):
    """This installation does not speak that protocol."""

    code = "face_not_configured"


@dataclass(frozen=True)
class Opendsr:
    """What an operator has set for OpenDSR."""

    identity: Identity
    identity_types: frozenset[str]
    callbacks: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None where it is not switched on. Raises BadIdentity for what can never work."""
        identity = opendsr_signing.load(settings)
        if identity is None:
            return None
        callbacks = frozenset(settings.opendsr_callbacks.split())
        for url in callbacks:
            refuse_useless(url, Rules.of(settings))
        return cls(identity, frozenset(settings.opendsr_identities.split()), callbacks)


def refuse_useless(url: str, rules: Rules) -> None:
    """Raise for a callback that no request could name, or that nothing would be sent to."""
    try:
        spelled = well_formed(url)
    except ValueError as error:
        raise BadIdentity(f"LACUNA_OPENDSR_CALLBACKS: {error}") from error
    if why := obstacle(spelled, rules) or (spelled != url and f"it is spelled {spelled}"):
        raise BadIdentity(f"LACUNA_OPENDSR_CALLBACKS cannot hold {url}: {why}")


async def get_opendsr(request: Request) -> Opendsr:
    face: Opendsr | None = request.app.state.opendsr
    if face is None:
        raise FaceNotConfigured("OpenDSR is not switched on here: LACUNA_OPENDSR_DOMAIN is not set")
    return face


async def require_drp(settings: SettingsDep) -> None:
    if not settings.drp:
        raise FaceNotConfigured("the Data Rights Protocol is not switched on here: LACUNA_DRP")


OpendsrDep = Annotated[Opendsr, Depends(get_opendsr)]
