"""tilores-x answers questions about customers out of Tilores, with the records that prove each answer.

::

    from tilores_x import ask

    reply = ask("who is client ID 4021")
    print(reply["reply"], reply["citations"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilores_x.errors import TiloresXError
    from tilores_x.graph.build import build_graph
    from tilores_x.graph.resources import Resources
    from tilores_x.graph.state import Reply
    from tilores_x.serving.embed import Asker, aask, ask, open_graph
    from tilores_x.settings import Settings

__version__ = "0.1.0"

__all__ = ["Asker", "Reply", "Resources", "Settings", "TiloresXError", "aask", "ask", "build_graph", "open_graph"]

_HOMES = {
    "Asker": "tilores_x.serving.embed",
    "Reply": "tilores_x.graph.state",
    "Resources": "tilores_x.graph.resources",
    "Settings": "tilores_x.settings",
    "TiloresXError": "tilores_x.errors",
    "aask": "tilores_x.serving.embed",
    "ask": "tilores_x.serving.embed",
    "build_graph": "tilores_x.graph.build",
    "open_graph": "tilores_x.serving.embed",
}


def __getattr__(name: str) -> object:
    """Loads what is exported at its first use: the pipeline takes a second, which ``--help`` must not."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
