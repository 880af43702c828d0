"""``tilores-x``, and ``python -m tilores_x.serving``: the command line in a process of its own."""

from __future__ import annotations

from tilores_x.serving import heap
from tilores_x.serving.cli import main


def run() -> None:
    heap.starting()
    main()


if __name__ == "__main__":
    run()
