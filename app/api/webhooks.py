"""Webhooks: addresses that are told what happens, signed as Standard Webhooks asks."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
)
from sqlalchemy.orm import Session

from app import webhook_signing
from app.api import repeats
from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.guard import DAY
from app.api.names import OnceEach
from app.api.problems import Malformed, refusals
from app.api.repeats import Repeats, RepeatsDep
from app.config import Settings
from app.egress import Rules, UrlNotAllowed, refuse_unusable
from app.errors import BodyTooLarge, IllegalTransition, UnknownModel
from app.ledger import deliveries, model_lines, webhooks
from app.ledger.idempotency import Answer
from app.ledger.outbox import EventType
from app.ledger.webhook_tables import DeliveryState, DisabledReason, Signing, Webhook
from app.ledger.webhooks import UnknownWebhook
from app.webhook_signing import NoPepper

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
HTTP_URL = TypeAdapter(HttpUrl)


def well_formed(url: str) -> str:
    """The URL as it will be used: its host in lower case and ASCII."""
    try:
        return str(HTTP_URL.validate_python(url))
    except ValidationError:
        raise ValueError("it is not an http:// or https:// URL") from None


class WebhookCreate(BaseModel):
    """Whom to tell of what."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, AfterValidator(well_formed)] = Field(
        max_length=2000,
        description="Where messages are posted: https:// on a public address.",
        json_schema_extra={"format": "uri"},
        examples=["https://hooks.example.com/lacuna"],
    )
    events: Annotated[list[EventType], OnceEach] = Field(
        min_length=1, description="The types to be told of."
    )
    model: str | None = Field(
        None, description="Only what concerns this model; default: everything.", examples=["digits"]
    )
    signing: webhook_signing.Standard = Field(
        Signing.HMAC,
        description="`hmac`: with a shared secret. `ed25519`: with a key of this service, which "
        "receivers need the public half of.",
    )


