"""Wait for the searches, or let the model start beside them: whichever is expected to end sooner."""

from __future__ import annotations

from dataclasses import dataclass

CALLS_STARTED_MORE = 1.0
"""Model calls that starting at once is taken to cost more than waiting, until that was measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known before a question is answered, in seconds.

    ``lookup_s``: what seek's lookups still take. ``round_s``: one lookup of the instance (its median).
    ``asking_s``: a model call that ends in tool calls; ``answering_s``: one that ends in the answer.
    ``calls_waited``, ``calls_started``: model calls that questions of this kind take, with seek's results in the first
    prompt and without.
    """

    lookup_s: float
    round_s: float
    asking_s: float
    answering_s: float
    calls_waited: float
    calls_started: float


def waited_s(measured: Measured) -> float:
    """``lookup + (calls_waited - 1) * (asking + round) + answering``: each further model call asks for lookups."""
    further = max(0.0, measured.calls_waited - 1)
    return measured.lookup_s + further * (measured.asking_s + measured.round_s) + measured.answering_s


def started_s(measured: Measured) -> float:
    """``min(1, calls - 1) * max(lookup, asking) + (calls - 2) * (asking + round) + answering``.

    The lookups run beside the first call, which asks for them; where one call is all (it asks for nothing), they are
    not waited for.
    """
    further = max(0.0, measured.calls_started - 1)
    beside = min(1.0, further) * max(measured.lookup_s, measured.asking_s)
    return beside + max(0.0, further - 1) * (measured.asking_s + measured.round_s) + measured.answering_s


def better_to_wait(measured: Measured) -> bool:
    return waited_s(measured) <= started_s(measured)
