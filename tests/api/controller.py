"""An OpenDSR controller for tests: what it sends, and the settings of whom it sends it to."""

from pathlib import Path
from typing import Any

from app.config import Settings
from tests import certificates

PATH = "/opendsr/v2/requests"
ID = "a7551968-d5d6-44b2-9831-815ac9017798"
CALLBACK = "https://controller.example.com/callbacks"
ADA = {"identity_type": "email", "identity_value": "ada", "identity_format": "raw"}


def spoken(settings: Settings, folder: Path) -> Settings:
    """The same settings, with OpenDSR switched on."""
    on = {"opendsr_callbacks": CALLBACK, **certificates.write(folder)}
    return settings.model_copy(update=on)


def asked(**facts: Any) -> dict[str, Any]:
    """A request, as a controller sends it."""
    return {
        "regulation": "gdpr",
        "subject_request_id": ID,
        "subject_request_type": "erasure",
        "subject_identities": [ADA],
        "submitted_time": "2026-03-01T12:00:00Z",
    } | facts
