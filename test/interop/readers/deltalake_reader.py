"""deltalake (delta-rs): reads, writes, and makes tables as others make them."""

import json

import canonical
import deltalake
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from serve import object_store_options, serve, without_commit_time


def open_table(request):
    return DeltaTable(request["url"], version=request.get("version"), storage_options=object_store_options(request))


def read(request):
    # Through the query engine: `to_pyarrow_table` refuses deletion vectors.
    batches = QueryBuilder().register("t", open_table(request)).execute("select * from t")
    return canonical.rows(pa.table(batches))


def cdf(request):
    until = request.get("until")
    feed = open_table(request).load_cdf(starting_version=request["since"] + 1, ending_version=until)
    return canonical.rows(without_commit_time(pa.table(feed)))


def append(request):
    write_deltalake(open_table(request), arrow_rows(request), mode="append")


def create(request):
    write_deltalake(
        request["url"],
        arrow_rows(request),
        partition_by=request["partitionBy"] or None,
        configuration=request["properties"],
        storage_options=object_store_options(request),
    )


def update(request):
    open_table(request).update(predicate=request["where"], updates=request["set"])


def delete(request):
    open_table(request).delete(predicate=request["where"])


def arrow_rows(request):
    schema = pa.schema(deltalake.Schema.from_json(json.dumps(request["schema"])))
    return pa.Table.from_pylist(canonical.decode_rows(request), schema=schema)


operations = {"read": read, "cdf": cdf, "append": append, "create": create, "update": update, "delete": delete}
serve(deltalake.__version__, operations)
