"""docs/faces.md says what the code does."""

import re
from pathlib import Path

from app.api import drp
from app.api.opendsr_create import OpendsrCreate
from app.config import Settings
from app.ledger.opendsr import STATUS_OF
from app.ledger.reasons import DenialReason
from app.ledger.states import FINAL_REQUEST_STATES, RequestState

PAGE = (Path(__file__).parents[1] / "docs/faces.md").read_text()
STATES = PAGE.partition("## States")[2].partition("## OpenDSR")[0]


def test_the_page_maps_every_state_as_the_code_does() -> None:
    rows = [
        [cell.strip().strip("`") for cell in row.strip("|").split("|")]
        for row in STATES.splitlines()
        if row.startswith("| `")
    ]

    said = {state: (opendsr, outcome, status) for state, opendsr, outcome, status, _ in rows}

    assert said == {
        state: (
            STATUS_OF[state],
            state if state in FINAL_REQUEST_STATES else "",
            drp.STANDING_OF[state].status,
        )
        for state in RequestState
    }


def test_the_page_names_every_field_reason_and_setting() -> None:
    quoted = set(re.findall(r"`([\w.<> ]+)`", PAGE))
    settings = {name for name in Settings.model_fields if name.startswith(("opendsr", "drp"))}

    assert {each.partition(".")[0] for each in quoted} >= OpendsrCreate.model_fields.keys()
    assert quoted >= set(DenialReason)
    for name in settings:
        assert f"LACUNA_{name.upper()}" in PAGE, name
