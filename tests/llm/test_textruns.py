"""Joining events as bytes says the same as parsing each of them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tilores_x.llm.deltas import merged
from tilores_x.llm.sse import parsed
from tilores_x.llm.textruns import MOST_LESSONS, TextRuns


def event(delta: dict[str, Any], finish: str | None = None, *, spaces: bool = True, **more: Any) -> bytes:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return json.dumps(chunk, separators=None if spaces else (",", ":"), ensure_ascii=spaces).encode()


_texts = st.text(st.sampled_from('ab "\\\n\u00e9\u2028\U0001f642{}:,'), max_size=5)
_deltas = st.one_of(
    st.builds(lambda text: {"content": text}, _texts),
    st.builds(lambda text: {"content": text}, _texts),
    st.builds(lambda text: {"role": "assistant", "content": text}, _texts),
    st.builds(lambda text: {"reasoning_content": text}, _texts),
    st.builds(lambda text: {"content": None, "reasoning_content": text}, _texts),
    st.builds(lambda one, two: {"content": one, "reasoning": two}, _texts, _texts),
    st.builds(lambda text: {"content": text, "refusal": text}, _texts),
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
        joined = runs.joined(events)
        chunks, broken = parsed(joined)
        assert broken is None
        runs.learn(joined, chunks)
        assert _content(chunks) == _content([orjson.loads(event) for event in events])


def _taught(*events: bytes) -> TextRuns:
    runs = TextRuns()
    runs.learn(list(events), [orjson.loads(event) for event in events])
    return runs


def test_a_run_becomes_one_event() -> None:
    tokens = [event({"content": word}) for word in ("one", " two", ' "three"', " \u00e9", "\\")]
    end = event({}, "stop")
    joined = _taught(tokens[0]).joined([*tokens, end, tokens[0]])
    assert len(joined) == 3
    assert orjson.loads(joined[0])["choices"][0]["delta"] == {"content": 'one two "three" \u00e9\\'}
    assert joined[1:] == [end, tokens[0]]


def test_a_field_more_in_the_middle_is_not_taken_for_text() -> None:
    runs = _taught(event({"content": "a"}))
    sneaky = event({"content": "b", "refusal": "c"})
    later = [event({"content": "x"}), sneaky, event({"content": "y"})]
    assert runs.joined(later) == later


def test_a_stream_of_unlike_events_is_not_learnt_for_ever() -> None:
    runs = TextRuns()
    for number in range(100):
        one = event({"content": "a"}, obfuscation="x" * number)
        runs.learn([one], [orjson.loads(one)])
    assert runs._lessons == MOST_LESSONS
