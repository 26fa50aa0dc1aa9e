"""The same work by deltalake (delta-rs). Prints one line of JSON: the seconds of the work itself, and facts.

    python deltalake_peer.py VERB JSON
"""

import json
import os
import sys
import time

import pyarrow as pa
import pyarrow.compute
from deltalake import DeltaTable, write_deltalake


def arrow_batches(folder, source):
    reader = pa.ipc.open_stream(open(source, "rb"))
    batches = list(reader)
    started = time.perf_counter()
    data = pa.RecordBatchReader.from_batches(reader.schema, batches)
    write_deltalake(os.path.join(folder, "table"), data, partition_by=["dt"])
    return {"seconds": time.perf_counter() - started, **written(folder)}


def replace(folder, source, regions):
    import pyarrow.dataset as ds

    started = time.perf_counter()
    table = DeltaTable(os.path.join(folder, "table"))
    before = sizes(table)
    data = ds.dataset(source, format="parquet").scanner().to_reader()
    names = ", ".join(f"'{name}'" for name in regions)
    write_deltalake(table, data, mode="overwrite", predicate=f"region in ({names})")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "addedMB": added_mb(os.path.join(folder, "table"), before)}


def merge(folder, source, key):
    import pyarrow.parquet as pq

    path = os.path.join(folder, "table")
    started = time.perf_counter()
    table = DeltaTable(path)
    before = sizes(table)
    metrics = (
        table.merge(pq.read_table(source), f"t.{key} = s.{key}", source_alias="s", target_alias="t")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    seconds = time.perf_counter() - started
    counts = {"inserted": metrics["num_target_rows_inserted"], "updated": metrics["num_target_rows_updated"]}
    return {"seconds": seconds, "addedMB": added_mb(path, before), **counts}


def overwrite(folder, source, partition_by):
    import pyarrow.dataset as ds

    path = os.path.join(folder, "table")
    started = time.perf_counter()
    table = DeltaTable(path)
    before = sizes(table)
    data = ds.dataset(source, format="parquet").scanner().to_reader()
    write_deltalake(table, data, mode="overwrite")
    return {"seconds": time.perf_counter() - started, "addedMB": added_mb(path, before)}


def open_table(folder, table):
    """`opened` is the table handle, `totals` what `snapshot()` of ours answers too: files, rows, bytes."""
    started = time.perf_counter()
    handle = DeltaTable(table)
    opened = time.perf_counter() - started
    actions = pa.table(handle.get_add_actions(flatten=True))
    files = actions.num_rows
    rows = pa.compute.sum(actions["num_records"]).as_py()
    pa.compute.sum(actions["size_bytes"]).as_py()
    totals = time.perf_counter() - started
    return {"seconds": totals, "openMs": round(opened * 1000, 1), "files": files, "rows": rows}


def append_rows(folder, table, times):
    table = os.path.join(folder, "table")
    schema = pa.schema([("id", pa.int64()), ("dt", pa.date32())])
    taken = []
    for i in range(times):
        row = pa.table({"id": [i], "dt": pa.array([20000], pa.int32()).cast(pa.date32())}, schema=schema)
        started = time.perf_counter()
        write_deltalake(table, row, mode="append")
        taken.append(time.perf_counter() - started)
    return appends(taken)


def appends(taken):
    ordered = sorted(taken)
    return {
        "seconds": ordered[len(ordered) // 2],
        "firstMs": round(taken[0] * 1000),
        "slowestMs": round(ordered[-1] * 1000),
    }


def sizes(table):
    actions = pa.table(table.get_add_actions())
    return dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist()))


def added_mb(table, before):
    added = sum(size for path, size in sizes(DeltaTable(table)).items() if path not in before)
    return round(added / 1e6, 1)


def written(folder):
    found = [
        os.path.join(where, name)
        for where, _, names in os.walk(os.path.join(folder, "table"))
        for name in names
        if name.endswith(".parquet") and "_delta_log" not in where
    ]
    return {"files": len(found), "MB": round(sum(map(os.path.getsize, found)) / 1e6)}


verbs = {
    "arrow-batches": arrow_batches,
    "replace": replace,
    "merge": merge,
    "overwrite": overwrite,
    "open": open_table,
    "append": append_rows,
}
print(json.dumps(verbs[sys.argv[1]](**json.loads(sys.argv[2]))))
