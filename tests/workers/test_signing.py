"""The clerk signs what was published; strangers check it with the public client alone."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from model_signing import verifying
from sqlalchemy import func, select
from starlette.testclient import TestClient

from app import log_key
from app.db import transaction
from app.evidence import note, withdrawals
from app.evidence.withdrawals import Version
from app.ledger import batching, sequencer, signatures
from app.ledger.signature_tables import VersionSignature
from app.ledger.tables import ModelVersion
from app.main import create_app
from tests.factories import DAY, NOW, make_request, make_version, run_through
from workers import sequencing, sweeping
from workers.station import Station

VERSIONS = "/v1/models/faces/versions"
WEIGHTS = {number: bytes([number]) * 1000 for number in (1, 2)}


@pytest.fixture
def http(station: Station) -> Iterator[TestClient]:
    """The API beside the clerk, on the same database and the same store; there is a key."""
    log_key.make(station.settings)
    url = station.sessions.kw["bind"].url.render_as_string(hide_password=False)
    settings = station.settings.model_copy(update={"database_url": url})
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def published(station: Station, tmp_path: Path) -> ModelVersion:
    """A version whose weights lie in the store, published before anybody could sign it."""
    for number, weights in WEIGHTS.items():
        file = tmp_path / str(number)
        file.write_bytes(weights)
        station.store.put(file)
    with transaction(station.sessions) as session:
        return make_version(session, weights=WEIGHTS[1].decode())


def forget(station: Station, version: ModelVersion) -> None:
    """Publish a successor that has forgotten ada; what the version was is withdrawn."""
    with transaction(station.sessions) as session:
        make_request(session, "ada")
        job = batching.batch(session, version.model_id, now=NOW, flush=True)
        assert job is not None
        run_through(session, job, weights=WEIGHTS[2].decode())


def fetch(http: TestClient, path: str, **query: str) -> bytes:
    response = http.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.content


def refusal(http: TestClient, path: str, **query: str) -> tuple[int, str]:
    response = http.get(path, params=query)
    return response.status_code, response.json()["code"]


def hint(bundle: bytes) -> str:
    return str(json.loads(bundle)["verificationMaterial"]["publicKey"]["hint"])


def check(folder: Path, *, weights: bytes, bundle: bytes, pem: bytes) -> None:
    """As `model_signing verify key` does, on files that were fetched; raises what it raises."""
    for name, content in {"downloaded": weights, "model.sig": bundle, "model.pub": pem}.items():
        (folder / name).write_bytes(content)
    client = verifying.Config()  # type: ignore[no-untyped-call]  # it says nothing of its result
    client.use_elliptic_key_verifier(public_key=folder / "model.pub").verify(
        folder / "downloaded", folder / "model.sig"
    )


def count(station: Station) -> int:
    with transaction(station.sessions) as session:
        return session.scalar(select(func.count()).select_from(VersionSignature)) or 0


def test_the_public_client_verifies_what_is_served_and_refuses_one_flipped_byte(
    station: Station, http: TestClient, published: ModelVersion, tmp_path: Path
) -> None:
    sequencing.sequence(station)

    weights = fetch(http, f"{VERSIONS}/1/weights")
    served = {
        "bundle": fetch(http, f"{VERSIONS}/1/weights.sig"),
        "pem": fetch(http, "/v1/ledger/model-key"),
    }

    check(tmp_path, weights=weights, **served)
    flipped = bytes([weights[0] ^ 1]) + weights[1:]
    with pytest.raises(ValueError, match=r"Signature mismatch: .*Hash mismatch"):
        check(tmp_path, weights=flipped, **served)


def test_until_the_clerk_has_signed_the_answer_says_when_to_ask_again(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    early = http.get(f"{VERSIONS}/1/weights.sig")

    assert (early.status_code, early.json()["code"]) == (409, "signature_not_ready")
    assert early.headers["retry-after"] == "2"
    assert refusal(http, "/v1/ledger/model-key") == (404, "no_checkpoint")


def test_a_withdrawn_version_has_no_signature_to_fetch_and_its_successor_has(
    station: Station, http: TestClient, published: ModelVersion, tmp_path: Path
) -> None:
    sequencing.sequence(station)
    forget(station, published)
    sequencing.sequence(station)

    assert refusal(http, f"{VERSIONS}/1/weights.sig") == (410, "version_withdrawn")
    assert "use version 2" in http.get(f"{VERSIONS}/1/weights.sig").json()["detail"]
    check(
        tmp_path,
        weights=fetch(http, f"{VERSIONS}/2/weights"),
        bundle=fetch(http, f"{VERSIONS}/2/weights.sig"),
        pem=fetch(http, "/v1/ledger/model-key"),
    )


def test_signing_again_changes_nothing(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    sequencing.sequence(station)
    before = fetch(http, f"{VERSIONS}/1/weights.sig")

    sequencing.sequence(replace(station, clock=lambda: NOW + DAY))

    assert count(station) == 1
    assert fetch(http, f"{VERSIONS}/1/weights.sig") == before


def test_killed_before_the_commit_the_next_turn_signs(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    def sign_and_die() -> None:
        with transaction(station.sessions) as session:
            signatures.sign(session, log_key.load(station.settings), now=NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sign_and_die()
    before = count(station)
    sequencing.sequence(station)

    assert (before, count(station)) == (0, 1)


def test_while_another_clerk_has_the_turn_nothing_is_signed_twice(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    with transaction(station.sessions) as session:
        assert sequencer.has_turn(session)
        sequencing.sequence(station)
        during = count(station)
    sequencing.sequence(station)

    assert (during, count(station)) == (0, 1)


def test_after_a_rotation_old_bundles_verify_with_the_key_that_they_name(
    station: Station, http: TestClient, published: ModelVersion, tmp_path: Path
) -> None:
    sequencing.sequence(station)
    old = fetch(http, f"{VERSIONS}/1/weights.sig")

    log_key.rotate(station.settings, drop_old=True)
    sequencing.sequence(station)

    new = fetch(http, f"{VERSIONS}/1/weights.sig")
    assert hint(new) != hint(old)
    for bundle in (old, new):
        pem = fetch(http, "/v1/ledger/model-key", key=hint(bundle))
        check(tmp_path, weights=WEIGHTS[1], bundle=bundle, pem=pem)
    assert fetch(http, f"{VERSIONS}/1/weights.sig", key=hint(old)) == old
    assert fetch(http, "/v1/ledger/model-key") == fetch(http, "/v1/ledger/model-key", key=hint(new))
    with pytest.raises(ValueError, match="Key mismatch"):
        check(tmp_path, weights=WEIGHTS[1], bundle=old, pem=fetch(http, "/v1/ledger/model-key"))


def test_while_two_keys_are_in_use_there_is_a_bundle_for_either(
    station: Station, http: TestClient, published: ModelVersion, tmp_path: Path
) -> None:
    sequencing.sequence(station)
    older = hint(fetch(http, f"{VERSIONS}/1/weights.sig"))
    log_key.rotate(station.settings, drop_old=False)
    forget(station, published)
    sequencing.sequence(station)

    bundles = [
        fetch(http, f"{VERSIONS}/2/weights.sig"),
        fetch(http, f"{VERSIONS}/2/weights.sig", key=older),
    ]

    assert hint(bundles[1]) == older != hint(bundles[0])
    for bundle in bundles:
        pem = fetch(http, "/v1/ledger/model-key", key=hint(bundle))
        check(tmp_path, weights=WEIGHTS[2], bundle=bundle, pem=pem)


def test_a_key_that_signed_nothing_here_is_unknown(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    sequencing.sequence(station)

    for path in (f"{VERSIONS}/1/weights.sig", "/v1/ledger/model-key"):
        assert refusal(http, path, key="ab" * 32) == (404, "unknown_key")
        assert refusal(http, path, key="AB") == (422, "malformed")


def test_a_signature_that_is_known_already_is_not_sent_again(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    sequencing.sequence(station)
    first = http.get(f"{VERSIONS}/1/weights.sig")

    again = http.get(f"{VERSIONS}/1/weights.sig", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["content-type"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert first.headers["content-disposition"] == 'attachment; filename="faces-1.sig"'
    assert (again.status_code, again.content) == (304, b"")


def listed(station: Station, http: TestClient) -> Any:
    keys = [note.parse_vkey(line) for line in log_key.vkeys(station.settings)]
    return withdrawals.verify(fetch(http, "/v1/ledger/withdrawals"), keys)


def test_the_list_of_withdrawn_versions_follows_what_happens(
    station: Station, http: TestClient, published: ModelVersion
) -> None:
    assert refusal(http, "/v1/ledger/withdrawals") == (404, "no_checkpoint")
    sequencing.sequence(station)
    assert listed(station, http).withdrawn == ()

    forget(station, published)
    sequencing.sequence(station)
    (withdrawn,) = listed(station, http).withdrawn
    assert (withdrawn.model, withdrawn.version.number) == ("faces", 1)
    assert withdrawn.version.weights_sha256 == published.weights_digest
    assert isinstance(withdrawn.successor, Version)
    assert withdrawn.purged_at is None

    sweeping.purge(replace(station, clock=lambda: NOW + 8 * DAY))
    sequencing.sequence(station)
    (purged,) = listed(station, http).withdrawn
    assert purged == replace(withdrawn, purged_at=NOW + 8 * DAY)
