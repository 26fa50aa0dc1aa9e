"""DuckDB: `delta_scan`, from extensions that are Python packages, so that nothing is downloaded or left in the home."""

from pathlib import Path

import canonical
import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs
from serve import serve

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for package in (duckdb_extension_httpfs, duckdb_extension_delta):
    [extension] = Path(package.__path__[0]).rglob("*.duckdb_extension")
    connection.load_extension(str(extension))
connection.execute("set TimeZone = 'UTC'")


def read(request):
    s3 = request.get("s3")
    if s3:
        connection.execute(
            "create or replace secret s3 (type s3, key_id $accessKeyId, secret $secretAccessKey, region $region,"
            " endpoint $host, url_style 'path', use_ssl false)",
            {name: s3[name] for name in ("accessKeyId", "secretAccessKey", "region")}
            | {"host": s3["endpoint"].removeprefix("http://")},
        )
    version = request.get("version")
    at = "" if version is None else f", version => {int(version)}"
    scan = connection.execute(f"select * from delta_scan(?{at})", [request["url"]])
    return canonical.rows(scan.to_arrow_table())


serve(duckdb.__version__, {"read": read})
