"""Comparing our answers to those of a reference implementation."""

from __future__ import annotations

import math
import re
from typing import Any


def wording(error: str) -> str:
    """An error of Go's, without what Go's releases disagree on: how much of a bad time they quote."""
    return re.sub('cannot parse ".*" as', "cannot parse … as", error)


def same(ours: Any, theirs: Any) -> bool:
    """Equal, with numbers equal to twelve digits, and true not equal to 1."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-12)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)
