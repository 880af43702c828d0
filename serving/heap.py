"""The garbage collector of a process that is ours alone: at rest while it starts, then spared what stays for good.

A start makes some hundred thousand objects that live as long as the process. Going through them again and again takes a
sixth of the time of `tilores-x ask`, and each full pass afterwards holds up every question for a tenth of a second. An
application that embeds the pipeline decides for itself.
"""

from __future__ import annotations

import gc

THRESHOLDS = 50_000, 20, 100
"""Objects made, and younger passes made, before a pass of each generation; Python's own are 700, 10, 10."""


def starting() -> None:
    """To be called where the process begins: it says that the process is ours."""
    gc.disable()


def started() -> None:
    """What there is now is never looked at again; what comes is, in passes that are rare and short."""
    if gc.isenabled():
        return  # this process is another's
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
