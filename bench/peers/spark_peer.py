"""The same diff by Spark: a full outer join of all columns, compared and counted. Prints one line of JSON.

    python spark_peer.py diff JSON

The clock starts when the session is up.
"""

import json
import os
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

COMPARED = ["code", "amount", "dt", "created_at", "region", "shop", "email"]


def session(folder):
    return (
        SparkSession.builder.master(f"local[{os.cpu_count()}]")
        .appName("lakewright")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.local.dir", folder)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "16")
        .getOrCreate()
    )


def diff(folder, old, now, **_):
    spark = session(folder)
    started = time.perf_counter()
    before = spark.read.parquet(old).alias("o")
    after = spark.read.parquet(now).alias("n")
    both = f.col("o.id").isNotNull() & f.col("n.id").isNotNull()
    differ = {name: both & ~f.col(f"o.{name}").eqNullSafe(f.col(f"n.{name}")) for name in COMPARED}
    any_of = f.lit(False)
    for condition in differ.values():
        any_of = any_of | condition
    row = (
        after.join(before, f.col("o.id") == f.col("n.id"), "full")
        .agg(
            f.count_if(f.col("o.id").isNull()).alias("inserted"),
            f.count_if(f.col("n.id").isNull()).alias("deleted"),
            f.count_if(any_of).alias("updated"),
            *[f.count_if(condition).alias(name) for name, condition in differ.items()],
        )
        .collect()[0]
    )
    seconds = time.perf_counter() - started
    end(spark)
    columns = ", ".join(f"{name} {row[name]}" for name in sorted(COMPARED) if row[name] > 0)
    counts = f"+{row['inserted']} ~{row['updated']} -{row['deleted']} ({columns})"
    return {"seconds": seconds, "found": counts}


def end(spark):
    """The work is done in another process: what it cost is known to who waited for it."""
    process = spark.sparkContext._gateway.proc
    spark.stop()
    process.stdin.close()
    process.wait()


print(json.dumps({"diff": diff}[sys.argv[1]](**json.loads(sys.argv[2]))))
