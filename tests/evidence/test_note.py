from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import note
from app.evidence.errors import VerificationFailed
from app.evidence.note import Note, Signature, SignatureType

# The example of Go's golang.org/x/mod/sumdb/note, from which the format comes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETERS_NOTE = (
    PETERS_TEXT + "\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

# A signed tree head of the Go checksum database, and its well-known key.
GO_SUM = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_SUM_NOTE = (
    "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— sum.golang.org "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
).encode()

ALICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BOB = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
ALICE_KEY = note.verifier_key("alice.example", ALICE)
BOB_KEY = note.verifier_key("bob.example", BOB)
BOB_WITNESS = note.verifier_key("bob.example", BOB, SignatureType.COSIGNATURE)

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(note.is_key_name)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.just("\n")).map(
    lambda text: text + "\n"
)
lines = st.builds(
    Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=70)
)


def by_alice(text: str) -> Note:
    return Note(text, (note.sign(text, name="alice.example", private_key=ALICE),))


@pytest.mark.parametrize(("key", "data"), [(PETER, PETERS_NOTE), (GO_SUM, GO_SUM_NOTE)])
def test_notes_that_others_signed_verify(key: str, data: bytes) -> None:
    trusted = note.parse_vkey(key)

    signed = note.verify(note.parse(data), [trusted])

    assert [s.key for s in signed] == [trusted]
    assert note.encode(note.parse(data)) == data
    assert note.vkey(trusted) == key


@given(text=texts, signatures=st.lists(lines, min_size=1, max_size=16))
def test_a_note_is_read_back_as_it_was_written(text: str, signatures: list[Signature]) -> None:
    written = Note(text, tuple(signatures))

    assert note.parse(note.encode(written)) == written


@given(text=texts, other=texts)
def test_a_signature_is_good_for_its_text_alone(text: str, other: str) -> None:
    signed = by_alice(text)

    assert note.verify(signed, [ALICE_KEY])[0].key == ALICE_KEY
    if other != text:
        with pytest.raises(VerificationFailed, match="does not verify"):
            note.verify(replace(signed, text=other), [ALICE_KEY])


def test_lines_of_unknown_keys_are_ignored() -> None:
    stranger = Signature("stranger.example", b"abcd", b"anything at all")
    same_name = Signature("alice.example", b"abcd", b"another key of hers")
    same_id = Signature("stranger.example", ALICE_KEY.id, b"another name")
    signed = by_alice("text\n")
    crowded = replace(signed, signatures=(stranger, same_name, same_id, *signed.signatures))

    assert [s.key for s in note.verify(crowded, [ALICE_KEY])] == [ALICE_KEY]


def test_a_bad_line_of_a_known_key_condemns_the_note() -> None:
    signed = by_alice("text\n")
    forged = Signature("bob.example", BOB_KEY.id, bytes(64))

    with pytest.raises(VerificationFailed, match=r"bob\.example.* does not verify"):
        note.verify(replace(signed, signatures=(*signed.signatures, forged)), [ALICE_KEY, BOB_KEY])


def test_a_note_that_only_strangers_signed_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        note.verify(by_alice("text\n"), [BOB_KEY])


def test_a_key_counts_once_however_often_it_signs() -> None:
    signed = by_alice("text\n")

    repeated = replace(signed, signatures=signed.signatures * 3)

    assert len(note.verify(repeated, [ALICE_KEY])) == 1


@given(text=texts, time=st.integers(0, note.LAST_TIME))
def test_a_cosignature_tells_its_time_and_is_bound_to_it(text: str, time: int) -> None:
    line = note.cosign(text, name="bob.example", private_key=BOB, time=time)
    later = replace(line, signature=(time + 1).to_bytes(8) + line.signature[8:])

    assert note.verify(Note(text, (line,)), [BOB_WITNESS])[0].time == time
    with pytest.raises(VerificationFailed):
        note.verify(Note(text, (later,)), [BOB_WITNESS])


