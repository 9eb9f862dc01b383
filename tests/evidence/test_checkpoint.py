import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import checkpoint, merkle, note
from app.evidence.checkpoint import Checkpoint, Cosigner
from app.evidence.errors import VerificationFailed
from app.evidence.note import Note, SignatureType

ORIGIN = "ledger.example/log"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
LOG_KEY = note.verifier_key(ORIGIN, LOG)
WITNESS_KEY = note.verifier_key("witness.example", WITNESS, SignatureType.COSIGNATURE)

LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(30)]

checkpoints = st.builds(
    Checkpoint,
    st.just(ORIGIN),
    st.integers(0, 10**17),
    st.binary(min_size=32, max_size=32),
)


def head(leaves: list[bytes]) -> Checkpoint:
    return Checkpoint(ORIGIN, len(leaves), merkle.root(leaves))


@given(checkpoint_=checkpoints)
def test_a_signed_checkpoint_is_read_back(checkpoint_: Checkpoint) -> None:
    signed = checkpoint.sign(checkpoint_, LOG)

    assert checkpoint.verify(signed, [LOG_KEY]).checkpoint == checkpoint_


def test_the_text_is_that_of_the_specification() -> None:
    # tlog-checkpoint, the first example
    body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    parsed = checkpoint.parse_text(body)

    assert (parsed.origin, parsed.size) == ("example.com/behind-the-sofa", 20852163)
    assert parsed.root.hex().startswith("0ac5186a91863e8e1d90c808014aa89b")
    assert checkpoint.text(parsed) == body


def test_a_witness_is_reported_with_its_time() -> None:
    signed = checkpoint.sign(head(LEAVES), LOG)

    twice = checkpoint.cosign(signed, name="witness.example", private_key=WITNESS, time=1_800_000)

    assert twice.startswith(signed)
    assert checkpoint.verify(twice, [LOG_KEY, WITNESS_KEY]).cosigners == (
        Cosigner("witness.example", 1_800_000),
    )
    assert checkpoint.verify(twice, [LOG_KEY]).cosigners == ()


@pytest.mark.parametrize("name", ["witness.example", ORIGIN])
def test_a_witness_cannot_stand_in_for_the_ledger_whatever_its_name(name: str) -> None:
    witness_key = note.verifier_key(name, WITNESS, SignatureType.COSIGNATURE)
    signed = checkpoint.sign(head(LEAVES), LOG)
    twice = checkpoint.cosign(signed, name=name, private_key=WITNESS, time=1)

    with pytest.raises(VerificationFailed, match="has not signed its checkpoint"):
        checkpoint.verify(twice, [witness_key])


def test_a_ledger_speaks_for_its_own_origin_only() -> None:
    body = checkpoint.text(Checkpoint("other.example/log", 30, merkle.root(LEAVES)))
    signed = note.encode(Note(body, (note.sign(body, name=ORIGIN, private_key=LOG),)))

    with pytest.raises(VerificationFailed, match=r"other\.example/log.* has not signed"):
        checkpoint.verify(signed, [LOG_KEY])


def test_a_checkpoint_of_another_key_under_the_same_name_is_refused() -> None:
    signed = checkpoint.sign(head(LEAVES), WITNESS)

    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        checkpoint.verify(signed, [LOG_KEY])


@pytest.mark.parametrize(
    "text",
    [
        "origin\n5\n",
        "\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n05\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n٥\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1000000000000000000000\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "origin\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "origin\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextension\n",
        "origin\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
    ],
)
def test_what_is_no_checkpoint_is_refused_even_if_signed(text: str) -> None:
    with pytest.raises(VerificationFailed):
        checkpoint.parse_text(text)


def test_a_ledger_cannot_be_called_what_no_key_can_be_called() -> None:
    with pytest.raises(ValueError, match="key name"):
        checkpoint.sign(Checkpoint("DSSEv1 28 spaces", 0, merkle.EMPTY_ROOT), LOG)


@given(older=st.integers(0, 30), newer=st.integers(0, 30))
def test_a_ledger_that_only_grew_can_prove_it(older: int, newer: int) -> None:
    older, newer = sorted([older, newer])
    proof = merkle.consistency_proof(LEAVES[:newer], older)

    checkpoint.verify_extends(head(LEAVES[:newer]), head(LEAVES[:older]), proof)


@given(size=st.integers(2, 30), fork_at=st.integers(0, 28), extra=st.integers(0, 10))
def test_a_forking_server_cannot_join_the_two_histories_it_showed(
    size: int, fork_at: int, extra: int
) -> None:
    fork_at = min(fork_at, size - 1)
    one = LEAVES[:size]
    other = [
        *LEAVES[:fork_at],
        *(merkle.leaf_hash(b"fork %d" % n) for n in range(size - fork_at + extra)),
    ]

    for history in [one, other]:
        proof = merkle.consistency_proof(history, size) if len(history) > size else []
        with pytest.raises(VerificationFailed):
            checkpoint.verify_extends(head(other), head(one), proof)


def test_checkpoints_of_two_ledgers_are_not_compared() -> None:
    other = Checkpoint("other.example/log", 30, merkle.root(LEAVES))

    with pytest.raises(VerificationFailed, match="two different ledgers"):
        checkpoint.verify_extends(other, head(LEAVES), [])
