"""The same diff by Polars: a full join of all columns, compared and counted. Prints one line of JSON.

    python polars_peer.py diff JSON
"""

import json
import sys
import time

import polars as pl

COMPARED = ["code", "amount", "dt", "created_at", "region", "shop", "email"]


def diff(old, now, **_):
    started = time.perf_counter()
    before = pl.scan_parquet(old).with_columns(pl.lit(True).alias("_old"))
    after = pl.scan_parquet(now).with_columns(pl.lit(True).alias("_new"))
    joined = after.join(before, on="id", how="full", coalesce=True, suffix="_o")
    both = pl.col("_old").is_not_null() & pl.col("_new").is_not_null()
    differ = {name: both & pl.col(name).ne_missing(pl.col(f"{name}_o")) for name in COMPARED}
    found = joined.select(
        pl.col("_old").is_null().sum().alias("inserted"),
        pl.col("_new").is_null().sum().alias("deleted"),
        pl.any_horizontal(*differ.values()).sum().alias("updated"),
        *[condition.sum().alias(name) for name, condition in differ.items()],
    ).collect(engine="streaming")
    row = found.to_dicts()[0]
    columns = ", ".join(f"{name} {row[name]}" for name in sorted(COMPARED) if row[name] > 0)
    counts = f"+{row['inserted']} ~{row['updated']} -{row['deleted']} ({columns})"
    return {"seconds": time.perf_counter() - started, "found": counts}


if __name__ == "__main__":
    verb, settings = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps({"diff": diff}[verb](**settings)))
