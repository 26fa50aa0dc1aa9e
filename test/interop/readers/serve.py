"""The little protocol that every reader speaks: a JSON request a line on standard input, an answer a line on standard
output. The first line, unasked, says which version stands ready.

    → {"op": "read", "url": "/tmp/orders", "version": 3}
    ← {"ok": true, "rows": ["{\"id\":\"1\"}", …]}
    ← {"ok": false, "error": "TableNotFoundError: …"}

    read    url, version?, s3?             rows
    cdf     url, since, until?, s3?        rows, after version `since` up to and including `until`
    append  url, schema, rows, s3?
    create  url, schema, rows, partitionBy, properties, s3?
    update  url, where, set, s3?           `set` is SQL by column
    delete  url, where, s3?
    sql     sql                            rows, or none

`s3` is {endpoint, region, accessKeyId, secretAccessKey}, for tables at s3://. `schema` is Delta's, as JSON.
"""

import json
import os
import sys
import traceback


# Libraries (and Java below them) print, from their first line on; only our answers may reach what was standard output.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def serve(version, operations):
    """Answer requests with the functions in `operations` (request → rows or None) until standard input ends."""

    def answer(message):
        answers.write(json.dumps(message, ensure_ascii=False) + "\n")
        answers.flush()

    answer({"ok": True, "version": version, "operations": sorted(operations)})
    for line in open(0, encoding="utf-8"):
        request = json.loads(line)
        try:
            operation = operations.get(request["op"])
            if operation is None:
                raise NotImplementedError(f"this reader has no `{request['op']}`")
            answer({"ok": True, "rows": operation(request) or []})
        except Exception as problem:
            traceback.print_exc()
            answer({"ok": False, "error": f"{type(problem).__name__}: {problem}"})


def without_commit_time(table):
    """A change feed less the commit's time, which readers take from different places."""
    return table.drop_columns(["_commit_timestamp"])


def object_store_options(request):
    """The options of the Rust `object_store`, which deltalake and Polars share."""
    s3 = request.get("s3")
    if not s3:
        return None
    return {
        "aws_endpoint_url": s3["endpoint"],
        "aws_region": s3["region"],
        "aws_access_key_id": s3["accessKeyId"],
        "aws_secret_access_key": s3["secretAccessKey"],
        "aws_allow_http": "true",
    }
