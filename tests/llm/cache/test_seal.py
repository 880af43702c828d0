"""Bytes out of Redis: whatever was done to them, they are a miss and nothing else."""

from __future__ import annotations

import base64
import os
import pickle
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tilores_x.errors import ConfigError
from tilores_x.llm.cache.keys import Keys, Kind, conversation
from tilores_x.llm.cache.redis import RedisTier
from tilores_x.llm.cache.replies import decoded
from tilores_x.llm.cache.seal import Seal, Unverified, tags_of
from tilores_x.llm.cache.tier import Kept

ENTRY = Kept(b'{"form": 1}', 1.0, 2e9, 60.0, frozenset({b"t" * 12}))
SEALS = {"plain": Seal(), "encrypted": Seal(b"k" * 32)}
KIND = pytest.mark.parametrize("seal", SEALS.values(), ids=SEALS)


@KIND
@given(payload=st.binary(max_size=300), tags=st.frozensets(st.binary(min_size=12, max_size=12), max_size=4))
def test_what_is_sealed_opens_again(seal: Seal, payload: bytes, tags: frozenset[bytes]) -> None:
    entry = Kept(payload, 1.5, 2e9, 60.0, tags)
    data = seal.pack("name", entry)
    assert seal.unpack("name", data) == entry
    assert tags_of(data) == tags


@KIND
def test_no_damage_goes_unseen(seal: Seal) -> None:
    data = seal.pack("name", ENTRY)
    for at in range(len(data)):
        for bit in (1, 128):
            broken = bytearray(data)
            broken[at] ^= bit
            with pytest.raises(Unverified):
                seal.unpack("name", bytes(broken))
        with pytest.raises(Unverified):
            seal.unpack("name", data[:at])
    with pytest.raises(Unverified):
        seal.unpack("name", data + b"x")
    with pytest.raises(Unverified):
        seal.unpack("another name", data)


def test_encryption_keeps_secrets_and_other_keys_out() -> None:
    seal = SEALS["encrypted"]
    data = seal.pack("name", ENTRY)
    assert b"form" not in data
    assert data != seal.pack("name", ENTRY), "a nonce must not be used twice"
    with pytest.raises(Unverified):
        Seal(b"j" * 32).unpack("name", data)
    with pytest.raises(Unverified):
        seal.unpack("name", Seal().pack("name", ENTRY))
    with pytest.raises(Unverified):
        Seal().unpack("name", data)


@pytest.mark.parametrize("text", ["short", base64.b64encode(b"x" * 31).decode(), "", "!" * 44])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="32 bytes in base64"):
        Seal.from_setting(text)


def test_a_key_in_either_base64_will_do() -> None:
    key = bytes([251, 255]) * 16
    assert Seal.from_setting(base64.b64encode(key).decode()).key == key
    assert Seal.from_setting(base64.urlsafe_b64encode(key).decode()).key == key
    assert Seal.from_setting(None).key is None


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("sealed", [False, True])
async def test_foreign_bytes_in_redis_are_a_miss_and_run_nothing(
    redis_tier: RedisTier, tmp_path: Path, sealed: bool
) -> None:
    place = tmp_path / "run"
    foreign = [
        pickle.dumps(Bomb(place)),
        b"",
        b"\x00" * 200,
        dumps(AIMessage("hello")).encode(),
        b'{"lc": 1, "type": "constructor", "id": ["langchain", "chat_models", "openai", "ChatOpenAI"], "kwargs": {}}',
    ]
    for data in foreign:
        if sealed:  # by somebody who can write to Redis, and knows the format
            data = Seal().pack("name", Kept(data, time.time(), time.time() + 60, 60.0))
        await redis_tier.client.set("name", data)
        found = await redis_tier.get("name")
        assert (found is not None) == sealed
        if found is not None:
            assert decoded(found.payload) is None
    assert not place.exists()
    assert redis_tier.counts.unverified == (0 if sealed else len(foreign))


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"null", b'{"form": 0}', b'{"form": 1}', b'{"form": 1, "calls": [1], "content": 3}', b"\xff", b"{"],
)
def test_a_form_that_is_not_ours_is_a_miss(payload: bytes) -> None:
    assert decoded(payload) is None


async def test_an_entry_moved_to_another_key_or_tenant_is_a_miss(redis_tier: RedisTier) -> None:
    keys = Keys()
    mine, yours = (keys.name(tenant, Kind.ANSWER, ["same question"]) for tenant in "ab")
    assert mine != yours
    now = time.time()
    await redis_tier.set(str(mine), Kept(b"canary", now, now + 60, 60.0))
    await redis_tier.client.copy(mine, yours)
    assert await redis_tier.get(str(yours)) is None
    assert redis_tier.counts.unverified == 1
    assert await redis_tier.get(str(mine)) is not None


async def test_redis_alone_does_not_decide_how_long_an_entry_lives(redis_tier: RedisTier) -> None:
    now = time.time()
    old = Kept(b"x", now - 100, now - 1, 60.0)
    await redis_tier.client.set("name", Seal().pack("name", old))  # as after a restore from a backup
    assert await redis_tier.get("name") is None


def test_names_hold_nothing_personal_and_change_with_the_secret() -> None:
    named = [Keys(secret).name("acme", Kind.REPLY, ["jane@example.com"]) for secret in (None, b"s" * 32, b"t" * 32)]
    assert len(set(named)) == 3
    assert all(found is not None and "jane" not in found and "acme" not in found for found in named)
    assert Keys().name("acme", Kind.REPLY, [{"a": "\ud800"}]) is None, "what can't be written down has no name"


def test_ids_and_metadata_do_not_make_another_conversation() -> None:
    def talk(number: int, found: str = "4") -> list[object]:
        call = {"name": "look", "args": {"email": "a@b"}, "id": f"call-{number}"}
        return conversation(
            [
                HumanMessage("who?", id=str(number)),
                AIMessage(
                    "",
                    tool_calls=[call],
                    id=f"run-{number}",
                    response_metadata={"id": number},
                    usage_metadata={"input_tokens": number, "output_tokens": 1, "total_tokens": number},
                ),
                ToolMessage(found, tool_call_id=f"call-{number}", id=f"t{number}", artifact={"n": number}),
            ]
        )

    assert orjson.dumps(talk(1)) == orjson.dumps(talk(2))
    assert orjson.dumps(talk(1)) != orjson.dumps(talk(1, found="5"))


def test_which_result_belongs_to_which_call_counts() -> None:
    calls = [{"name": "look", "args": {}, "id": "x"}, {"name": "look", "args": {}, "id": "y"}]
    talks = [
        conversation(
            [AIMessage("", tool_calls=calls), ToolMessage("1", tool_call_id=a), ToolMessage("2", tool_call_id=b)]
        )
        for a, b in (("x", "y"), ("y", "x"))
    ]
    assert talks[0] != talks[1]


def test_spaces_and_the_mark_at_the_end_make_no_other_question_and_all_else_does() -> None:
    def named(text: str) -> bytes:
        return orjson.dumps(conversation([HumanMessage(text)]))

    same = {
        named(text)
        for text in ("who is client 4001", "who is client 4001?", " who is\n client  4001 ?!", "who is client 4001.")
    }
    assert len(same) == 1
    others = (
        "Who is client 4001",
        "who is client 400 1",
        "who is client 4.001",
        "who is client 4001's",
        "?",
        "who is client -4001",
    )
    assert len(same | {named(text) for text in others}) == 1 + len(others)
    exact = [orjson.dumps(conversation([AIMessage(text)])) for text in ("Yes.", "Yes")]
    assert exact[0] != exact[1], "only what a person says is read this way"
