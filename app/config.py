"""Settings from `LACUNA_*` in the environment; all processes of one installation share them."""

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What differs between installations. `lacuna up` fills in the URLs of its embedded servers."""

    model_config = SettingsConfigDict(env_prefix="LACUNA_", extra="ignore")

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
    timezone: str = Field(default="UTC", description="Where legal days begin and end (IANA name).")

    @property
    def store(self) -> str:
        return self.store_url or f"file://{(self.data_dir / 'store').resolve()}"


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
