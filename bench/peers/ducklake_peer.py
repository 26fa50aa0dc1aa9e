"""The same merge by DuckLake, into a table of its own with the same rows and partitions. Prints one line of JSON.

    python ducklake_peer.py merge JSON
"""

import json
import os
import sys
import time

import duckdb
import duckdb_extensions


def merge(folder, all, source, key):
    duckdb_extensions.import_extension("ducklake")
    connection = duckdb.connect()
    connection.execute("LOAD ducklake")
    data = os.path.join(folder, "data")
    connection.execute(f"ATTACH 'ducklake:{folder}/catalog.ducklake' AS lake (DATA_PATH '{data}')")
    connection.execute("USE lake")
    connection.execute(f"CREATE TABLE orders AS SELECT * FROM read_parquet('{all}') LIMIT 0")
    connection.execute("ALTER TABLE orders SET PARTITIONED BY (region)")
    connection.execute(f"INSERT INTO orders SELECT * FROM read_parquet('{all}')")
    before = size(data)
    started = time.perf_counter()
    connection.execute(
        f"""MERGE INTO orders USING (SELECT * FROM read_parquet('{source}')) s USING ({key})
            WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT"""
    )
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "addedMB": round((size(data) - before) / 1e6, 1)}


def size(folder):
    return sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(folder) for name in names)


print(json.dumps({"merge": merge}[sys.argv[1]](**json.loads(sys.argv[2]))))
