"""Trino, over its REST protocol. LAKEWRIGHT_TRINO is the endpoint of a running server.

Trino knows tables by name, so each request registers its folder under a name of its own and forgets it again. Column
names come back in lower case: that is Trino.
"""

import base64
import json
import os
import tempfile
import urllib.request
import uuid
from decimal import Decimal

import canonical
from serve import serve

ENDPOINT = os.environ["LAKEWRIGHT_TRINO"]


def read(request):
    version = request.get("version")
    at = "" if version is None else f" for version as of {int(version)}"
    return query(request, "select * from {t}" + at)


def cdf(request):
    until = request.get("until")
    where = "" if until is None else f" where _commit_version <= {int(until)}"
    since = "" if request["since"] < 0 else f", {int(request['since'])}"
    feed = f"select * from table({{catalog}}.system.table_changes('r', '{{name}}'{since}))"
    return query(request, feed + where, leave_out="_commit_timestamp")


def append(request):
    schema = request["schema"]["fields"]
    names = ", ".join(identifier(field["name"]) for field in schema)
    rows = [json.loads(row) for row in request["rows"]]
    values = ", ".join("(" + ", ".join(literal(row.get(f["name"]), f["type"]) for f in schema) + ")" for row in rows)
    query(request, f"insert into {{t}} ({names}) values {values}")


def sql(request):
    return query(request, request["sql"])


def query(request, statement, leave_out=None):
    """Run a statement in which `{t}` is the table at the request's url."""
    catalog = catalog_for(request.get("s3"))
    if not request.get("url"):
        return rows_of(run(statement))
    name = "t_" + uuid.uuid4().hex
    run(f"call {catalog}.system.register_table('r', '{name}', '{location(request['url'])}')")
    try:
        for placeholder, value in {"{t}": f"{catalog}.r.{name}", "{catalog}": catalog, "{name}": name}.items():
            statement = statement.replace(placeholder, value)
        return rows_of(run(statement), leave_out)
    finally:
        run(f"call {catalog}.system.unregister_table('r', '{name}')")


catalogs = {}


def catalog_for(s3):
    """The catalog that reaches local folders, or this S3 server."""
    key = s3["endpoint"] if s3 else "local"
    if key not in catalogs:
        name = f"c{len(catalogs)}_{uuid.uuid4().hex[:8]}"
        metadata = f"local://{tempfile.mkdtemp(dir=os.getcwd())}"
        settings = {
            "hive.metastore": "file",
            "hive.metastore.catalog.dir": metadata,
            "fs.native-local.enabled": "true",
            "local.location": "/",
            "delta.register-table-procedure.enabled": "true",
            "delta.metadata.cache-ttl": "0s",
        }
        if s3:
            settings |= {
                "fs.native-s3.enabled": "true",
                "s3.endpoint": s3["endpoint"],
                "s3.region": s3["region"],
                "s3.aws-access-key": s3["accessKeyId"],
                "s3.aws-secret-key": s3["secretAccessKey"],
                "s3.path-style-access": "true",
            }
        properties = ", ".join(f'"{key_}" = {quoted(value)}' for key_, value in settings.items())
        run(f"create catalog {name} using delta_lake with ({properties})")
        run(f"create schema {name}.r")
        catalogs[key] = name
    return catalogs[key]


def location(url):
    return url if "://" in url else f"local://{os.path.abspath(url)}"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def literal(value, type_):
    """A canonical value as an SQL literal, by its Delta type."""
    if value is None:
        return "null"
    if type_ in ("byte", "short", "integer", "long"):
        names = {"byte": "tinyint", "short": "smallint", "integer": "integer", "long": "bigint"}
        return f"{names[type_]} '{value}'"
    if type_ in ("double", "float"):
        return f"{'double' if type_ == 'double' else 'real'} '{value}'"
    if type_.startswith("decimal"):
        return f"cast('{value}' as {type_})"
    if type_ == "boolean":
        return "true" if value else "false"
    if type_ == "string":
        return quoted(value)
    if type_ == "binary":
        return f"x'{base64.b64decode(value).hex()}'"
    if type_ == "date":
        return f"date '{value}'"
    if type_ == "timestamp":
        return f"timestamp '{value.replace('T', ' ').removesuffix('Z')} UTC'"
    raise TypeError(f"no literal for a {type_}")


def run(statement):
    """Run a statement to its end; its columns and rows."""
    answer = call(f"{ENDPOINT}/v1/statement", statement)
    columns, rows = [], []
    while True:
        if "error" in answer:
            error = answer["error"]
            raise RuntimeError(f"{error['errorName']}: {error['message']}")
        columns = answer.get("columns") or columns
        rows += answer.get("data") or []
        if "nextUri" not in answer:
            return columns, rows
        answer = call(answer["nextUri"])


def call(url, statement=None):
    request = urllib.request.Request(
        url,
        data=None if statement is None else statement.encode(),
        headers={
            "X-Trino-User": "lakewright",
            "X-Trino-Time-Zone": "UTC",
            # Without it timestamps come back with three digits.
            "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",
        },
    )
    with direct.open(request, timeout=300) as response:
        return json.loads(response.read())


# The server is on this machine, whatever proxy the environment names.
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def rows_of(result, leave_out=None):
    columns, rows = result
    fields = [(column["name"], encoder(column["typeSignature"])) for column in columns]
    return [
        canonical.obj([(name, encode(value)) for (name, encode), value in zip(fields, row) if name != leave_out])
        for row in rows
    ]


def encoder(signature):
    return canonical.nullable(encoder_of_value(signature))


def encoder_of_value(signature):
    """A function from a value of Trino's JSON to canonical text. https://trino.io/docs/current/develop/client-protocol"""
    kind = signature["rawType"]
    arguments = [argument["value"] for argument in signature["arguments"]]
    if kind == "array":
        return canonical.array(encoder(arguments[0]))
    if kind == "map":
        return trino_map(arguments[0], encoder(arguments[1]))
    if kind == "row":
        return trino_row([(a["fieldName"]["name"], encoder(a["typeSignature"])) for a in arguments])
    return SCALARS[kind]


def trino_map(key, encode_value):
    encode_key = encoder_of_value(key)
    # Keys in JSON are text: what the encoder expects as a number or a boolean is made one again.
    parse = json.loads if key["rawType"] in ("boolean", "tinyint", "smallint", "integer", "bigint") else str
    return lambda entries: canonical.mapping(encode_key, encode_value)([(parse(k), v) for k, v in entries.items()])


def trino_row(fields):
    return lambda values: canonical.obj([(name, encode(v)) for (name, encode), v in zip(fields, values)])


def trino_timestamp(value):
    """2026-11-20 09:30:00.000 UTC"""
    day, time_, *zone = value.split(" ")
    seconds, _, fraction = time_.partition(".")
    return f'"{day}T{seconds}.{fraction.ljust(6, "0")}{"Z" if zone else ""}"'


SCALARS = {
    "boolean": canonical.boolean,
    "tinyint": str,
    "smallint": str,
    "integer": str,
    "bigint": canonical.bigint,
    "decimal": lambda value: canonical.decimal(Decimal(value)),
    "double": lambda value: canonical.double(float(value)),
    "real": lambda value: canonical.single(float(value)),
    "varchar": canonical.text,
    "varbinary": lambda value: canonical.binary(base64.b64decode(value)),
    "date": canonical.text,
    "timestamp": trino_timestamp,
    "timestamp with time zone": trino_timestamp,
}


def version():
    return call(f"{ENDPOINT}/v1/info")["nodeVersion"]["version"]


serve(version(), {"read": read, "cdf": cdf, "append": append, "sql": sql})
