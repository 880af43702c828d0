"""Events come out the same however the network cuts the bytes."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.llm import sse
from tilores_x.llm.sse import EventReader

STREAM = (
    b": keep-alive\n\n"
    b'data: {"n": 1}\n\n'
    b'event: message\nid: 7\ndata: {"n": 2}\nretry: 10\n\n'
    b'data:{"n":\ndata: 3}\n\n'
    b"event: ping\n\n"
    b'data: {"text": "\xc3\xa9\xe2\x80\xa8 data: x"}\n\n'
    b"data: [DONE]\n\n"
    b'data: {"n": "after the end"}\n\n'
)
EVENTS = [{"n": 1}, {"n": 2}, {"n": 3}, {"text": "é\u2028 data: x"}]


def read(pieces: list[bytes]) -> list[object]:
    reader, found = EventReader(), []
    for piece in pieces:
        if reader.done:
            break
        found += map(orjson.loads, reader.feed(piece))
    assert reader.done
    return found


@given(cuts=st.sets(st.integers(0, 400)), end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_cuts_and_line_endings_change_nothing(cuts: set[int], end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[begin:stop] for begin, stop in pairwise(places)]
    assert read(pieces) == EVENTS


def test_an_event_without_its_blank_line_is_none() -> None:
    assert EventReader().feed(b'data: {"n": 1}\n') == []


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LONGEST_EVENT", 100)
    reader = EventReader()
    reader.feed(b"data: xxx" * 10)
    with pytest.raises(ValueError, match="without an end"):
        reader.feed(b"data: xxx" * 10)
