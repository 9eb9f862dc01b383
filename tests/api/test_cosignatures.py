"""Witnesses' cosignatures over HTTP: verified before they are kept, and given out afterwards."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.evidence import checkpoint, note, receipt
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import SignatureType
from app.ledger.verification import examine
from tests.api.conftest import Call
from tests.factories import NOW, PEPPER, make_request, make_version
from tests.ledger.signing import OLD_KEY, SIGNER, sequenced, tamper

PATH = "/v1/ledger/checkpoint"
COSIGN = f"{PATH}/cosignatures"
THEN = int(NOW.timestamp())
ONE, TWO, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in (1, 2, 3))
KEYS = {
    "one.example": note.verifier_key("one.example", ONE, SignatureType.COSIGNATURE),
    "two.example": note.verifier_key("two.example", TWO, SignatureType.COSIGNATURE),
}


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """A ledger that knows two witnesses."""
    vkeys = "\n".join(map(note.vkey, KEYS.values()))
    return Settings(data_dir=tmp_path, pepper=PEPPER, witness_keys=vkeys)


def cosign(
    signed: bytes,
    key: Ed25519PrivateKey = ONE,
    *,
    name: str = "one.example",
    time: int = THEN,
) -> bytes:
    return checkpoint.cosign(signed, name=name, private_key=key, time=time)


def send(http: TestClient, body: bytes) -> bytes:
    response = http.post(COSIGN, content=body, headers={"Content-Type": "text/plain"})
    assert response.status_code == 201, response.text
    return response.content


def names(content: bytes) -> list[str]:
    """The witnesses whose word is in a checkpoint, all of them verified."""
    keys = [*SIGNER.verifier_keys, *KEYS.values()]
    return [cosigner.name for cosigner in checkpoint.verify(content, keys).cosigners]


def test_a_cosigned_checkpoint_is_given_out_with_it(http: TestClient, session: Session) -> None:
    signed = sequenced(session, 3)

    answer = send(http, cosign(signed))

    assert answer == cosign(signed) == http.get(PATH).content
    assert names(answer) == ["one.example"]


def test_witnesses_add_up_and_one_that_repeats_itself_counts_once(
    http: TestClient, session: Session
) -> None:
    signed = sequenced(session, 3)
    first = send(http, cosign(signed))

    assert send(http, cosign(signed, time=THEN + 60)) == first
    both = send(http, cosign(first, TWO, name="two.example"))

    assert names(both) == ["one.example", "two.example"]
    assert http.get(PATH).content == both


def test_lines_of_strangers_are_left_out(http: TestClient, session: Session) -> None:
    signed = sequenced(session)
    stranger = cosign(signed, STRANGER, name="stranger.example")

    answer = send(http, cosign(stranger))

    assert answer == cosign(signed)


def test_the_newest_that_was_cosigned_can_be_asked_for(
    http: TestClient, session: Session, refused: Call
) -> None:
    older = sequenced(session, 3)
    refused("GET", f"{PATH}?witnessed=true", 404, "no_checkpoint")
    newer = sequenced(session, 3)

    send(http, cosign(older))

    assert http.get(PATH).content == newer
    assert http.get(PATH, params={"witnessed": True}).content == cosign(older)


def forged(signed: bytes) -> bytes:
    """With the line of another checkpoint."""
    other = checkpoint.sign(Checkpoint(SIGNER.origin, 99, bytes(32)), OLD_KEY)
    return signed + cosign(other).splitlines(keepends=True)[-1]


def another_root(signed: bytes) -> bytes:
    size = checkpoint.parse_text(note.parse(signed).text).size
    return cosign(checkpoint.sign(Checkpoint(SIGNER.origin, size, bytes(32)), OLD_KEY))


def another_ledger(signed: bytes) -> bytes:
    stated = checkpoint.parse_text(note.parse(signed).text)
    return cosign(checkpoint.sign(Checkpoint("other.example", stated.size, stated.root), OLD_KEY))


@pytest.mark.parametrize(
    ("made", "code"),
    [
        pytest.param(forged, "bad_cosignature", id="forged"),
        pytest.param(lambda s: cosign(s, STRANGER), "unknown_witness", id="the wrong key"),
        pytest.param(lambda s: s, "unknown_witness", id="no cosignature at all"),
        pytest.param(lambda s: cosign(s, time=THEN + 301), "bad_cosignature", id="from the future"),
        pytest.param(another_root, "unknown_checkpoint", id="a forked history"),
        pytest.param(another_ledger, "unknown_checkpoint", id="another ledger"),
        pytest.param(lambda s: s.replace(b"\n\n", b"\n"), "bad_note", id="no blank line"),
        pytest.param(lambda _: b"", "bad_note", id="nothing"),
        pytest.param(lambda _: b"\xff" * 99, "bad_note", id="no text"),
        pytest.param(lambda s: b"x\n" + cosign(s), "bad_note", id="no checkpoint"),
    ],
)
def test_what_does_not_count_is_refused_and_not_kept(
    http: TestClient, session: Session, refused: Call, made: Any, code: str
) -> None:
    signed = sequenced(session, 3)

    refused("POST", COSIGN, 422, code, content=made(signed))

    assert http.get(PATH).content == signed


def test_a_witness_goes_forward_only(http: TestClient, session: Session, refused: Call) -> None:
    older, newer = sequenced(session), sequenced(session)
    send(http, cosign(newer))

    refused("POST", COSIGN, 409, "stale_checkpoint", content=cosign(older))

    send(http, cosign(older, TWO, name="two.example"))  # who has seen no larger one
    send(http, cosign(newer, TWO, name="two.example"))


def test_a_receipt_can_be_had_under_a_cosigned_checkpoint(
    http: TestClient, session: Session, refused: Call
) -> None:
    make_version(session)
    path = f"/v1/deletion-requests/{make_request(session, 'ada').id}/receipt"
    sequenced(session)
    plain = http.get(path).content
    refused("GET", f"{path}?witnessed=true", 409, "receipt_not_ready")

    send(http, cosign(sequenced(session)))
    witnessed = http.get(path, params={"witnessed": True}).content

    verify = partial(receipt.verify, log_keys=SIGNER.verifier_keys, witnesses=[KEYS["one.example"]])
    assert verify(witnessed).ledger.cosigners[0].name == "one.example"
    assert http.get(path).content == plain
    with pytest.raises(VerificationFailed, match="has not cosigned"):
        verify(plain)


def test_a_ledger_is_verified_against_its_witnesses(http: TestClient, session: Session) -> None:
    for _ in range(2):
        send(http, cosign(sequenced(session, 2)))

    fits = examine(session, SIGNER.verifier_keys, witnesses=[KEYS["one.example"]])
    lacks = examine(session, SIGNER.verifier_keys, witnesses=list(KEYS.values()))

    assert (fits.witnessed, fits.faults) == ({"one.example": 5}, [])
    assert lacks.faults == ["the witness two.example has cosigned no checkpoint of this ledger"]


def test_a_history_that_was_signed_anew_is_not_the_one_that_was_cosigned(
    http: TestClient, session: Session
) -> None:
    """Whoever has the database and the ledger's key does not have the witness's."""
    send(http, cosign(sequenced(session, 2)))
    root = bytes(32)
    rewritten = SIGNER.checkpoint(3, root)
    tamper(
        session,
        "UPDATE ledger_checkpoints SET note = :note, root = :root",
        note=rewritten,
        root=root,
    )

    found = examine(session, SIGNER.verifier_keys, witnesses=[KEYS["one.example"]])

    assert (
        "the checkpoint of 3 entries is not the one that the witness one.example cosigned"
        in found.faults
    )


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM ledger_cosignatures", "UPDATE ledger_cosignatures SET time = 0"],
)
def test_what_was_cosigned_stays(http: TestClient, session: Session, statement: str) -> None:
    send(http, cosign(sequenced(session)))

    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(text(statement))


@pytest.mark.parametrize("vkeys", ["nonsense", note.vkey(SIGNER.verifier_keys[0])])
def test_a_setting_that_names_no_witness_is_refused_at_the_start(vkeys: str) -> None:
    with pytest.raises(ValidationError, match="witness_keys"):
        Settings(witness_keys=vkeys)
