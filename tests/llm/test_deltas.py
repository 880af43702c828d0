"""Merged chunks say the same as LangChain makes of the chunks one by one."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_fireworks.chat_models import _convert_chunk_to_message_chunk as fireworks
from langchain_groq.chat_models import _convert_chunk_to_message_chunk as groq
from langchain_openai.chat_models.base import _convert_delta_to_message_chunk as openai

from tilores_x.llm.deltas import merged

_texts = st.sampled_from(["", "a", "b c", "\n", "é"])
_calls = st.builds(
    lambda index, id_, name, arguments: {
        "index": index,
        **({"id": id_, "type": "function"} if id_ else {}),
        "function": {**({"name": name} if name else {}), "arguments": arguments},
    },
    st.integers(0, 2),
    st.sampled_from([None, None, None, "call_a", "call_b"]),
    st.sampled_from([None, None, None, "look"]),
    st.sampled_from(["", "{", '"email"', ": 1", "}", "{}"]),
)
_deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.one_of(st.none(), _texts),
        "reasoning": _texts,
        "reasoning_content": _texts,
        "refusal": st.none(),
        "tool_calls": st.lists(_calls, max_size=2),
    },
)
_usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_chunks = st.lists(
    st.one_of(
        st.builds(
            lambda delta, finish, more: {
                "id": "c",
                "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
                **more,
            },
            _deltas,
            st.sampled_from([None] * 9 + ["stop"]),
            st.sampled_from([{}] * 5 + [{"usage": _usage}, {"x_groq": {"id": "x"}}, {"x_groq": {"usage": _usage}}]),
        ),
        st.just({"id": "c", "choices": [], "usage": _usage}),
    ),
    min_size=1,
    max_size=12,
)


def _said(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}]}


@example([_said("a"), _said("b", finish_reason="stop")])
@example([_said("a"), _said("b") | {"usage": _usage}])
@example([_said("a"), _said("b", logprobs={"content": []})])
@settings(max_examples=300)
@given(_chunks)
def test_merging_says_the_same_as_adding_up(chunks: list[dict[str, Any]]) -> None:
    before = json.dumps(chunks)
    for convert in _CONVERTERS:
        assert _summed(convert, merged(chunks)) == _summed(convert, chunks)
    assert _ends(merged(chunks)) == _ends(chunks)
    assert json.dumps(chunks) == before


_CONVERTERS = [
    lambda chunk: fireworks(chunk, AIMessageChunk),
    lambda chunk: groq(chunk, AIMessageChunk) if chunk["choices"] else AIMessageChunk(""),
    lambda chunk: openai(chunk["choices"][0]["delta"], AIMessageChunk) if chunk["choices"] else AIMessageChunk(""),
]


def _summed(convert: Any, chunks: list[dict[str, Any]]) -> Any:
    first, *rest = (convert(deepcopy(chunk)) for chunk in chunks)
    whole = first.__add__(rest) if rest else first
    return whole.model_dump(exclude={"id"})


def _ends(chunks: list[dict[str, Any]]) -> list[Any]:
    """What counts once and must not get lost: finish reasons, log probabilities and usage, in order."""
    choices = [(chunk["choices"] or [{}])[0] for chunk in chunks]
    ends = [
        (choice.get("finish_reason"), choice.get("logprobs"), chunk.get("usage"))
        for choice, chunk in zip(choices, chunks, strict=True)
    ]
    return [end for end in ends if any(end)]
