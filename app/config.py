"""Settings from `LACUNA_*` in the environment; all processes of one installation share them."""

from datetime import date
from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.auth import Auth, usual
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey, is_key_name
from app.evidence.witnesses import parse_keys
from app.law import Law

TIME_LIMITS = {
    "train": 96.0,
    "unlearn": 96.0,
    "assess": 24.0,
    "references": 96.0,
    "calibrate": 96.0,
    "check": 96.0,
}


class Settings(BaseSettings):
    """What differs between installations. `lacuna up` fills in the URLs of its embedded servers."""

    model_config = SettingsConfigDict(env_prefix="LACUNA_", env_ignore_empty=True, extra="ignore")

    data_dir: Path = Field(
        default=Path(".lacuna"), description="Embedded servers, weights, logs and secrets lie here."
    )
    database_url: str = Field(
        default="", description="A PostgreSQL of your own, as postgresql+psycopg://user@host/name."
    )
    redis_url: str = Field(
        default="", description="A Redis or Valkey of your own, as redis://host/0."
    )
    store_url: str = Field(
        default="",
        description="Where weights lie, any fsspec URL; default: a folder in data_dir.",
    )
    pepper: SecretStr = Field(
        default=SecretStr(""),
        description="The secret under which subject identifiers are hashed; losing it loses them.",
    )
    auth: Auth | None = Field(
        default=None,
        description="`required`: every caller needs an API key. `open`: none does, and only this "
        "machine is answered. Default: open where the API listens on a loopback address alone.",
    )
    rate_limit: int = Field(
        default=3000, ge=0, description="Calls of one caller in a minute; 0: as many as they like."
    )
    requests_per_day: int = Field(
        default=200_000,
        ge=0,
        description="Deletion requests that one caller may submit in a day; 0: any number.",
    )
    verify_first: bool = Field(
        default=False,
        description="Deletion requests wait, without effect, until POST …:verify says that the "
        "person is who they say; a request may ask for that itself where this is off.",
    )
    verify_days: float = Field(
        default=30.0, gt=0, description="A request that is not verified by then lapses."
    )
    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = Field(default=16 * 2**20, description="Largest JSON body, in bytes.")
    max_upload_bytes: int = Field(
        default=8 * 2**30, description="Largest upload of weights, in bytes."
    )
    lease_seconds: float = Field(
        default=30.0, gt=0, description="A worker not heard of for so long has lost its job."
    )
    sweep_seconds: float = Field(
        default=2.0, gt=0, description="Pause between looks at what is due."
    )
    worker_gone_seconds: float = Field(
        default=30.0, gt=0, description="A worker not heard of for so long counts as absent."
    )
    max_attempts: int = Field(default=5, ge=1, description="Claims of a job before it fails.")
    retry_seconds: float = Field(
        default=300.0,
        ge=0,
        description="After a failed job its erasures wait so long.",
    )
    memory_limit_gib: float = Field(
        default=0.0,
        ge=0,
        description="Resident memory a job's process may hold; 0: nine tenths of the machine's.",
    )
    time_limit_hours: dict[str, float] = Field(
        default={},
        validate_default=True,
        description="By kind of job, how long one attempt may take, as JSON; the others keep "
        f"{', '.join(f'{kind} {hours:g}' for kind, hours in TIME_LIMITS.items())}.",
    )
    log_origin: str = Field(
        default="lacuna.local/ledger",
        description="The ledger's name in its checkpoints; never changed once receipts are out.",
    )
    log_key: SecretStr = Field(
        default=SecretStr(""),
        description="The ledger's Ed25519 key, PEM or the base64 of its 32 bytes, instead of "
        "log-key.pem in data_dir. Two, the newer first, while one takes the other's place.",
    )
    witness_keys: str = Field(
        default="",
        description="vkeys of witnesses whose cosignatures are taken, separated by blanks.",
    )
    sequence_seconds: float = Field(
        default=1.0, gt=0, description="Pause between two checkpoints of the ledger."
    )
    stray_days: int = Field(
        default=7, ge=1, description="Weights in the store that no row tells of are kept so long."
    )
    tidy_seconds: float = Field(
        default=3600.0, gt=0, description="Pause between looks for them, over the whole store."
    )
    retention_months: int = Field(
        default=24, ge=0, description="Who asked, and for which samples, is kept so long."
    )
    webhook_http: bool = Field(
        default=False, description="Let webhooks be http:// as well, and not only https://."
    )
    webhook_private_hosts: str = Field(
        default="",
        description="Hosts with private addresses that webhooks may lead to all the same, "
        "separated by blanks; link-local addresses never.",
    )
    webhook_timeout_seconds: float = Field(
        default=15.0, gt=0, le=30, description="A receiver that has not answered by then failed."
    )
    webhook_log_days: int = Field(
        default=30, ge=4, description="What was sent to webhooks, and how it went, is kept so long."
    )
    opendsr_domain: str = Field(
        default="",
        description="The domain under which OpenDSR 2.0 is spoken; empty: it is not.",
    )
    opendsr_key: Path | None = Field(
        default=None, description="Of OpenDSR: the RSA key that signs what is said there, as PEM."
    )
    opendsr_certificate: Path | None = Field(
        default=None,
        description="Of OpenDSR: the certificate of that key for that domain, as PEM, with those "
        "of its issuers.",
    )
    opendsr_identities: str = Field(
        default="email controller_customer_id",
        description="Of OpenDSR: the identity types as which imports name people.",
    )
    opendsr_callbacks: str = Field(
        default="",
        description="Of OpenDSR: the only URLs that requests may have called back, whole, "
        "separated by blanks.",
    )
    drp: bool = Field(
        default=False, description="Tell of requests in the Data Rights Protocol's words as well."
    )
    acknowledge_days: float = Field(
        default=7.0,
        ge=0,
        description="Consumers of a withdrawn version have so long to say what they did about it.",
    )
    timezone: str = Field(default="UTC", description="Where legal days begin and end (IANA name).")
    holidays: dict[Law, frozenset[date]] = Field(
        default={},
        description="By law, the public holidays of whoever has to answer, as JSON: "
        '{"gdpr": ["2026-12-25"], "ccpa": ["2026-11-26"]}.',
    )

    @field_validator("time_limit_hours")
    @classmethod
    def are_kinds_of_jobs(cls, hours: dict[str, float]) -> dict[str, float]:
        if unknown := hours.keys() - TIME_LIMITS.keys():
            raise ValueError(f"there are no jobs of the kind {', '.join(sorted(unknown))}")
        if any(limit <= 0 for limit in hours.values()):
            raise ValueError("a time limit is more than nought hours")
        return TIME_LIMITS | hours

    @field_validator("log_origin")
    @classmethod
    def can_name_a_key(cls, origin: str) -> str:
        if not is_key_name(origin):
            raise ValueError("a ledger's name has no spaces, no plus and is not empty")
        return origin

    @field_validator("witness_keys")
    @classmethod
    def are_witnesses(cls, vkeys: str) -> str:
        try:
            parse_keys(vkeys)
        except VerificationFailed as failure:
            raise ValueError(str(failure)) from failure
        return vkeys

    @property
    def witnesses(self) -> tuple[VerifierKey, ...]:
        return parse_keys(self.witness_keys)

    @property
    def access(self) -> Auth:
        """Whether callers need a key."""
        return self.auth or usual(self.host)

    @property
    def store(self) -> str:
        return self.store_url or f"file://{(self.data_dir / 'store').resolve()}"


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
