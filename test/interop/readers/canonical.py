"""One text for one value, whoever read it, so that rows compare byte by byte across readers.

    bigint                 "9007199254740993"
    tinyint, smallint, int 7
    decimal                "1.10"                             with its scale
    double, float          0.1  1e+21  -0  "NaN"  "Infinity"  shortest, spelled as JavaScript spells it
    date                   "2026-11-20"
    timestamp              "2026-11-20T09:30:00.000001Z"      UTC; one without a time zone has no Z
    binary                 "AP8="                             base64
    list                   [..]
    map                    [[key, value], ..]                 sorted by their text
    struct, row            {"a":1,"b":2}                      keys sorted by UTF-16 code unit

`index.ts` has the same encoding for the values of a test, and the order of rows.
"""

import base64
import datetime
import json
import math
import struct
from decimal import Decimal

import pyarrow.types as t


def rows(table):
    """The rows of an Arrow table as canonical texts, in no particular order."""
    columns = [list(map(encoder(field.type), column.to_pylist())) for field, column in zip(table.schema, table.columns)]
    return [obj(zip(table.column_names, row)) for row in zip(*columns)]


def obj(pairs):
    """A JSON object of (name, JSON text) pairs."""
    ordered = sorted(pairs, key=lambda pair: code_units(pair[0]))
    return "{" + ",".join(text(name) + ":" + value for name, value in ordered) + "}"


def code_units(string):
    """Sorts as JavaScript sorts text."""
    return string.encode("utf-16-be", "surrogatepass")


def encoder(type_):
    """A function from a Python value, as Arrow gives it for this type, to JSON text."""
    return nullable(encoder_of_value(type_))


def nullable(encode):
    return lambda value: "null" if value is None else encode(value)


def encoder_of_value(type_):
    if t.is_dictionary(type_):
        return encoder_of_value(type_.value_type)
    if t.is_null(type_):
        return text
    if t.is_boolean(type_):
        return boolean
    if t.is_int64(type_) or t.is_uint64(type_):
        return bigint
    if t.is_integer(type_):
        return str
    if t.is_float64(type_):
        return double
    if t.is_floating(type_):
        return single
    if t.is_decimal(type_):
        return decimal
    if t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_):
        return text
    if (t.is_binary(type_) or t.is_large_binary(type_) or t.is_binary_view(type_) or t.is_fixed_size_binary(type_)):
        return binary
    if t.is_date(type_):
        return date
    if t.is_timestamp(type_):
        return timestamp
    if t.is_map(type_):
        return mapping(encoder(type_.key_type), encoder(type_.item_type))
    if t.is_list(type_) or t.is_large_list(type_) or t.is_fixed_size_list(type_) or t.is_list_view(type_):
        return array(encoder(type_.value_type))
    if t.is_struct(type_):
        return record([(type_.field(i).name, encoder(type_.field(i).type)) for i in range(type_.num_fields)])
    raise TypeError(f"no canonical text for {type_}")


def text(value):
    return json.dumps(value, ensure_ascii=False)


def boolean(value):
    return "true" if value else "false"


def bigint(value):
    return f'"{value}"'


def decimal(value):
    return f'"{value:f}"'


def binary(value):
    return f'"{base64.b64encode(value).decode()}"'


def date(value):
    return f'"{value.isoformat()}"'


def timestamp(value):
    """A time zone, where there is one, is UTC once it is text."""
    if value.tzinfo is None:
        return f'"{value.isoformat(timespec="microseconds")}"'
    utc = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return f'"{utc.isoformat(timespec="microseconds")}Z"'


def double(value):
    return not_finite(value) or as_javascript(repr(value))


def single(value):
    if not_finite(value):
        return not_finite(value)
    bits = struct.pack("f", value)
    for digits in range(1, 10):
        short = f"{value:.{digits}g}"
        if struct.pack("f", float(short)) == bits:
            return as_javascript(short)
    raise ValueError(f"not a 32-bit number: {value!r}")


def not_finite(value):
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return None


def as_javascript(shortest):
    """ECMAScript's Number::toString, but -0 keeps its sign. https://tc39.es/ecma262/#sec-numeric-types-number-tostring"""
    negative, digits, exponent = Decimal(shortest).as_tuple()
    sign = "-" if negative else ""
    digits = "".join(map(str, digits))
    point = len(digits) + exponent
    digits = digits.rstrip("0")
    if digits == "":
        return sign + "0"
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{sign}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def array(encode):
    return lambda values: "[" + ",".join(map(encode, values)) + "]"


def mapping(encode_key, encode_value):
    def encode(entries):
        pairs = [(e["key"], e["value"]) if isinstance(e, dict) else e for e in entries]
        texts = [f"[{encode_key(key)},{encode_value(value)}]" for key, value in pairs]
        return "[" + ",".join(sorted(texts, key=code_units)) + "]"

    return encode


def record(fields):
    return lambda value: obj([(name, encode(value[name])) for name, encode in fields])


def decode(value, type_):
    """The other way: a value parsed from canonical JSON to what Arrow and Spark take, by its Delta type."""
    if value is None:
        return None
    if isinstance(type_, dict):
        kind = type_["type"]
        if kind == "struct":
            return {f["name"]: decode(value.get(f["name"]), f["type"]) for f in type_["fields"]}
        if kind == "array":
            return [decode(v, type_["elementType"]) for v in value]
        if kind == "map":
            return {decode(k, type_["keyType"]): decode(v, type_["valueType"]) for k, v in value}
        raise TypeError(f"no such Delta type: {kind}")
    if type_ in ("byte", "short", "integer", "long"):
        return int(value)
    if type_ in ("float", "double"):
        return float(value)
    if type_.startswith("decimal"):
        return Decimal(value)
    if type_ == "binary":
        return base64.b64decode(value)
    if type_ == "date":
        return datetime.date.fromisoformat(value)
    if type_ in ("timestamp", "timestamp_ntz"):
        return datetime.datetime.fromisoformat(value)
    if type_ in ("string", "boolean"):
        return value
    raise TypeError(f"no such Delta type: {type_}")


def decode_rows(request):
    """The rows of an `append` or `create` request, as dictionaries of Python values."""
    return [decode(json.loads(row, parse_int=keep_minus_zero), request["schema"]) for row in request["rows"]]


def keep_minus_zero(digits):
    return -0.0 if digits == "-0" else int(digits)
