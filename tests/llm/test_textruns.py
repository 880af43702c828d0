"""Joining events as bytes says the same as parsing each of them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tilores_x.llm.deltas import merged
from tilores_x.llm.textruns import MOST_LESSONS, TextRuns


def event(delta: dict[str, Any], finish: str | None = None, *, spaces: bool = True, **more: Any) -> bytes:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return json.dumps(chunk, separators=None if spaces else (",", ":"), ensure_ascii=spaces).encode()


_texts = st.text(st.sampled_from('ab "\\\n\u00e9\u2028\U0001f642{}:,'), max_size=5)
_indices = st.integers(0, 1)
_deltas = st.one_of(
    st.builds(lambda text: {"content": text}, _texts),
    st.builds(lambda text: {"content": text}, _texts),
    st.builds(lambda text: {"role": "assistant", "content": text}, _texts),
    st.builds(lambda text: {"reasoning_content": text}, _texts),
    st.builds(lambda text: {"content": None, "reasoning_content": text}, _texts),
    st.builds(lambda one, two: {"content": one, "reasoning": two}, _texts, _texts),
    st.builds(lambda text: {"content": text, "refusal": text}, _texts),
    st.builds(
        lambda index, text: {"tool_calls": [{"index": index, "function": {"arguments": text}}]}, _indices, _texts
    ),
    st.builds(
        lambda index, text: {"tool_calls": [{"index": index, "function": {"arguments": text}}]}, _indices, _texts
    ),
    st.builds(
        lambda index, text: {
            "tool_calls": [{"index": index, "id": "c", "function": {"name": "look", "arguments": text}}]
        },
        _indices,
        _texts,
    ),
    st.just({"tool_calls": [{"index": 0, "function": {"arguments": '{"content": "x"}'}}]}),
)
_events = st.builds(
    lambda delta, finish, spaces, more: event(delta, finish, spaces=spaces, **more),
    _deltas,
    st.sampled_from([None] * 9 + ["stop"]),
    st.booleans(),
    st.sampled_from([{}] * 6 + [{"usage": {"prompt_tokens": 1}}, {"obfuscation": "x1"}, {"content": "x"}]),
)


def _content(chunks: list[Any]) -> Any:
    """All that is said, without regard to how it is cut, and to fields that say nothing."""
    told = deepcopy(merged(chunks))
    for chunk in told:
        for choice in chunk["choices"]:
            choice["delta"] = {name: value for name, value in choice["delta"].items() if value is not None}
    return told


@settings(max_examples=400)
@given(st.lists(st.lists(_events, min_size=1, max_size=8), min_size=1, max_size=5))
def test_whatever_the_events_the_same_is_said(reads: list[list[bytes]]) -> None:
    runs = TextRuns()
    for events in reads:
        chunks, broken = runs.chunks(events)
        assert broken is None
        assert _content(chunks) == _content([orjson.loads(event) for event in events])


def _taught(*events: bytes) -> TextRuns:
    runs = TextRuns()
    runs.chunks(list(events))
    return runs


def _deltas_of(chunks: list[Any]) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in chunks]


def _said(text: str) -> bytes:
    return event({"content": text})


def _argued(text: str) -> bytes:
    return event({"tool_calls": [{"index": 1, "function": {"arguments": text}}]})


def test_a_run_becomes_one_chunk() -> None:
    tokens = [_said(word) for word in ("one", " two", ' "three"', " \u00e9")]
    end = event({}, "stop")
    chunks, broken = _taught(tokens[0]).chunks([*tokens, end, tokens[0]])
    assert broken is None
    assert _deltas_of(chunks) == [{"content": 'one two "three" \u00e9'}, {}, {"content": "one"}]


def test_the_arguments_of_a_call_become_one_chunk() -> None:
    chunks, _ = _taught(_argued("{")).chunks([_argued('"email": "'), _argued("a@x.org"), _argued('"}')])
    assert _deltas_of(chunks) == [{"tool_calls": [{"index": 1, "function": {"arguments": '"email": "a@x.org"}'}}]}]


def test_a_field_more_in_the_middle_is_not_taken_for_text() -> None:
    chunks, _ = _taught(_said("a")).chunks([_said("x"), event({"content": "b", "refusal": "c"}), _said("y")])
    assert _deltas_of(chunks) == [{"content": "x"}, {"content": "b", "refusal": "c"}, {"content": "y"}]


def test_half_an_escape_is_broken_and_not_completed_by_the_next_text() -> None:
    whole = [_said("a"), _said("b")]
    half = whole[1].replace(b'"b"', b'"b\\"')
    chunks, broken = _taught(whole[0]).chunks([*whole, half, _said("n")])
    assert _deltas_of(chunks) == [{"content": "a"}, {"content": "b"}]
    assert isinstance(broken, ValueError)


def test_what_stands_before_broken_json_is_kept() -> None:
    chunks, broken = TextRuns().chunks([b'{"n": 1}', b'{"n": ', b'{"n": 2}'])
    assert chunks == [{"n": 1}]
    assert isinstance(broken, ValueError)


def test_what_stands_before_a_broken_text_is_kept() -> None:
    broken_one = _said("b").replace(b'"b"', b'"\x00"')
    chunks, broken = _taught(_said("a")).chunks([_said("b"), _said("c"), broken_one, _said("d")])
    assert _deltas_of(chunks) == [{"content": "b"}, {"content": "c"}]
    assert isinstance(broken, ValueError)


def test_a_stream_of_unlike_events_is_not_learnt_for_ever() -> None:
    runs = TextRuns()
    runs.chunks([event({"content": "a"}, obfuscation="x" * number) for number in range(100)])
    assert runs._lessons == MOST_LESSONS
