import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import checkpoint, merkle, note, proof
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.proof import TlogProof

ORIGIN = "ledger.example/log"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = [note.verifier_key(ORIGIN, LOG)]
DATA = [b"entry %d" % number for number in range(40)]
LEAVES = [merkle.leaf_hash(data) for data in DATA]

hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)
places = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))


def proved(index: int, size: int) -> TlogProof:
    head = Checkpoint(ORIGIN, size, merkle.root(LEAVES[:size]))
    return TlogProof(
        index,
        tuple(merkle.inclusion_proof(LEAVES[:size], index)),
        checkpoint.sign(head, LOG),
    )


def test_a_proof_file_has_the_lines_of_the_specification() -> None:
    written = proof.encode(TlogProof(7, (bytes(32), b"\xff" * 32), b"origin\n", extra=b"more"))

    assert written.decode().split("\n") == [
        "c2sp.org/tlog-proof@v1",
        "extra bW9yZQ==",
        "index 7",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "//////////////////////////////////////////8=",
        "",
        "origin",
        "",
    ]


@given(index=st.integers(0, 10**17), hashes_=hashes, extra=st.binary(max_size=50), text=st.text())
def test_a_proof_file_is_read_back(
    index: int, hashes_: tuple[bytes, ...], extra: bytes, text: str
) -> None:
    written = TlogProof(index, hashes_, text.encode(errors="replace"), extra)

    assert proof.parse(proof.encode(written)) == written


@given(place=places)
def test_a_proof_leads_from_the_entry_to_the_checkpoint(place: tuple[int, int]) -> None:
    index, size = place
    read = proof.parse(proof.encode(proved(index, size)))

    signed = proof.verify(read, DATA[index], KEYS)

    assert signed.checkpoint == Checkpoint(ORIGIN, size, merkle.root(LEAVES[:size]))


@given(place=places, other=st.integers(0, 39))
def test_a_proof_is_for_its_own_entry_alone(place: tuple[int, int], other: int) -> None:
    index, size = place

    if other != index:
        with pytest.raises(VerificationFailed, match="not in the tree"):
            proof.verify(proved(index, size), DATA[other], KEYS)


def test_a_proof_of_a_ledger_you_do_not_trust_is_refused() -> None:
    stranger = note.verifier_key(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))

    with pytest.raises(VerificationFailed, match="none of the keys"):
        proof.verify(proved(3, 7), DATA[3], [stranger])


HASH = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a proof"),
        ("c2sp.org/tlog-proof@v1\nindex 0", "not a proof"),
        ("c2sp.org/tlog-proof@v2\nindex 0\n\nx", "not a proof"),
        (" c2sp.org/tlog-proof@v1\nindex 0\n\nx", "not a proof"),
        ("c2sp.org/tlog-proof@v1\n\nx", "which entry"),
        ("c2sp.org/tlog-proof@v1\nindex\n\nx", "which entry"),
        ("c2sp.org/tlog-proof@v1\nextra AA==\n\nx", "which entry"),
        ("c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 0\n\nx", "which entry"),
        ("c2sp.org/tlog-proof@v1\nextra ?\nindex 0\n\nx", "not base64"),
        ("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nx", "empty"),
        ("c2sp.org/tlog-proof@v1\nindex 00\n\nx", "not a count"),
        ("c2sp.org/tlog-proof@v1\nindex 0\r\n\nx", "not a count"),
        ("c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx", "32 bytes, not 3"),
        (f"c2sp.org/tlog-proof@v1\nindex 0{(chr(10) + HASH) * 64}\n\nx", "too long"),
    ],
)
def test_what_is_no_proof_is_refused(text: str, words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        proof.parse(text.encode())