class Rotate(BaseModel):
    """How to change keys."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(
        DAY,
        ge=0,
        le=7 * DAY,
        description="So long messages are signed with the old key as well; 0 if it has leaked.",
    )


USUAL_ROTATION = Rotate()


class WebhookRead(BaseModel):
    """An address that is told of events."""

    id: UUID = Field(description="Its id.")
    url: str = Field(description="Where messages are posted.")
    events: list[EventType] = Field(description="The types that it is told of.")
    model: str | None = Field(description="The only model that it is told of; null for all.")
    signing: Signing = Field(description="How its messages are signed.")
    public_keys: list[str] = Field(
        description="Of `ed25519`: what verifies messages (`whpk_…`), the newest first."
    )
    previous_key_until: datetime | None = Field(
        description="Messages are signed with the key before as well, until then."
    )
    enabled: bool = Field(description="Whether messages are sent to it.")
    disabled_at: datetime | None = Field(description="Since when they are not.")
    disabled_reason: DisabledReason | None = Field(
        description="`operator`, or `gone`: it answered 410."
    )
    pending: int = Field(description="Messages that wait for it, or for their next attempt.")
    dead: int = Field(description="Messages that were given up; the log has them.")
    created_at: datetime = Field(description="When it was made.")


class WebhookWithSecret(WebhookRead):
    """A webhook with the secret that is shown this once."""

    secret: str | None = Field(
        description="Of `hmac`: what verifies messages (`whsec_…`). Keep it: nothing shows it "
        "again. Null for `ed25519`."
    )


@router.post(
    "",
    status_code=201,
    summary="Make a webhook",
    response_model=WebhookWithSecret,
    responses=refusals(
        UnknownModel,
        UrlNotAllowed,
        NoPepper,
        *repeats.REFUSALS,
        Malformed,
        BodyTooLarge,
    ),
)
def create_webhook(
    body: WebhookCreate, session: SessionDep, settings: SettingsDep, again: RepeatsDep, now: NowDep
) -> Response:
    """Have an address told of what happens from now on. The secret is in this answer only."""

    def make() -> Webhook:
        refuse_unusable(body.url, Rules.of(settings))
        return webhooks.create(
            session,
            body.url,
            events=body.events,
            model=model_lines.get(session, body.model) if body.model else None,
            signing=body.signing,
            now=now,
        )

    return with_secret(again, settings, body, make, status=201)


@router.get("", summary="List webhooks", responses=refusals(NoPepper))
def list_webhooks(session: SessionDep, settings: SettingsDep, now: NowDep) -> list[WebhookRead]:
    """All webhooks, oldest first."""
    return shown(session, webhooks.listed(session), settings, now=now)


@router.get(
    "/{webhook_id}",
    summary="Read a webhook",
    responses=refusals(UnknownWebhook, NoPepper, Malformed),
)
def read_webhook(
    webhook_id: UUID, session: SessionDep, settings: SettingsDep, now: NowDep
) -> WebhookRead:
    """One webhook, and how many messages wait for it or were given up."""
    return shown(session, [webhooks.get(session, webhook_id)], settings, now=now)[0]


@router.delete(
    "/{webhook_id}",
    status_code=204,
    summary="Remove a webhook",
    responses=refusals(UnknownWebhook, Malformed),
)
def remove_webhook(webhook_id: UUID, session: SessionDep, now: NowDep) -> None:
    """Remove a webhook, what waits for it, and its log."""
    webhooks.remove(session, webhooks.get(session, webhook_id, lock=True), now=now)


@router.post(
    "/{webhook_id}:disable",
    summary="Send it nothing for now",
    responses=refusals(UnknownWebhook, IllegalTransition, NoPepper, Malformed),
)
def disable_webhook(
    webhook_id: UUID, session: SessionDep, settings: SettingsDep, now: NowDep
) -> WebhookRead:
    """Send it nothing until it is enabled; what happens meanwhile waits while the log lasts."""
    webhook = webhooks.get(session, webhook_id, lock=True)
    webhooks.disable(session, webhook, reason=DisabledReason.OPERATOR, now=now)
    return shown(session, [webhook], settings, now=now)[0]


@router.post(
    "/{webhook_id}:enable",
    summary="Send to it again",
    responses=refusals(UnknownWebhook, IllegalTransition, NoPepper, Malformed),
)
def enable_webhook(
    webhook_id: UUID, session: SessionDep, settings: SettingsDep, now: NowDep
) -> WebhookRead:
    """Send it what waits for it, and what is to come. What was given up can be replayed."""
    webhook = webhooks.get(session, webhook_id, lock=True)
    webhooks.enable(session, webhook, now=now)
    return shown(session, [webhook], settings, now=now)[0]


@router.post(
    "/{webhook_id}:rotate",
    summary="Change its key",
    response_model=WebhookWithSecret,
    responses=refusals(
        UnknownWebhook, IllegalTransition, NoPepper, *repeats.REFUSALS, Malformed, BodyTooLarge
    ),
)
def rotate_webhook(
    webhook_id: UUID,
    session: SessionDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
    body: Rotate = USUAL_ROTATION,
) -> Response:
    """Sign with a new key from now on, and for a while with the old one beside it."""
    overlap = timedelta(seconds=body.overlap_seconds)

    def make() -> Webhook:
        webhook = webhooks.get(session, webhook_id, lock=True)
        webhooks.rotate(session, webhook, overlap=overlap, now=now)
        return webhook

    return with_secret(again, settings, body, make, status=200)


def with_secret(
    again: Repeats, settings: Settings, body: BaseModel, make: Callable[[], Webhook], *, status: int
) -> Response:
    """A webhook with the secret of the key that was made for it, now or for the first such POST.

    The secret is derived anew each time, so that none is kept with the Idempotency-Key.
    """

    def produce() -> Answer:
        webhook = make()
        (plain,) = shown(again.session, [webhook], settings, now=again.now)
        return status, {"webhook": plain.model_dump(mode="json"), "key": webhook.key_number}

    _, kept = again.answer(body.model_dump(mode="json"), produce)
    told, secret = kept["webhook"], None
    if told["signing"] == Signing.HMAC:
        pepper = webhook_signing.pepper_of(settings)
        secret = webhook_signing.secret(webhook_signing.key(pepper, UUID(told["id"]), kept["key"]))
    return JSONResponse(told | {"secret": secret}, status_code=status)


def keys(webhook: Webhook, settings: Settings, *, now: datetime) -> list[bytes]:
    """Those that sign at this moment, the newest first."""
    pepper = webhook_signing.pepper_of(settings)
    numbers = webhooks.key_numbers(webhook, now=now)
    return [webhook_signing.key(pepper, webhook.id, number) for number in numbers]


def shown(
    session: Session, found: Sequence[Webhook], settings: Settings, *, now: datetime
) -> list[WebhookRead]:
    """Webhooks as they are told; what waits for them is counted in one query."""
    counts = deliveries.counts(session)
    return [
        WebhookRead(
            id=webhook.id,
            url=webhook.url,
            events=webhook.events,
            model=webhook.model.name if webhook.model else None,
            signing=webhook.signing,
            public_keys=public_keys(webhook, settings, now=now),
            previous_key_until=webhook.previous_until,
            enabled=webhook.disabled_at is None,
            disabled_at=webhook.disabled_at,
            disabled_reason=webhook.disabled_reason,
            pending=counts.get((webhook.id, DeliveryState.PENDING), 0),
            dead=counts.get((webhook.id, DeliveryState.DEAD), 0),
            created_at=webhook.created_at,
        )
        for webhook in found
    ]


def public_keys(webhook: Webhook, settings: Settings, *, now: datetime) -> list[str]:
    """What verifies messages of this moment; none where that would be the secret itself."""
    if webhook.signing is not Signing.ED25519:
        return []
    return [webhook_signing.public_key(key) for key in keys(webhook, settings, now=now)]
