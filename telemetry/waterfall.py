"""Where the time of a question went: each node, with its tool and model calls, as a bar on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

LEAST_AXIS = 10
_STYLES = {"node": "bold cyan", "tool": "green", "model": "magenta"}
_BAR, _TICK, _REST = "█", "▏", "·"
_WIDEST_NAME = 34
_LETTERS = {"speculated": "S", "batched": "B", "coalesced": "C", "cached": "K", "retried": "R", "hedged": "H"}
"""What befell a lookup, where there is no room for words; a line below says what they mean."""
_MARKS_SHARE = 0.3


def waterfall(timings: Sequence[Mapping[str, Any]], seconds: float, *, width: int = 80) -> RenderableType:
    """Lines at most ``width`` wide for rich, or for a pipe (they are plain text then).

    ``timings`` have name, kind (node, tool, model), start_s, seconds and marks; ``seconds`` is the length of the axis
    where no timing ends later. Calls stand below the node that they ran in; what ran side by side shares columns. Where
    marks don't fit beside the axis, the usual ones are letters.
    """
    if not timings:
        return Text("nothing was searched or asked: the answer was kept", style="dim")
    rows = _ordered(timings)
    span = max([seconds, *(timing["start_s"] + timing["seconds"] for timing in rows)]) or 1e-9
    names = [_name(timing) for timing in rows]
    name_width = min(max(map(len, names)), _WIDEST_NAME, max(LEAST_AXIS, width // 3))
    room = max(0, int(width * _MARKS_SHARE))
    short = max(len(_marks(timing)) for timing in rows) > room
    marks_width = min(max(len(_marks(timing, short=short)) for timing in rows), room)
    axis = max(LEAST_AXIS, width - name_width - marks_width - 12)
    lines = [_scale(span, name_width, axis)]
    lines += [
        _line(name, timing, span, name_width=name_width, axis=axis, marks_width=marks_width, short=short)
        for name, timing in zip(names, rows, strict=True)
    ]
    if short and (legend := _legend(rows)):
        lines.append(Text(f"{legend:>{min(width, name_width + axis + marks_width + 12)}}", style="dim"))
    return Group(*lines)


def _ordered(timings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Nodes by their start, each with the calls that began while it ran right below it."""
    nodes = sorted((timing for timing in timings if timing["kind"] == "node"), key=lambda timing: timing["start_s"])
    calls = sorted((timing for timing in timings if timing["kind"] != "node"), key=lambda timing: timing["start_s"])
    below: dict[int, list[Mapping[str, Any]]] = {}
    for call in calls:
        below.setdefault(_node_of(call, nodes), []).append(call)
    rows = [*below.get(-1, [])]
    for number, node in enumerate(nodes):
        rows += [node, *below.get(number, [])]
    return rows


def _node_of(call: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> int:
    """The node that holds most of the call, the shorter one of two that hold it whole; -1 where there is none."""

    def holds(node: Mapping[str, Any]) -> tuple[float, float]:
        end = min(call["start_s"] + call["seconds"], node["start_s"] + node["seconds"])
        return round(end - max(call["start_s"], node["start_s"]), 4), -node["seconds"]

    return max(range(len(nodes)), key=lambda number: holds(nodes[number])) if nodes else -1


def _name(timing: Mapping[str, Any]) -> str:
    return ("" if timing["kind"] == "node" else "  ") + str(timing["name"])


def _marks(timing: Mapping[str, Any], *, short: bool = False) -> str:
    if not short:
        return ", ".join(timing["marks"])
    letters = "".join(_LETTERS[mark] for mark in _LETTERS if mark in timing["marks"])
    return ", ".join([*([letters] if letters else []), *(mark for mark in timing["marks"] if mark not in _LETTERS)])


def _legend(rows: Sequence[Mapping[str, Any]]) -> str:
    met = {mark for timing in rows for mark in timing["marks"]}
    return "  ".join(f"{letter} {mark}" for mark, letter in _LETTERS.items() if mark in met)


def _scale(span: float, name_width: int, axis: int) -> Text:
    end = _time(span)
    return Text(" " * name_width + " 0" + end.rjust(axis - 1), style="dim")


def _line(
    name: str, timing: Mapping[str, Any], span: float, *, name_width: int, axis: int, marks_width: int, short: bool
) -> Text:
    begin = min(axis - 1, round(timing["start_s"] / span * axis))
    end = min(axis, round((timing["start_s"] + timing["seconds"]) / span * axis))
    bar = _BAR * (end - begin) or _TICK
    shown = name if len(name) <= name_width else name[: name_width - 1] + "…"
    text = Text(shown.ljust(name_width) + " ", style="bold" if timing["kind"] == "node" else "")
    text.append(_REST * begin, style="dim")
    text.append(bar, style=_STYLES.get(timing["kind"], ""))
    text.append(_REST * (axis - begin - len(bar)), style="dim")
    text.append(_time(timing["seconds"]).rjust(9))
    if marks := _marks(timing, short=short):
        text.append(
            " " + (marks if len(marks) <= marks_width else marks[: max(0, marks_width - 1)] + "…"), style="yellow"
        )
    text.rstrip()
    return text


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
