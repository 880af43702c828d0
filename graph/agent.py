"""The door that langgraph.json names: the graph for LangGraph's server and Studio. Nobody imports it.

The server loads this file under a name of its own and asks for the graph often: for each run, and to show its picture.
So the resources are opened once per event loop, at the first request, and never while the file is loaded.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from tilores_x.graph.build import Pipeline, build_graph
from tilores_x.graph.resources import Resources

_graphs: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Pipeline]] = WeakKeyDictionary()


async def graph() -> Pipeline:
    """The graph; conversations are kept by the server, which brings its own checkpointer."""
    loop = asyncio.get_running_loop()
    opening = _graphs.get(loop)
    if opening is None or (opening.done() and (opening.cancelled() or opening.exception())):
        opening = _graphs[loop] = asyncio.create_task(_opened())
    return await asyncio.shield(opening)


async def _opened() -> Pipeline:
    return build_graph(await Resources.open())
