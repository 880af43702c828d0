"""``python -m tilores_x.sandbox.generator credit --people 300 --seed 7 --out DIR``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tilores_x.sandbox.generator import INSTANCES, generate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tilores_x.sandbox.generator", description=generate.__doc__)
    parser.add_argument("instance", choices=sorted(INSTANCES))
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    given = parser.parse_args()
    records, truths = generate(given.instance, given.people, given.seed, given.out)
    sys.stderr.write(f"{records} records, {truths} lines of ground truth in {given.out}\n")


if __name__ == "__main__":
    main()