def test_a_cosignature_signs_the_message_of_its_specification() -> None:
    # tlog-cosignature, "Ed25519 signed message"
    body = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    line = note.cosign(body, name="bob.example", private_key=BOB, time=1679315147)

    BOB.public_key().verify(
        line.signature[8:], b"cosignature/v1\ntime 1679315147\n" + body.encode()
    )
    assert line.signature[:8] == bytes.fromhex("00000000641850cb")


def test_signatures_and_cosignatures_of_one_key_are_not_exchangeable() -> None:
    cosigned = note.cosign("text\n", name="bob.example", private_key=BOB, time=1)
    signed = note.sign("text\n", name="bob.example", private_key=BOB)

    assert BOB_KEY.id != BOB_WITNESS.id
    for line, key in [(cosigned, BOB_KEY), (signed, BOB_WITNESS)]:
        with pytest.raises(VerificationFailed, match="does not verify"):
            note.verify(Note("text\n", (replace(line, key_id=key.id),)), [key])


@pytest.mark.parametrize("size", [1, 7, 8, 71, 73])
def test_a_cosignature_of_the_wrong_length_is_refused(size: int) -> None:
    line = Signature("bob.example", BOB_WITNESS.id, bytes(size))

    with pytest.raises(VerificationFailed, match="does not verify"):
        note.verify(Note("text\n", (line,)), [BOB_WITNESS])


def test_a_cosignature_from_beyond_the_calendar_is_refused() -> None:
    line = note.cosign("text\n", name="bob.example", private_key=BOB, time=2**63 - 1)

    with pytest.raises(VerificationFailed, match="year 9999"):
        note.verify(Note("text\n", (line,)), [BOB_WITNESS])


LINE = "— a.example AAAAAAE=\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no signature lines"),
        ("text\n", "no signature lines"),
        ("text\n\n", "no signature lines"),
        ("text\n" + LINE, "no signature lines"),
        ("text\n\n" + LINE.rstrip("\n"), "no signature lines"),
        ("text\n\n" + LINE + "tail\n", "not a signature line"),
        ("text\n\n" + LINE.replace("—", "-"), "not a signature line"),
        ("text\n\n" + LINE.replace(" A", "  A"), "not a signature line"),
        ("text\n\n" + LINE.replace("a.e", "a+e"), "not a signature line"),
        ("text\n\n" + LINE.replace("a.e", "a\u2003e"), "not a signature line"),
        ("text\n\n— a.example AAAAAA==\n", "has no signature"),
        ("text\n\n— a.example AAAAAAE\n", "not base64"),
        ("text\n\n— a.example AAAAAAF=\n", "only spelling"),
        ("text\n\n— a.example AAAA_AE=\n", "not base64"),
        ("te\txt\n\n" + LINE, "control characters"),
        ("text\r\n\n" + LINE, "control characters"),
        ("text\n\n" + LINE * 101, "more than 100"),
    ],
)
def test_what_is_no_note_is_refused(text: str, words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        note.parse(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(VerificationFailed, match="byte 0 is not UTF-8"):
        note.parse(b"\xff" + PETERS_NOTE)


@given(name=names, kind=st.sampled_from(SignatureType))
def test_a_key_is_read_back_from_its_text(name: str, kind: SignatureType) -> None:
    key = note.verifier_key(name, ALICE, kind)

    assert note.parse_vkey(note.vkey(key) + "\n") == key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a key"),
        ("name", "not a key"),
        ("name+c74f20a3", "not a key"),
        ("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "not a key"),
        (PETER.replace("c74f", "c74e"), "does not have the id"),
        (PETER.replace("Peter", "Petra"), "does not have the id"),
        (PETER.replace("+AR", "+BR"), "of a kind this program lacks"),
        ("ml-dsa.example+00000000+Bg==", "of a kind this program lacks"),
        (PETER[:-4], "wrong length"),
        (PETER + "AAAA", "wrong length"),
        (PETER + "=", "not base64"),
    ],
)
def test_what_is_no_key_is_refused(text: str, words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        note.parse_vkey(text)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u00a0b", "a\nb"])
def test_names_that_notes_cannot_carry_are_refused_when_keys_are_named(name: str) -> None:
    with pytest.raises(ValueError, match="key name"):
        note.verifier_key(name, ALICE)
