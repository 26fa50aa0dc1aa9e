var __defProp = Object.defineProperty;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res, err) => function __init() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};

// src/errors.ts
function isLakeError(error, code) {
  return error instanceof LakeError && (code === void 0 || error.code === code);
}
var LakeError;
var init_errors = __esm({
  "src/errors.ts"() {
    "use strict";
    LakeError = class extends Error {
      code;
      fix;
      details;
      constructor(code, message, { fix, cause, ...details } = {}) {
        const places = Object.entries(details).filter(([, value]) => value !== void 0).map(([name, value]) => `${name}=\`${typeof value === "string" ? value : JSON.stringify(value)}\``);
        super(places.length > 0 ? `${message}: ${places.join(", ")}` : message, cause === void 0 ? void 0 : { cause });
        this.name = "LakeError";
        this.code = code;
        this.fix = fix;
        this.details = details;
      }
    };
  }
});

// src/store/keys.ts
import { createHash } from "node:crypto";
function logKey(version2) {
  return `${logFolder}${paddedVersion(version2)}.json`;
}
function parseLogKey(key) {
  const match = logKeyPattern.exec(key);
  const version2 = Number(match?.[1]);
  if (!match || !Number.isSafeInteger(version2)) return void 0;
  const [, , commit, checkpoint, part, parts] = match;
  if (commit) return { kind: "commit", version: version2 };
  if (checkpoint) return { kind: "checkpoint", version: version2 };
  if (part && parts) return { kind: "checkpoint-part", version: version2, part: Number(part), parts: Number(parts) };
  return { kind: "checkpoint-v2", version: version2 };
}
function stagedKey(folder, id) {
  return `${folder}/${id}.staged`;
}
function probeKey(id) {
  return `${stagingRoot}.probe-${id}`;
}
function assertKey(key, code = "invalid") {
  const problem = problemOf(key);
  if (problem) throw new LakeError(code, `not a key of an object: ${problem}`, { key });
}
function assertPrefix(prefix) {
  if (prefix !== "") assertKey(`${prefix}x`);
}
function compareKeys(a, b) {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return codePointRank(x) - codePointRank(y);
  }
  return a.length - b.length;
}
function shortHash(text) {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
function problemOf(key) {
  if (key === "") return "it is empty";
  if (key.includes("\0")) return "it holds a NUL character";
  if (/\p{Surrogate}/u.test(key)) return "it is not well-formed Unicode";
  for (const segment of key.split("/")) {
    if (segment === "") return "it has an empty segment";
    if (segment === "." || segment === "..") return `it has the segment ${segment}`;
  }
  return void 0;
}
function paddedVersion(version2) {
  if (!Number.isSafeInteger(version2) || version2 < 0) throw new LakeError("invalid", "not a table version", { version: version2 });
  return String(version2).padStart(20, "0");
}
function codePointRank(unit) {
  return unit >= 55296 && unit <= 57343 ? unit + 65536 : unit;
}
var logFolder, stagingRoot, lastCheckpointKey, logKeyPattern;
var init_keys = __esm({
  "src/store/keys.ts"() {
    "use strict";
    init_errors();
    logFolder = "_delta_log/";
    stagingRoot = "_staging/";
    lastCheckpointKey = `${logFolder}_last_checkpoint`;
    logKeyPattern = /^_delta_log\/(\d{20})\.(?:(json)|(checkpoint\.parquet)|checkpoint\.(\d{10})\.(\d{10})\.parquet|checkpoint\.[0-9a-fA-F-]{36}\.(?:json|parquet))$/;
  }
});

// src/schema/quote.ts
function quoteIdentifier(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
function quoteText(text) {
  const parts = text.split("\0").map((part) => `'${part.replaceAll("'", "''")}'`);
  return parts.length === 1 ? parts[0] ?? "''" : `(${parts.join(" || chr(0) || ")})`;
}
var init_quote = __esm({
  "src/schema/quote.ts"() {
    "use strict";
  }
});

// src/schema/type-syntax.ts
function parseTypeSyntax(text) {
  const reader = new Reader(text);
  const type = readType(reader);
  reader.end();
  return type;
}
function readType(reader) {
  let type = readHead(reader);
  while (reader.take("[")) {
    const size = reader.peek("]") ? void 0 : reader.number();
    reader.expect("]");
    type = { kind: "list", element: type, ...size === void 0 ? {} : { size } };
  }
  return type;
}
function readHead(reader) {
  const name = reader.typeWord();
  switch (name) {
    case "struct":
    case "row":
      return { kind: "struct", fields: readFields(reader, reader.open()) };
    case "union":
      return { kind: "union", fields: readFields(reader, reader.open()) };
    case "map": {
      const close = reader.open();
      const key = readType(reader);
      reader.expect(",");
      const value = readType(reader);
      reader.expect(close);
      return { kind: "map", key, value };
    }
    case "array":
    case "list": {
      const close = reader.open();
      const element = readType(reader);
      reader.expect(close);
      return { kind: "list", element };
    }
    default:
      return readPlain(reader, name);
  }
}
function readPlain(reader, first) {
  const words = [first];
  const args = [];
  for (; ; ) {
    const word = reader.followingWord();
    if (word !== void 0) words.push(word);
    else if (args.length === 0 && reader.take("(")) {
      do
        args.push(reader.argument());
      while (reader.take(","));
      reader.expect(")");
    } else break;
  }
  return { kind: "plain", name: words.join(" "), args };
}
function readFields(reader, close) {
  const fields = [];
  do {
    const name = reader.identifier();
    reader.take(":");
    fields.push({ name, type: readType(reader) });
  } while (reader.take(","));
  reader.expect(close);
  return fields;
}
var TypeSyntaxError, continuations, Reader;
var init_type_syntax = __esm({
  "src/schema/type-syntax.ts"() {
    "use strict";
    TypeSyntaxError = class extends Error {
      position;
      constructor(message, position) {
        super(message);
        this.position = position;
      }
    };
    continuations = /* @__PURE__ */ new Set(["precision", "varying", "with", "without", "time", "zone", "local"]);
    Reader = class {
      constructor(text) {
        this.text = text;
      }
      text;
      at = 0;
      peek(symbol) {
        this.space();
        return this.text.startsWith(symbol, this.at);
      }
      take(symbol) {
        if (!this.peek(symbol)) return false;
        this.at += symbol.length;
        return true;
      }
      expect(symbol) {
        if (!this.take(symbol)) throw this.error(`\`${symbol}\` is missing`);
      }
      open() {
        if (this.take("<")) return ">";
        this.expect("(");
        return ")";
      }
      end() {
        this.space();
        if (this.at < this.text.length) throw this.error(`\`${this.text.slice(this.at)}\` is too much`);
      }
      typeWord() {
        if (this.peek('"')) return this.quoted('"').toLowerCase();
        const word = this.match(/[a-z_][a-z0-9_]*/iy);
        if (word === void 0) throw this.error("the name of a type is missing");
        return word.toLowerCase();
      }
      followingWord() {
        const start = this.at;
        const word = this.match(/[a-z]+/iy)?.toLowerCase();
        if (word !== void 0 && continuations.has(word)) return word;
        this.at = start;
        return void 0;
      }
      identifier() {
        if (this.peek('"')) return this.quoted('"');
        if (this.peek("`")) return this.quoted("`");
        const name = this.match(/[^\s"'`,:()<>[\]]+/y);
        if (name === void 0) throw this.error("the name of a field is missing");
        return name;
      }
      argument() {
        if (this.peek("'")) return this.quoted("'");
        const text = this.match(/[^\s"'`,()<>[\]]+/y);
        if (text === void 0) throw this.error("an argument is missing");
        return text;
      }
      number() {
        const digits = this.match(/[0-9]+/y);
        if (digits === void 0) throw this.error("a number is missing");
        return Number(digits);
      }
      quoted(quote) {
        const start = this.at;
        let value = "";
        for (let at = start + 1; at < this.text.length; at++) {
          if (this.text[at] !== quote) value += this.text[at];
          else if (this.text[at + 1] === quote) {
            value += quote;
            at++;
          } else {
            this.at = at + 1;
            return value;
          }
        }
        throw this.error(`\`${quote}\` does not close`);
      }
      match(pattern) {
        this.space();
        pattern.lastIndex = this.at;
        const found = pattern.exec(this.text)?.[0];
        if (found !== void 0) this.at += found.length;
        return found;
      }
      space() {
        while (/\s/.test(this.text[this.at] ?? "")) this.at++;
      }
      error(message) {
        return new TypeSyntaxError(message, this.at);
      }
    };
  }
});

// src/schema/names.ts
function typeName(type) {
  switch (type.kind) {
    case "decimal":
      return `decimal(${type.precision},${type.scale})`;
    case "list":
      return `${typeName(type.element)}[]`;
    case "struct":
      return `struct(${type.fields.map((field) => `${fieldName(field.name)} ${typeName(field.type)}`).join(", ")})`;
    case "map":
      return `map(${typeName(type.key)}, ${typeName(type.value)})`;
    default:
      return type.kind;
  }
}
function parseType(text) {
  try {
    return interpret(parseTypeSyntax(text));
  } catch (error) {
    if (error instanceof TypeSyntaxError)
      throw new LakeError("invalid", `\`${text}\` is no type (${error.message} at character ${error.position + 1})`, {
        fix: `Write one of ${validNames}.`
      });
    if (error instanceof NoSuchType) throw noSuchType(text, error);
    throw error;
  }
}
function sameType(a, b) {
  if (a.kind === "decimal" && b.kind === "decimal") return a.precision === b.precision && a.scale === b.scale;
  if (a.kind === "list" && b.kind === "list") return sameType(a.element, b.element);
  if (a.kind === "map" && b.kind === "map") return sameType(a.key, b.key) && sameType(a.value, b.value);
  if (a.kind === "struct" && b.kind === "struct")
    return a.fields.length === b.fields.length && a.fields.every((field, i) => {
      const other = b.fields[i];
      return other !== void 0 && field.name === other.name && sameType(field.type, other.type);
    });
  return a.kind === b.kind;
}
function isNested(type) {
  return type.kind === "list" || type.kind === "struct" || type.kind === "map";
}
function sameName(a, b) {
  return foldName(a) === foldName(b);
}
function foldName(name) {
  return name.toLowerCase();
}
function findColumn(schema, name) {
  return schema.find((field) => field.name === name) ?? schema.find((field) => sameName(field.name, name));
}
function assertColumnNames(names, where) {
  const seen = /* @__PURE__ */ new Map();
  const fix = "Name the columns with `--header a,b,c`.";
  for (const [index, name] of names.entries()) {
    const position = index + 1;
    if (name.trim() === "") throw new LakeError("invalid", `column ${position} has no name`, { ...where, fix });
    const before = seen.get(foldName(name));
    if (before !== void 0) {
      const first = names[before - 1] ?? "";
      const what = first === name ? `column name \`${name}\` is repeated, at ${before} and ${position}` : `column names \`${first}\` (${before}) and \`${name}\` (${position}) differ in case only`;
      throw new LakeError("invalid", what, { ...where, fix });
    }
    seen.set(foldName(name), position);
  }
}
function nearMiss(word, candidates) {
  let best;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
function interpret(syntax) {
  switch (syntax.kind) {
    case "list":
      return { kind: "list", element: interpret(syntax.element) };
    case "map":
      return { kind: "map", key: interpret(syntax.key), value: interpret(syntax.value) };
    case "struct":
      assertColumnNames(syntax.fields.map((field) => field.name));
      return {
        kind: "struct",
        fields: syntax.fields.map((field) => ({ name: field.name, type: interpret(field.type), nullable: true }))
      };
    case "union":
      throw new NoSuchType("union");
    case "plain":
      return interpretPlain(syntax.name, syntax.args);
  }
}
function interpretPlain(name, args) {
  if (name === "decimal" || name === "numeric" || name === "dec") return decimalOf(name, args);
  if (name === "float" && args.length === 1) return { kind: Number(args[0]) > 24 ? "double" : "float" };
  const kind = primitiveByName.get(name);
  if (kind === void 0) throw new NoSuchType(name);
  if (args.length > 0 && kind !== "varchar") {
    if (kind !== "timestamp" || args.length > 1 || args[0] !== "6") throw new NoSuchType(name, "takes no argument");
  }
  if (kind === "varchar" && args.length > 0)
    throw new NoSuchType(name, "takes no length: a table keeps text of any length, and none is cut");
  return { kind };
}
function decimalOf(name, args) {
  if (args.length === 0) throw new NoSuchType(name, "needs precision and scale, e.g. decimal(12,2)");
  const [precision, scale = 0] = args.map(Number);
  const fits = args.length <= 2 && precision !== void 0 && Number.isInteger(precision) && Number.isInteger(scale) && precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision;
  if (!fits) throw new NoSuchType(name, "takes a precision of 1 to 38 and a scale of 0 up to it");
  return { kind: "decimal", precision, scale };
}
function noSuchType(text, { typeWord, reason }) {
  if (reason !== void 0)
    return new LakeError("invalid", `\`${text}\` is no type: \`${typeWord}\` ${reason}`, {
      fix: `Write one of ${validNames}.`
    });
  const near = nearMiss(typeWord, [...primitiveByName.keys(), "decimal", "numeric", "struct", "map"]);
  const hint = near === void 0 ? "" : `Did you mean \`${near}\`? `;
  return new LakeError("invalid", `\`${text}\` is no type: \`${typeWord}\` is not known`, {
    fix: `${hint}Types are ${validNames}.`
  });
}
function fieldName(name) {
  return /^[a-z_][a-z0-9_]*$/i.test(name) ? name : quoteIdentifier(name);
}
function editDistance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
var synonyms, primitiveByName, validNames, NoSuchType;
var init_names = __esm({
  "src/schema/names.ts"() {
    "use strict";
    init_errors();
    init_quote();
    init_type_syntax();
    synonyms = {
      boolean: ["bool", "logical"],
      tinyint: ["int1", "byte"],
      smallint: ["int2", "short", "int16"],
      integer: ["int", "int4", "signed", "int32"],
      bigint: ["int8", "long", "int64"],
      float: ["float4", "real"],
      double: ["float8", "double precision"],
      varchar: ["text", "string", "char", "character", "bpchar", "character varying", "nvarchar", "utf8"],
      blob: ["bytea", "binary", "varbinary", "bytes"],
      date: ["date32"],
      timestamp: [
        "timestamptz",
        "timestamp with time zone",
        "timestamp without time zone",
        "timestamp with local time zone",
        "timestamp_ltz",
        "datetime"
      ]
    };
    primitiveByName = new Map(
      Object.entries(synonyms).flatMap(([kind, names]) => [kind, ...names].map((name) => [name, kind]))
    );
    validNames = [...Object.keys(synonyms), "decimal(p,s)", "type[]", "struct(name type, \u2026)", "map(key, value)"].join(
      ", "
    );
    NoSuchType = class extends Error {
      constructor(typeWord, reason) {
        super(typeWord);
        this.typeWord = typeWord;
        this.reason = reason;
      }
      typeWord;
      reason;
    };
  }
});

// src/partition/hive.ts
var defaultPartition, controls, escaped;
var init_hive = __esm({
  "src/partition/hive.ts"() {
    "use strict";
    init_errors();
    defaultPartition = "__HIVE_DEFAULT_PARTITION__";
    controls = [...Array.from({ length: 31 }, (_, i) => i + 1), 127].map((code) => `\\u${code.toString(16).padStart(4, "0")}`).join("");
    escaped = new RegExp(`[${controls}"#%'*/:=?\\\\{[\\]^]`, "g");
  }
});

// src/schema/misfit.ts
function misfitSql(misfit, valueSql, placeSql) {
  const place2 = placeSql === void 0 ? "" : `, place: ${placeSql}`;
  const members = Object.entries(misfit).filter(([, text]) => text !== void 0).map(([name, text]) => `${quoteText(name)}: ${quoteText(text)}`);
  return `error(${quoteText(marker)} || to_json({${members.join(", ")}, 'value': left(CAST(${valueSql} AS VARCHAR), 100)${place2}}))`;
}
var marker;
var init_misfit = __esm({
  "src/schema/misfit.ts"() {
    "use strict";
    init_quote();
    marker = "lakewright misfit ";
  }
});

// src/schema/duckdb.ts
function toSql(type) {
  switch (type.kind) {
    case "timestamp":
      return "TIMESTAMP WITH TIME ZONE";
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
    case "list":
      return `${toSql(type.element)}[]`;
    case "struct":
      return `STRUCT(${type.fields.map((field) => `${quoteIdentifier(field.name)} ${toSql(field.type)}`).join(", ")})`;
    case "map":
      return `MAP(${toSql(type.key)}, ${toSql(type.value)})`;
    default:
      return type.kind.toUpperCase();
  }
}
function fromSql(sqlType, column = "") {
  const syntax = parse(sqlType, column);
  const type = typeOf(syntax, sqlType, column);
  const misfit = { column, type: typeName(type) };
  return convert(syntax, "x", misfit, 0) === void 0 ? { type } : { type, cast: (sql) => convert(syntax, sql, misfit, 0) ?? sql };
}
function castExpression(sqlType, columnSql, column = "") {
  return fromSql(sqlType, column).cast?.(columnSql) ?? columnSql;
}
function parse(sqlType, column) {
  try {
    return parseTypeSyntax(sqlType);
  } catch (error) {
    if (error instanceof TypeSyntaxError) throw unsupportedType(sqlType, column, error.message);
    throw error;
  }
}
function typeOf(syntax, sqlType, column) {
  switch (syntax.kind) {
    case "list":
      return { kind: "list", element: typeOf(syntax.element, sqlType, column) };
    case "map":
      return { kind: "map", key: typeOf(syntax.key, sqlType, column), value: typeOf(syntax.value, sqlType, column) };
    case "struct":
      return {
        kind: "struct",
        fields: syntax.fields.map((field) => ({
          name: field.name,
          type: typeOf(field.type, sqlType, column),
          nullable: true
        }))
      };
    case "union":
      throw unsupportedType(sqlType, column, "a UNION holds values of several types: split it into columns");
    case "plain": {
      if (syntax.name === "decimal")
        return { kind: "decimal", precision: Number(syntax.args[0] ?? 18), scale: Number(syntax.args[1] ?? 3) };
      const type = direct[syntax.name];
      if (type === void 0) throw unsupportedType(sqlType, column, refused[syntax.name]);
      return type;
    }
  }
}
function convert(syntax, x, aim, depth) {
  switch (syntax.kind) {
    case "plain":
      return convertPlain(syntax.name, x, aim);
    case "list": {
      const item = `e${depth}`;
      const element = convert(syntax.element, item, aim, depth + 1);
      if (element === void 0 && syntax.size === void 0) return void 0;
      return `list_transform(${x}, lambda ${item}: ${element ?? item})`;
    }
    case "map": {
      const entry = `e${depth}`;
      const key = convert(syntax.key, `${entry}.key`, aim, depth + 1);
      const value = convert(syntax.value, `${entry}.value`, aim, depth + 1);
      if (key === void 0 && value === void 0) return void 0;
      const pair = `struct_pack(k := ${key ?? `${entry}.key`}, v := ${value ?? `${entry}.value`})`;
      return `map_from_entries(list_transform(map_entries(${x}), lambda ${entry}: ${pair}))`;
    }
    case "struct": {
      const fields = syntax.fields.map(({ name, type }) => {
        const member = `struct_extract(${x}, ${quoteText(name)})`;
        return { name, member, converted: convert(type, member, aim, depth) };
      });
      if (fields.every((field) => field.converted === void 0)) return void 0;
      const packed = fields.map(({ name, member, converted }) => `${quoteIdentifier(name)} := ${converted ?? member}`);
      return `CASE WHEN ${x} IS NULL THEN NULL ELSE struct_pack(${packed.join(", ")}) END`;
    }
    case "union":
      return void 0;
  }
}
function convertPlain(name, x, aim) {
  const proven = (condition, value, reason) => `CASE WHEN ${x} IS NULL THEN NULL WHEN ${condition} THEN ${value} ELSE ${misfitSql({ ...aim, reason }, x)} END`;
  const instant = `make_timestamptz(epoch_us(CAST(${x} AS TIMESTAMP)))`;
  switch (name) {
    case "utinyint":
    case "usmallint":
    case "uinteger":
    case "ubigint":
      return `CAST(${x} AS ${toSql(direct[name] ?? { kind: "varchar" })})`;
    case "hugeint":
      return proven(
        `${x} BETWEEN -${mostDigits} AND ${mostDigits}`,
        `CAST(${x} AS DECIMAL(38,0))`,
        "more than 38 digits"
      );
    case "uhugeint":
      return proven(`${x} <= ${mostDigits}`, `CAST(${x} AS DECIMAL(38,0))`, "more than 38 digits");
    case "date":
    case "timestamp with time zone":
      return proven(`isfinite(${x})`, x, "infinite");
    case "timestamp":
    case "timestamp_s":
    case "timestamp_ms":
      return proven(`isfinite(CAST(${x} AS TIMESTAMP))`, instant, "infinite");
    case "timestamp_ns":
      return `CASE WHEN ${x} IS NULL THEN NULL WHEN NOT isfinite(CAST(${x} AS TIMESTAMP)) THEN ${misfitSql({ ...aim, reason: "infinite" }, x)} WHEN epoch_ns(${x}) % 1000 = 0 THEN ${instant} ELSE ${misfitSql({ ...aim, reason: "nanoseconds would be lost" }, x)} END`;
    case "uuid":
    case "time":
    case "time_ns":
    case "time with time zone":
    case "enum":
    case "json":
    case "bit":
    case "null":
      return `CAST(${x} AS VARCHAR)`;
    default:
      return void 0;
  }
}
function unsupportedType(sqlType, column, reason) {
  const why = reason === void 0 ? "is not supported" : `cannot be stored: ${reason}`;
  return new LakeError("invalid", `type ${sqlType} ${why}`, {
    ...column === "" ? {} : { column },
    fix: "Convert the column where the data comes from, or with `--derive`."
  });
}
var direct, refused, mostDigits;
var init_duckdb = __esm({
  "src/schema/duckdb.ts"() {
    "use strict";
    init_errors();
    init_misfit();
    init_names();
    init_quote();
    init_type_syntax();
    direct = {
      boolean: { kind: "boolean" },
      tinyint: { kind: "tinyint" },
      smallint: { kind: "smallint" },
      integer: { kind: "integer" },
      bigint: { kind: "bigint" },
      float: { kind: "float" },
      double: { kind: "double" },
      varchar: { kind: "varchar" },
      blob: { kind: "blob" },
      date: { kind: "date" },
      "timestamp with time zone": { kind: "timestamp" },
      utinyint: { kind: "smallint" },
      usmallint: { kind: "integer" },
      uinteger: { kind: "bigint" },
      ubigint: { kind: "decimal", precision: 20, scale: 0 },
      hugeint: { kind: "decimal", precision: 38, scale: 0 },
      uhugeint: { kind: "decimal", precision: 38, scale: 0 },
      timestamp: { kind: "timestamp" },
      timestamp_s: { kind: "timestamp" },
      timestamp_ms: { kind: "timestamp" },
      timestamp_ns: { kind: "timestamp" },
      uuid: { kind: "varchar" },
      time: { kind: "varchar" },
      time_ns: { kind: "varchar" },
      "time with time zone": { kind: "varchar" },
      enum: { kind: "varchar" },
      json: { kind: "varchar" },
      bit: { kind: "varchar" },
      null: { kind: "varchar" }
    };
    refused = {
      interval: "a month and 30 days are not the same length, so it has no lossless form: use a number of seconds or text",
      variant: "its values have types of their own: cast it to JSON",
      geometry: "readers of the table do not know it: use ST_AsWKB or ST_AsText",
      bignum: "it has more digits than decimal(38,0): cast it to decimal or varchar"
    };
    mostDigits = "9".repeat(38);
  }
});

// src/schema/grammar.ts
function matches(type, text) {
  switch (type.kind) {
    case "tinyint":
    case "smallint":
    case "integer":
    case "bigint":
      return isInteger(text) && fitsBits(text, integerBits[type.kind]);
    case "float":
    case "double":
      return isFraction(text) && text.length <= 300 && significantDigits(text) <= floatDigits[type.kind];
    case "decimal":
      return isFraction(text) && fitsDecimal(text, type.precision, type.scale);
    case "date":
      return fullMatch(patterns.date, text) && isDay(text);
    case "timestamp":
      return fullMatch(patterns.timestamp, text) && isInstant(text);
    case "boolean":
      return text === "true" || text === "false";
    case "varchar":
      return true;
    case "blob":
      return fullMatch(patterns.base64, text);
    default:
      throw notFromText(type);
  }
}
function isInteger(text) {
  return text !== "-0" && fullMatch(patterns.integer, text);
}
function isFraction(text) {
  return text !== "-0" && fullMatch(patterns.fraction, text);
}
function fitsBits(text, bits) {
  return text.length <= 20 && BigInt.asIntN(Number(bits), BigInt(text)) === BigInt(text);
}
function significantDigits(text) {
  return text.replace(".", "").replace(/^[-0]+/, "").length;
}
function fitsDecimal(text, precision, scale) {
  return fullMatch(decimalPattern(precision, scale), text);
}
function decimalPattern(precision, scale) {
  const whole = precision - scale;
  const before = whole === 0 ? "0" : `(?:0|[1-9][0-9]{0,${whole - 1}})`;
  const after = scale === 0 ? "0+" : `[0-9]{1,${scale}}0*`;
  return `-?${before}(?:\\.${after})?`;
}
function isDay(text) {
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const date = Number(text.slice(8, 10));
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 ? leap ? 29 : 28 : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year >= 1 && date <= days;
}
function isInstant(text) {
  if (!isDay(text)) return false;
  const micros = instantMicros(text);
  return micros >= firstMicros && micros <= lastMicros;
}
function instantMicros(text) {
  const [, head = "", hour = "0", minute = "0", second = "0", fraction = "", offset = "Z"] = /^(.{10})(?:[T ](..):(..)(?::(..)(?:\.(\d+))?)?(Z|[+-].*)?)?$/.exec(text) ?? [];
  const [, sign = "+", hours = "0", minutes = "0"] = /^([+-])(..):?(..)?$/.exec(offset) ?? [];
  const shift = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  const dayMs = Date.parse(`${head}T00:00:00Z`);
  const seconds = Number(hour) * 3600 + (Number(minute) - shift) * 60 + Number(second);
  return BigInt(dayMs) * 1000n + BigInt(seconds) * 1000000n + BigInt(fraction.padEnd(6, "0"));
}
function fullMatch(pattern, text) {
  return compiled(pattern).test(text);
}
function compiled(pattern) {
  let regexp = cache.get(pattern);
  if (regexp === void 0) {
    regexp = new RegExp(`^(?:${pattern})$`);
    cache.set(pattern, regexp);
  }
  return regexp;
}
function notFromText(type) {
  return new LakeError("invalid", `text cannot be read as ${typeName(type)}`, {
    fix: "Declare the column as varchar, or load it from JSON, Parquet or Arrow."
  });
}
var day, clock, zone, patterns, integerBits, floatDigits, firstMicros, lastMicros, cache;
var init_grammar = __esm({
  "src/schema/grammar.ts"() {
    "use strict";
    init_errors();
    init_misfit();
    init_names();
    day = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])";
    clock = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6})?)?";
    zone = "Z|[+-](?:(?:0[0-9]|1[0-3])(?::?[0-5][0-9])?|14(?::?00)?)";
    patterns = {
      integer: "-?(?:0|[1-9][0-9]*)",
      fraction: "-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?",
      date: day,
      timestamp: `${day}(?:[T ]${clock}(?:${zone})?)?`,
      base64: "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?"
    };
    integerBits = { tinyint: 8n, smallint: 16n, integer: 32n, bigint: 64n };
    floatDigits = { float: 6, double: 15 };
    firstMicros = -62135596800000000n;
    lastMicros = 253402300799999999n;
    cache = /* @__PURE__ */ new Map();
  }
});

// src/partition/value.ts
var indistinct;
var init_value = __esm({
  "src/partition/value.ts"() {
    "use strict";
    init_errors();
    init_duckdb();
    init_grammar();
    init_misfit();
    init_names();
    init_quote();
    init_keys();
    init_hive();
    indistinct = ["", "null", defaultPartition.toLowerCase()];
  }
});

// src/partition/spec.ts
var init_spec = __esm({
  "src/partition/spec.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_hive();
    init_value();
  }
});

// src/partition/predicate.ts
var init_predicate = __esm({
  "src/partition/predicate.ts"() {
    "use strict";
    init_names();
    init_quote();
    init_spec();
    init_value();
  }
});

// src/partition/predicate-parser.ts
var comparisons, tokenPattern;
var init_predicate_parser = __esm({
  "src/partition/predicate-parser.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_predicate();
    init_value();
    comparisons = {
      ...{ "=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=" }
    };
    tokenPattern = [
      "(?<space>\\s+)",
      "(?<text>'(?:[^']|'')*')",
      '(?<quoted>"(?:[^"]|"")+")',
      "(?<day>\\d{4}-\\d{2}-\\d{2}(?:T[\\d:.]+(?:Z|[+-]\\d{2}(?::?\\d{2})?)?)?(?![\\p{L}\\p{N}_.-]))",
      "(?<number>[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?(?![\\p{L}\\p{N}_.-]))",
      "(?<name>[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*)",
      "(?<symbol><>|!=|==|<=|>=|[=<>(),.])"
    ].join("|");
  }
});

// src/partition/overlap.ts
var init_overlap = __esm({
  "src/partition/overlap.ts"() {
    "use strict";
    init_predicate();
    init_value();
  }
});

// src/partition/scope.ts
var init_scope = __esm({
  "src/partition/scope.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_predicate_parser();
    init_value();
    init_overlap();
    init_predicate();
    init_predicate_parser();
  }
});

// src/manifest/create.ts
function createTable(table, runtime, timestamp) {
  return [{ protocol: plainProtocol(table.changeFeed) }, { metaData: newMetadata(table, runtime.uuid(), timestamp) }];
}
function newMetadata(table, id, timestamp) {
  return {
    id,
    ...table.name === void 0 ? {} : { name: table.name },
    schema: table.schema,
    partitionBy: [...table.partitionBy],
    configuration: {
      "delta.enableExpiredLogCleanup": "false",
      ...table.changeFeed ? { "delta.enableChangeDataFeed": "true" } : {},
      ...table.key.length > 0 ? { [keyProperty]: JSON.stringify(table.key) } : {},
      ...table.configuration
    },
    createdTime: timestamp
  };
}
function plainProtocol(changeFeed = false) {
  return changeFeed ? { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ["appendOnly", "invariants", "changeDataFeed"] } : { minReaderVersion: 1, minWriterVersion: 2 };
}
function keyOf({ configuration }) {
  const text = configuration[keyProperty];
  if (text === void 0) return [];
  const key = tryParse(text);
  if (Array.isArray(key) && key.every((name) => typeof name === "string")) return key;
  throw new LakeError("corrupt", `the table property ${keyProperty} is not a JSON list of columns`, {
    value: text,
    fix: `Set ${keyProperty} anew, for instance to ["id"].`
  });
}
function tryParse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return void 0;
  }
}
var keyProperty;
var init_create = __esm({
  "src/manifest/create.ts"() {
    "use strict";
    init_errors();
    keyProperty = "lakewright.key";
  }
});

// src/manifest/tombstones.ts
import { z } from "zod";
var shape;
var init_tombstones = __esm({
  "src/manifest/tombstones.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_keys();
    shape = z.object({
      key: z.string().min(1),
      sizeBytes: z.int().min(0),
      rows: z.int().min(0),
      columns: z.array(z.object({ name: z.string(), type: z.string() }))
    });
  }
});

// src/manifest/conflict.ts
var init_conflict = __esm({
  "src/manifest/conflict.ts"() {
    "use strict";
    init_scope();
    init_spec();
    init_names();
    init_create();
    init_tombstones();
  }
});

// src/manifest/change.ts
var Replay;
var init_change = __esm({
  "src/manifest/change.ts"() {
    "use strict";
    init_errors();
    init_conflict();
    Replay = class {
      version;
      timestamp;
      protocol;
      metadata;
      files;
      txns;
      tombstones;
      constructor(base) {
        this.version = base?.version ?? -1;
        this.timestamp = base?.timestamp ?? 0;
        this.protocol = base?.protocol;
        this.metadata = base?.metadata;
        this.files = new Map(base?.files);
        this.txns = new Map(base?.txns);
        this.tombstones = new Map(base?.tombstones);
      }
      apply(commit) {
        if (commit.version !== this.version + 1)
          throw new LakeError("corrupt", "a version is missing from the log", {
            version: this.version + 1,
            found: commit.version,
            fix: "Restore the missing commit file from a backup of the store."
          });
        for (const action of commit.actions) if ("remove" in action) this.remove(action.remove);
        for (const action of commit.actions) this.keep(action);
        this.version = commit.version;
        this.timestamp = commit.timestamp;
      }
      /** What one row of a checkpoint says, or one action other than a remove. */
      keep(action) {
        if ("add" in action) this.add(action.add);
        else if ("txn" in action) this.txns.set(action.txn.appId, action.txn);
        else if ("metaData" in action) this.metadata = action.metaData;
        else if ("protocol" in action) this.protocol = action.protocol;
      }
      /** The maps are handed over, not copied: apply nothing afterwards. */
      snapshot() {
        const { version: version2, timestamp, protocol, metadata, files, txns, tombstones } = this;
        if (protocol === void 0 || metadata === void 0)
          throw new LakeError("corrupt", `the log has no ${protocol === void 0 ? "protocol" : "metaData"} action`, {
            version: version2
          });
        return { version: version2, timestamp, protocol, metadata, files, txns, tombstones };
      }
      add(file) {
        this.files.set(file.key, file);
        this.tombstones.delete(file.key);
      }
      remove(file) {
        this.files.delete(file.key);
        this.tombstones.set(file.key, file);
      }
    };
  }
});

// src/manifest/arrow-columns.ts
function readStruct(arrow, batch, name) {
  const vector = batch.getChild(name);
  const data = vector?.data[0];
  if (vector === null || data === void 0 || !arrow.DataType.isStruct(data.type)) return void 0;
  return { has: (row) => vector.isValid(row), column: (child) => vector.getChild(child) ?? void 0 };
}
function readTexts(arrow, vector) {
  const data = vector?.data[0];
  if (vector === void 0 || data === void 0) return () => void 0;
  const slow = (row) => vector.get(row) ?? void 0;
  if (!arrow.DataType.isUtf8(data.type) || vector.data.length !== 1) return slow;
  const offsets = data.valueOffsets;
  const [start, end] = [offsets[0] ?? 0, offsets[data.length] ?? 0];
  if (end - start > largestText) return slow;
  const bytes = data.values;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
  if (all.length !== end - start) return slow;
  const cut = (row) => all.slice((offsets[row] ?? 0) - start, (offsets[row + 1] ?? 0) - start);
  if (data.nullCount === 0) return cut;
  return (row) => vector.isValid(row) ? cut(row) : void 0;
}
function readMaps(arrow, vector) {
  const data = vector?.data[0];
  const entries = data?.children[0];
  const [keyData, valueData] = entries?.children ?? [];
  if (vector === void 0 || data === void 0 || keyData === void 0 || valueData === void 0) return void 0;
  if (!arrow.DataType.isMap(data.type)) return void 0;
  const keys = readTexts(arrow, new arrow.Vector([keyData]));
  const values = readTexts(arrow, new arrow.Vector([valueData]));
  const offsets = data.valueOffsets;
  return (row) => {
    if (!vector.isValid(row)) return void 0;
    const map = {};
    const end = offsets[row + 1] ?? 0;
    for (let i = offsets[row] ?? 0; i < end; i++) map[keys(i) ?? ""] = values(i) ?? null;
    return map;
  };
}
function plain(arrow, value) {
  if (value instanceof arrow.Vector) return Array.from(value, (item) => plain(arrow, item));
  if (value instanceof arrow.MapRow || value instanceof arrow.StructRow) {
    const object = {};
    for (const [key, item] of value) object[String(key)] = plain(arrow, item);
    return object;
  }
  return value;
}
var largestText, encoder;
var init_arrow_columns = __esm({
  "src/manifest/arrow-columns.ts"() {
    "use strict";
    largestText = 64 * 1024 * 1024;
    encoder = new TextEncoder();
  }
});

// src/schema/delta.ts
import { z as z2 } from "zod";
function fromDeltaSchema(schema) {
  const parsed = structShape.safeParse(schema);
  if (!parsed.success)
    throw new LakeError("corrupt", "the table's schema is not a Delta schema", { cause: parsed.error });
  const fields = parsed.data.fields.map((field) => fromField(field, ""));
  refuseEqualNames(fields);
  return fields;
}
function toDeltaSchema(schema) {
  return { type: "struct", fields: schema.map(toField) };
}
function fromField(field, parent) {
  const column = parent === "" ? field.name : `${parent}.${field.name}`;
  return {
    name: field.name,
    type: fromType(field.type, column),
    nullable: field.nullable,
    ...Object.keys(field.metadata).length > 0 ? { metadata: field.metadata } : {}
  };
}
function fromType(type, column) {
  if (typeof type === "string") return fromNamed(type, column);
  const array = arrayShape.safeParse(type);
  if (array.success) {
    const element = fromType(array.data.elementType, `${column}.element`);
    return { kind: "list", element, ...array.data.containsNull ? {} : { elementNullable: false } };
  }
  const map = mapShape.safeParse(type);
  if (map.success) {
    const key = fromType(map.data.keyType, `${column}.key`);
    const value = fromType(map.data.valueType, `${column}.value`);
    return { kind: "map", key, value, ...map.data.valueContainsNull ? {} : { valueNullable: false } };
  }
  const struct = structShape.safeParse(type);
  if (struct.success) return { kind: "struct", fields: struct.data.fields.map((field) => fromField(field, column)) };
  throw new LakeError("corrupt", "a column has a type that is not of Delta", { column, type });
}
function fromNamed(name, column) {
  const primitive = fromPrimitive.get(name);
  if (primitive !== void 0) return { kind: primitive };
  const decimal = /^decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$/.exec(name);
  if (decimal !== null) return decimalOf2(Number(decimal[1]), Number(decimal[2]), column);
  if (name === "decimal") return { kind: "decimal", precision: 10, scale: 0 };
  throw new LakeError("unsupported", `a column has the type \`${name}\`, which lakewright does not read`, {
    column,
    fix: "Read this table with another tool, or store the column as another type."
  });
}
function decimalOf2(precision, scale, column) {
  if (precision < 1 || precision > 38 || scale > precision)
    throw new LakeError("corrupt", "a decimal column has an impossible precision", { column, precision, scale });
  return { kind: "decimal", precision, scale };
}
function toField(field) {
  return { name: field.name, type: toType(field.type), nullable: field.nullable, metadata: field.metadata ?? {} };
}
function toType(type) {
  switch (type.kind) {
    case "decimal":
      return `decimal(${type.precision},${type.scale})`;
    case "list":
      return { type: "array", elementType: toType(type.element), containsNull: type.elementNullable ?? true };
    case "map":
      return {
        type: "map",
        keyType: toType(type.key),
        valueType: toType(type.value),
        valueContainsNull: type.valueNullable ?? true
      };
    case "struct":
      return { type: "struct", fields: type.fields.map(toField) };
    default:
      return toPrimitive[type.kind];
  }
}
function refuseEqualNames(fields) {
  const seen = /* @__PURE__ */ new Map();
  for (const { name } of fields) {
    const other = seen.get(name.toLowerCase());
    if (other !== void 0) throw new LakeError("corrupt", "two columns have the same name", { column: name, other });
    seen.set(name.toLowerCase(), name);
  }
}
var toPrimitive, fromPrimitive, fieldShape, structShape, arrayShape, mapShape;
var init_delta = __esm({
  "src/schema/delta.ts"() {
    "use strict";
    init_errors();
    toPrimitive = {
      boolean: "boolean",
      tinyint: "byte",
      smallint: "short",
      integer: "integer",
      bigint: "long",
      float: "float",
      double: "double",
      varchar: "string",
      blob: "binary",
      date: "date",
      timestamp: "timestamp"
    };
    fromPrimitive = new Map(Object.entries(toPrimitive).map(([ours, delta]) => [delta, ours]));
    fieldShape = z2.object({
      name: z2.string().min(1),
      type: z2.unknown(),
      nullable: z2.boolean().default(true),
      metadata: z2.record(z2.string(), z2.unknown()).default({})
    });
    structShape = z2.object({ type: z2.literal("struct"), fields: z2.array(fieldShape) });
    arrayShape = z2.object({ type: z2.literal("array"), elementType: z2.unknown(), containsNull: z2.boolean() });
    mapShape = z2.object({
      type: z2.literal("map"),
      keyType: z2.unknown(),
      valueType: z2.unknown(),
      valueContainsNull: z2.boolean()
    });
  }
});

// src/manifest/json.ts
import { parse as parseSlowly, stringify as stringifySlowly } from "lossless-json";
function parseJson(text, options = {}) {
  const fractionsAsText = options.fractions === "text";
  if (!(fractionsAsText ? anyLongNumber : longInteger).test(text)) return JSON.parse(text);
  return parseSlowly(text, null, {
    parseNumber: fractionsAsText ? (digits) => toNumber(digits) ?? digits : (digits) => toNumber(digits) ?? Number(digits),
    // What JSON.parse does.
    onDuplicateKey: ({ newValue }) => newValue
  });
}
function stringifyJson(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    const text = stringifySlowly(value);
    if (text === void 0) throw error;
    return text;
  }
}
function toNumber(text) {
  if (/^-?\d+$/.test(text)) return fromInteger(text);
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const exponent = Number(exponentText);
  const digits = (whole + fraction).replace(/^0+(?=\d)/, "");
  const significant = digits.replace(/0+$/, "");
  const zeros = exponent - fraction.length + (digits.length - significant.length);
  if (significant !== "" && zeros >= 0 && significant.length + zeros <= 20)
    return fromInteger(`${sign}${significant}${"0".repeat(zeros)}`);
  return significant.length <= 15 || exponentText !== "0" ? Number(text) : void 0;
}
function fromInteger(text) {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}
var longInteger, anyLongNumber;
var init_json = __esm({
  "src/manifest/json.ts"() {
    "use strict";
    longInteger = /\d{16}|[[:,]\s*-?\d+(?:\.\d+)?[eE]|^\s*-?\d+(?:\.\d+)?[eE]/;
    anyLongNumber = /[\d.]{17}|\d{16}|[[:,]\s*-?\d+(?:\.\d+)?[eE]|^\s*-?\d+(?:\.\d+)?[eE]/;
  }
});

// src/manifest/paths.ts
function encodePath(key) {
  if (!/[^A-Za-z0-9\-._~/=]/.test(key)) return key;
  return encodeURIComponent(key).replace(
    /%2F|%3D|[!'()*]/g,
    (found) => left.get(found) ?? `%${found.charCodeAt(0).toString(16).toUpperCase()}`
  );
}
function decodePath(path) {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(path) || path.startsWith("/"))
    throw new LakeError("unsupported", "the log names a file outside of the table's folder (a shallow clone?)", {
      path,
      fix: "Copy the table deeply before you use it with lakewright."
    });
  const key = path.includes("%") ? unescapePath(path) : path;
  assertKey(key, "corrupt");
  return key;
}
function unescapePath(path) {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new LakeError("corrupt", "the log names a path that is not percent-encoded UTF-8", { path, cause });
  }
}
var left;
var init_paths = __esm({
  "src/manifest/paths.ts"() {
    "use strict";
    init_errors();
    init_keys();
    left = /* @__PURE__ */ new Map([
      ["%2F", "/"],
      ["%3D", "="]
    ]);
  }
});

// src/manifest/encode.ts
function encodeCommit(actions) {
  return Buffer.from(actions.map((action) => `${encodeAction(action)}
`).join(""), "utf8");
}
function encodeAction(action) {
  return stringifyJson(toJson(action));
}
function schemaString(metadata) {
  return stringifyJson(toDeltaSchema(metadata.schema));
}
function toJson(action) {
  if ("add" in action) return { add: addJson(action.add) };
  if ("remove" in action) return { remove: removeJson(action.remove) };
  if ("txn" in action) return { txn: txnJson(action.txn) };
  if ("cdc" in action) return { cdc: cdcJson(action.cdc) };
  if ("metaData" in action) return { metaData: metadataJson(action.metaData) };
  return action;
}
function addJson({
  key,
  partitionValues: partitionValues2,
  sizeBytes,
  modificationTime,
  dataChange,
  stats,
  tags,
  deletionVector: deletionVector2
}) {
  return {
    path: encodePath(key),
    partitionValues: partitionValues2,
    size: sizeBytes,
    modificationTime,
    dataChange,
    stats,
    tags,
    deletionVector: deletionVector2
  };
}
function removeJson(file) {
  return {
    path: encodePath(file.key),
    deletionTimestamp: file.deletionTimestamp,
    dataChange: file.dataChange,
    extendedFileMetadata: file.extendedFileMetadata,
    partitionValues: file.partitionValues,
    size: file.sizeBytes,
    deletionVector: file.deletionVector
  };
}
function txnJson({ appId, version: version2, lastUpdated }) {
  return { appId, version: version2, lastUpdated };
}
function cdcJson({ key, partitionValues: partitionValues2, sizeBytes }) {
  return { path: encodePath(key), partitionValues: partitionValues2, size: sizeBytes, dataChange: false };
}
function metadataJson(metadata) {
  return {
    id: metadata.id,
    name: metadata.name,
    description: metadata.description,
    format: { provider: "parquet", options: {} },
    schemaString: schemaString(metadata),
    partitionColumns: metadata.partitionBy,
    configuration: metadata.configuration,
    createdTime: metadata.createdTime
  };
}
var init_encode = __esm({
  "src/manifest/encode.ts"() {
    "use strict";
    init_delta();
    init_json();
    init_paths();
  }
});

// src/manifest/encode-checkpoint.ts
async function loadCodec() {
  const [arrow, parquet] = await Promise.all([import("apache-arrow"), import("parquet-wasm")]);
  return { arrow, parquet };
}
var init_encode_checkpoint = __esm({
  "src/manifest/encode-checkpoint.ts"() {
    "use strict";
    init_arrow_columns();
    init_encode();
    init_paths();
  }
});

// src/manifest/parse.ts
import { z as z3 } from "zod";
function parseCommit(body, where) {
  return parseLines(body, where).map(({ value, line }) => attempt(() => parseAction(value), where, line)).filter((action) => action !== void 0);
}
function parseLines(body, where) {
  const lines = attempt(() => utf8.decode(body), where, 0).split("\n");
  return lines.flatMap(
    (text, i) => text.trim() === "" ? [] : [{ value: attempt(() => parseJson(text), where, i + 1), line: i + 1 }]
  );
}
function parseAction(value) {
  const action = actionShape.parse(value);
  for (const name in action) {
    const body = action[name];
    if (body === null || body === void 0) continue;
    switch (name) {
      case "add":
        return { add: toAdd(addShape.parse(body)) };
      case "remove":
        return { remove: toRemove(removeShape.parse(body)) };
      case "txn":
        return { txn: toTxn(txnShape.parse(body)) };
      case "cdc":
        return { cdc: toCdc(cdcShape.parse(body)) };
      case "protocol":
        return { protocol: toProtocol(protocolShape.parse(body)) };
      case "metaData":
        return { metaData: toMetadata(metadataShape.parse(body)) };
      case "commitInfo":
        return { commitInfo: withoutAbsent(commitInfoShape.parse(body)) };
    }
  }
  return void 0;
}
function parseHint(body) {
  try {
    return z3.looseObject({ version }).parse(parseJson(utf8.decode(body)));
  } catch {
    return void 0;
  }
}
function toMetadata(raw) {
  const schema = fromDeltaSchema(parseJson(raw.schemaString));
  if (raw.format !== void 0 && raw.format.provider !== "parquet")
    throw new LakeError("unsupported", "the data files of this table are not Parquet", { format: raw.format.provider });
  for (const column of raw.partitionColumns)
    if (!schema.some((field) => field.name === column))
      throw new LakeError("corrupt", "the table is partitioned by a column that it does not have", { column });
  return withoutAbsent({
    id: raw.id,
    name: raw.name,
    description: raw.description,
    schema,
    partitionBy: raw.partitionColumns,
    configuration: raw.configuration,
    createdTime: raw.createdTime
  });
}
function toAdd(raw) {
  const add = {
    key: decodePath(raw.path),
    partitionValues: emptyToNull(raw.partitionValues),
    sizeBytes: raw.size,
    modificationTime: raw.modificationTime,
    dataChange: raw.dataChange
  };
  if (raw.stats !== void 0) add.stats = raw.stats;
  if (raw.tags !== void 0) add.tags = raw.tags;
  if (raw.deletionVector !== void 0) add.deletionVector = raw.deletionVector;
  return add;
}
function toRemove(raw) {
  const remove = {
    key: decodePath(raw.path),
    deletionTimestamp: raw.deletionTimestamp ?? 0,
    dataChange: raw.dataChange
  };
  if (raw.extendedFileMetadata !== void 0) remove.extendedFileMetadata = raw.extendedFileMetadata;
  if (raw.partitionValues !== void 0) remove.partitionValues = emptyToNull(raw.partitionValues);
  if (raw.size !== void 0) remove.sizeBytes = raw.size;
  if (raw.deletionVector !== void 0) remove.deletionVector = raw.deletionVector;
  return remove;
}
function toTxn(raw) {
  return withoutAbsent(raw);
}
function toProtocol(raw) {
  return withoutAbsent(raw);
}
function toCdc({ path, partitionValues: values, size }) {
  return { key: decodePath(path), partitionValues: emptyToNull(values), sizeBytes: size };
}
function emptyToNull(values) {
  for (const column in values) if (values[column] === "") values[column] = null;
  return values;
}
function withoutAbsent(value) {
  for (const name in value) if (value[name] === void 0) delete value[name];
  return value;
}
function attempt(parse2, key, line) {
  try {
    return parse2();
  } catch (cause) {
    if (cause instanceof LakeError)
      throw new LakeError(cause.code, cause.message, { log: key, line, fix: cause.fix, cause });
    throw new LakeError("corrupt", "a line of the log is no action of the Delta protocol", { key, line, cause });
  }
}
var actionShape, utf8, optional, version, count, long, partitionValues, deletionVector, addShape, removeShape, txnShape, cdcShape, protocolShape, metadataShape, commitInfoShape;
var init_parse = __esm({
  "src/manifest/parse.ts"() {
    "use strict";
    init_errors();
    init_delta();
    init_json();
    init_paths();
    actionShape = z3.looseObject({});
    utf8 = new TextDecoder("utf-8", { fatal: true });
    optional = (shape2) => shape2.nullish().transform((value) => value ?? void 0);
    version = z3.union([z3.int(), z3.bigint().transform(Number)]).pipe(z3.int().min(0));
    count = z3.union([z3.number(), z3.bigint().transform(Number)]);
    long = z3.union([z3.bigint(), z3.int().transform(BigInt)]).refine((value) => value >= -(2n ** 63n) && value < 2n ** 63n, "is not a signed 64-bit integer");
    partitionValues = z3.record(z3.string(), z3.string().nullable());
    deletionVector = optional(z3.record(z3.string(), z3.unknown()));
    addShape = z3.object({
      path: z3.string(),
      partitionValues,
      size: count,
      modificationTime: count,
      dataChange: z3.boolean(),
      stats: optional(z3.string()),
      tags: optional(
        z3.record(
          z3.string(),
          z3.string().nullable().transform((value) => value ?? "")
        )
      ),
      deletionVector
    });
    removeShape = z3.object({
      path: z3.string(),
      deletionTimestamp: optional(count),
      dataChange: z3.boolean(),
      extendedFileMetadata: optional(z3.boolean()),
      partitionValues: optional(partitionValues),
      size: optional(count),
      deletionVector
    });
    txnShape = z3.object({ appId: z3.string(), version: long, lastUpdated: optional(count) });
    cdcShape = z3.object({ path: z3.string(), partitionValues, size: count });
    protocolShape = z3.object({
      minReaderVersion: version,
      minWriterVersion: version,
      readerFeatures: optional(z3.array(z3.string())),
      writerFeatures: optional(z3.array(z3.string()))
    });
    metadataShape = z3.object({
      id: z3.string(),
      name: optional(z3.string()),
      description: optional(z3.string()),
      format: optional(z3.looseObject({ provider: z3.string() })),
      schemaString: z3.string(),
      partitionColumns: z3.array(z3.string()).default([]),
      configuration: optional(z3.record(z3.string(), z3.string())).transform((value) => value ?? {}),
      createdTime: optional(count)
    });
    commitInfoShape = z3.looseObject({
      timestamp: count.optional().catch(void 0),
      inCommitTimestamp: count.optional().catch(void 0),
      operation: z3.string().optional().catch(void 0),
      operationParameters: z3.record(z3.string(), z3.unknown()).optional().catch(void 0),
      operationMetrics: z3.record(z3.string(), z3.string()).optional().catch(void 0),
      isBlindAppend: z3.boolean().optional().catch(void 0),
      engineInfo: z3.string().optional().catch(void 0),
      txnId: z3.string().optional().catch(void 0),
      lakewright: z3.looseObject({ mode: z3.string(), loadId: z3.string().optional(), receipt: z3.unknown().optional() }).optional().catch(void 0)
    });
  }
});

// src/manifest/decode-checkpoint.ts
async function decodeCheckpoint(body, key, into) {
  try {
    if (key.endsWith(".json")) return decodeJson(body, key, into);
    const { arrow, parquet } = await loadCodec();
    const stream = parquet.readParquet(body, { batchSize: 65536 }).intoIPCStream();
    return arrow.tableFromIPC(stream).batches.flatMap((batch) => decodeBatch(arrow, batch, into));
  } catch (cause) {
    if (cause instanceof LakeError) throw cause;
    throw new LakeError("corrupt", "a checkpoint cannot be read", {
      key,
      cause,
      fix: "Remove this checkpoint if all commits before it are still there; they say the same."
    });
  }
}
function decodeBatch(arrow, batch, into) {
  decodeFew(arrow, batch, "protocol", (row) => {
    into.keep({ protocol: toProtocol(protocolShape.parse(row)) });
  });
  decodeFew(arrow, batch, "metaData", (row) => {
    into.keep({ metaData: toMetadata(metadataShape.parse(row)) });
  });
  decodeFew(arrow, batch, "txn", (row) => {
    into.keep({ txn: toTxn(txnShape.parse(row)) });
  });
  decodeRemoves(arrow, batch, into);
  decodeAdds(arrow, batch, into);
  const sidecars = [];
  decodeFew(arrow, batch, "sidecar", (row) => {
    if (typeof row.path === "string") sidecars.push(decodePath(row.path));
  });
  return sidecars;
}
function decodeFew(arrow, batch, name, take2) {
  const vector = batch.getChild(name);
  if (vector === null || vector.nullCount === batch.numRows) return;
  for (let row = 0; row < batch.numRows; row++)
    if (vector.isValid(row)) take2(plain(arrow, vector.get(row)));
}
function decodeAdds(arrow, batch, into) {
  const struct = readStruct(arrow, batch, "add");
  if (struct === void 0) return;
  const text = (name) => readTexts(arrow, struct.column(name));
  const number = (name) => numberReader(struct.column(name));
  const [path, stats] = [text("path"), text("stats")];
  const [size, modificationTime] = [number("size"), number("modificationTime")];
  const partitionValues2 = readMaps(arrow, struct.column("partitionValues"));
  const tags = readMaps(arrow, struct.column("tags"));
  const deletionVector2 = struct.column("deletionVector");
  for (let row = 0; row < batch.numRows; row++) {
    if (!struct.has(row)) continue;
    const file = toAdd({
      path: present(path(row), "add.path"),
      partitionValues: partitionValues2?.(row) ?? {},
      size: present(size(row), "add.size"),
      modificationTime: modificationTime(row) ?? 0,
      dataChange: false,
      stats: stats(row),
      tags: tags?.(row),
      deletionVector: vectorOf(arrow, deletionVector2, row)
    });
    into.files.set(file.key, file);
  }
}
function decodeRemoves(arrow, batch, into) {
  const struct = readStruct(arrow, batch, "remove");
  if (struct === void 0) return;
  const path = readTexts(arrow, struct.column("path"));
  const deletionTimestamp = numberReader(struct.column("deletionTimestamp"));
  const size = numberReader(struct.column("size"));
  const extended = struct.column("extendedFileMetadata");
  const partitionValues2 = readMaps(arrow, struct.column("partitionValues"));
  const deletionVector2 = struct.column("deletionVector");
  for (let row = 0; row < batch.numRows; row++) {
    if (!struct.has(row)) continue;
    const file = toRemove({
      path: present(path(row), "remove.path"),
      deletionTimestamp: deletionTimestamp(row),
      dataChange: false,
      extendedFileMetadata: extended?.get(row) ?? void 0,
      partitionValues: partitionValues2?.(row),
      size: size(row),
      deletionVector: vectorOf(arrow, deletionVector2, row)
    });
    into.tombstones.set(file.key, file);
  }
}
function decodeJson(body, key, into) {
  const sidecars = [];
  for (const { value } of parseLines(body, key)) {
    const path = value.sidecar?.path;
    if (typeof path === "string") sidecars.push(decodePath(path));
    const action = parseAction(value);
    if (action === void 0) continue;
    if ("remove" in action) into.tombstones.set(action.remove.key, action.remove);
    else into.keep(action);
  }
  return sidecars;
}
function numberReader(vector) {
  if (vector === void 0) return () => void 0;
  return (row) => {
    const value = vector.get(row);
    return value === null ? void 0 : Number(value);
  };
}
function vectorOf(arrow, vector, row) {
  if (vector === void 0 || !vector.isValid(row)) return void 0;
  return plain(arrow, vector.get(row));
}
function present(value, name) {
  if (value === void 0) throw new LakeError("corrupt", "a checkpoint lacks a required value", { column: name });
  return value;
}
var init_decode_checkpoint = __esm({
  "src/manifest/decode-checkpoint.ts"() {
    "use strict";
    init_errors();
    init_arrow_columns();
    init_encode_checkpoint();
    init_parse();
    init_paths();
  }
});

// src/manifest/protocol.ts
function assertReadable(snapshot) {
  refuse("read", readerProblems(snapshot), snapshot.version);
}
function readerProblems({ protocol, metadata, files }) {
  if (protocol.minReaderVersion > 3) return [`reader version ${protocol.minReaderVersion}`];
  const problems = used(metadata, ["columnMapping", "typeWidening"]);
  for (const file of files.values()) {
    if (file.deletionVector === void 0) continue;
    problems.push("deletionVectors");
    break;
  }
  const unknown = (protocol.readerFeatures ?? []).filter((feature) => !readable.has(feature));
  return [.../* @__PURE__ */ new Set([...problems, ...unknown])];
}
function used(metadata, features) {
  return features.filter((feature) => uses[feature]?.(metadata));
}
function isOn(property) {
  return ({ configuration }) => configuration[property] === "true";
}
function hasField(name) {
  return ({ schema }) => anyField(schema, (field) => field.metadata?.[name] !== void 0);
}
function anyField(fields, test) {
  return fields.some((field) => test(field) || field.type.kind === "struct" && anyField(field.type.fields, test));
}
function refuse(verb, features, version2) {
  if (features.length === 0) return;
  throw new LakeError("unsupported", `lakewright does not ${verb} tables that use ${features.join(", ")}`, {
    version: version2,
    fix: verb === "read" ? "Read this table with the tool that wrote it, or drop these features from it." : "Write this table with the tool that made it, or drop these features from it. Reading may still work."
  });
}
var readable, writable, uses;
var init_protocol = __esm({
  "src/manifest/protocol.ts"() {
    "use strict";
    init_errors();
    readable = /* @__PURE__ */ new Set([
      "columnMapping",
      "deletionVectors",
      "timestampNtz",
      "typeWidening",
      "typeWidening-preview",
      "v2Checkpoint",
      "vacuumProtocolCheck",
      "variantType",
      "variantType-preview"
    ]);
    writable = /* @__PURE__ */ new Set([
      ...readable,
      "appendOnly",
      "invariants",
      "checkConstraints",
      "changeDataFeed",
      "generatedColumns",
      "identityColumns",
      "allowColumnDefaults",
      "inCommitTimestamp",
      "icebergCompatV1",
      "icebergCompatV2"
    ]);
    uses = {
      columnMapping: ({ configuration }) => (configuration["delta.columnMapping.mode"] ?? "none") !== "none",
      typeWidening: hasField("delta.typeChanges"),
      invariants: hasField("delta.invariants"),
      checkConstraints: ({ configuration }) => Object.keys(configuration).some((property) => property.startsWith("delta.constraints.")),
      generatedColumns: hasField("delta.generationExpression"),
      identityColumns: hasField("delta.identity.start"),
      allowColumnDefaults: hasField("CURRENT_DEFAULT"),
      inCommitTimestamp: isOn("delta.enableInCommitTimestamps"),
      icebergCompatV1: isOn("delta.enableIcebergCompatV1"),
      icebergCompatV2: isOn("delta.enableIcebergCompatV2"),
      rowTracking: isOn("delta.enableRowTracking")
    };
  }
});

// src/manifest/segment.ts
async function findSegment(store, target, options) {
  const listing = target === void 0 ? await listNewest(store, options) : await listBack(store, target, options);
  if (target === void 0) return listing.length === 0 ? void 0 : segmentOf(listing, void 0);
  const segment = listing.some(({ version: version2 }) => version2 === target) ? segmentOf(listing, target) : void 0;
  if (segment !== void 0) return segment;
  throw await noSuchVersion(store, target, options);
}
async function listCommits(store, from, to, options) {
  const startAfter = from < 0 ? void 0 : logKey(from);
  const commits = [];
  for await (const entry of listLog(store, startAfter, options)) {
    if (to !== void 0 && entry.version > to) break;
    if (entry.kind === "commit") commits.push(entry);
  }
  return commits;
}
async function findNewest(store, options) {
  const listing = await listNewest(store, options);
  return listing.reduce((newest, { version: version2 }) => Math.max(newest, version2), -1);
}
async function listNewest(store, options) {
  const hint = await store.get(lastCheckpointKey, options);
  const hinted = hint === void 0 ? void 0 : parseHint(hint.body);
  if (hinted !== void 0 && hinted.version > 0) {
    const page2 = await firstPage(store, hinted.version, options);
    if (!page2.full && completeCheckpoint(page2.entries, void 0) !== void 0) return page2.entries;
    if (page2.full) return searchNewest(store, page2.entries, options);
  }
  const page = await firstPage(store, 0, options);
  return page.full ? searchNewest(store, page.entries, options) : page.entries;
}
async function searchNewest(store, known, options) {
  let newest = known.at(-1)?.version ?? 0;
  let beyond;
  for (let step = pageSize; beyond === void 0 || beyond - newest > pageSize / 2; ) {
    const guess = beyond === void 0 ? newest + step : Math.floor((newest + beyond) / 2);
    const found = await firstAfter(store, guess, options);
    if (found !== void 0) newest = Math.max(guess, found.version);
    else beyond = guess;
    step *= 2;
  }
  let tip = newest;
  for await (const entry of listLog(store, beforeVersion(newest), options)) tip = entry.version;
  return listBack(store, tip, options);
}
async function listBack(store, upTo, options) {
  const entries = [];
  let end = upTo + 1;
  for (let reach = 64; ; reach *= 8) {
    const start = Math.max(0, upTo - reach);
    const window = [];
    for await (const entry of listLog(store, beforeVersion(start), options)) {
      if (entry.version >= end) break;
      window.push(entry);
    }
    entries.unshift(...window);
    if (start === 0 || completeCheckpoint(entries, upTo) !== void 0) return entries;
    end = start;
  }
}
function segmentOf(listing, target) {
  const version2 = target ?? listing.reduce((newest, entry) => Math.max(newest, entry.version), 0);
  const checkpoint = completeCheckpoint(listing, version2);
  const first = checkpoint === void 0 ? 0 : checkpoint.version + 1;
  const all = new Map(listing.filter(({ kind }) => kind === "commit").map((entry) => [entry.version, entry]));
  const commits = [];
  for (let next = first; next <= version2; next++) {
    const commit = all.get(next);
    if (commit !== void 0) commits.push(commit);
    else if (target !== void 0) return void 0;
    else
      throw new LakeError("corrupt", "a version is missing from the log", {
        version: next,
        newest: version2,
        fix: "Restore the missing commit file from a backup of the store."
      });
  }
  return { version: version2, checkpoint, checkpointCommit: all.get(checkpoint?.version ?? -1), commits };
}
function completeCheckpoint(entries, upTo) {
  const byVersion = /* @__PURE__ */ new Map();
  for (const entry of entries) {
    if (entry.kind === "commit" || entry.version > (upTo ?? Number.MAX_SAFE_INTEGER)) continue;
    byVersion.set(entry.version, [...byVersion.get(entry.version) ?? [], entry]);
  }
  const newestFirst = [...byVersion].sort(([a], [b]) => b - a);
  for (const [version2, files] of newestFirst) {
    const single2 = files.find(({ kind }) => kind === "checkpoint") ?? files.find(({ kind }) => kind === "checkpoint-v2");
    if (single2 !== void 0) return { version: version2, files: [single2] };
    const counts = new Set(files.map(({ parts }) => parts));
    for (const count2 of counts) {
      const parts = files.filter((file) => file.parts === count2);
      if (parts.length === count2) return { version: version2, files: parts };
    }
  }
  return void 0;
}
async function firstPage(store, from, options) {
  const entries = [];
  let seen = 0;
  const startAfter = from === 0 ? void 0 : beforeVersion(from);
  for await (const entry of listLog(store, startAfter, { ...options, limit: pageSize }, () => seen++))
    entries.push(entry);
  return { entries, full: seen >= pageSize };
}
async function firstAfter(store, version2, options) {
  for await (const { key } of store.list(versioned, { ...options, startAfter: beforeVersion(version2), limit: 1 }))
    return { version: versionIn(key) };
  return void 0;
}
async function* listLog(store, startAfter, options, onObject = () => {
}) {
  for await (const object of store.list(versioned, {
    ...options,
    ...startAfter === void 0 ? {} : { startAfter }
  })) {
    onObject();
    const parsed = parseLogKey(object.key);
    if (parsed !== void 0) yield { ...object, ...parsed };
  }
}
function beforeVersion(version2) {
  return logKey(version2).slice(0, -".json".length);
}
function versionIn(key) {
  return Number(key.slice(logFolder.length, logFolder.length + 20)) || 0;
}
async function noSuchVersion(store, version2, options) {
  const newest = await findNewest(store, options);
  if (newest < 0) return new LakeError("invalid", "there is no table", { table: store.url });
  if (version2 > newest) return new LakeError("invalid", "the table has no such version yet", { version: version2, newest });
  return new LakeError("invalid", "this version cannot be read any more: its commits were cleaned up", {
    version: version2,
    newest,
    fix: "Choose a newer version; set delta.enableExpiredLogCleanup=false to keep all from now on."
  });
}
var pageSize, versioned;
var init_segment = __esm({
  "src/manifest/segment.ts"() {
    "use strict";
    init_errors();
    init_keys();
    init_parse();
    pageSize = 1e3;
    versioned = `${logFolder}0`;
  }
});

// src/manifest/log.ts
import pLimit from "p-limit";
async function readSnapshot(store, options = {}) {
  for (let attempt2 = 1; ; attempt2++) {
    const segment = await findSegment(store, options.version, pass(options));
    if (segment === void 0) return void 0;
    try {
      const snapshot = await readSegment(store, segment, options);
      assertReadable(snapshot);
      return snapshot;
    } catch (error) {
      if (!(error instanceof Vanished) || attempt2 === 3) throw error;
      options.runtime?.log("debug", `log file ${error.details.key} vanished while it was read; reading again`);
    }
  }
}
async function readCommits(store, fromExclusive, toInclusive, options = {}) {
  const entries = await listCommits(store, fromExclusive, toInclusive, pass(options));
  const first = entries[0];
  const last = entries.at(-1);
  if (first !== void 0 && first.version !== fromExclusive + 1) throw cleanedUp(fromExclusive + 1, first.version);
  if (toInclusive !== void 0 && toInclusive > fromExclusive && last?.version !== toInclusive)
    throw last === void 0 ? cleanedUp(fromExclusive + 1, void 0) : gap(last.version + 1);
  entries.forEach(({ version: version2 }, i) => {
    if (version2 !== fromExclusive + 1 + i) throw gap(fromExclusive + 1 + i);
  });
  return readAll(entries, (entry) => readCommit(store, entry, options));
}
async function newestVersion(store, options = {}) {
  return findNewest(store, pass(options));
}
async function versionAsOf(store, timeMs, options = {}) {
  const newest = await newestVersion(store, options);
  const entries = newest < 0 ? [] : gaplessEnd(await listCommits(store, -1, newest, pass(options)));
  let [low, high] = [0, entries.length];
  while (high - low > 64) {
    const middle = Math.floor((low + high) / 2);
    const entry = entries[middle];
    if (entry === void 0) break;
    const { timestamp } = await readCommit(store, entry, options);
    if (timestamp <= timeMs) low = middle;
    else high = middle;
  }
  const around = entries.slice(Math.max(0, low - 64), high);
  const commits = monotone(await readAll(around, (entry) => readCommit(store, entry, options)));
  const found = commits.filter(({ timestamp }) => timestamp <= timeMs).at(-1);
  if (found !== void 0) return found.version;
  throw new LakeError("invalid", "the table has no version as old as that", {
    time: new Date(timeMs).toISOString(),
    oldest: commits[0] === void 0 ? void 0 : new Date(commits[0].timestamp).toISOString()
  });
}
function commitInfoOf(commit) {
  return commit.actions.find((action) => "commitInfo" in action)?.commitInfo;
}
async function readSegment(store, segment, options) {
  const replay = new Replay();
  const { checkpoint, checkpointCommit, commits } = segment;
  const needsTime = commits.length === 0 && checkpointCommit !== void 0;
  const [files, read, time] = await Promise.all([
    readAll(checkpoint?.files ?? [], (file) => read1(store, file, options)),
    readAll(commits, (entry) => readCommit(store, entry, options)),
    needsTime ? readTime(store, checkpointCommit, options) : void 0
  ]);
  if (checkpoint !== void 0) {
    for (const file of files) await readCheckpoint(store, file, replay, options);
    replay.version = checkpoint.version;
    replay.timestamp = time ?? files[0]?.modifiedMs ?? 0;
  }
  for (const commit of read) replay.apply(commit);
  return replay.snapshot();
}
async function readCheckpoint(store, file, replay, options) {
  const sidecars = await decodeCheckpoint(file.body, file.key, replay);
  const bodies = await readAll(sidecars, (name) => read1(store, { key: `${logFolder}_sidecars/${name}` }, options));
  for (const { body, key } of bodies) await decodeCheckpoint(body, key, replay);
}
async function readTime(store, entry, options) {
  const head = await store.get(entry.key, { ...pass(options), range: { offset: 0, length: headBytes } });
  if (head === void 0)
    throw new Vanished("corrupt", "a file of the log vanished while it was read", { key: entry.key });
  const end = head.body.indexOf(newline);
  if (end >= 0) {
    const first = { ...head, body: head.body.subarray(0, end) };
    const commit = toCommit(first, entry.version);
    if (commitInfoOf(commit) !== void 0) return commit.timestamp;
  }
  return (await readCommit(store, entry, options)).timestamp;
}
async function readCommit(store, entry, options) {
  return toCommit(await read1(store, entry, options), entry.version);
}
function toCommit(object, version2) {
  const commit = { version: version2, actions: parseCommit(object.body, object.key), timestamp: object.modifiedMs };
  const info = commitInfoOf(commit);
  return { ...commit, timestamp: info?.inCommitTimestamp ?? info?.timestamp ?? commit.timestamp };
}
async function read1(store, { key }, options) {
  const object = await store.get(key, pass(options));
  if (object === void 0) throw new Vanished("corrupt", "a file of the log vanished while it was read", { key });
  return object;
}
async function readAll(items, read) {
  const limit = pLimit(16);
  return Promise.all(items.map((item) => limit(read, item)));
}
function gaplessEnd(entries) {
  let start = entries.length - 1;
  while (start > 0 && entries[start - 1]?.version === (entries[start]?.version ?? 0) - 1) start--;
  return entries.slice(Math.max(0, start));
}
function monotone(commits) {
  let last = Number.NEGATIVE_INFINITY;
  return commits.map((commit) => {
    last = Math.max(commit.timestamp, last + 1);
    return { ...commit, timestamp: last };
  });
}
function pass({ signal }) {
  return signal === void 0 ? {} : { signal };
}
function cleanedUp(version2, oldest) {
  return new LakeError("invalid", "commits were cleaned up by another writer, or never existed", {
    version: version2,
    oldest,
    fix: "Choose a newer version; set delta.enableExpiredLogCleanup=false to keep all from now on."
  });
}
function gap(version2) {
  return new LakeError("corrupt", "a version is missing from the log", {
    version: version2,
    fix: "Restore the missing commit file from a backup of the store."
  });
}
var Vanished, headBytes, newline;
var init_log = __esm({
  "src/manifest/log.ts"() {
    "use strict";
    init_errors();
    init_keys();
    init_change();
    init_decode_checkpoint();
    init_parse();
    init_protocol();
    init_segment();
    Vanished = class extends LakeError {
    };
    headBytes = 65536;
    newline = 10;
  }
});

// src/read/reading.ts
function callOf({ runtime, settings }, signal = settings.signal) {
  return { runtime, ...signal === void 0 ? {} : { signal } };
}
var init_reading = __esm({
  "src/read/reading.ts"() {
    "use strict";
  }
});

// src/read/version.ts
function parseAt({ version: version2, asOf }) {
  if (version2 !== void 0 && asOf !== void 0)
    throw new LakeError("invalid", "a version and a time are given, and they may differ", {
      version: version2,
      asOf: String(asOf),
      fix: "Give one of the two."
    });
  if (version2 !== void 0) return { version: checkedVersion(version2, String(version2)) };
  return asOf === void 0 ? {} : { timeMs: momentMs(asOf) };
}
function checkedVersion(version2, text) {
  if (Number.isSafeInteger(version2) && version2 >= 0) return version2;
  throw new LakeError("invalid", `\`${text}\` is no version of a table`, { fix: "Versions count 0, 1, 2, \u2026" });
}
function momentMs(asOf) {
  const ms = asOf instanceof Date ? asOf.getTime() : textMs(asOf.trim());
  if (Number.isFinite(ms)) return ms;
  throw new LakeError("invalid", `\`${String(asOf)}\` is no time`, {
    fix: "Write a date or a time as ISO 8601: `2026-11-20`, `2026-11-20T06:00:00Z`."
  });
}
function textMs(text) {
  const iso = text.toUpperCase();
  return matches({ kind: "timestamp" }, iso) ? Number(instantMicros(iso) / 1000n) : Number.NaN;
}
var init_version = __esm({
  "src/read/version.ts"() {
    "use strict";
    init_errors();
    init_grammar();
  }
});

// src/read/snapshot.ts
async function snapshotAt(store, at = {}, options = {}) {
  const { version: version2, timeMs } = parseAt(at);
  const wanted = timeMs === void 0 ? version2 : await versionAsOf(store, timeMs, options);
  const snapshot = await readSnapshot(store, { ...options, ...wanted === void 0 ? {} : { version: wanted } });
  if (snapshot !== void 0) return snapshot;
  throw noTable(store);
}
function noTable(store) {
  return new LakeError("invalid", "there is no table here", {
    table: store.url,
    fix: "Check the address; a first load makes the table."
  });
}
var init_snapshot = __esm({
  "src/read/snapshot.ts"() {
    "use strict";
    init_errors();
    init_log();
    init_version();
  }
});

// src/read/changes/range.ts
var range_exports = {};
__export(range_exports, {
  resolveRange: () => resolveRange
});
async function resolveRange(reading2, options) {
  const newest = await newestVersion(reading2.store, callOf(reading2, options.signal));
  if (newest < 0) throw noTable(reading2.store);
  const until = options.until === void 0 ? newest : await versionOf(reading2, options.until, options);
  if (until > newest) throw noSuchVersion2(until, newest);
  const since = await sinceOf(reading2, options);
  if (since > newest) throw noSuchVersion2(since, newest);
  if (since > until)
    throw new LakeError("invalid", "the changes asked for end before they begin", {
      since,
      until,
      fix: "Changes are those after the first version, up to and including the second."
    });
  return { since, until };
}
async function sinceOf(reading2, options) {
  const { since } = options;
  if (since === void 0 || since === null)
    throw new LakeError("invalid", "changes after which version is not said", {
      fix: "Give `since`: a version, a time, or -1 for all since the table was made."
    });
  if (since === -1) return since;
  try {
    return await versionOf(reading2, since, options);
  } catch (error) {
    if (typeof since !== "number" && isLakeError(error, "invalid") && "oldest" in error.details) return -1;
    throw error;
  }
}
async function versionOf(reading2, given, options) {
  const { version: version2, timeMs } = parseAt(typeof given === "number" ? { version: given } : { asOf: given });
  return version2 ?? await versionAsOf(reading2.store, timeMs ?? 0, callOf(reading2, options.signal));
}
function noSuchVersion2(version2, newest) {
  return new LakeError("invalid", "the table has no such version", {
    version: version2,
    newest,
    fix: `Versions go up to ${newest}.`
  });
}
var init_range = __esm({
  "src/read/changes/range.ts"() {
    "use strict";
    init_errors();
    init_log();
    init_reading();
    init_snapshot();
    init_version();
  }
});

// src/engine/sql.ts
function quoteIdent(name) {
  if (name === "") throw new LakeError("invalid", "a name in SQL is empty", { fix: "Give the column a name." });
  return quoteIdentifier(refuseNul(name, "name"));
}
function quotePath(path) {
  return quoteText(refuseNul(path, "path"));
}
function quoteGlobFree(path) {
  return quotePath(path.replaceAll(/[*?[\]]/g, (special) => `[${special}]`));
}
function literal(value) {
  if (value === null) return "NULL";
  if (typeof value === "string") return quoteText(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "bigint") return integerLiteral(value);
  if (typeof value === "number") {
    const isInteger3 = Number.isSafeInteger(value) && !Object.is(value, -0);
    return isInteger3 ? integerLiteral(BigInt(value)) : `'${Object.is(value, -0) ? "-0.0" : value}'::DOUBLE`;
  }
  if (value instanceof Uint8Array) return `from_hex('${Buffer.from(value).toString("hex")}')`;
  if (value instanceof Date) return `'${value.toISOString()}'::TIMESTAMPTZ`;
  return listLiteral(value);
}
function listLiteral(values) {
  return `[${values.map((value) => literal(value)).join(", ")}]`;
}
function identList(names, alias) {
  const prefix = alias === void 0 ? "" : `${quoteIdent(alias)}.`;
  return names.map((name) => prefix + quoteIdent(name)).join(", ");
}
function integerLiteral(value) {
  const fits = BigInt.asIntN(64, value) === value;
  return `'${value}'::${fits ? "BIGINT" : "HUGEINT"}`;
}
function refuseNul(text, what) {
  if (!text.includes("\0")) return text;
  throw new LakeError("invalid", `a ${what} holds the character U+0000`, {
    [what]: text.replaceAll("\0", "\\0"),
    fix: `Take the character out of the ${what}.`
  });
}
var init_sql = __esm({
  "src/engine/sql.ts"() {
    "use strict";
    init_errors();
    init_quote();
  }
});

// src/engine/duckdb/copied.ts
function copySql(sql, options, columns2) {
  const { folder, partitionBy, targetFileBytes, rowGroupRows = defaultRowGroupRows, name } = options;
  if (!/^[A-Za-z0-9._-]+$/.test(name))
    throw new LakeError("invalid", "the name of staged files may hold letters, digits, `.`, `_` and `-`", { name });
  const settings = [
    "FORMAT parquet",
    "COMPRESSION zstd",
    // A fifth faster than zstd's default of 3, for one or two percent more bytes.
    "COMPRESSION_LEVEL 1",
    // Spark 4.1 cannot read V2.
    "PARQUET_VERSION V1",
    `ROW_GROUP_SIZE ${rowGroupRows}`,
    "RETURN_STATS",
    // APPEND never overwrites, which is why it needs the uuid.
    "APPEND",
    `FILENAME_PATTERN ${quotePath(`${name}-{uuid}`)}`,
    `FILE_EXTENSION 'staged'`
  ];
  const ids = fieldIdStruct(columns2, options);
  if (ids !== "") settings.push(`FIELD_IDS {${ids}}`);
  if (partitionBy.length > 0) settings.push(`PARTITION_BY (${identList(partitionBy)})`, "WRITE_PARTITION_COLUMNS false");
  else settings.push(`FILE_SIZE_BYTES ${targetFileBytes ?? Number.MAX_SAFE_INTEGER}`);
  return `COPY (${sql}) TO ${quotePath(folder)} (${settings.join(", ")})`;
}
function fieldIdStruct(columns2, { fieldIds, partitionBy }) {
  const written = columns2.filter((column) => !partitionBy.includes(column.name));
  return membersOf(written, "", fieldIds);
}
function membersOf(fields, path, fieldIds) {
  const members = [];
  for (const { name, type } of fields) {
    const place2 = path + name;
    const own = Object.hasOwn(fieldIds, place2) ? fieldIds[place2] : void 0;
    const nested = membersOf(childrenOf(type), `${place2}.`, fieldIds);
    if (nested === "" && own !== void 0) members.push(`${quoteIdent(name)}: ${own}`);
    else if (nested !== "") {
      const head = own === void 0 ? "" : `__duckdb_field_id: ${own}, `;
      members.push(`${quoteIdent(name)}: {${head}${nested}}`);
    }
  }
  return members.join(", ");
}
function childrenOf(type) {
  if ("entryNames" in type)
    return type.entryNames.flatMap((name, index) => {
      const child = type.entryTypes[index];
      return child === void 0 ? [] : [{ name, type: child }];
    });
  if ("keyType" in type)
    return [
      { name: "key", type: type.keyType },
      { name: "value", type: type.valueType }
    ];
  return "valueType" in type ? [{ name: "element", type: type.valueType }] : [];
}
function copiedFile(row) {
  const columns2 = {};
  for (const { key, value } of entriesOf(row.column_statistics)) {
    const name = topLevelName(String(key));
    if (name === void 0) continue;
    const facts = new Map(entriesOf(value).map((fact) => [String(fact.key), String(fact.value)]));
    setOwn(columns2, name, statisticsOf(facts));
  }
  const partitionKeys = {};
  for (const { key, value } of entriesOf(row.partition_keys)) setOwn(partitionKeys, String(key), String(value));
  return {
    path: String(row.filename),
    rows: Number(row.count),
    sizeBytes: Number(row.file_size_bytes),
    partitionKeys,
    columns: columns2
  };
}
function statisticsOf(facts) {
  const statistics = {};
  const [min, max, nulls] = [facts.get("min"), facts.get("max"), facts.get("null_count")];
  const [hasNaN, size] = [facts.get("has_nan"), facts.get("column_size_bytes")];
  if (min !== void 0) statistics.min = min;
  if (max !== void 0) statistics.max = max;
  if (nulls !== void 0) statistics.nullCount = Number(nulls);
  if (hasNaN !== void 0) statistics.hasNaN = hasNaN === "true";
  if (size !== void 0) statistics.sizeBytes = Number(size);
  return statistics;
}
function topLevelName(key) {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(key)?.[1];
  return quoted?.replaceAll('""', '"');
}
function entriesOf(value) {
  return Array.isArray(value) ? value : [];
}
function setOwn(target, name, value) {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
var defaultRowGroupRows;
var init_copied = __esm({
  "src/engine/duckdb/copied.ts"() {
    "use strict";
    init_errors();
    init_sql();
    defaultRowGroupRows = 122880;
  }
});

// src/engine/duckdb/errors.ts
function wrapEngineError(error, settings) {
  if (!(error instanceof Error) || error instanceof LakeError || error instanceof EngineError) return error;
  const message = error.message;
  if (/No space left on device|disk quota exceeded/i.test(message) || /max_temp_directory_size/.test(message))
    return new LakeError("unavailable", `the disk that spilled data goes to is full (${firstLine(message)})`, {
      spillFolder: settings.spillFolder,
      fix: "Free space there, or put the spill folder on a larger disk.",
      cause: error
    });
  if (/^Out of Memory Error/.test(message) || /failed to allocate data|std::bad_alloc/i.test(message))
    return new LakeError("invalid", `the load needs more memory than it may use (${firstLine(message)})`, {
      memory: settings.memory,
      fix: "Raise `--memory`, or lower `--threads`.",
      cause: error
    });
  return new EngineError(message, { cause: error });
}
function firstLine(message) {
  return (message.split("\n", 1)[0] ?? "").trim();
}
var EngineError;
var init_errors2 = __esm({
  "src/engine/duckdb/errors.ts"() {
    "use strict";
    init_errors();
    EngineError = class extends Error {
      kind;
      constructor(message, options) {
        super(message, options);
        this.name = "EngineError";
        this.kind = /^([A-Z][A-Za-z ]*?) Error: /.exec(message)?.[1] ?? "";
      }
    };
  }
});

// src/schema/arrow.ts
var typeIds;
var init_arrow = __esm({
  "src/schema/arrow.ts"() {
    "use strict";
    init_errors();
    init_names();
    typeIds = {
      null: 1,
      int: 2,
      float: 3,
      binary: 4,
      utf8: 5,
      bool: 6,
      decimal: 7,
      date: 8,
      time: 9,
      timestamp: 10,
      list: 12,
      struct: 13,
      fixedSizeBinary: 15,
      fixedSizeList: 16,
      map: 17,
      largeBinary: 19,
      largeUtf8: 20,
      largeList: 21,
      binaryView: 23,
      utf8View: 24,
      dictionary: -1
    };
  }
});

// src/engine/duckdb/value-misfit.ts
var ValueMisfit;
var init_value_misfit = __esm({
  "src/engine/duckdb/value-misfit.ts"() {
    "use strict";
    ValueMisfit = class extends Error {
      constructor(row, message) {
        super(message);
        this.row = row;
      }
      row;
    };
  }
});

// src/engine/duckdb/text.ts
import { isAscii, isUtf8 } from "node:buffer";
function maskedOffsets(data, start, count2, bits) {
  if (data.typeId === typeIds.utf8View || data.typeId === typeIds.binaryView)
    return gatherViews(data, start, count2, bits);
  const bytes = data.values ?? new Uint8Array();
  const offsets = data.typeId === typeIds.fixedSizeBinary ? fixedOffsets(data, start, count2) : slicedOffsets(data, start, count2);
  if (offsets === void 0) throw new ValueMisfit(0, "its offsets are fewer than its length says");
  let before = offsets[0] ?? 0;
  if (before < 0) throw new ValueMisfit(0, "its offsets are not in order");
  for (let at = 1; at <= count2; at++) {
    const offset = offsets[at] ?? 0;
    if (offset < before) throw new ValueMisfit(0, "its offsets are not in order");
    before = offset;
  }
  if (before > bytes.byteLength) throw new ValueMisfit(0, "its offsets reach beyond its bytes");
  return { bytes, offsets };
}
function fixedOffsets(data, start, count2) {
  const offsets = new Float64Array(count2 + 1);
  for (let at = 0; at <= count2; at++) offsets[at] = (start + at) * data.stride;
  return offsets;
}
function slicedOffsets(data, start, count2) {
  const source = data.valueOffsets;
  if (source === void 0 || source.length < start + count2 + 1) return count2 === 0 ? new Int32Array(1) : void 0;
  if (source instanceof Int32Array) return source.subarray(start, start + count2 + 1);
  return Float64Array.from(source.subarray(start, start + count2 + 1), Number);
}
function gatherViews(data, start, count2, bits) {
  const source = data.values;
  const views = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const buffers = data.variadicBuffers;
  if ((start + count2) * 16 > source.byteLength) throw new ValueMisfit(0, "its buffer is shorter than its length says");
  const parts = [];
  const offsets = new Float64Array(count2 + 1);
  for (let at = 0; at < count2; at++) {
    const place2 = (start + at) * 16;
    const isNull = !isValid(bits, at);
    const length = isNull ? 0 : views.getInt32(place2, true);
    const from = views.getInt32(place2 + 12, true);
    const buffer = length > 12 ? buffers[views.getInt32(place2 + 8, true)] : void 0;
    if (length < 0 || length > 12 && (buffer === void 0 || from < 0 || from + length > buffer.byteLength))
      throw new ValueMisfit(0, "its views reach beyond its bytes");
    parts.push(
      buffer === void 0 ? new Uint8Array(source.buffer, source.byteOffset + place2 + 4, length) : buffer.subarray(from, from + length)
    );
    offsets[at + 1] = (offsets[at] ?? 0) + length;
  }
  return { bytes: Buffer.concat(parts), offsets };
}
function isValid(bits, at) {
  return bits === void 0 || ((bits[at >> 3] ?? 0) & 1 << (at & 7)) !== 0;
}
function textBlock(bytes, offsets, count2, bits, isText) {
  const base = offsets[0] ?? 0;
  const block = bytes.subarray(base, offsets[count2] ?? 0);
  if (isText && !isAscii(block) && !(isUtf8(block) && splitsNoCharacter(bytes, offsets, count2))) {
    const compact = withoutNulls(bytes, offsets, count2, bits);
    for (let at = 0; at < count2; at++)
      if (!isUtf8(compact.bytes.subarray(compact.offsets[at], compact.offsets[at + 1])))
        throw new ValueMisfit(at, "its text is not valid UTF-8");
    return blockOf(compact.bytes, compact.offsets, count2);
  }
  return blockOf(bytes, offsets, count2);
}
function blockOf(bytes, offsets, count2) {
  const base = offsets[0] ?? 0;
  let longest = 0;
  for (let at = 0; at < count2; at++) longest = Math.max(longest, (offsets[at + 1] ?? 0) - (offsets[at] ?? 0));
  return {
    bytes: bytes.subarray(base, offsets[count2] ?? 0),
    needsMemory: longest > 12,
    headers: (address) => headersOf(bytes, offsets, count2, address)
  };
}
function splitsNoCharacter(bytes, offsets, count2) {
  for (let at = 0; at < count2; at++) {
    const from = offsets[at] ?? 0;
    if (from < (offsets[at + 1] ?? 0) && ((bytes[from] ?? 0) & 192) === 128) return false;
  }
  return true;
}
function withoutNulls(bytes, offsets, count2, bits) {
  const parts = [];
  const compact = new Float64Array(count2 + 1);
  for (let at = 0; at < count2; at++) {
    const isNull = !isValid(bits, at);
    const part = isNull ? new Uint8Array() : bytes.subarray(offsets[at] ?? 0, offsets[at + 1] ?? 0);
    parts.push(part);
    compact[at + 1] = (compact[at] ?? 0) + part.byteLength;
  }
  return { bytes: Buffer.concat(parts), offsets: compact };
}
function headersOf(bytes, offsets, count2, address) {
  if (scratch.length < count2 * 4) scratch = new Uint32Array(count2 * 4);
  const headers = scratch;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const low = Number(address & 0xffffffffn);
  const high = Number(address >> 32n);
  const base = offsets[0] ?? 0;
  const lastWhole = bytes.byteLength - 12;
  for (let at = 0, to = 0; at < count2; at++, to += 4) {
    const from = offsets[at] ?? 0;
    const length = (offsets[at + 1] ?? 0) - from;
    headers[to] = length;
    if (length > 12) {
      const place2 = low + (from - base);
      headers[to + 1] = view.getUint32(from, true);
      headers[to + 2] = place2 % 4294967296;
      headers[to + 3] = high + Math.floor(place2 / 4294967296);
    } else if (from <= lastWhole) {
      headers[to + 1] = view.getUint32(from, true) & (keep[Math.min(length, 4)] ?? 0);
      headers[to + 2] = length > 4 ? view.getUint32(from + 4, true) & (keep[Math.min(length - 4, 4)] ?? 0) : 0;
      headers[to + 3] = length > 8 ? view.getUint32(from + 8, true) & (keep[length - 8] ?? 0) : 0;
    } else putInline(headers, to, bytes, from, length);
  }
  return headers;
}
function putInline(headers, to, bytes, from, length) {
  headers.fill(0, to + 1, to + 4);
  for (let at = 0; at < length; at++) {
    const word = to + 1 + (at >> 2);
    headers[word] = (headers[word] ?? 0) | (bytes[from + at] ?? 0) << (at & 3) * 8;
  }
}
var textIds, bytesIds, listIds, keep, scratch;
var init_text = __esm({
  "src/engine/duckdb/text.ts"() {
    "use strict";
    init_arrow();
    init_value_misfit();
    textIds = /* @__PURE__ */ new Set([typeIds.utf8, typeIds.largeUtf8, typeIds.utf8View]);
    bytesIds = /* @__PURE__ */ new Set([
      typeIds.binary,
      typeIds.fixedSizeBinary,
      typeIds.largeBinary,
      typeIds.binaryView
    ]);
    listIds = /* @__PURE__ */ new Set([typeIds.list, typeIds.fixedSizeList, typeIds.largeList]);
    keep = Uint32Array.of(0, 255, 65535, 16777215, 4294967295);
    scratch = new Uint32Array(2048 * 4);
  }
});

// src/engine/duckdb/types.ts
function duckTypeOf(api, type) {
  switch (type.kind) {
    case "boolean":
      return api.BOOLEAN;
    case "tinyint":
      return api.TINYINT;
    case "smallint":
      return api.SMALLINT;
    case "integer":
      return api.INTEGER;
    case "bigint":
      return api.BIGINT;
    case "float":
      return api.FLOAT;
    case "double":
      return api.DOUBLE;
    case "varchar":
      return api.VARCHAR;
    case "blob":
      return api.BLOB;
    case "date":
      return api.DATE;
    case "timestamp":
      return api.TIMESTAMPTZ;
    case "decimal":
      return api.DECIMAL(type.precision, type.scale);
    case "list":
      return api.LIST(duckTypeOf(api, type.element));
    case "map":
      return api.MAP(duckTypeOf(api, type.key), duckTypeOf(api, type.value));
    case "struct":
      return new api.DuckDBStructType(
        type.fields.map((field) => field.name),
        type.fields.map((field) => duckTypeOf(api, field.type))
      );
  }
}
var init_types = __esm({
  "src/engine/duckdb/types.ts"() {
    "use strict";
  }
});

// src/engine/duckdb/writers.ts
function bitsOf(data, start, count2, mask) {
  const source = data.nullBitmap;
  if (source === void 0 || source.byteLength === 0 || data.nullCount === 0) return mask;
  const from = data.offset + start;
  if (source.byteLength * 8 < from + count2) throw new ValueMisfit(0, "its validity bitmap is too short");
  const bits = sliceBits(source, from, count2);
  if (mask !== void 0) for (let at = 0; at < bits.length; at++) bits[at] = (bits[at] ?? 0) & (mask[at] ?? 0);
  return bits;
}
function sliceBits(source, from, count2) {
  const bytes = count2 + 7 >> 3;
  const first = from >> 3;
  const shift = from & 7;
  if (shift === 0) return source.slice(first, first + bytes);
  const bits = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++)
    bits[at] = (source[first + at] ?? 0) >> shift | (source[first + at + 1] ?? 0) << 8 - shift;
  return bits;
}
var Writer, emptyHeader, NullWriter, BooleanWriter, FixedWriter, SpelledWriter, TextWriter;
var init_writers = __esm({
  "src/engine/duckdb/writers.ts"() {
    "use strict";
    init_text();
    init_value_misfit();
    Writer = class {
      constructor(bindings) {
        this.bindings = bindings;
      }
      bindings;
      putBytes(vector, source, byteStart, byteCount) {
        if (byteStart < 0 || byteStart + byteCount > source.byteLength)
          throw new ValueMisfit(0, "its buffer is shorter than its length says");
        const { buffer, byteOffset } = source;
        if (buffer instanceof ArrayBuffer)
          this.bindings.copy_data_to_vector(vector, 0, buffer, byteOffset + byteStart, byteCount);
        else {
          const copy2 = new Uint8Array(byteCount);
          copy2.set(new Uint8Array(buffer, byteOffset + byteStart, byteCount));
          this.bindings.copy_data_to_vector(vector, 0, copy2.buffer, 0, byteCount);
        }
      }
      putBits(vector, bits) {
        if (bits === void 0) return;
        this.bindings.vector_ensure_validity_writable(vector);
        const buffer = bits.buffer;
        if (buffer instanceof ArrayBuffer)
          this.bindings.copy_data_to_vector_validity(vector, 0, buffer, bits.byteOffset, bits.byteLength);
      }
      /** One block of bytes and where each value begins in it become the strings of `vector`. */
      putText(vector, bytes, offsets, count2, bits, isText) {
        if (count2 === 0) return;
        this.putBytes(vector, this.headersFor(vector, bytes, offsets, count2, bits, isText), 0, count2 * 16);
        this.putBits(vector, bits);
      }
      /** Hands the block over to DuckDB, where values are too long for their headers. */
      headersFor(vector, bytes, offsets, count2, bits, isText) {
        const block = textBlock(bytes, offsets, count2, bits, isText);
        let address = 0n;
        if (block.needsMemory) {
          this.putBytes(vector, emptyHeader, 0, 16);
          this.bindings.vector_assign_string_element_len(vector, 0, block.bytes);
          const header = this.bindings.vector_get_data(vector, 16);
          const view = new DataView(header.buffer, header.byteOffset, 16);
          if (view.getUint32(0, true) !== block.bytes.byteLength) throw new ValueMisfit(0, "DuckDB refuses its text");
          address = view.getBigUint64(8, true);
        }
        return block.headers(address);
      }
    };
    emptyHeader = new Uint8Array(16);
    NullWriter = class extends Writer {
      write(vector, _data, _start, count2) {
        this.putBits(vector, new Uint8Array(count2 + 7 >> 3));
      }
    };
    BooleanWriter = class extends Writer {
      write(vector, data, start, count2, mask) {
        const values = data.values;
        const from = data.offset + start;
        if (values.byteLength * 8 < from + count2) throw new ValueMisfit(0, "its buffer is shorter than its length says");
        const bytes = new Uint8Array(count2);
        for (let at = 0; at < count2; at++) {
          const bit = from + at;
          bytes[at] = (values[bit >> 3] ?? 0) >> (bit & 7) & 1;
        }
        this.putBytes(vector, bytes, 0, count2);
        this.putBits(vector, bitsOf(data, start, count2, mask));
      }
    };
    FixedWriter = class extends Writer {
      constructor(bindings, reader) {
        super(bindings);
        this.reader = reader;
      }
      reader;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        const { same, width } = this.reader;
        const values = data.values;
        if (start < 0 || (start + count2) * width > values.byteLength)
          throw new ValueMisfit(0, "its buffer is shorter than its length says");
        if (same) this.putBytes(vector, values, start * width, count2 * width);
        else {
          const converted = this.reader.convert(values, start, count2, bits);
          this.putBytes(vector, converted, 0, converted.byteLength);
        }
        this.putBits(vector, bits);
      }
    };
    SpelledWriter = class extends Writer {
      constructor(bindings, spell) {
        super(bindings);
        this.spell = spell;
      }
      spell;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        const texts = [];
        const offsets = new Float64Array(count2 + 1);
        for (let at = 0; at < count2; at++) {
          const text = Buffer.from(isValid(bits, at) ? this.spell(data.values, start + at) : "");
          texts.push(text);
          offsets[at + 1] = (offsets[at] ?? 0) + text.byteLength;
        }
        this.putText(vector, Buffer.concat(texts), offsets, count2, bits, true);
      }
    };
    TextWriter = class extends Writer {
      constructor(bindings, isText) {
        super(bindings);
        this.isText = isText;
      }
      isText;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        const source = maskedOffsets(data, start, count2, bits);
        this.putText(vector, source.bytes, source.offsets, count2, bits, this.isText);
      }
    };
  }
});

// src/engine/duckdb/dictionaries.ts
function usedEntries(data, start, count2, bits) {
  const codes = data.values;
  const chunks = data.dictionary?.data ?? [];
  if (start + count2 > codes.length) throw new ValueMisfit(0, "its buffer is shorter than its length says");
  const slotOf = /* @__PURE__ */ new Map();
  const entries = [];
  const slots = new Int32Array(count2).fill(-1);
  const valid = new Uint8Array(count2 + 7 >> 3);
  for (let at = 0; at < count2; at++) {
    if (!isValid(bits, at)) continue;
    const code = Number(codes[start + at]);
    let slot = slotOf.get(code);
    if (slot === void 0) {
      const place2 = locate(chunks, code);
      if (place2 === void 0) throw new ValueMisfit(at, "its code is not in its dictionary");
      slot = place2.chunk.getValid(place2.index) ? entries.push(place2) - 1 : -1;
      slotOf.set(code, slot);
    }
    slots[at] = slot;
    if (slot >= 0) valid[at >> 3] = (valid[at >> 3] ?? 0) | 1 << (at & 7);
  }
  return { entries, slots, valid };
}
function gatherText(entries) {
  const parts = [];
  const offsets = new Float64Array(entries.length + 1);
  for (const [at, { chunk, index }] of entries.entries()) {
    const source = maskedOffsets(chunk, index, 1, void 0);
    const part = source.bytes.subarray(source.offsets[0], source.offsets[1]);
    parts.push(part);
    offsets[at + 1] = (offsets[at] ?? 0) + part.byteLength;
  }
  return { bytes: Buffer.concat(parts), offsets };
}
function locate(chunks, code) {
  let index = code;
  if (index < 0) return void 0;
  for (const chunk of chunks) {
    if (index < chunk.length) return { chunk, index };
    index -= chunk.length;
  }
  return void 0;
}
function gatherFixed(model, entries, slots, valid) {
  const length = slots.length;
  const shape2 = { type: model.type, offset: 0, length, nullCount: -1, nullBitmap: valid, children: [] };
  const isBoolean = model.typeId === typeIds.bool;
  const width = isBoolean ? 1 : model.stride * model.values.BYTES_PER_ELEMENT;
  const values = new Uint8Array(isBoolean ? length + 7 >> 3 : width * length);
  for (const [at, slot] of slots.entries()) {
    const place2 = entries[slot];
    if (place2 === void 0) continue;
    const { chunk, index } = place2;
    const source = chunk.values;
    if (!isBoolean) values.set(new Uint8Array(source.buffer, source.byteOffset + index * width, width), at * width);
    else if (isValid(chunk.values, chunk.offset + index)) values[at >> 3] = (values[at >> 3] ?? 0) | 1 << (at & 7);
  }
  return asData({ ...shape2, values });
}
function asData(parts) {
  return { ...parts, typeId: parts.type.typeId };
}
var DictionaryTextWriter, DictionaryWriter;
var init_dictionaries = __esm({
  "src/engine/duckdb/dictionaries.ts"() {
    "use strict";
    init_arrow();
    init_text();
    init_value_misfit();
    init_writers();
    DictionaryTextWriter = class extends Writer {
      constructor(bindings, isText) {
        super(bindings);
        this.isText = isText;
      }
      isText;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        const { entries, slots, valid } = usedEntries(data, start, count2, bits);
        const model = entries[0]?.chunk;
        if (model === void 0) {
          this.putBits(vector, new Uint8Array(count2 + 7 >> 3));
          return;
        }
        const { bytes, offsets } = gatherText(entries);
        const once = this.entryHeaders(vector, bytes, offsets, slots);
        const headers = new Uint32Array(count2 * 4);
        for (let at = 0, to = 0; at < count2; at++, to += 4) {
          const from = (slots[at] ?? 0) * 4;
          headers[to] = once[from] ?? 0;
          headers[to + 1] = once[from + 1] ?? 0;
          headers[to + 2] = once[from + 2] ?? 0;
          headers[to + 3] = once[from + 3] ?? 0;
        }
        this.putBytes(vector, headers, 0, count2 * 16);
        this.putBits(vector, valid);
      }
      entryHeaders(vector, bytes, offsets, slots) {
        try {
          return this.headersFor(vector, bytes, offsets, offsets.length - 1, void 0, this.isText);
        } catch (error) {
          throw error instanceof ValueMisfit ? new ValueMisfit(slots.indexOf(error.row), error.message) : error;
        }
      }
    };
    DictionaryWriter = class extends Writer {
      constructor(bindings, values) {
        super(bindings);
        this.values = values;
      }
      values;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        const { entries, slots, valid } = usedEntries(data, start, count2, bits);
        const model = entries[0]?.chunk;
        if (model === void 0) this.putBits(vector, new Uint8Array(count2 + 7 >> 3));
        else this.values.write(vector, gatherFixed(model, entries, slots, valid), 0, count2);
      }
    };
  }
});

// src/engine/duckdb/nested.ts
var ListWriter, StructWriter, KeyWriter;
var init_nested = __esm({
  "src/engine/duckdb/nested.ts"() {
    "use strict";
    init_text();
    init_value_misfit();
    init_writers();
    ListWriter = class extends Writer {
      constructor(bindings, element, listSize) {
        super(bindings);
        this.element = element;
        this.listSize = listSize;
      }
      element;
      listSize;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        const child = data.children[0];
        if (child === void 0) throw new ValueMisfit(0, "it has no element array");
        const offsets = this.offsetsOf(data, start, count2);
        const first = offsets[0] ?? 0;
        const last = offsets[count2] ?? 0;
        if (first < 0 || last > child.length) throw new ValueMisfit(0, "its offsets reach beyond its elements");
        this.putElements(vector, child, offsets, first, last);
        const entries = new BigUint64Array(count2 * 2);
        for (let at = 0; at < count2; at++) {
          if (!isValid(bits, at)) continue;
          const from = offsets[at] ?? 0;
          const to = offsets[at + 1] ?? 0;
          if (to < from || from < first || to > last) throw new ValueMisfit(at, "its offsets are not in order");
          entries[at * 2] = BigInt(from - first);
          entries[at * 2 + 1] = BigInt(to - from);
        }
        this.putBytes(vector, entries, 0, entries.byteLength);
        this.putBits(vector, bits);
      }
      putElements(vector, child, offsets, first, last) {
        const size = last - first;
        this.bindings.list_vector_reserve(vector, size);
        this.bindings.list_vector_set_size(vector, size);
        if (size <= 0) return;
        try {
          this.element.write(this.bindings.list_vector_get_child(vector), child, first, size);
        } catch (error) {
          if (!(error instanceof ValueMisfit)) throw error;
          const element = first + error.row;
          const row = offsets.findIndex((offset, at) => offset <= element && element < (offsets[at + 1] ?? 0));
          throw new ValueMisfit(Math.max(row, 0), error.message);
        }
      }
      offsetsOf(data, start, count2) {
        const offsets = new Float64Array(count2 + 1);
        if (this.listSize !== void 0) {
          for (let at = 0; at <= count2; at++) offsets[at] = (start + at) * this.listSize;
          return offsets;
        }
        const source = data.valueOffsets ?? [];
        if (start + count2 + 1 > source.length) throw new ValueMisfit(0, "its offsets are fewer than its length says");
        for (let at = 0; at <= count2; at++) offsets[at] = Number(source[start + at]);
        return offsets;
      }
    };
    StructWriter = class extends Writer {
      constructor(bindings, fields) {
        super(bindings);
        this.fields = fields;
      }
      fields;
      write(vector, data, start, count2, mask) {
        const bits = bitsOf(data, start, count2, mask);
        for (const [index, { source, writer }] of this.fields.entries()) {
          const child = data.children[source];
          if (child === void 0 || child.length < start + count2)
            throw new ValueMisfit(0, "its fields are shorter than its length says");
          writer.write(this.bindings.struct_vector_get_child(vector, index), child, start, count2, bits);
        }
        this.putBits(vector, bits);
      }
    };
    KeyWriter = class {
      constructor(writer) {
        this.writer = writer;
      }
      writer;
      write(vector, data, start, count2) {
        const bits = bitsOf(data, start, count2, void 0);
        if (bits !== void 0) {
          for (let at = 0; at < count2; at++) if (!isValid(bits, at)) throw new ValueMisfit(at, "a key of its map is null");
        }
        this.writer.write(vector, data, start, count2);
      }
    };
  }
});

// src/engine/duckdb/numbers.ts
function integerReader(type, to) {
  const { bitWidth = 0, isSigned = true } = type;
  const target = bitsOfInteger[to];
  if (type.typeId !== typeIds.int || (isSigned ? bitWidth > target : bitWidth >= target)) return void 0;
  const same = isSigned && bitWidth === target;
  return {
    width: bitWidth / 8,
    same,
    convert: (values, start, count2) => {
      const source = integersOf(values, start, count2, bitWidth, isSigned);
      if (to === "smallint") return Int16Array.from(source);
      if (to === "integer") return Int32Array.from(source);
      return BigInt64Array.from(source, (value) => BigInt(value));
    }
  };
}
function floatReader(type, to) {
  const { precision = 0 } = type;
  if (type.typeId !== typeIds.float || to === "float" && precision === 2) return void 0;
  const same = precision === (to === "float" ? 1 : 2);
  return {
    width: [2, 4, 8][precision] ?? 8,
    same,
    convert: (values, start, count2) => {
      const source = precision === 0 ? Float64Array.from(new Uint16Array(copyBytes(values, start * 2, count2 * 2)), halfToNumber) : new Float32Array(copyBytes(values, start * 4, count2 * 4));
      return to === "float" ? Float32Array.from(source) : Float64Array.from(source);
    }
  };
}
function decimalReader(type, precision, scale) {
  if (type.typeId === typeIds.int && type.isSigned === false && type.bitWidth === 64 && scale === 0 && precision >= 20)
    return { width: 8, same: false, convert: widenUnsigned };
  const { scale: sourceScale = 0, precision: sourcePrecision = 39 } = type;
  const factor = sourceScale < 0 && scale === 0 ? 10n ** BigInt(-sourceScale) : 1n;
  if (type.typeId !== typeIds.decimal || factor === 1n && sourceScale !== scale || sourcePrecision + (factor === 1n ? 0 : -sourceScale) > precision)
    return void 0;
  const words = (type.bitWidth ?? 128) / 32;
  const targetWords = precision <= 4 ? 0.5 : precision <= 9 ? 1 : precision <= 18 ? 2 : 4;
  return {
    width: words * 4,
    same: words === 4 && targetWords === 4 && factor === 1n,
    convert: (values, start, count2, bits) => resizeDecimals(new Int32Array(copyBytes(values, start * words * 4, count2 * words * 4)), {
      words,
      targetWords,
      count: count2,
      bits,
      precision: sourcePrecision,
      factor
    })
  };
}
function dateReader(type) {
  if (type.typeId !== typeIds.date) return void 0;
  if (type.unit === 0) return { width: 4, same: true, convert: (values) => values };
  return {
    width: 8,
    same: false,
    convert: (values, start, count2, bits) => {
      const source = new BigInt64Array(copyBytes(values, start * 8, count2 * 8));
      const days = new Int32Array(count2);
      for (const [at, millis] of source.entries()) {
        if (!isValid(bits, at)) continue;
        if (millis % dayMillis !== 0n) throw new ValueMisfit(at, "its date has a time of day, which would be lost");
        days[at] = Number(millis / dayMillis);
      }
      return days;
    }
  };
}
function timestampReader(type) {
  if (type.typeId !== typeIds.timestamp) return void 0;
  const factor = microsPerUnit[type.unit ?? 2];
  if (factor === 1n) return { width: 8, same: true, convert: (values) => values };
  return {
    width: 8,
    same: false,
    convert: (values, start, count2, bits) => {
      const micros = new BigInt64Array(copyBytes(values, start * 8, count2 * 8));
      for (let at = 0; at < count2; at++) {
        if (!isValid(bits, at)) continue;
        micros[at] = factor === void 0 ? wholeMicros(micros[at] ?? 0n, at) : multiplied(micros[at] ?? 0n, factor, at);
      }
      return micros;
    }
  };
}
function timeReader(type) {
  const digits = (type.unit ?? 0) * 3;
  const width = (type.bitWidth ?? 64) / 8;
  return (values, at) => {
    const view = new DataView(values.buffer, values.byteOffset + at * width, width);
    const value = width === 4 ? BigInt(view.getInt32(0, true)) : view.getBigInt64(0, true);
    const perSecond = 10n ** BigInt(digits);
    const seconds = Number(value / perSecond);
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const clock2 = [hours, minutes, rest].map((part) => String(part).padStart(2, "0")).join(":");
    const fraction = digits === 0 ? "" : String(value % perSecond).padStart(digits, "0").replace(/0+$/, "");
    return fraction === "" ? clock2 : `${clock2}.${fraction}`;
  };
}
function wholeMicros(nanos, at) {
  const micros = nanos / 1000n;
  if (micros * 1000n !== nanos) throw new ValueMisfit(at, "its timestamp has nanoseconds, which would be lost");
  return micros;
}
function multiplied(value, factor, at) {
  const micros = value * factor;
  if (BigInt.asIntN(64, micros) !== micros)
    throw new ValueMisfit(at, "its timestamp is beyond what microseconds can say");
  return micros;
}
function integersOf(values, start, count2, bitWidth, isSigned) {
  const width = bitWidth / 8;
  const bytes = copyBytes(values, start * width, count2 * width);
  if (bitWidth === 8) return isSigned ? new Int8Array(bytes) : new Uint8Array(bytes);
  if (bitWidth === 16) return isSigned ? new Int16Array(bytes) : new Uint16Array(bytes);
  return isSigned ? new Int32Array(bytes) : new Uint32Array(bytes);
}
function copyBytes(values, start, count2) {
  const copy2 = new Uint8Array(count2);
  copy2.set(new Uint8Array(values.buffer, values.byteOffset + start, count2));
  return copy2.buffer;
}
function widenUnsigned(values, start, count2) {
  const source = new BigUint64Array(copyBytes(values, start * 8, count2 * 8));
  const wide2 = new BigUint64Array(count2 * 2);
  for (let at = 0; at < count2; at++) wide2[at * 2] = source[at] ?? 0n;
  return wide2;
}
function resizeDecimals(source, to) {
  const { words, targetWords, count: count2, bits } = to;
  const limit = 10n ** BigInt(to.precision);
  const roughLimit = Number(limit) * 0.999;
  const target = targetWords === 0.5 ? new Int16Array(count2) : new Int32Array(count2 * targetWords);
  for (let at = 0; at < count2; at++) {
    if (!isValid(bits, at)) continue;
    const from = at * words;
    const low = source[from] ?? 0;
    const next = words > 1 ? source[from + 1] ?? 0 : low >> 31;
    const sign = (source[from + words - 1] ?? 0) >> 31;
    let extended = true;
    for (let word = 2; word < words; word++) extended &&= (source[from + word] ?? 0) === sign;
    const size = Math.abs(next * 4294967296 + (low >>> 0));
    const isSmall = extended && next >> 31 === sign && size < roughLimit;
    if (!isSmall || to.factor !== 1n) {
      const value = wholeOf(source.subarray(from, from + words));
      if (value >= limit || value <= -limit)
        throw new ValueMisfit(at, `its decimal has more than ${to.precision} digits`);
      if (to.factor !== 1n) {
        putWords(target, at, targetWords, value * to.factor);
        continue;
      }
    }
    if (targetWords <= 1) target[at] = low;
    else
      for (let word = 0; word < targetWords; word++)
        target[at * targetWords + word] = word < words ? source[from + word] ?? 0 : sign;
  }
  return target;
}
function wholeOf(words) {
  let value = 0n;
  for (let word = words.length - 1; word >= 0; word--)
    value = (value << 32n) + BigInt(word === words.length - 1 ? words[word] ?? 0 : (words[word] ?? 0) >>> 0);
  return value;
}
function putWords(target, at, words, value) {
  if (words <= 1) target[at] = Number(value);
  else
    for (let word = 0; word < words; word++)
      target[at * words + word] = Number(value >> BigInt(32 * word) & 0xffffffffn);
}
function halfToNumber(half) {
  const sign = half & 32768 ? -1 : 1;
  const exponent = half >> 10 & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
var bitsOfInteger, dayMillis, microsPerUnit;
var init_numbers = __esm({
  "src/engine/duckdb/numbers.ts"() {
    "use strict";
    init_arrow();
    init_text();
    init_value_misfit();
    bitsOfInteger = { tinyint: 8, smallint: 16, integer: 32, bigint: 64 };
    dayMillis = 86400000n;
    microsPerUnit = [1000000n, 1000n, 1n];
  }
});

// src/engine/duckdb/vectors.ts
function columnWriter(bindings, type, lake) {
  if (type.typeId === typeIds.null) return new NullWriter(bindings);
  if (type.typeId === typeIds.dictionary) return dictionaryWriter(bindings, type, lake);
  switch (lake.kind) {
    case "boolean":
      return type.typeId === typeIds.bool ? new BooleanWriter(bindings) : void 0;
    case "tinyint":
    case "smallint":
    case "integer":
    case "bigint":
      return fixedWriter(bindings, integerReader(type, lake.kind));
    case "float":
    case "double":
      return fixedWriter(bindings, floatReader(type, lake.kind));
    case "decimal":
      return fixedWriter(bindings, decimalReader(type, lake.precision, lake.scale));
    case "date":
      return fixedWriter(bindings, dateReader(type));
    case "timestamp":
      return fixedWriter(bindings, timestampReader(type));
    case "varchar":
      if (type.typeId === typeIds.time) return new SpelledWriter(bindings, timeReader(type));
      return textIds.has(type.typeId) ? new TextWriter(bindings, true) : void 0;
    case "blob":
      return bytesIds.has(type.typeId) ? new TextWriter(bindings, false) : void 0;
    case "list":
      return listWriter(bindings, type, lake.element);
    case "map":
      return mapWriter(bindings, type, lake.key, lake.value);
    case "struct":
      return structWriter(bindings, type, lake);
  }
}
function fixedWriter(bindings, reader) {
  return reader === void 0 ? void 0 : new FixedWriter(bindings, reader);
}
function dictionaryWriter(bindings, type, lake) {
  const valueType = type.dictionary;
  if (valueType === void 0 || lake.kind === "list" || lake.kind === "struct" || lake.kind === "map") return void 0;
  const writer = columnWriter(bindings, valueType, lake);
  if (writer instanceof TextWriter) return new DictionaryTextWriter(bindings, writer.isText);
  return writer === void 0 ? void 0 : new DictionaryWriter(bindings, writer);
}
function listWriter(bindings, type, element) {
  const child = type.children?.[0]?.type;
  if (child === void 0 || !listIds.has(type.typeId)) return void 0;
  const writer = columnWriter(bindings, child, element);
  return writer === void 0 ? void 0 : new ListWriter(bindings, writer, type.listSize);
}
function mapWriter(bindings, type, key, value) {
  const entries = type.children?.[0]?.type.children;
  if (type.typeId !== typeIds.map || entries?.length !== 2 || !entries[0] || !entries[1]) return void 0;
  const keyWriter = columnWriter(bindings, entries[0].type, key);
  const valueWriter = columnWriter(bindings, entries[1].type, value);
  if (keyWriter === void 0 || valueWriter === void 0) return void 0;
  const pair = new StructWriter(bindings, [
    { source: 0, writer: new KeyWriter(keyWriter) },
    { source: 1, writer: valueWriter }
  ]);
  return new ListWriter(bindings, pair, void 0);
}
function structWriter(bindings, type, lake) {
  const children = type.children ?? [];
  if (type.typeId !== typeIds.struct || children.length !== lake.fields.length) return void 0;
  const fields = [];
  for (const field of lake.fields) {
    const source = children.findIndex((child2) => child2.name === field.name);
    const child = children[source];
    const writer = child === void 0 ? void 0 : columnWriter(bindings, child.type, field.type);
    if (writer === void 0) return void 0;
    fields.push({ source, writer });
  }
  return new StructWriter(bindings, fields);
}
var init_vectors = __esm({
  "src/engine/duckdb/vectors.ts"() {
    "use strict";
    init_arrow();
    init_dictionaries();
    init_nested();
    init_numbers();
    init_text();
    init_writers();
  }
});

// src/engine/duckdb/feed.ts
async function collectTurn(source) {
  const batches = [];
  let bytes = 0;
  while (bytes < turnBytes) {
    const next = await source.next();
    if (next.done) return { batches, ended: true };
    batches.push(next.value);
    bytes += next.value.data.byteLength;
  }
  return { batches, ended: false };
}
async function unlessAborted(work, signal) {
  if (signal === void 0) return await work;
  work.catch(() => {
  });
  signal.throwIfAborted();
  let stop = () => {
  };
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
function sourceOf(names, name) {
  const exact = names.indexOf(name);
  return exact === -1 ? names.findIndex((other) => foldName(other) === foldName(name)) : exact;
}
var chunkRows, chunkTextBytes, turnBytes, Feed, BatchCursor;
var init_feed = __esm({
  "src/engine/duckdb/feed.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_sql();
    init_text();
    init_types();
    init_value_misfit();
    init_vectors();
    chunkRows = 2048;
    chunkTextBytes = 16 << 20;
    turnBytes = 64 << 20;
    Feed = class {
      constructor(name, replayable, schema, host, number, options) {
        this.name = name;
        this.replayable = replayable;
        this.schema = schema;
        this.host = host;
        this.options = options;
        this.functionName = `__lw_feed_${number}`;
        this.cursor = new BatchCursor(host.bindings, name, schema);
      }
      name;
      replayable;
      schema;
      host;
      options;
      rows = 0;
      /** What went wrong in here while DuckDB was scanning: it sees only a message. */
      failure;
      source;
      /** Whose statement scans, or has scanned, the current source. */
      scannedBy;
      cursor;
      functionName;
      /** Ready to be scanned by a statement of somebody else. */
      async open(batches) {
        this.source = batches[Symbol.iterator]();
        this.register();
        await this.host.run(`CREATE VIEW ${quoteIdent(this.name)} AS SELECT * FROM ${this.functionName}()`);
      }
      /** Takes everything over before it resolves. */
      async fill(batches) {
        const { signal } = this.options;
        const source = batches[Symbol.asyncIterator]();
        const relation = quoteIdent(this.name);
        let ended = false;
        let pending = false;
        const collect = async () => {
          pending = true;
          try {
            const turn = await unlessAborted(collectTurn(source), signal);
            pending = false;
            ended = turn.ended;
            return turn;
          } catch (error) {
            pending = signal?.aborted === true;
            ended = !pending;
            throw error;
          }
        };
        try {
          this.register();
          await this.host.run(`CREATE TABLE ${relation} AS SELECT * FROM ${this.functionName}() LIMIT 0`);
          let turn = await collect();
          while (turn.batches.length > 0) {
            this.source = turn.batches.values();
            this.scannedBy = void 0;
            const next = turn.ended ? Promise.resolve({ batches: [], ended: true }) : collect();
            next.catch(() => {
            });
            await this.host.run(`INSERT INTO ${relation} SELECT * FROM ${this.functionName}()`, this.options);
            turn = await next;
          }
        } finally {
          this.source = void 0;
          const returned = ended ? void 0 : Promise.resolve(source.return?.()).catch(() => {
          });
          if (!pending) await returned;
        }
      }
      /** Called after every statement: whoever began a scan is done with it. */
      leave(connectionId) {
        if (this.scannedBy === connectionId) this.close();
      }
      close() {
        const source = this.source;
        this.source = void 0;
        try {
          source?.return?.();
        } catch (error) {
          this.fail(error);
        }
      }
      register() {
        const { api, connection, threads: threads2 } = this.host;
        const { rowNumber } = this.options;
        const types = this.schema.map((field) => duckTypeOf(api, field.type));
        connection.registerTableFunction(
          api.DuckDBTableFunction.create({
            name: this.functionName,
            supportsProjectionPushdown: true,
            bindFunction: (info) => {
              info.setBindData({ connectionId: info.clientContext.connectionId });
              for (const [index, field] of this.schema.entries()) {
                const type = types[index];
                if (type !== void 0) info.addResultColumn(field.name, type);
              }
              if (rowNumber !== void 0) info.addResultColumn(rowNumber, api.BIGINT);
            },
            initFunction: (info) => {
              info.setInitData({ columns: info.getColumnIndexes() });
              info.setMaxThreads(threads2);
              const { connectionId } = info.bindData;
              if (!this.begin(connectionId)) info.setError("the relation was scanned before");
            },
            mainFunction: (info, output) => {
              try {
                const { columns: columns2 } = info.initData;
                output.rowCount = this.failure === void 0 ? this.fillChunk(output, columns2) : 0;
              } catch (error) {
                this.fail(error);
                info.setError("the relation cannot be read");
              }
            }
          })
        );
      }
      /** False where the rows have gone to an earlier scan. */
      begin(connectionId) {
        if (this.replayable && this.source === void 0) return true;
        if (this.scannedBy === void 0 && this.source !== void 0) {
          this.scannedBy = connectionId;
          return true;
        }
        const fix = "Run one statement that needs the rows once, or keep them in a relation first.";
        const message = `the rows of \`${this.name}\` come from a stream and can be read only once`;
        this.fail(new LakeError("invalid", message, { fix }), connectionId);
        return false;
      }
      fail(error, connectionId = this.scannedBy) {
        this.failure ??= { error, connectionId };
      }
      pull() {
        const source = this.source;
        if (source === void 0) return void 0;
        try {
          const next = source.next();
          if (!next.done) return next.value;
          this.source = void 0;
          return void 0;
        } catch (error) {
          this.source = void 0;
          throw error;
        }
      }
      fillChunk(output, columns2) {
        this.options.signal?.throwIfAborted();
        if (!this.cursor.advance(() => this.pull())) return 0;
        const { bindings } = this.host;
        const vectors = columns2.map((column, index) => ({
          column,
          vector: bindings.data_chunk_get_vector(output.chunk, index)
        }));
        const first = this.rows;
        const count2 = this.cursor.write(vectors);
        const numbered = vectors.find(({ column }) => column === this.schema.length);
        if (numbered !== void 0 && this.options.rowNumber !== void 0) {
          const numbers = BigInt64Array.from({ length: count2 }, (_, at) => BigInt(first + at + 1));
          bindings.copy_data_to_vector(numbered.vector, 0, numbers.buffer, 0, numbers.byteLength);
        }
        this.rows += count2;
        return count2;
      }
    };
    BatchCursor = class {
      constructor(bindings, name, schema) {
        this.bindings = bindings;
        this.name = name;
        this.schema = schema;
      }
      bindings;
      name;
      schema;
      batch;
      batchNumber = 0;
      row = 0;
      rowsBefore = 0;
      knownSchema;
      columns = [];
      /** False at the end of the stream. */
      advance(pull) {
        while (this.batch === void 0 || this.row >= this.batch.numRows) {
          this.rowsBefore += this.batch?.numRows ?? 0;
          this.row = 0;
          this.batch = void 0;
          const next = pull();
          if (next === void 0) return false;
          this.batchNumber += 1;
          if (next.schema !== this.knownSchema) this.adopt(next.schema);
          this.batch = next;
        }
        return true;
      }
      write(vectors) {
        const batch = this.batch;
        if (batch === void 0) return 0;
        const data = batch.data;
        const count2 = this.chunkSize(data, Math.min(chunkRows, batch.numRows - this.row));
        for (const { column, vector } of vectors) {
          const from = this.columns[column];
          const child = from === void 0 ? void 0 : data.children[from.source];
          if (from === void 0 || child === void 0) continue;
          try {
            if (child.length < this.row + count2) throw new ValueMisfit(0, "it is shorter than its batch");
            from.writer.write(vector, child, this.row, count2);
          } catch (error) {
            throw error instanceof ValueMisfit ? this.misfit(error, column) : error;
          }
        }
        this.row += count2;
        return count2;
      }
      chunkSize(data, rows) {
        let count2 = rows;
        for (const child of data.children) {
          const offsets = child.valueOffsets;
          if (offsets === void 0 || !textIds.has(child.typeId)) continue;
          const from = Number(offsets[this.row] ?? 0);
          while (count2 > 1 && Number(offsets[this.row + count2] ?? 0) - from > chunkTextBytes) count2 = count2 >> 1;
        }
        return count2;
      }
      /** Batches may have their columns in any order; names and types must be those that were declared. */
      adopt(schema) {
        const names = schema.fields.map((field) => field.name);
        this.columns = this.schema.map((field) => {
          const source = sourceOf(names, field.name);
          const type = schema.fields[source]?.type;
          if (type === void 0) throw this.differs(field.name, "is missing");
          const writer = columnWriter(this.bindings, type, field.type);
          if (writer === void 0) throw this.differs(field.name, `is ${String(type)}, and not ${typeName(field.type)}`);
          return { source, writer };
        });
        const extra = names.find((_, index) => !this.columns.some((column) => column.source === index));
        if (extra !== void 0) throw this.differs(extra, "was not in the batches before");
        this.knownSchema = schema;
      }
      differs(column, what) {
        return new LakeError("invalid", `in batch ${this.batchNumber} the column \`${column}\` ${what}`, {
          relation: this.name,
          batch: this.batchNumber,
          column,
          fix: "Give all batches of a load the same columns and types."
        });
      }
      misfit(error, column) {
        const field = this.schema[column];
        const row = this.rowsBefore + this.row + error.row + 1;
        return new LakeError("invalid", `row ${row}, column \`${field?.name}\`: ${error.message}`, {
          row,
          batch: this.batchNumber,
          column: field?.name,
          fix: "Correct the value where the batch is made."
        });
      }
    };
  }
});

// src/engine/duckdb/values.ts
function rowReader(names, types) {
  const converters = types.map(converterOf);
  return (chunk) => {
    const count2 = chunk.rowCount;
    const rows = Array.from({ length: count2 }, () => ({}));
    for (const [index, name] of names.entries()) {
      const vector = chunk.getColumnVector(index);
      const convert2 = converters[index];
      for (let at = 0; at < count2; at++) {
        const value = vector.getItem(at);
        const row = rows[at];
        if (row !== void 0) put(row, name, value === null || convert2 === void 0 ? value : convert2(value));
      }
    }
    return rows;
  };
}
function converterOf(type) {
  const id = type.typeId;
  if (typeIds2.plain.has(id)) return void 0;
  switch (id) {
    case typeIds2.date:
      return (value) => isDays(value) ? dateText(value.days) : String(value);
    case typeIds2.timestamp:
    case typeIds2.timestampTz:
      return (value) => isMicros(value) ? timestampText(value.micros) : String(value);
    case typeIds2.timestampSeconds:
      return (value) => isSeconds(value) ? timestampText(value.seconds * 1000000n) : String(value);
    case typeIds2.timestampMillis:
      return (value) => isMillis(value) ? timestampText(value.millis * 1000n) : String(value);
    case typeIds2.timestampNanos:
      return (value) => isNanos(value) ? nanosText(value.nanos) : String(value);
    case typeIds2.blob:
      return (value) => hasBytes(value) ? Uint8Array.from(value.bytes) : value;
    case typeIds2.list:
    case typeIds2.array:
      return listConverter(type);
    case typeIds2.struct:
      return structConverter(type);
    case typeIds2.map:
      return mapConverter(type);
    default:
      return (value) => String(value);
  }
}
function listConverter(type) {
  const element = "valueType" in type ? converterOf(type.valueType) : void 0;
  return (value) => {
    if (!hasItems(value)) return value;
    return value.items.map((item) => item === null || element === void 0 ? item : element(item));
  };
}
function structConverter(type) {
  const names = "entryNames" in type ? type.entryNames : [];
  const converters = "entryTypes" in type ? type.entryTypes.map(converterOf) : [];
  return (value) => {
    if (!hasEntries(value) || Array.isArray(value.entries)) return value;
    const result = {};
    for (const [index, name] of names.entries()) {
      const item = value.entries[name] ?? null;
      const convert2 = converters[index];
      put(result, name, item === null || convert2 === void 0 ? item : convert2(item));
    }
    return result;
  };
}
function mapConverter(type) {
  const ofKey = "keyType" in type ? converterOf(type.keyType) : void 0;
  const ofValue = "keyType" in type && "valueType" in type ? converterOf(type.valueType) : void 0;
  return (value) => {
    if (!hasEntries(value) || !Array.isArray(value.entries)) return value;
    return value.entries.map((entry) => ({
      key: ofKey === void 0 ? entry.key : ofKey(entry.key),
      value: entry.value === null || ofValue === void 0 ? entry.value : ofValue(entry.value)
    }));
  };
}
function put(row, name, value) {
  if (name === "__proto__") Object.defineProperty(row, name, { value, enumerable: true, writable: true });
  else row[name] = value;
}
function dateText(days) {
  if (days >= infiniteDays) return "infinity";
  if (days <= -infiniteDays) return "-infinity";
  const date = new Date(days * 864e5);
  return Number.isNaN(date.getTime()) ? `${days} days since 1970-01-01` : isoOf(date).slice(0, -14);
}
function timestampText(micros) {
  if (micros >= infiniteMicros) return "infinity";
  if (micros <= -infiniteMicros) return "-infinity";
  const rest = Number((micros % 1000n + 1000n) % 1000n);
  const date = new Date(Number((micros - BigInt(rest)) / 1000n));
  if (Number.isNaN(date.getTime())) return `${micros} microseconds since 1970-01-01`;
  const text = isoOf(date);
  if (rest !== 0) return `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
  return text.endsWith(".000Z") ? `${text.slice(0, -5)}Z` : text;
}
function nanosText(nanos) {
  const rest = (nanos % 1000n + 1000n) % 1000n;
  const text = timestampText((nanos - rest) / 1000n);
  if (rest === 0n) return text;
  const [whole = "", fraction = ""] = text.slice(0, -1).split(".");
  return `${whole}.${fraction.padEnd(6, "0")}${String(rest).padStart(3, "0")}Z`;
}
function isoOf(date) {
  return date.toISOString();
}
function isDays(value) {
  return typeof value === "object" && value !== null && "days" in value && typeof value.days === "number";
}
function isMicros(value) {
  return typeof value === "object" && value !== null && "micros" in value && typeof value.micros === "bigint";
}
function isSeconds(value) {
  return typeof value === "object" && value !== null && "seconds" in value && typeof value.seconds === "bigint";
}
function isMillis(value) {
  return typeof value === "object" && value !== null && "millis" in value && typeof value.millis === "bigint";
}
function isNanos(value) {
  return typeof value === "object" && value !== null && "nanos" in value && typeof value.nanos === "bigint";
}
function hasBytes(value) {
  return typeof value === "object" && value !== null && "bytes" in value;
}
function hasItems(value) {
  return typeof value === "object" && value !== null && "items" in value;
}
function hasEntries(value) {
  return typeof value === "object" && value !== null && "entries" in value;
}
var typeIds2, infiniteDays, infiniteMicros;
var init_values = __esm({
  "src/engine/duckdb/values.ts"() {
    "use strict";
    typeIds2 = {
      timestamp: 12,
      date: 13,
      blob: 18,
      timestampSeconds: 20,
      timestampMillis: 21,
      timestampNanos: 22,
      list: 24,
      struct: 25,
      map: 26,
      array: 33,
      union: 28,
      timestampTz: 31,
      plain: /* @__PURE__ */ new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 23, 32, 35, 36])
    };
    infiniteDays = 2147483647;
    infiniteMicros = 9223372036854775807n;
  }
});

// src/engine/duckdb.ts
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
async function openDuckDB(settings) {
  const api = await import("@duckdb/node-api");
  const memory2 = settings.memory ?? defaultMemory();
  const threads2 = settings.threads ?? availableParallelism();
  try {
    const instance = await api.DuckDBInstance.create(":memory:", {
      threads: String(threads2),
      memory_limit: memory2,
      temp_directory: settings.spillFolder,
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      allow_community_extensions: "false",
      preserve_insertion_order: "false"
    });
    const connection = await instance.connect();
    for (const statement of sessionSettings) await connection.run(statement);
    return new DuckDBEngine(api, loadBindings(), instance, connection, { ...settings, memory: memory2, threads: threads2 });
  } catch (error) {
    throw wrongSetting(error, { memory: memory2, threads: threads2 });
  }
}
function defaultMemory() {
  return `${Math.floor(Math.min(totalmem() / 2, 4 * 2 ** 30) / 2 ** 20)}MiB`;
}
function loadBindings() {
  const require2 = createRequire(import.meta.url);
  const ofApi = createRequire(require2.resolve("@duckdb/node-api"));
  return ofApi("@duckdb/node-bindings");
}
function wrongSetting(error, given) {
  if (!(error instanceof Error) || !/set config|memory|threads/i.test(error.message)) return error;
  return new LakeError("invalid", "the engine does not start with these settings", {
    ...given,
    fix: "Write `--memory` as `2GB` or `500MiB`, and `--threads` as a whole number from 1.",
    cause: error
  });
}
function isIterable(batches) {
  return Symbol.iterator in batches;
}
var sessionSettings, DuckDBEngine;
var init_duckdb2 = __esm({
  "src/engine/duckdb.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_copied();
    init_errors2();
    init_feed();
    init_values();
    sessionSettings = [
      `SET GLOBAL TimeZone = 'UTC'`,
      // Progress is worked out only for a bar; this one is never printed.
      "SET enable_progress_bar = true",
      "SET enable_progress_bar_print = false",
      "SET progress_bar_time = 0"
    ];
    DuckDBEngine = class {
      constructor(api, bindings, instance, connection, settings) {
        this.api = api;
        this.bindings = bindings;
        this.instance = instance;
        this.connection = connection;
        this.settings = settings;
        this.id = `duckdb-${api.version().replace(/^v/, "")}`;
      }
      api;
      bindings;
      instance;
      connection;
      settings;
      id;
      tail = Promise.resolve();
      feeds = /* @__PURE__ */ new Set();
      feedCount = 0;
      closed = false;
      async run(sql, options = {}) {
        await this.inTurn(options, async () => {
          await this.connection.run(sql);
        });
      }
      async rows(sql, options = {}) {
        return await this.inTurn(options, async () => {
          const result = await this.connection.run(sql);
          const read = rowReader(result.columnNames(), result.columnTypes());
          return (await result.fetchAllChunks()).flatMap(read);
        });
      }
      async *stream(sql, options = {}) {
        this.assertOpen();
        const connection = await this.instance.connect();
        try {
          const result = await this.guarded(connection, options, () => connection.stream(sql));
          const read = rowReader(result.columnNames(), result.columnTypes());
          for (; ; ) {
            const chunk = await this.guarded(connection, options, () => result.fetchChunk(), "goes on");
            if (chunk === null || chunk.rowCount === 0) break;
            yield read(chunk);
          }
        } finally {
          this.leaveFeeds(connection);
          connection.closeSync();
        }
      }
      async describe(sql) {
        const rows = await this.rows(`DESCRIBE ${sql}`);
        return rows.map((row) => ({ name: String(row.column_name), sqlType: String(row.column_type) }));
      }
      async feed(name, schema, batches, options = {}) {
        const names = schema.map((field) => field.name);
        if (names.length === 0) throw new LakeError("invalid", "the batches have no columns", { relation: name });
        assertColumnNames(options.rowNumber === void 0 ? names : [...names, options.rowNumber]);
        options.signal?.throwIfAborted();
        const isSync = isIterable(batches);
        const host = {
          api: this.api,
          bindings: this.bindings,
          connection: this.connection,
          threads: this.settings.threads,
          run: (sql, runOptions) => this.run(sql, runOptions)
        };
        const feed = new Feed(name, !isSync, schema, host, this.feedCount++, options);
        this.feeds.add(feed);
        if (isSync) await feed.open(batches);
        else await feed.fill(batches);
        return feed;
      }
      async copy(sql, options) {
        const columns2 = await this.columnsOf(sql, options);
        const statement = copySql(sql, options, columns2);
        const limits = [
          ["partitioned_write_max_open_files", options.maxOpenFiles],
          ["partitioned_write_flush_threshold", options.gatheredRows]
        ];
        for (const [limit, value] of limits) if (value !== void 0) await this.run(`SET ${limit} = ${value}`);
        try {
          const files = (await this.rows(statement, options)).map(copiedFile);
          return files.sort((a, b) => a.path < b.path ? -1 : 1);
        } finally {
          for (const [limit, value] of limits) if (value !== void 0 && !this.closed) await this.run(`RESET ${limit}`);
        }
      }
      progress() {
        const { percentage, rows_processed } = this.connection.progress;
        return { percent: percentage, rowsProcessed: Number(rows_processed) };
      }
      async close() {
        if (this.closed) return;
        this.closed = true;
        this.connection.interrupt();
        await this.tail.catch(() => {
        });
        for (const feed of this.feeds) feed.close();
        this.connection.closeSync();
        this.instance.closeSync();
      }
      async columnsOf(sql, options) {
        return await this.inTurn(options, async () => {
          const prepared = await this.connection.prepare(sql);
          const columns2 = [];
          for (let index = 0; index < prepared.columnCount; index++)
            columns2.push({ name: prepared.columnName(index), type: prepared.columnType(index) });
          prepared.destroySync();
          return columns2;
        });
      }
      /** One statement at a time: DuckDB would let them wait too, but an interrupt must hit the right one. */
      async inTurn(options, work) {
        this.assertOpen();
        const turn = this.tail.then(() => this.guarded(this.connection, options, work));
        this.tail = turn.catch(() => {
        });
        return await turn;
      }
      /** Errors in the caller's words, and the statement ends with the signal. */
      async guarded(connection, { signal }, work, after = "is done") {
        this.assertOpen();
        signal?.throwIfAborted();
        let repeat;
        const interrupt = () => {
          connection.interrupt();
          repeat = setInterval(() => connection.interrupt(), 20);
        };
        signal?.addEventListener("abort", interrupt, { once: true });
        let outcome;
        try {
          outcome = { value: await work() };
        } catch (error) {
          outcome = { error };
        }
        clearInterval(repeat);
        signal?.removeEventListener("abort", interrupt);
        if (after === "is done" && connection === this.connection) this.leaveFeeds(connection);
        const failure = this.takeFailure(connection);
        if (signal?.aborted) throw signal.reason;
        if (failure !== void 0) throw failure.error;
        if ("error" in outcome) throw wrapEngineError(outcome.error, this.settings);
        return outcome.value;
      }
      leaveFeeds(connection) {
        const id = connection.clientContext.connectionId;
        for (const feed of this.feeds) feed.leave(id);
      }
      /** What a feed threw into a statement of this connection, told once. */
      takeFailure(connection) {
        const id = connection.clientContext.connectionId;
        for (const feed of this.feeds) {
          const { failure } = feed;
          if (failure === void 0 || failure.connectionId !== id) continue;
          feed.failure = void 0;
          return failure;
        }
        return void 0;
      }
      assertOpen() {
        if (this.closed) throw new LakeError("invalid", "the engine is closed", { fix: "Open another one." });
      }
    };
  }
});

// src/engine/relation.ts
function filesRelation({ files, schema, partitionBy, provenance = false }) {
  const dataColumns = schema.filter((field) => !isPartitionColumn(field, partitionBy));
  for (const file of files) refuseMaskedRows(file);
  if (provenance === true) refuseRowNumberColumn(schema);
  if (files.length === 0) return emptyRelation(schema, provenance);
  const { uniform, rest } = groupFiles(files, dataColumns);
  const shape2 = { schema, dataColumns, partitionBy, provenance };
  const scans = [
    ...uniform.map((group) => scan(group, { ...shape2, complete: true })),
    ...rest.length > 0 ? [scan(rest, { ...shape2, complete: false })] : []
  ];
  return scans.join("\nUNION ALL\n");
}
function emptyRelation(schema, provenance = false) {
  const columns2 = schema.map((field) => `${nullOf(field.type)} AS ${quoteIdent(field.name)}`);
  if (provenance) columns2.push("CAST(NULL AS VARCHAR) AS __lw_file", "CAST(NULL AS BIGINT) AS __lw_row");
  return `SELECT ${columns2.join(", ")} WHERE false`;
}
function partitionConstant(value, type) {
  return `CAST(${partitionText2(value, type)} AS ${toSql(type)})`;
}
function scan(files, shape2) {
  const partitionFields = shape2.partitionBy.map((name) => partitionField(shape2.schema, name));
  const source = partitionSource(files, partitionFields);
  const fileKey = shape2.provenance !== false ? fileKeySource(files) : void 0;
  const joined = source.kind === "join" || fileKey?.kind === "join";
  const options = [
    source.kind === "hive" ? `hive_partitioning = true, hive_types = {${partitionFields.map((field) => `${quoteText(field.name)}: ${quoteText(toSql(field.type))}`).join(", ")}}` : "hive_partitioning = false",
    ...joined || shape2.provenance !== false ? [`filename = '__lw_path'`] : [],
    ...shape2.provenance === true ? ["file_row_number = true"] : [],
    ...shape2.complete ? [] : ["union_by_name = true"]
  ];
  const paths = files.map((file) => quoteGlobFree(file.path)).join(", ");
  const parquet = `read_parquet([${paths}], ${options.join(", ")})`;
  const from = shape2.complete ? `${parquet} r` : `(${withMissingColumns(parquet, shape2.dataColumns)}) r`;
  const columns2 = shape2.schema.map((field) => {
    const at = partitionFields.indexOf(field);
    const value = at < 0 ? dataValue(field) : source.value(field, at);
    return `${value} AS ${quoteIdent(field.name)}`;
  });
  if (fileKey !== void 0) {
    const row = shape2.provenance === true ? "r.file_row_number" : "CAST(NULL AS BIGINT)";
    columns2.push(`${fileKey.value} AS __lw_file`, `${row} AS __lw_row`);
  }
  const values = joined ? ` JOIN (${valuesPerFile(files, partitionFields)}) p ON p.path = r.__lw_path` : "";
  return `SELECT ${columns2.join(", ")} FROM ${from}${values}`;
}
function partitionSource(files, fields) {
  const first = files[0]?.partitionValues ?? {};
  if (files.every(
    (file) => fields.every(({ name }) => partitionValue(file.partitionValues, name) === partitionValue(first, name))
  ))
    return {
      kind: fields.length === 0 ? "none" : "constants",
      value: (field) => partitionConstant(partitionValue(first, field.name), field.type)
    };
  if (files.every((file) => pathSays(file, fields)))
    return { kind: "hive", value: (field) => `r.${quoteIdent(field.name)}` };
  return { kind: "join", value: (_, at) => `p.p${at}` };
}
function pathSays(file, fields) {
  const folders = file.path.split(/[\\/]/).slice(0, -1);
  const pairs = folders.filter((folder) => folder.includes("=")).map((folder) => folder.split("="));
  if (pairs.length !== fields.length || file.path.includes("?")) return false;
  return fields.every((field) => {
    const pair = pairs.find(([name]) => name === field.name);
    return pair?.length === 2 && plainInPath.has(field.type.kind) && folderSays(pair[1] ?? "", partitionValue(file.partitionValues, field.name));
  });
}
function folderSays(text, value) {
  if (text === "__HIVE_DEFAULT_PARTITION__") return value === null;
  if (text === "" || /[\n\r]/.test(text) || /^null$/i.test(text)) return false;
  try {
    return decodeURIComponent(text) === value;
  } catch {
    return false;
  }
}
function fileKeySource(files) {
  const first = files[0];
  const prefix = first?.path.slice(0, first.path.length - first.key.length) ?? "";
  if (!files.every((file) => file.path === prefix + file.key)) return { kind: "join", value: "p.key" };
  return { kind: "path", value: `substr(r.__lw_path, ${[...prefix].length + 1})` };
}
function valuesPerFile(files, fields) {
  const rows = files.map((file) => {
    const values = fields.map((field) => partitionText2(partitionValue(file.partitionValues, field.name), field.type));
    return `(${[quotePath(file.path), quoteText(file.key), ...values].join(", ")})`;
  });
  const names = ["path", "key", ...fields.map((_, at) => `t${at}`)];
  const casts = fields.map((field, at) => `CAST(t${at} AS ${toSql(field.type)}) AS p${at}`);
  return `SELECT ${["path", "key", ...casts].join(", ")} FROM (VALUES ${rows.join(", ")}) v(${names.join(", ")})`;
}
function withMissingColumns(parquet, dataColumns) {
  if (dataColumns.length === 0) return `SELECT * FROM ${parquet}`;
  const nulls = dataColumns.map((field) => `NULL AS ${quoteIdent(field.name)}`).join(", ");
  return `SELECT ${nulls} WHERE false UNION ALL BY NAME SELECT * FROM ${parquet}`;
}
function dataValue(field) {
  const column = `r.${quoteIdent(field.name)}`;
  const cast = `CAST(${column} AS ${toSql(field.type)})`;
  if (field.type.kind !== "timestamp") return cast;
  return `CASE WHEN typeof(${column}) = 'TIMESTAMP' THEN make_timestamptz(epoch_us(CAST(${column} AS TIMESTAMP))) ELSE ${cast} END`;
}
function partitionText2(value, type) {
  if (value === null || value === void 0 || value === "") return "CAST(NULL AS VARCHAR)";
  if (type.kind === "timestamp") return quoteText(/(z|[+-]\d\d(:?\d\d)?)$/i.test(value) ? value : `${value}+00`);
  if (type.kind === "blob")
    return quoteText(
      [...Buffer.from(value, "latin1")].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")
    );
  return literal(value);
}
function groupFiles(files, dataColumns) {
  const nested = dataColumns.some((field) => isNested(field.type));
  const groups = /* @__PURE__ */ new Map();
  for (const file of files) {
    const digest = columnsDigest(file);
    const proven = statisticsNameAll(file, dataColumns, digest !== void 0) && !(nested && digest === void 0);
    const group = proven ? digest ?? "foreign" : "rest";
    const members = groups.get(group);
    if (members === void 0) groups.set(group, [file]);
    else members.push(file);
  }
  if (groups.size > 4) return { uniform: [], rest: [...files] };
  const rest = groups.get("rest") ?? [];
  groups.delete("rest");
  return { uniform: [...groups.values()], rest };
}
function columnsDigest(file) {
  return file.tags?.["lakewright.fp"]?.split(":")[2];
}
function statisticsNameAll(file, dataColumns, ours) {
  if (file.stats === void 0) return false;
  const { nullCount, numRecords } = parsedStats(file.stats);
  if (nullCount === void 0) return false;
  return dataColumns.every((field) => {
    if (isNested(field.type)) return true;
    const nulls = nullCount[field.name];
    return typeof nulls === "number" && (ours || numRecords !== void 0 && nulls < numRecords);
  });
}
function parsedStats(stats) {
  try {
    return JSON.parse(stats) ?? {};
  } catch {
    return {};
  }
}
function partitionField(schema, name) {
  const field = findColumn(schema, name);
  if (field === void 0)
    throw new LakeError("corrupt", "the table is partitioned by a column that its schema does not have", {
      column: name
    });
  return field;
}
function isPartitionColumn(field, partitionBy) {
  return partitionBy.some((name) => foldName(name) === foldName(field.name));
}
function partitionValue(values, name) {
  return values[name] || null;
}
function nullOf(type) {
  return `CAST(NULL AS ${toSql(type)})`;
}
function refuseMaskedRows(file) {
  if (file.deletionVector === void 0) return;
  throw new LakeError("unsupported", "a file has rows masked by a deletion vector, which this version does not read", {
    key: file.key,
    fix: "Rewrite the table with the writer that made it (e.g. Spark: `REORG TABLE \u2026 APPLY (PURGE)`)."
  });
}
function refuseRowNumberColumn(schema) {
  const column = findColumn(schema, "file_row_number");
  if (column === void 0) return;
  throw new LakeError("unsupported", "rows of a table with a column of this name cannot be numbered", {
    column: column.name,
    fix: "Rename the column."
  });
}
var plainInPath;
var init_relation = __esm({
  "src/engine/relation.ts"() {
    "use strict";
    init_errors();
    init_duckdb();
    init_names();
    init_sql();
    plainInPath = /* @__PURE__ */ new Set([
      "varchar",
      "date",
      "boolean",
      "tinyint",
      "smallint",
      "integer",
      "bigint",
      "decimal"
    ]);
  }
});

// src/read/value-sql.ts
function jsonValueSql(sqlType, sql) {
  const syntax = syntaxOf(sqlType);
  return syntax === void 0 ? asText(sql) : json(syntax, sql, 0);
}
function csvValueSql(sqlType, sql) {
  const syntax = syntaxOf(sqlType);
  if (syntax === void 0) return asText(sql);
  if (syntax.kind !== "plain")
    return `CASE WHEN ${sql} IS NULL THEN NULL ELSE CAST(to_json(${json(syntax, sql, 0)}) AS VARCHAR) END`;
  const kind = kindOf(syntax.name);
  return kind === "timestamp" || kind === "blob" ? json(syntax, sql, 0) : sql;
}
function syntaxOf(sqlType) {
  try {
    return parseTypeSyntax(sqlType);
  } catch {
    return void 0;
  }
}
function kindOf(name) {
  if (wide.has(name)) return "wide";
  if (small.has(name)) return "small";
  if (timestamps.has(name)) return "timestamp";
  if (name === "float" || name === "double") return "float";
  return name === "blob" ? "blob" : "text";
}
function json(syntax, x, depth) {
  switch (syntax.kind) {
    case "plain":
      return plain2(syntax.name, x);
    case "list": {
      const item = `e${depth}`;
      return `list_transform(${x}, lambda ${item}: ${json(syntax.element, item, depth + 1)})`;
    }
    case "map": {
      const entry = `e${depth}`;
      const pair = [
        `key := ${json(syntax.key, `${entry}.key`, depth + 1)}`,
        `value := ${json(syntax.value, `${entry}.value`, depth + 1)}`
      ];
      return `list_transform(map_entries(${x}), lambda ${entry}: struct_pack(${pair.join(", ")}))`;
    }
    case "struct": {
      const members = syntax.fields.map(
        ({ name, type }) => `${quoteIdent(name)} := ${json(type, `struct_extract(${x}, ${quoteText(name)})`, depth)}`
      );
      return `CASE WHEN ${x} IS NULL THEN NULL ELSE struct_pack(${members.join(", ")}) END`;
    }
    case "union":
      return asText(x);
  }
}
function plain2(name, x) {
  switch (kindOf(name)) {
    case "small":
      return x;
    case "wide":
      return `CASE WHEN ${x} IS NULL THEN NULL WHEN ${x} BETWEEN -9007199254740991 AND 9007199254740991 THEN to_json(CAST(${x} AS BIGINT)) ELSE to_json(CAST(${x} AS VARCHAR)) END`;
    case "float":
      return `CASE WHEN ${x} IS NULL THEN NULL WHEN isnan(${x}) THEN to_json('NaN') WHEN isinf(${x}) THEN to_json(CASE WHEN ${x} > 0 THEN 'Infinity' ELSE '-Infinity' END) ELSE to_json(${x}) END`;
    case "blob":
      return `to_base64(${x})`;
    case "timestamp":
      return timestampText2(name, x);
    case "text":
      return asText(x);
  }
}
function timestampText2(name, x) {
  const text = (format) => `strftime(make_timestamp(epoch_us(${x})), '%Y-%m-%dT%H:%M:%S${format}')`;
  const cases = [
    `WHEN ${x} IS NULL THEN NULL`,
    `WHEN NOT isfinite(${x}) THEN CAST(${x} AS VARCHAR)`,
    ...name === "timestamp_ns" ? [`WHEN epoch_ns(${x}) % 1000 <> 0 THEN strftime(${x}, '%Y-%m-%dT%H:%M:%S.%nZ')`] : [],
    `WHEN epoch_us(${x}) % 1000000 = 0 THEN ${text("Z")}`,
    `WHEN epoch_us(${x}) % 1000 = 0 THEN ${text(".%gZ")}`
  ];
  return `CASE ${cases.join(" ")} ELSE ${text(".%fZ")} END`;
}
function asText(x) {
  return `CAST(${x} AS VARCHAR)`;
}
var wide, small, timestamps;
var init_value_sql = __esm({
  "src/read/value-sql.ts"() {
    "use strict";
    init_sql();
    init_type_syntax();
    wide = /* @__PURE__ */ new Set(["bigint", "ubigint", "hugeint", "uhugeint"]);
    small = /* @__PURE__ */ new Set(["boolean", "tinyint", "smallint", "integer", "utinyint", "usmallint", "uinteger", "varchar"]);
    timestamps = /* @__PURE__ */ new Set(["timestamp", "timestamp with time zone", "timestamp_s", "timestamp_ms", "timestamp_ns"]);
  }
});

// src/read/arrow-file.ts
var arrow_file_exports = {};
__export(arrow_file_exports, {
  parquetToArrow: () => parquetToArrow
});
import { openAsBlob } from "node:fs";
import { open } from "node:fs/promises";
import { RecordBatchFileWriter, tableFromIPC } from "apache-arrow";
import { ParquetFile } from "parquet-wasm/node";
async function parquetToArrow(parquetPath, arrowPath) {
  const parquet = await ParquetFile.fromFile(await openAsBlob(parquetPath));
  const groups = parquet.metadata().numRowGroups();
  const writer = new RecordBatchFileWriter();
  const target = await open(arrowPath, "w");
  const written = (async () => {
    for await (const chunk of writer) await target.write(chunk);
  })();
  try {
    for (let group = 0; group < Math.max(1, groups); group++) {
      const part = await parquet.read(groups === 0 ? {} : { rowGroups: [group] });
      const table = tableFromIPC(part.intoIPCStream());
      if (group === 0) writer.reset(void 0, table.schema);
      for (const batch of table.batches) writer.write(batch);
    }
    writer.close();
    await written;
  } finally {
    parquet.free();
    await target.close();
  }
}
var init_arrow_file = __esm({
  "src/read/arrow-file.ts"() {
    "use strict";
  }
});

// src/read/write.ts
import { rm, stat } from "node:fs/promises";
async function writeResult(result, path, format, options = {}) {
  const rows = format === "arrow" ? await writeArrow(result, path, options) : await copy(result, path, format, options);
  return { rows, bytes: (await stat(path)).size };
}
async function copy({ engine, sql, columns: columns2 }, path, format, options) {
  const { value, options: copyOptions } = copies[format];
  const values = columns2.map(({ name, type }) => {
    const column = `q.${quoteIdent(name)}`;
    return `${value(type, column, name)} AS ${quoteIdent(name)}`;
  });
  const select = `SELECT ${values.join(", ")} FROM (${sql}
) q`;
  const [row] = await engine.rows(`COPY (${select}) TO ${quotePath(path)} (${copyOptions})`, options);
  return Number(row?.Count ?? 0);
}
async function writeArrow(result, path, options) {
  const parquetPath = `${path}.parquet.tmp`;
  try {
    const rows = await copy(result, parquetPath, "parquet", options);
    const { parquetToArrow: parquetToArrow2 } = await Promise.resolve().then(() => (init_arrow_file(), arrow_file_exports));
    await parquetToArrow2(parquetPath, path);
    return rows;
  } finally {
    await rm(parquetPath, { force: true });
  }
}
var copies;
var init_write = __esm({
  "src/read/write.ts"() {
    "use strict";
    init_sql();
    init_duckdb();
    init_value_sql();
    copies = {
      csv: { value: csvValueSql, options: `FORMAT csv, HEADER true, DELIMITER ',', NULLSTR ''` },
      ndjson: { value: jsonValueSql, options: "FORMAT json" },
      json: { value: jsonValueSql, options: "FORMAT json, ARRAY true" },
      parquet: {
        value: (type, sql, name) => castExpression(type, sql, name),
        options: "FORMAT parquet, COMPRESSION zstd"
      }
    };
  }
});

// src/read/change-rows.ts
async function writeChanges({ engine, sql, columns: columns2 }, path, format, options = {}) {
  if (format !== "csv") return await writeResult({ engine, sql, columns: columns2 }, path, format, options);
  const joined = `SELECT * REPLACE (array_to_string(_changed_columns, ',') AS _changed_columns) FROM (${sql}
)`;
  const texts = columns2.map(({ name, type }) => ({ name, type: name === "_changed_columns" ? "VARCHAR" : type }));
  return await writeResult({ engine, sql: joined, columns: texts }, path, format, options);
}
var init_change_rows = __esm({
  "src/read/change-rows.ts"() {
    "use strict";
    init_write();
  }
});

// src/read/footer.ts
async function readFooter(store, { key, sizeBytes }, options = {}) {
  const tailStart = Math.max(0, sizeBytes - tailBytes);
  const tail = await store.get(key, { ...options, range: { offset: tailStart, length: sizeBytes - tailStart } });
  if (tail === void 0) return void 0;
  if (tail.sizeBytes !== sizeBytes) throw otherSize(key, tail.sizeBytes, sizeBytes);
  const length = footerLength(tail.body);
  if (length === void 0 || length + 8 > sizeBytes) throw noParquet(key);
  const offset = sizeBytes - length - 8;
  let bytes = tail.body;
  if (offset < tailStart) {
    const rest = await store.get(key, { ...options, range: { offset, length: tailStart - offset } });
    if (rest === void 0 || rest.etag !== tail.etag) throw noParquet(key);
    bytes = Buffer.concat([rest.body, tail.body]);
  }
  return { offset: sizeBytes - bytes.length, bytes, etag: tail.etag, metadata: await parseFooter(key, bytes) };
}
function columnRanges({ metadata, offset: end }, wanted) {
  const chunks = metadata.row_groups.flatMap((group) => group.columns);
  const chosen = chunks.filter((chunk) => wanted(chunk.meta_data?.path_in_schema[0] ?? ""));
  const ranges = chosen.flatMap(({ meta_data: chunk }) => chunk === void 0 ? [] : [pagesOf(chunk)]);
  for (const { meta_data: chunk } of chosen) {
    const filter = Number(chunk?.bloom_filter_offset ?? -1n);
    if (filter < 0) continue;
    const next = chunk?.bloom_filter_length === void 0 ? nextAfter(filter, chunks, end) : 0;
    ranges.push({ offset: filter, length: chunk?.bloom_filter_length ?? next - filter });
  }
  return ranges.sort((a, b) => a.offset - b.offset);
}
function mergeRanges(ranges, gapBytes2) {
  const merged = [];
  for (const { offset, length } of ranges) {
    const last = merged.at(-1);
    if (last !== void 0 && offset - (last.offset + last.length) <= gapBytes2)
      last.length = Math.max(last.length, offset + length - last.offset);
    else merged.push({ offset, length });
  }
  return merged;
}
function pagesOf(chunk) {
  const pages = [chunk.data_page_offset, chunk.dictionary_page_offset, chunk.index_page_offset].filter((offset) => offset !== void 0 && offset > 0n).map(Number);
  return { offset: Math.min(...pages), length: Number(chunk.total_compressed_size) };
}
function nextAfter(offset, chunks, end) {
  const begins = chunks.flatMap(({ meta_data: chunk, offset_index_offset, column_index_offset }) => [
    ...chunk === void 0 ? [] : [BigInt(pagesOf(chunk).offset), chunk.bloom_filter_offset],
    offset_index_offset,
    column_index_offset
  ]);
  return Math.min(end, ...begins.map((begin) => Number(begin ?? 0n)).filter((begin) => begin > offset));
}
function footerLength(tail) {
  const view = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength);
  return view.length >= 12 && view.toString("latin1", view.length - 4) === "PAR1" ? view.readUInt32LE(view.length - 8) : void 0;
}
async function parseFooter(key, bytes) {
  const { parquetMetadata } = await import("hyparquet");
  try {
    return parquetMetadata(new Uint8Array(bytes).buffer, { geoparquet: false });
  } catch (cause) {
    throw noParquet(key, cause);
  }
}
function noParquet(key, cause) {
  return new LakeError("corrupt", "a data file does not end in a Parquet footer", {
    key,
    fix: "Find out what changed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again.",
    cause
  });
}
function otherSize(key, found, recorded) {
  return new LakeError("corrupt", "a data file has another size than the manifest says", {
    key,
    found,
    recorded,
    fix: "Find out what changed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again."
  });
}
var tailBytes;
var init_footer = __esm({
  "src/read/footer.ts"() {
    "use strict";
    init_errors();
    tailBytes = 64 * 1024;
  }
});

// src/read/fetch.ts
import { createHash as createHash2 } from "node:crypto";
import { mkdir, open as open2, rm as rm2 } from "node:fs/promises";
import { dirname, join } from "node:path";
import pLimit2 from "p-limit";
function piecesOf({ offset, length }, sizeBytes) {
  const end = Math.min(offset + length, sizeBytes);
  const pieces = [];
  for (let at = offset; at < end; at += pieceBytes) pieces.push({ offset: at, length: Math.min(pieceBytes, end - at) });
  return pieces;
}
function missingFile(key, table) {
  return new LakeError("corrupt", "a data file that the manifest names is not there", {
    key,
    table,
    fix: "Find out what removed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again."
  });
}
var FileCache, requestsAtOnce, filesAtOnce, smallFileBytes, gapBytes, pieceBytes;
var init_fetch = __esm({
  "src/read/fetch.ts"() {
    "use strict";
    init_errors();
    init_names();
    init_footer();
    FileCache = class {
      /** @param folder of this cache alone; made when it is needed, removed by `close` */
      constructor(store, folder) {
        this.store = store;
        this.folder = folder;
      }
      store;
      folder;
      entries = /* @__PURE__ */ new Map();
      limit = pLimit2(requestsAtOnce);
      /**
       * @param columns top-level names, without regard to case; absent for all
       * @throws LakeError corrupt: a file is missing, has another size, or is no Parquet file
       */
      async local(files, { columns: columns2, ...options } = {}) {
        const wanted = columns2 && new Set(columns2.map(foldName));
        const inTurn = pLimit2(filesAtOnce);
        return await Promise.all(
          files.map((file) => {
            const here = this.store.localPath(file.key);
            return here !== void 0 ? { ...file, path: here } : inTurn(async () => ({ ...file, path: await this.bring(file, wanted, options) }));
          })
        );
      }
      async close() {
        this.entries.clear();
        await rm2(this.folder, { recursive: true, force: true });
      }
      /** Two queries that want one file take turns, so that the second finds what the first brought. */
      async bring(file, wanted, options) {
        const entry = this.entries.get(file.key) ?? { path: this.pathOf(file.key), columns: /* @__PURE__ */ new Set(), last: void 0 };
        this.entries.set(file.key, entry);
        const before = entry.last;
        const brought = (async () => {
          await before?.catch(() => {
          });
          await this.fill(entry, file, wanted, options);
        })();
        entry.last = brought;
        await brought;
        return entry.path;
      }
      async fill(entry, file, wanted, options) {
        if (entry.columns === "all") return;
        const had = entry.columns;
        const missing = wanted && [...wanted].filter((column) => !had.has(column));
        if (missing?.length === 0 && entry.footer !== void 0) return;
        await mkdir(dirname(entry.path), { recursive: true });
        const target = await open2(entry.path, entry.footer === void 0 ? "w+" : "r+");
        try {
          if (missing === void 0 || file.sizeBytes <= smallFileBytes) {
            await this.copyRanges(target, file, [{ offset: 0, length: file.sizeBytes }], void 0, options);
            entry.columns = "all";
            return;
          }
          const footer = entry.footer ?? await this.limit(() => readFooter(this.store, file, options));
          if (footer === void 0) throw missingFile(file.key, this.store.url);
          if (entry.footer === void 0) await target.write(footer.bytes, 0, footer.bytes.length, footer.offset);
          const ranges = mergeRanges(
            columnRanges(footer, (column) => missing.includes(foldName(column))),
            gapBytes
          );
          await this.copyRanges(target, file, ranges, footer.etag, options);
          entry.footer = footer;
          for (const column of missing) had.add(column);
        } finally {
          await target.close();
        }
      }
      async copyRanges(target, { key, sizeBytes }, ranges, etag, options) {
        const pieces = ranges.flatMap((range) => piecesOf(range, sizeBytes));
        let expected = etag;
        await Promise.all(
          pieces.map(
            (range) => this.limit(async () => {
              const part = await this.store.get(key, { ...options, range });
              if (part === void 0) throw missingFile(key, this.store.url);
              expected ??= part.etag;
              if (part.sizeBytes !== sizeBytes || part.etag !== expected || part.body.length !== range.length)
                throw new LakeError("corrupt", "a data file is not the one that the manifest names", {
                  key,
                  sizeBytes: part.sizeBytes,
                  recorded: sizeBytes,
                  fix: "Find out what changed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again."
                });
              await target.write(part.body, 0, part.body.length, range.offset);
            })
          )
        );
      }
      /**
       * The folders of the key, so that DuckDB reads partition values and prunes by them as for files in place; where a
       * name is too long for a file system, or escapes the folder, a digest.
       */
      pathOf(key) {
        const segments = key.split("/");
        const plain3 = segments.every((name) => Buffer.byteLength(name) <= 200 && !/[\\:*?"<>|]|^\.{1,2}$|[. ]$/.test(name));
        if (plain3) return join(this.folder, "k", ...segments);
        return join(this.folder, "h", `${createHash2("sha256").update(key).digest("hex")}.parquet`);
      }
    };
    requestsAtOnce = 16;
    filesAtOnce = 16;
    smallFileBytes = 256 * 1024;
    gapBytes = 512 * 1024;
    pieceBytes = 8 * 1024 * 1024;
  }
});

// src/read/workplace.ts
import { mkdtemp, rm as rm3 } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as join2 } from "node:path";
async function openWorkplace({ settings, store, cache: cache2 }, use) {
  const folder = await mkdtemp(join2(settings.tempFolder ?? tmpdir(), "lakewright-query-"));
  try {
    const memory2 = use.memory ?? settings.memory;
    const threads2 = use.threads ?? settings.threads;
    const engine = await openDuckDB({
      ...memory2 === void 0 ? {} : { memory: memory2 },
      ...threads2 === void 0 ? {} : { threads: threads2 },
      spillFolder: join2(folder, "spill")
    });
    return {
      engine,
      cache: cache2 ?? new FileCache(store, join2(folder, "files")),
      folder,
      close: async () => {
        await engine.close();
        await rm3(folder, { recursive: true, force: true });
      }
    };
  } catch (error) {
    await rm3(folder, { recursive: true, force: true });
    throw error;
  }
}
var init_workplace = __esm({
  "src/read/workplace.ts"() {
    "use strict";
    init_duckdb2();
    init_fetch();
  }
});

// src/schema/fit.ts
function holds(wide2, narrow) {
  const common = commonType(wide2, narrow);
  return common !== void 0 && sameType(common, wide2);
}
function commonType(a, b) {
  if (sameType(a, b)) return a;
  if (a.kind === "list" && b.kind === "list") {
    const element = commonType(a.element, b.element);
    return element && { ...a, element, ...b.elementNullable === false ? {} : { elementNullable: true } };
  }
  if (a.kind === "map" && b.kind === "map") {
    const key = commonType(a.key, b.key);
    const value = commonType(a.value, b.value);
    return key && value && { ...a, key, value, ...b.valueNullable === false ? {} : { valueNullable: true } };
  }
  if (a.kind === "struct" && b.kind === "struct") {
    const fields = mergeFields(a.fields, b.fields);
    return fields && { kind: "struct", fields };
  }
  if (a.kind === "date" && b.kind === "timestamp") return b;
  if (a.kind === "timestamp" && b.kind === "date") return a;
  return commonNumber(a, b);
}
function mergeFields(left2, right) {
  const merged = [];
  for (const field of left2) {
    const other = right.find(({ name }) => sameName(name, field.name));
    const type = other === void 0 ? field.type : commonType(field.type, other.type);
    if (type === void 0) return void 0;
    merged.push({ ...field, type, nullable: field.nullable || (other?.nullable ?? true) });
  }
  for (const field of right)
    if (!left2.some(({ name }) => sameName(name, field.name))) merged.push({ ...field, nullable: true });
  return merged;
}
function commonNumber(a, b) {
  if (isInteger2(a) && isInteger2(b)) return integerOrder.indexOf(a.kind) > integerOrder.indexOf(b.kind) ? a : b;
  if (isExact(a) && isExact(b)) {
    const [p, q] = [digitsOf(a), digitsOf(b)];
    const scale = Math.max(p.scale, q.scale);
    const precision = Math.max(p.whole, q.whole) + scale;
    return precision <= 38 ? { kind: "decimal", precision, scale } : void 0;
  }
  if (isFloat(a) && isFloat(b)) return { kind: "double" };
  const [float, other] = isFloat(a) ? [a, b] : isFloat(b) ? [b, a] : [];
  if (float === void 0 || other === void 0 || !isInteger2(other) || other.kind === "bigint") return void 0;
  return float.kind === "float" && other.kind !== "integer" ? float : { kind: "double" };
}
function isInteger2(type) {
  return type.kind in integerDigits;
}
function isExact(type) {
  return type.kind === "decimal" || isInteger2(type);
}
function isFloat(type) {
  return type.kind === "float" || type.kind === "double";
}
function digitsOf(type) {
  return type.kind === "decimal" ? { whole: type.precision - type.scale, scale: type.scale } : { whole: integerDigits[type.kind], scale: 0 };
}
var integerDigits, integerOrder;
var init_fit = __esm({
  "src/schema/fit.ts"() {
    "use strict";
    init_duckdb();
    init_grammar();
    init_names();
    integerDigits = { tinyint: 3, smallint: 5, integer: 10, bigint: 19 };
    integerOrder = ["tinyint", "smallint", "integer", "bigint"];
  }
});

// src/read/changes/sources.ts
async function sourcesOf(commits, schema, before) {
  const sources = { recorded: [], inserted: [], deleted: [], before: [], after: [] };
  const added = /* @__PURE__ */ new Map();
  const changesSchema = commits.some(({ actions }) => actions.some((action) => "metaData" in action));
  let now;
  const readAs = async (version2) => {
    if (changesSchema) refuseOtherTypes(now ?? (await before())?.metadata, schema, version2, commits);
  };
  for (const { version: version2, actions } of commits) {
    const { recorded, adds, removes } = filesOf(actions);
    if (removes.length > 0) await readAs(version2 - 1);
    now = actions.find((action) => "metaData" in action)?.metaData ?? now;
    if (adds.length + recorded.length > 0) await readAs(version2);
    const removed = [];
    for (const remove of removes) {
      const known = describedByItself(remove) ?? added.get(remove.key) ?? (await before())?.files.get(remove.key);
      removed.push({ ...known ?? refuseUnknown(remove, version2), ...maskOf(remove) });
    }
    for (const action of actions) if ("add" in action) added.set(action.add.key, action.add);
    const at = (file) => ({ version: version2, file });
    sources.recorded.push(...recorded.map(asAdd).map(at));
    sources[removed.length > 0 ? "after" : "inserted"].push(...adds.map(at));
    sources[adds.length > 0 ? "before" : "deleted"].push(...removed.map(at));
  }
  return sources;
}
function filesOf(actions) {
  const recorded = actions.flatMap((action) => "cdc" in action ? [action.cdc] : []);
  if (recorded.length > 0) return { recorded, adds: [], removes: [] };
  const adds = actions.flatMap((action) => "add" in action && action.add.dataChange ? [action.add] : []);
  const removes = actions.flatMap((action) => "remove" in action && action.remove.dataChange ? [action.remove] : []);
  const restated = new Set(removes.filter(({ deletionVector: deletionVector2 }) => !deletionVector2).map(({ key }) => key));
  const kept = new Set(
    adds.filter(({ key, deletionVector: deletionVector2 }) => !deletionVector2 && restated.has(key)).map(({ key }) => key)
  );
  return {
    recorded,
    adds: adds.filter(({ key }) => !kept.has(key)),
    removes: removes.filter(({ key }) => !kept.has(key))
  };
}
function describedByItself({ key, partitionValues: partitionValues2, sizeBytes }) {
  if (partitionValues2 === void 0 || sizeBytes === void 0) return void 0;
  return { key, partitionValues: partitionValues2, sizeBytes, modificationTime: 0, dataChange: true };
}
function maskOf({ deletionVector: deletionVector2 }) {
  return deletionVector2 === void 0 ? {} : { deletionVector: deletionVector2 };
}
function asAdd({ key, partitionValues: partitionValues2, sizeBytes }) {
  return { key, partitionValues: partitionValues2, sizeBytes, modificationTime: 0, dataChange: true };
}
function refuseUnknown({ key }, version2) {
  throw new LakeError("corrupt", "a commit removes a file that the table did not have", { key, version: version2 });
}
function refuseOtherTypes(then, schema, version2, commits) {
  const field = then && unfit(then.schema, schema);
  if (field === void 0) return;
  const change = commits.find((commit) => {
    const next = commit.actions.find((action) => "metaData" in action)?.metaData;
    return commit.version > version2 && next && unfit(next.schema, schema) === void 0;
  });
  const from = change?.version ?? version2 + 1;
  throw new LakeError("invalid", "a column had a type whose values the type it has now does not hold", {
    column: field.name,
    version: version2,
    type: typeName(field.type),
    now: typeName(findColumn(schema, field.name)?.type ?? field.type),
    fix: `Ask for what came after that with --since ${from}, or for what came before with --until ${from - 1}.`
  });
}
function unfit(then, now) {
  return then.find(({ name, type }) => {
    const field = findColumn(now, name);
    return field !== void 0 && !holds(field.type, type);
  });
}
var sourceNames;
var init_sources = __esm({
  "src/read/changes/sources.ts"() {
    "use strict";
    init_errors();
    init_fit();
    init_names();
    sourceNames = ["recorded", "inserted", "deleted", "before", "after"];
  }
});

// src/read/changes/files.ts
import pLimit3 from "p-limit";
async function localFilesAt(place2, sources, options) {
  const all = sourceNames.flatMap((name) => sources[name]);
  if (all.some(({ file }) => place2.store.localPath(file.key) !== void 0)) await refuseMissing(place2, all, options);
  try {
    const local = {};
    for (const name of sourceNames) {
      const files = await place2.cache.local(
        sources[name].map(({ file }) => file),
        options
      );
      local[name] = sources[name].flatMap(({ version: version2 }, i) => files[i] ? [{ version: version2, file: files[i] }] : []);
    }
    return local;
  } catch (error) {
    if (isLakeError(error, "corrupt")) await refuseMissing(place2, all, options);
    throw error;
  }
}
async function refuseMissing({ store, range }, files, { signal }) {
  const call = signal === void 0 ? {} : { signal };
  const inTurn = pLimit3(requestsAtOnce2);
  const found = await Promise.all(
    files.map((at) => inTurn(async () => await store.head(at.file.key, call) === void 0 ? at : void 0))
  );
  const missing = found.filter((at) => at !== void 0);
  const last = missing.reduce((a, b) => a && a.version >= b.version ? a : b, void 0);
  if (last === void 0) return;
  const table = await readSnapshot(store, call);
  const live = missing.find(({ file }) => table?.files.has(file.key));
  if (live !== void 0)
    throw new LakeError("corrupt", "a data file that the manifest names is not there", {
      key: live.file.key,
      version: live.version,
      fix: "Find out what removed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again."
    });
  throw new LakeError("invalid", "the files of these changes are gone, as vacuum leaves old versions", {
    version: last.version,
    key: last.file.key,
    fix: last.version < range.until ? `Ask for --since ${last.version} or later.` : `Changes after version ${last.version} are still there: --since ${last.version}.`
  });
}
var requestsAtOnce2;
var init_files = __esm({
  "src/read/changes/files.ts"() {
    "use strict";
    init_errors();
    init_log();
    init_sources();
    requestsAtOnce2 = 16;
  }
});

// src/read/changes/sql.ts
function changesSql(shape2, request) {
  const { steps, rows } = request.net ? netSql(shape2, request) : eachSql(shape2, request);
  const order = [`x.${commitVersion}`, ...shape2.key.map((name) => `x.${quoteIdent(name)}`), place];
  const columns2 = `${identList(shape2.columns, "x")}, x.${changeType}, x.${commitVersion}`;
  const select = `SELECT ${columns2}, c.committed AS ${commitTimestamp}, x.${changedColumns}
FROM (${rows}) x JOIN lw_commits c ON c.version = x.${commitVersion}
ORDER BY ${order.join(", ")}`;
  return { steps, select };
}
function repeatedKeySql(shape2, view) {
  const key = identList(keyInVersion(shape2));
  return `SELECT 1 AS repeated FROM ${view} GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`;
}
function eachSql(shape2, { has, byKey }) {
  const parts = [alone(shape2, "lw_inserted", "insert"), alone(shape2, "lw_deleted", "delete")];
  if (has.has("recorded")) parts.push(recordedSql(shape2));
  if (has.has("before")) parts.push(byKey ? comparedSql(shape2, shape2.compared) : summedSql(shape2));
  return { steps: parts.flatMap(({ steps }) => steps), rows: parts.map(({ rows }) => rows).join("\nUNION ALL\n") };
}
function netSql(shape2, { has, byKey }) {
  const columns2 = identList(shape2.columns);
  const signed = (n2, from) => `SELECT ${columns2}, ${commitVersion}, ${n2} AS __lw_n FROM ${from}`;
  const sign = `CASE WHEN ${changeType} IN ('insert', 'update_postimage') THEN 1 ELSE -1 END`;
  const events = [signed("1", "lw_inserted"), signed("-1", "lw_deleted"), signed(sign, "lw_recorded")];
  const steps = [];
  if (has.has("before") && byKey) {
    const others = shape2.columns.filter((name) => !shape2.key.includes(name));
    const computed = comparedSql(shape2, others);
    steps.push(...computed.steps);
    events.push(signed(sign, `(${computed.rows})`));
  } else if (has.has("before")) events.push(signed("1", "lw_after"), signed("-1", "lw_before"));
  const last = (test) => `max(${commitVersion}) FILTER (WHERE __lw_n ${test} 0)`;
  const sums = `SELECT ${columns2}, sum(__lw_n) AS __lw_n, max(${commitVersion}) AS __lw_latest,
CASE WHEN sum(__lw_n) > 0 THEN ${last(">")} ELSE ${last("<")} END AS ${commitVersion}
FROM (${events.join("\nUNION ALL\n")}) GROUP BY ${columns2}`;
  steps.push({ name: "lw_sums", sql: sums });
  const remaining = "(SELECT * FROM lw_sums WHERE __lw_n <> 0)";
  if (shape2.key.length === 0) return { steps, rows: single(shape2, remaining) };
  const key = identList(shape2.key);
  const paired = pairedSql(shape2, remaining, shape2.key);
  const latest = `SELECT ${key}, max(__lw_latest) AS __lw_version FROM lw_sums GROUP BY ${key}`;
  const dated = `SELECT ${identList(shape2.columns, "o")}, o.${changeType}, n.__lw_version AS ${commitVersion}, o.${changedColumns}
FROM (${paired.rows}) o JOIN (${latest}) n ON ${sameSql(shape2.key)}`;
  return {
    steps: [...steps, ...paired.steps, { name: "lw_net", sql: dated }],
    rows: `SELECT * FROM lw_net`
  };
}
function recordedSql(shape2) {
  const columns2 = `${identList(shape2.columns)}, ${changeType}, ${commitVersion}`;
  if (shape2.key.length === 0) return { steps: [], rows: `SELECT ${columns2}, ${noColumns} FROM lw_recorded` };
  const key = keyInVersion(shape2);
  const isUpdate = `${changeType} IN ('update_preimage', 'update_postimage')`;
  const one = (type) => `count(*) FILTER (WHERE ${changeType} = '${type}') <> 1`;
  const repeated = `SELECT ${identList(key)} FROM lw_recorded WHERE ${isUpdate}
GROUP BY ${identList(key)} HAVING ${one("update_preimage")} OR ${one("update_postimage")}`;
  const side = (type) => `(SELECT * FROM lw_recorded o ANTI JOIN lw_repeated_updates n ON ${sameSql(key)} WHERE o.${changeType} = '${type}')`;
  const from = `${side("update_preimage")} o JOIN ${side("update_postimage")} n ON ${sameSql(key)}`;
  const images = imagesSql(shape2, from, `['update_preimage', 'update_postimage']`, changedSql(shape2.compared));
  return {
    steps: [
      { name: "lw_repeated_updates", sql: repeated },
      { name: "lw_updates", sql: images }
    ],
    rows: `SELECT ${columns2}, ${noColumns} FROM lw_recorded WHERE NOT coalesce(${isUpdate}, false)
UNION ALL
SELECT ${columns2}, ${noColumns} FROM lw_recorded o SEMI JOIN lw_repeated_updates n ON ${sameSql(key)} WHERE ${isUpdate}
UNION ALL
SELECT * FROM lw_updates`
  };
}
function comparedSql(shape2, compared) {
  const from = `lw_before o FULL JOIN lw_after n ON ${sameSql(keyInVersion(shape2))}`;
  return {
    steps: [{ name: "lw_compared", sql: pairsSql({ ...shape2, compared }, from) }],
    rows: "SELECT * FROM lw_compared"
  };
}
function summedSql(shape2) {
  const list = identList([...shape2.columns, commitVersion]);
  const sums = `SELECT ${list}, sum(__lw_n) AS __lw_n
FROM (SELECT ${list}, 1 AS __lw_n FROM lw_after UNION ALL SELECT ${list}, -1 FROM lw_before)
GROUP BY ${list} HAVING sum(__lw_n) <> 0`;
  const step = { name: "lw_sums", sql: sums };
  if (shape2.key.length === 0) return { steps: [step], rows: single(shape2, "lw_sums") };
  const paired = pairedSql(shape2, "lw_sums", keyInVersion(shape2));
  return { steps: [step, ...paired.steps], rows: paired.rows };
}
function pairedSql(shape2, sums, key) {
  const several = (test) => `sum(abs(__lw_n)) FILTER (WHERE __lw_n ${test} 0) > 1`;
  const repeated = `SELECT ${identList(key)} FROM ${sums} GROUP BY ${identList(key)} HAVING ${several(">")} OR ${several("<")}`;
  const side = (test) => `(SELECT * FROM ${sums} o ANTI JOIN lw_repeated n ON ${sameSql(key)} WHERE o.__lw_n ${test} 0)`;
  const pairs = pairsSql(shape2, `${side("<")} o FULL JOIN ${side(">")} n ON ${sameSql(key)}`);
  return {
    steps: [
      { name: "lw_repeated", sql: repeated },
      { name: "lw_pairs", sql: pairs }
    ],
    rows: `SELECT * FROM lw_pairs
UNION ALL
${single(shape2, `${sums} o SEMI JOIN lw_repeated n ON ${sameSql(key)}`)}`
  };
}
function pairsSql(shape2, from) {
  const types = `CASE WHEN n.${commitVersion} IS NULL THEN ['delete'] WHEN o.${commitVersion} IS NULL THEN ['insert']
WHEN ${differSql(shape2.compared)} THEN ['update_preimage', 'update_postimage'] ELSE CAST([] AS VARCHAR[]) END`;
  const lonely = `o.${commitVersion} IS NULL OR n.${commitVersion} IS NULL`;
  return imagesSql(shape2, from, types, `CASE WHEN ${lonely} THEN NULL ELSE ${changedSql(shape2.compared)} END`);
}
function imagesSql({ columns: columns2 }, from, types, changed) {
  const pairs = columns2.map((name, i) => `o.${quoteIdent(name)} AS o${i}, n.${quoteIdent(name)} AS n${i}`);
  const isOld = `${changeType} IN ('delete', 'update_preimage')`;
  const images = columns2.map((name, i) => `CASE WHEN ${isOld} THEN o${i} ELSE n${i} END AS ${quoteIdent(name)}`);
  return `SELECT ${images.join(", ")}, ${changeType}, ${commitVersion}, ${changedColumns}
FROM (SELECT ${pairs.join(", ")}, coalesce(n.${commitVersion}, o.${commitVersion}) AS ${commitVersion},
${changed} AS ${changedColumns}, unnest(${types}) AS ${changeType} FROM ${from})`;
}
function single({ columns: columns2 }, from) {
  return `SELECT ${identList(columns2)}, CASE WHEN __lw_n > 0 THEN 'insert' ELSE 'delete' END AS ${changeType},
${commitVersion}, ${noColumns} FROM (SELECT *, unnest(range(CAST(abs(__lw_n) AS BIGINT))) FROM ${from})`;
}
function alone({ columns: columns2 }, view, type) {
  return {
    steps: [],
    rows: `SELECT ${identList(columns2)}, '${type}' AS ${changeType}, ${commitVersion}, ${noColumns} FROM ${view}`
  };
}
function keyInVersion({ key }) {
  return [commitVersion, ...key];
}
function sameSql(columns2) {
  return columns2.map((name) => `o.${quoteIdent(name)} IS NOT DISTINCT FROM n.${quoteIdent(name)}`).join(" AND ");
}
function differSql(columns2) {
  if (columns2.length === 0) return "false";
  return columns2.map((name) => `o.${quoteIdent(name)} IS DISTINCT FROM n.${quoteIdent(name)}`).join(" OR ");
}
function changedSql(columns2) {
  if (columns2.length === 0) return "CAST([] AS VARCHAR[])";
  const names = columns2.map((name) => `CASE WHEN ${differSql([name])} THEN ${quoteText(name)} END`);
  return `list_filter([${names.join(", ")}], lambda __lw_name: __lw_name IS NOT NULL)`;
}
var changeType, commitVersion, commitTimestamp, changedColumns, feedColumns, place, noColumns;
var init_sql2 = __esm({
  "src/read/changes/sql.ts"() {
    "use strict";
    init_sql();
    changeType = "_change_type";
    commitVersion = "_commit_version";
    commitTimestamp = "_commit_timestamp";
    changedColumns = "_changed_columns";
    feedColumns = [changeType, commitVersion, commitTimestamp, changedColumns];
    place = `CASE x.${changeType} WHEN 'delete' THEN 0 WHEN 'update_preimage' THEN 1 WHEN 'update_postimage' THEN 2 ELSE 3 END`;
    noColumns = `CAST(NULL AS VARCHAR[]) AS ${changedColumns}`;
  }
});

// src/read/changes/open.ts
var open_exports = {};
__export(open_exports, {
  openChanges: () => openChanges
});
import { join as join3 } from "node:path";
async function openChanges(reading2, range, options) {
  const call = callOf(reading2, options.signal);
  const { metadata } = await snapshotAt(reading2.store, { version: range.until }, call);
  refuseFeedColumns(metadata.schema);
  const commits = await commitsOf(reading2, range, call);
  const sources = await sourcesOf(commits, metadata.schema, tableBefore(reading2, range, call));
  const { engine, cache: cache2, folder, close } = await openWorkplace(reading2, options);
  try {
    const run = call.signal === void 0 ? {} : { signal: call.signal };
    const wanted = { columns: [...metadata.schema.map(({ name }) => name), changeType], ...run };
    const local = await localFilesAt({ store: reading2.store, cache: cache2, range }, sources, wanted);
    await defineViews(engine, metadata, local, commits);
    const described = await engine.describe(emptyFeed(metadata.schema));
    const columns2 = described.map(({ name, sqlType }) => ({ name, type: sqlType }));
    const has = new Set(sourceNames.filter((name) => sources[name].length > 0));
    let composed;
    const select = () => {
      composed ??= composeChanges({ engine, folder, run }, shapeOf(metadata), { net: options.net ?? false, has });
      return composed;
    };
    const files = sourceNames.flatMap((name) => sources[name]);
    return {
      columns: columns2,
      rows: () => rowsOfChanges(engine, select, files, run),
      write: async (path, format) => {
        try {
          return await writeChanges({ engine, sql: await select(), columns: columns2 }, path, format, run);
        } catch (error) {
          throw damagedFile(error, files);
        }
      },
      close
    };
  } catch (error) {
    await close();
    throw error;
  }
}
async function composeChanges({ engine, folder, run }, shape2, request) {
  const byKey = request.has.has("before") && await isByKey(engine, shape2, run);
  const { steps, select } = changesSql(shape2, { ...request, byKey });
  for (const { name, sql } of steps) {
    const path = join3(folder, `${name}.parquet`);
    await engine.run(`COPY (${sql}) TO ${quotePath(path)} (FORMAT parquet, COMPRESSION lz4_raw)`, run);
    await engine.run(`CREATE VIEW ${name} AS SELECT * FROM read_parquet(${quotePath(path)}, hive_partitioning = false)`);
  }
  return select;
}
async function* rowsOfChanges(engine, select, files, run) {
  try {
    yield* engine.stream(await select(), run);
  } catch (error) {
    throw damagedFile(error, files);
  }
}
async function commitsOf(reading2, { since, until }, call) {
  if (since === until) return [];
  try {
    return await readCommits(reading2.store, since, until, call);
  } catch (error) {
    if (!isLakeError(error, "invalid") || typeof error.details.oldest !== "number") throw error;
    throw new LakeError("invalid", "the commits of these versions were cleaned up by another writer", {
      version: error.details.version,
      oldest: error.details.oldest,
      fix: `Ask for --since ${error.details.oldest - 1} or later.`,
      cause: error
    });
  }
}
function tableBefore({ store }, { since }, call) {
  let reading2;
  return () => {
    reading2 ??= since < 0 ? Promise.resolve(void 0) : readSnapshot(store, { ...call, version: since });
    return reading2;
  };
}
function shapeOf({ schema, configuration }) {
  const columns2 = schema.map(({ name }) => name);
  const key = keyOf({ configuration }).map((name) => findColumn(schema, name)?.name);
  const version2 = configuration["lakewright.history"] === "scd2" ? ["_effective_from"] : [];
  const named = key.every((name) => name !== void 0) ? key : [];
  const row = named.length === 0 ? [] : [...named, ...version2.filter((name) => columns2.includes(name))];
  const loadColumns = configuration["lakewright.loadColumns"] === void 0 ? [] : loadColumnNames;
  return {
    columns: columns2,
    key: row,
    compared: columns2.filter((name) => !row.includes(name) && !loadColumns.includes(name))
  };
}
async function isByKey(engine, shape2, run) {
  if (shape2.key.length === 0) return false;
  for (const view of ["lw_before", "lw_after"])
    if ((await engine.rows(repeatedKeySql(shape2, view), run)).length > 0) return false;
  return true;
}
async function defineViews(engine, { schema }, local, commits) {
  await fillTable(
    engine,
    "lw_commits (version BIGINT, committed TIMESTAMPTZ)",
    commits.map(({ version: version2, timestamp }) => `(${version2}, make_timestamptz(CAST(${timestamp} AS BIGINT) * 1000))`)
  );
  const places = sourceNames.flatMap(
    (name) => local[name].map(({ version: version2, file }) => `(${quoteText(name)}, ${quoteText(file.key)}, ${version2})`)
  );
  await fillTable(engine, "lw_files (source VARCHAR, key VARCHAR, version BIGINT)", places);
  for (const name of sourceNames) {
    const columns2 = name === "recorded" ? [...schema, changeTypeField] : schema;
    await engine.run(`CREATE VIEW lw_${name} AS ${rowsOf(name, columns2, local[name])}`);
  }
}
async function fillTable(engine, table, rows) {
  await engine.run(`CREATE TABLE ${table}`);
  const name = table.slice(0, table.indexOf(" "));
  for (let at = 0; at < rows.length; at += rowsAtOnce)
    await engine.run(`INSERT INTO ${name} VALUES ${rows.slice(at, at + rowsAtOnce).join(", ")}`);
}
function rowsOf(source, schema, files) {
  const columns2 = identList(
    schema.map(({ name }) => name),
    "r"
  );
  const distinct = new Map(files.map(({ file }) => [file.key, file]));
  const relation = arrangements([...distinct.values()], schema).map((group) => filesRelation({ ...group, schema, provenance: "file" })).join("\nUNION ALL\n");
  return `SELECT ${columns2}, f.version AS ${commitVersion} FROM (${relation || emptyRelation(schema, "file")}) r
JOIN lw_files f ON f.source = ${quoteText(source)} AND f.key = r.__lw_file`;
}
function arrangements(files, schema) {
  const groups = /* @__PURE__ */ new Map();
  for (const file of files) {
    const values = Object.entries(file.partitionValues).flatMap(([given, value]) => {
      const name = findColumn(schema, given)?.name;
      return name === void 0 ? [] : [[name, value]];
    });
    const partitionBy = values.map(([name]) => name).sort();
    const id = JSON.stringify(partitionBy);
    const group = groups.get(id) ?? { files: [], partitionBy };
    group.files.push({ ...file, partitionValues: Object.fromEntries(values) });
    groups.set(id, group);
  }
  return [...groups.values()];
}
function emptyFeed(schema) {
  return `SELECT *, CAST(NULL AS VARCHAR) AS _change_type, CAST(NULL AS BIGINT) AS _commit_version,
CAST(NULL AS TIMESTAMPTZ) AS _commit_timestamp, CAST(NULL AS VARCHAR[]) AS _changed_columns FROM (${emptyRelation(schema)})`;
}
function refuseFeedColumns(schema) {
  const own = schema.find(({ name }) => feedColumns.some((reserved) => sameName(reserved, name)));
  if (own === void 0) return;
  throw new LakeError("invalid", "the table has a column named as one of the change feed", {
    column: own.name,
    fix: "Rename the column; a table with a change feed cannot have it."
  });
}
function damagedFile(error, files) {
  if (!(error instanceof EngineError)) return error;
  const damaged = files.find(({ file }) => error.message.includes(file.key));
  if (damaged === void 0) return error;
  return new LakeError("corrupt", `a file of the table cannot be read: ${error.message.trim()}`, {
    key: damaged.file.key,
    version: damaged.version,
    fix: "Look at the table with `lakewright verify`, and ask for the changes after this version.",
    cause: error
  });
}
var loadColumnNames, changeTypeField, rowsAtOnce;
var init_open = __esm({
  "src/read/changes/open.ts"() {
    "use strict";
    init_duckdb2();
    init_relation();
    init_sql();
    init_errors();
    init_create();
    init_log();
    init_names();
    init_change_rows();
    init_reading();
    init_snapshot();
    init_workplace();
    init_files();
    init_sources();
    init_sql2();
    loadColumnNames = ["_loaded_at", "_load_id", "_created_at", "_updated_at"];
    changeTypeField = { name: changeType, type: { kind: "varchar" }, nullable: true };
    rowsAtOnce = 1e4;
  }
});

// src/read/result.ts
function lazyResult(open3) {
  return new LazyResult(open3);
}
var LazyResult = class {
  constructor(openSession) {
    this.openSession = openSession;
  }
  openSession;
  session;
  /** Reads and writes that are on their way. */
  users = 0;
  async columns() {
    const { columns: columns2 } = await this.open();
    return columns2;
  }
  async toArray() {
    const rows = [];
    for await (const batch of this.batches()) for (const row of batch) rows.push(row);
    return rows;
  }
  async *batches() {
    this.users++;
    try {
      const session = await this.open();
      yield* session.rows();
    } finally {
      await this.leave();
    }
  }
  async *[Symbol.asyncIterator]() {
    for await (const batch of this.batches()) yield* batch;
  }
  async write(path, format) {
    this.users++;
    try {
      const session = await this.open();
      return await session.write(path, format);
    } finally {
      await this.leave();
    }
  }
  async close() {
    const { session } = this;
    this.session = void 0;
    const opened = await session?.catch(() => void 0);
    await opened?.close();
  }
  async leave() {
    this.users--;
    if (this.users === 0) await this.close();
  }
  open() {
    this.session ??= this.openSession();
    const opening = this.session;
    opening.catch(() => {
      if (this.session === opening) this.session = void 0;
    });
    return opening;
  }
};

// src/read/changes.ts
function changes(reading2, options) {
  let resolving;
  const versions = () => {
    resolving ??= Promise.resolve().then(() => (init_range(), range_exports)).then(({ resolveRange: resolveRange2 }) => resolveRange2(reading2, options));
    const asked = resolving;
    asked.catch(() => {
      if (resolving === asked) resolving = void 0;
    });
    return asked;
  };
  const result = lazyResult(async () => {
    const { openChanges: openChanges2 } = await Promise.resolve().then(() => (init_open(), open_exports));
    return openChanges2(reading2, await versions(), options);
  });
  return Object.assign(result, { versions });
}

// src/runtime.ts
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
var systemRuntime = {
  now: Date.now,
  uuid: randomUUID,
  random: Math.random,
  sleep: async (ms, signal) => {
    await delay(ms, void 0, { signal });
  },
  log: () => {
  }
};

// src/store/local.ts
init_errors();
import nodeFiles from "node:fs/promises";
import { basename as basename2, dirname as dirname3, isAbsolute, join as join5, relative, resolve, sep as sep2 } from "node:path";
import { pathToFileURL } from "node:url";
import pLimit4 from "p-limit";

// src/store/bytes.ts
import { createHash as createHash3 } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
function span(range, sizeBytes) {
  if (!range) return { start: 0, end: sizeBytes };
  if (range.offset < 0) return { start: Math.max(0, sizeBytes + range.offset), end: sizeBytes };
  const start = Math.min(range.offset, sizeBytes);
  return { start, end: range.length === void 0 ? sizeBytes : Math.min(sizeBytes, start + range.length) };
}
async function sha256Of(file, signal) {
  if (file.sha256) return file.sha256;
  const hash = createHash3("sha256");
  await pipeline(createReadStream(file.path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest("hex");
}
async function fill(file, buffer, position) {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

// src/store/local.ts
init_keys();

// src/store/local-files.ts
init_errors();
import { basename, dirname as dirname2, join as join4, sep } from "node:path";
init_keys();
var temporaryPrefix = ".tmp-";
var Folders = class {
  constructor(root, fs) {
    this.root = root;
    this.fs = fs;
  }
  root;
  fs;
  ready = /* @__PURE__ */ new Map();
  syncing = /* @__PURE__ */ new Map();
  waiting = /* @__PURE__ */ new Map();
  /** Afterwards the folder exists, below the root by its real path, and so durably that it survives a crash. */
  ensure(folder) {
    let ready = this.ready.get(folder);
    if (!ready) {
      ready = folder === this.root ? this.createRoot() : this.create(folder);
      this.ready.set(folder, ready);
      ready.catch(() => this.ready.delete(folder));
    }
    return ready;
  }
  /** Do `work` in the folder, and once more if somebody removed the folder under our feet. */
  async within(folder, work) {
    await this.ensure(folder);
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      this.forget(folder);
      await this.ensure(folder);
      return work();
    }
  }
  /** After somebody removed a folder: look again next time. */
  forget(folder) {
    for (let path = folder; path.length >= this.root.length; path = dirname2(path)) {
      this.ready.delete(path);
      if (path === dirname2(path)) return;
    }
  }
  /**
   * fsync the folder, so that the names in it last. Calls that come while one runs share the next one: promoting 32
   * files into one folder costs two or three, not 32.
   */
  sync(folder) {
    const joined = this.waiting.get(folder);
    if (joined) return joined;
    const before = this.syncing.get(folder) ?? Promise.resolve();
    const mine = before.catch(() => {
    }).then(async () => {
      this.waiting.delete(folder);
      this.syncing.set(folder, mine);
      try {
        await syncFolder(this.fs, folder);
      } finally {
        if (this.syncing.get(folder) === mine) this.syncing.delete(folder);
      }
    });
    this.waiting.set(folder, mine);
    return mine;
  }
  /** @returns whether the folder exists; throws if a symbolic link leads it out of the root */
  async isInside(folder) {
    const ready = this.ready.get(folder);
    if (!ready) return this.checkRealPath(folder);
    await ready;
    return true;
  }
  async checkRealPath(folder) {
    const [real, realRoot] = await Promise.all([this.realPath(folder), this.realPath(this.root)]);
    if (real === void 0 || realRoot === void 0) return false;
    if (real === realRoot || real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return true;
    throw new LakeError("invalid", "a symbolic link leads out of the table", {
      folder,
      fix: "Replace the link by a folder, or give the table another root."
    });
  }
  /** @returns whether it was empty, and is gone now */
  async remove(folder) {
    try {
      await this.fs.rmdir(folder);
      this.forget(folder);
      return true;
    } catch (error) {
      if (isMissing(error) || ["ENOTEMPTY", "EEXIST", "EBUSY"].includes(codeOf(error))) return false;
      throw error;
    }
  }
  async createRoot() {
    const first = await this.fs.mkdir(this.root, { recursive: true }).catch(async (error) => {
      if (codeOf(error) === "ENOENT") await this.fs.mkdir(await this.firstMissing());
      throw error;
    });
    if (first === void 0) return;
    for (let path = this.root; path.length >= first.length; path = dirname2(path)) await this.sync(dirname2(path));
  }
  async firstMissing() {
    let missing = this.root;
    while (dirname2(missing) !== missing && await this.realPath(dirname2(missing)) === void 0)
      missing = dirname2(missing);
    return missing;
  }
  async create(folder) {
    const parent = dirname2(folder);
    const make = () => this.fs.mkdir(folder).catch((error) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    await this.within(parent, make);
    await this.checkRealPath(folder);
    await this.sync(parent);
  }
  async realPath(path) {
    return ifThere(this.fs.realpath(path));
  }
};
async function writeDurably(fs, path, body) {
  const file = await fs.open(path, "wx");
  try {
    await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
}
async function syncFile(fs, path) {
  await withFile(fs, path, "r+", (file) => file.sync());
}
async function withFile(fs, path, flags, work) {
  const file = await fs.open(path, flags);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
async function syncFolder(fs, folder) {
  if (process.platform === "win32") return;
  await withFile(fs, folder, "r", (file) => file.sync()).catch((error) => {
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(codeOf(error))) throw error;
  });
}
async function withLock(fs, path, runtime, work, signal) {
  const lock = join4(dirname2(path), `${temporaryPrefix}lock-${basename(path)}`);
  while (!await takeLock(fs, lock)) await runtime.sleep(5 + 20 * runtime.random(), signal);
  try {
    return await work();
  } finally {
    await fs.rm(lock, { force: true });
  }
}
var lockStaleMs = 3e4;
async function takeLock(fs, lock) {
  try {
    await fs.writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    const held = await ifThere(fs.stat(lock));
    if (held && systemRuntime.now() - held.mtimeMs > lockStaleMs) await fs.rm(lock, { force: true });
    return false;
  }
}
async function sweepFolder(fs, folder, oldestMs, emptied) {
  const entries = await ifThere(fs.readdir(folder, { withFileTypes: true })) ?? [];
  let removed = 0;
  for (const entry of entries) {
    const path = join4(folder, entry.name);
    const stats = await ifThere(fs.lstat(path));
    const isOld = stats !== void 0 && stats.mtimeMs < oldestMs;
    if (entry.isDirectory()) {
      removed += await sweepFolder(fs, path, oldestMs, emptied);
      if (isOld && await emptied(path)) removed++;
    } else if (isOld && entry.name.startsWith(temporaryPrefix)) {
      await fs.rm(path, { force: true });
      removed++;
    }
  }
  return removed;
}
async function* walk(fs, root, folder, { prefix, startAfter }) {
  const entries = await ifThere(fs.readdir(join4(root, folder), { withFileTypes: true })) ?? [];
  const found = entries.filter((entry) => (entry.isFile() || entry.isDirectory()) && !entry.name.startsWith(temporaryPrefix)).map((entry) => folder + entry.name + (entry.isDirectory() ? "/" : "")).filter((key) => mayMatch(key, prefix) && mayFollow(key, startAfter)).sort(compareKeys);
  for (const key of found) {
    if (key.endsWith("/")) yield* walk(fs, root, key, { prefix, startAfter });
    else yield key;
  }
}
function mayMatch(key, prefix) {
  return key.startsWith(prefix) || key.endsWith("/") && prefix.startsWith(key);
}
function mayFollow(key, startAfter) {
  if (startAfter === void 0) return true;
  return compareKeys(key, startAfter) > 0 || key.endsWith("/") && startAfter.startsWith(key);
}
function fileError(error, doing, path) {
  if (error instanceof LakeError) return error;
  const code = codeOf(error);
  const details = { path, cause: error };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new LakeError("unavailable", `${doing}: no space left`, {
      ...details,
      fix: "Free some space and try again."
    });
  }
  if (code === "EROFS") {
    const fix = "Mount it writable, or use another folder.";
    return new LakeError("invalid", `${doing}: the file system is read-only`, {
      ...details,
      folder: dirname2(path),
      fix
    });
  }
  if (code === "EACCES" || code === "EPERM") {
    const fix = "Give this user the right to read and write the folder.";
    return new LakeError("invalid", `${doing}: permission denied`, { ...details, folder: dirname2(path), fix });
  }
  if (nameErrors.has(code)) {
    const fix = "Check the path: a file where a folder is needed, or a name that this file system does not take.";
    return new LakeError("invalid", `${doing}: the path cannot be used (${code})`, { ...details, fix });
  }
  if (code !== "")
    return new LakeError("unavailable", `${doing} failed (${code})`, { ...details, fix: "Try again later." });
  return error;
}
var nameErrors = /* @__PURE__ */ new Set(["ENAMETOOLONG", "EINVAL", "EILSEQ", "ENOTDIR", "EISDIR", "ELOOP", "EEXIST", "ENOTEMPTY"]);
function isMissing(error) {
  return ["ENOENT", "ENOTDIR"].includes(codeOf(error));
}
async function ifThere(answer) {
  return answer.catch((error) => {
    if (isMissing(error)) return void 0;
    throw error;
  });
}
function codeOf(error) {
  const code = error instanceof Error && "code" in error ? error.code : void 0;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "";
}

// src/store/local.ts
function openLocal(root, runtime = systemRuntime, fs = nodeFiles) {
  return new LocalStore(resolve(root), runtime, fs);
}
var statsAtOnce = 64;
var deletesAtOnce = 32;
var probed = /* @__PURE__ */ new Map();
var LocalStore = class {
  constructor(root, runtime, fs) {
    this.root = root;
    this.runtime = runtime;
    this.fs = fs;
    this.url = pathToFileURL(root).href.replace(/(?<!\/\/)\/$/, "");
    this.folders = new Folders(root, fs);
  }
  root;
  runtime;
  fs;
  kind = "local";
  url;
  usage = { requests: 0, bytesRead: 0, bytesWritten: 0 };
  folders;
  async get(key, { range, signal } = {}) {
    const path = this.begin(key, signal);
    return this.naming("reading a file", path, async () => {
      const body = await ifThere(
        withFile(this.fs, path, "r", async (file) => {
          const stats = await file.stat({ bigint: true });
          if (!stats.isFile()) return void 0;
          const { start, end } = span(range, Number(stats.size));
          const buffer = Buffer.allocUnsafe(end - start);
          const filled = await fill(file, buffer, start);
          this.usage.bytesRead += filled;
          return { ...infoOf(key, stats), body: new Uint8Array(buffer.buffer, buffer.byteOffset, filled) };
        })
      );
      return body;
    });
  }
  async head(key, { signal } = {}) {
    const path = this.begin(key, signal);
    return this.naming("reading a file", path, async () => {
      const stats = await ifThere(this.fs.stat(path, { bigint: true }));
      return stats?.isFile() ? infoOf(key, stats) : void 0;
    });
  }
  async *list(prefix, { startAfter, limit = Infinity, signal } = {}) {
    assertPrefix(prefix);
    this.usage.requests++;
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const keys = walk(this.fs, this.root, folder, { prefix, startAfter });
    for (let left2 = limit; left2 > 0; ) {
      signal?.throwIfAborted();
      const batch = await this.naming(
        "listing a folder",
        join5(this.root, folder),
        () => take(keys, Math.min(left2, statsAtOnce))
      );
      if (batch.length === 0) return;
      const infos = await Promise.all(batch.map((key) => this.statOf(key)));
      for (const info of infos) {
        if (!info) continue;
        left2--;
        yield info;
      }
    }
  }
  async putIfAbsent(key, body, { signal } = {}) {
    const path = this.begin(key, signal);
    await this.probe();
    const temporary = this.temporaryBeside(path);
    return this.naming("creating a file", path, async () => {
      try {
        await this.folders.within(dirname3(path), () => writeDurably(this.fs, temporary, body));
        this.usage.bytesWritten += body.length;
        const outcome = await this.linkOnce(temporary, path);
        if (outcome !== "linked") return outcome;
      } finally {
        await this.fs.rm(temporary, { force: true }).catch(() => {
        });
      }
      try {
        await this.folders.sync(dirname3(path));
        return { status: "created", etag: etagOf(await this.fs.stat(path, { bigint: true })) };
      } catch (cause) {
        return { status: "unknown", cause };
      }
    });
  }
  async putDerived(key, body, { ifMatch, signal } = {}) {
    const path = this.begin(key, signal);
    const temporary = this.temporaryBeside(path);
    return this.naming("writing a file", path, async () => {
      try {
        await this.folders.within(dirname3(path), () => writeDurably(this.fs, temporary, body));
        const write = async () => {
          if (ifMatch !== void 0 && (await this.head(key))?.etag !== ifMatch) return "stale";
          await this.fs.rename(temporary, path);
          await this.folders.sync(dirname3(path));
          this.usage.bytesWritten += body.length;
          return "written";
        };
        return ifMatch === void 0 ? await write() : await withLock(this.fs, path, this.runtime, write, signal);
      } finally {
        await this.fs.rm(temporary, { force: true });
      }
    });
  }
  async spoolFolder(name) {
    const key = name.startsWith(stagingRoot) ? name : stagingRoot + name;
    const path = this.pathOf(key);
    await this.naming("creating a folder", path, async () => {
      this.folders.forget(path);
      await this.folders.within(path, () => this.folders.ensure(path));
    });
    return path;
  }
  async reserve(items, { folder, hold, signal } = {}) {
    signal?.throwIfAborted();
    for (const { key } of items) assertKey(key);
    await this.probe();
    return items.map(({ key, file }) => {
      const home = folder ?? stagingRoot + shortHash(key);
      const path = (hold ? void 0 : this.stagedInPlace(file.path)) ?? stagedKey(home, this.runtime.uuid());
      assertKey(path);
      return { kind: "local", key, path };
    });
  }
  async stage(reservation, file, { signal } = {}) {
    signal?.throwIfAborted();
    const path = this.stagedPath(reservation);
    return this.naming("staging a file", path, async () => {
      if (resolve(file.path) !== path) {
        await this.folders.within(dirname3(path), () => this.takeOver(file.path, path));
      }
      const stats = await ifThere(this.fs.lstat(path));
      if (!stats?.isFile() || stats.size !== file.sizeBytes) {
        const details = { path: file.path, expectedBytes: file.sizeBytes, foundBytes: stats?.size };
        throw new LakeError("corrupt", "a spooled file is not what was verified", details);
      }
      await syncFile(this.fs, path);
      this.usage.bytesWritten += stats.size;
      return { ...reservation, sizeBytes: stats.size, sha256: await sha256Of({ ...file, path }, signal) };
    });
  }
  async promote(staged, { signal } = {}) {
    const to = this.begin(staged.key, signal);
    const from = this.stagedPath(staged);
    await this.naming("promoting a file", to, async () => {
      await this.linkStaged(staged, from, to);
      await this.folders.sync(dirname3(to));
      await this.fs.rm(from, { force: true });
    });
  }
  async abort(staged, { signal } = {}) {
    signal?.throwIfAborted();
    const path = this.stagedPath(staged);
    await this.naming("removing a staged file", path, async () => {
      if (await this.folders.isInside(dirname3(path))) await this.fs.rm(path, { force: true });
    });
  }
  async delete(keys, { signal } = {}) {
    const limit = pLimit4(deletesAtOnce);
    const paths = keys.map((key) => this.pathOf(key));
    await Promise.all(
      paths.map(
        (path) => limit(async () => {
          signal?.throwIfAborted();
          this.usage.requests++;
          await this.naming("deleting a file", path, async () => {
            if (await this.folders.isInside(dirname3(path))) await ifThere(this.fs.unlink(path));
          });
        })
      )
    );
  }
  async fetch(key, toFile, { ranges, signal } = {}) {
    const whole = await this.head(key, { signal });
    if (!whole) throw new LakeError("corrupt", "no such object", { key, table: this.url });
    await this.naming("copying a file", toFile, async () => {
      await withFile(this.fs, toFile, "a", async () => {
      });
      await withFile(this.fs, toFile, "r+", async (file) => {
        await file.truncate(whole.sizeBytes);
        for (const range of ranges ?? [{ offset: 0 }]) {
          const part = await this.get(key, { range, signal });
          if (part) await file.write(part.body, 0, part.body.length, span(range, whole.sizeBytes).start);
        }
      });
    });
  }
  localPath(key) {
    return this.pathOf(key);
  }
  now() {
    return this.runtime.now();
  }
  probe() {
    let proof = probed.get(this.root);
    if (!proof || this.fs !== nodeFiles) {
      proof = this.proveLinks();
      probed.set(this.root, proof);
      proof.catch(() => probed.delete(this.root));
    }
    return proof;
  }
  async sweep({ olderThanMs, signal }) {
    const oldestMs = this.runtime.now() - olderThanMs;
    let removed = 0;
    for (const folder of ["_delta_log", "_published", "_staging"]) {
      signal?.throwIfAborted();
      const path = join5(this.root, folder);
      const emptied = (empty) => folder === "_staging" ? this.folders.remove(empty) : Promise.resolve(false);
      removed += await this.naming("sweeping a folder", path, () => sweepFolder(this.fs, path, oldestMs, emptied));
    }
    return removed;
  }
  async close() {
  }
  begin(key, signal) {
    const path = this.pathOf(key);
    signal?.throwIfAborted();
    this.usage.requests++;
    return path;
  }
  pathOf(key) {
    assertKey(key);
    if (process.platform === "win32" && /[\\:]/.test(key)) {
      throw new LakeError("invalid", "Windows has no such file name", { key });
    }
    return join5(this.root, key);
  }
  stagedPath(staged) {
    if (staged.kind !== "local" || !staged.path.startsWith(stagingRoot)) {
      throw new LakeError("corrupt", "not a staged file of this store", { key: staged.key, table: this.url });
    }
    assertKey(staged.path, "corrupt");
    return this.pathOf(staged.path);
  }
  temporaryBeside(path) {
    return join5(dirname3(path), temporaryPrefix + this.runtime.uuid());
  }
  async naming(doing, path, work) {
    try {
      return await work();
    } catch (error) {
      throw fileError(error, doing, path);
    }
  }
  async statOf(key) {
    const stats = await ifThere(this.fs.lstat(join5(this.root, key), { bigint: true }));
    return stats?.isFile() ? infoOf(key, stats) : void 0;
  }
  /** link(2) has one winner, whatever the number of processes. */
  async linkOnce(temporary, path) {
    try {
      await this.fs.link(temporary, path);
      return "linked";
    } catch (cause) {
      const code = codeOf(cause);
      if (noLinkErrors.has(code)) throw this.noLinks(cause);
      if (refusals.has(code)) throw cause;
      const own = await ifThere(this.fs.lstat(temporary));
      if (own?.nlink === 2) return "linked";
      return code === "EEXIST" ? { status: "exists" } : { status: "unknown", cause };
    }
  }
  noLinks(cause) {
    return new LakeError("unsupported", "this file system has no hard links, so commits cannot be made safe on it", {
      folder: this.root,
      cause,
      fix: "Put the table on another file system, or on object storage."
    });
  }
  async proveLinks() {
    const first = this.pathOf(probeKey(this.runtime.uuid()));
    const temporary = this.temporaryBeside(first);
    await this.naming("writing to the table", first, async () => {
      await this.folders.ensure(dirname3(first));
      try {
        await this.fs.writeFile(temporary, "");
        const outcomes = [await this.linkOnce(temporary, first)];
        await this.fs.rm(temporary);
        await this.fs.writeFile(temporary, "");
        outcomes.push(await this.linkOnce(temporary, first));
        const [created, repeated] = outcomes;
        const kept = typeof repeated === "object" && repeated.status === "exists";
        if (created !== "linked" || !kept) throw this.noLinks(void 0);
      } finally {
        await Promise.all([this.fs.rm(temporary, { force: true }), this.fs.rm(first, { force: true })]);
      }
    });
  }
  /** The key of a spooled file that already lies where staged files do, under a name that no reader's glob matches. */
  stagedInPlace(path) {
    const key = relative(this.root, resolve(path));
    if (isAbsolute(key)) return void 0;
    const slashed = key.split(sep2).join("/");
    const name = basename2(slashed);
    const fits = slashed.startsWith(stagingRoot) && !name.endsWith(".parquet") && !name.startsWith(temporaryPrefix);
    return fits ? slashed : void 0;
  }
  async takeOver(path, to) {
    try {
      await this.fs.rename(path, to);
    } catch (error) {
      if (codeOf(error) === "ENOENT" && !await ifThere(this.fs.lstat(path))) return;
      if (codeOf(error) !== "EXDEV") throw error;
      const temporary = this.temporaryBeside(to);
      try {
        await this.fs.copyFile(path, temporary);
        await this.fs.rename(temporary, to);
      } finally {
        await this.fs.rm(temporary, { force: true });
      }
    }
  }
  async linkStaged(staged, from, to, again = true) {
    await this.folders.ensure(dirname3(to));
    try {
      const nowS = this.runtime.now() / 1e3;
      await this.fs.utimes(from, nowS, nowS);
      await this.fs.link(from, to);
    } catch (error) {
      const code = codeOf(error);
      if (noLinkErrors.has(code)) throw this.noLinks(error);
      if (code !== "EEXIST" && !isMissing(error)) throw error;
      const [source, target] = await Promise.all([from, to].map((path) => ifThere(this.fs.lstat(path))));
      if (isPromoted(staged, source, target)) return;
      if (source && !target && again) {
        this.folders.forget(dirname3(to));
        return this.linkStaged(staged, from, to, false);
      }
      throw new LakeError("unavailable", target ? "another file has this key" : "a staged file is gone", {
        key: staged.key,
        restage: true,
        fix: "Stage the file again under a new key."
      });
    }
  }
};
var noLinkErrors = /* @__PURE__ */ new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);
var refusals = /* @__PURE__ */ new Set(["ENOENT", "ENOTDIR", "EACCES", "EROFS", "ENOSPC", "EDQUOT", "ENAMETOOLONG", "EXDEV", "ELOOP"]);
function infoOf(key, stats) {
  return {
    key,
    sizeBytes: Number(stats.size),
    modifiedMs: Number(stats.mtimeNs / 1000000n),
    etag: etagOf(stats)
  };
}
function etagOf({ ino, mtimeNs, size }) {
  return [ino, mtimeNs, size].map((part) => part.toString(36)).join("-");
}
function isPromoted(staged, source, target) {
  if (!target) return false;
  if (source) return source.ino === target.ino && source.dev === target.dev;
  return target.size === staged.sizeBytes;
}
async function take(keys, count2) {
  const taken = [];
  while (taken.length < count2) {
    const next = await keys.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}

// test/read/table.ts
init_duckdb2();
init_create();
init_encode();
init_log();
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir as tmpdir2 } from "node:os";
import { join as join6 } from "node:path";

// src/manifest/stats.ts
init_errors();
init_json();

// src/manifest/prune.ts
function timestampMicros(text) {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*(?:Z|([+-])(\d\d)(?::?(\d\d))?(?::(\d\d))?)?$/.exec(
    text
  );
  if (match === null) return void 0;
  const [, date, time, seconds = "00", fraction = "", sign, hours = "0", minutes = "0", offsetSeconds = "0"] = match;
  const ms = Date.parse(`${date}T${time}:${seconds}.000Z`);
  if (Number.isNaN(ms)) return void 0;
  const offsetMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(offsetSeconds)) * 1e3;
  const utcMs = sign === "-" ? ms + offsetMs : ms - offsetMs;
  return BigInt(utcMs) * 1000n + BigInt(fraction.padEnd(6, "0").slice(0, 6));
}

// src/manifest/stats.ts
function encodeStats(rows, schema, columns2) {
  const minimums = [];
  const maximums = [];
  const nulls = [];
  for (const field of schema) {
    const texts = columns2[field.name];
    if (texts === void 0 || isNested2(field.type)) continue;
    const name = JSON.stringify(field.name);
    if (texts.nullCount !== void 0) nulls.push(`${name}:${texts.nullCount}`);
    const min = texts.min === void 0 ? void 0 : lowerBound(field.type, texts.min);
    const max = texts.max === void 0 || texts.hasNaN ? void 0 : upperBound(field.type, texts.max);
    if (min !== void 0) minimums.push(`${name}:${min}`);
    if (max !== void 0) maximums.push(`${name}:${max}`);
  }
  return `{"numRecords":${rows},"minValues":{${minimums}},"maxValues":{${maximums}},"nullCount":{${nulls}}}`;
}
var boundLength = 32;
function lowerBound(type, text) {
  switch (type.kind) {
    case "varchar":
      return JSON.stringify(truncated(text));
    case "timestamp":
      return timestampBound(text, "down");
    case "float":
    case "double":
      return Number(text) === 0 ? "-0.0" : jsonNumber(text);
    default:
      return plainBound(type, text);
  }
}
function upperBound(type, text) {
  switch (type.kind) {
    case "varchar": {
      const bound = roundedUp(text);
      return bound === void 0 ? void 0 : JSON.stringify(bound);
    }
    case "timestamp":
      return timestampBound(text, "up");
    case "float":
    case "double":
      return Number(text) === 0 ? "0.0" : jsonNumber(text);
    default:
      return plainBound(type, text);
  }
}
function plainBound(type, text) {
  switch (type.kind) {
    case "date":
      return /^\d{4}-\d\d-\d\d$/.test(text) && !text.startsWith("0000") ? JSON.stringify(text) : void 0;
    case "tinyint":
    case "smallint":
    case "integer":
    case "bigint":
    case "decimal":
      return jsonNumber(text);
    default:
      return void 0;
  }
}
function jsonNumber(text) {
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return text;
  if (/^-?\.\d+$/.test(text)) return text.replace(".", "0.");
  return void 0;
}
function truncated(text) {
  return text.length <= boundLength ? text : [...text].slice(0, boundLength).join("");
}
function roundedUp(text) {
  const points = [...text];
  if (points.length <= boundLength) return text;
  points.length = boundLength;
  for (let last = points.pop(); last !== void 0; last = points.pop()) {
    const point = last.codePointAt(0) ?? 0;
    if (point < 1114111) return points.join("") + String.fromCodePoint(point === 55295 ? 57344 : point + 1);
  }
  return void 0;
}
function timestampBound(text, direction) {
  const micros = timestampMicros(text);
  if (micros === void 0) return void 0;
  const millis = direction === "up" ? -floorDiv(-micros, 1000n) : floorDiv(micros, 1000n);
  if (millis < firstMs || millis > lastMs) return void 0;
  return JSON.stringify(new Date(Number(millis)).toISOString());
}
var firstMs = BigInt(Date.parse("0001-01-01T00:00:00.000Z"));
var lastMs = BigInt(Date.parse("9999-12-31T23:59:59.999Z"));
function floorDiv(a, b) {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
function isNested2(type) {
  return type.kind === "list" || type.kind === "struct" || type.kind === "map";
}

// test/read/table.ts
init_names();
init_keys();
function columns(text) {
  return Object.entries(text).map(([name, type]) => ({ name, type: parseType(type), nullable: true }));
}
async function openWorkshop() {
  const folder = mkdtempSync(join6(tmpdir2(), "workshop-"));
  const engine = await openDuckDB({ spillFolder: join6(folder, "spill"), threads: 1 });
  return new Workshop(folder, engine);
}
var Workshop = class {
  constructor(folder, engine) {
    this.folder = folder;
    this.engine = engine;
  }
  folder;
  engine;
  count = 0;
  newFolder() {
    return mkdtempSync(join6(this.folder, "table-"));
  }
  /** One commit. @returns the table after it */
  async write(store, schema, parts, options = {}) {
    const { partitionBy = [], remove = [], key = [], actions = [], newSchema = false, dataChange = true } = options;
    const before = await readSnapshot(store);
    const version2 = (before?.version ?? -1) + 1;
    const timestamp = Date.UTC(2026, 10, 20 + version2);
    const adds = [];
    for (const part of parts)
      adds.push({ add: { ...await this.place(store, schema, part, partitionBy), dataChange } });
    for (const part of options.changeData ?? []) {
      const { key: path, partitionValues: partitionValues2, sizeBytes } = await this.place(store, schema, part, partitionBy);
      adds.push({ cdc: { key: path, partitionValues: partitionValues2, sizeBytes } });
    }
    const table = { schema, partitionBy, key, configuration: options.configuration ?? {} };
    const all = [
      { commitInfo: { timestamp, operation: "WRITE", ...options.commitInfo } },
      ...before === void 0 ? createTable(table, systemRuntime, timestamp) : [],
      ...before !== void 0 && newSchema ? [{ metaData: { ...before.metadata, schema } }] : [],
      ...remove.map((removed) => ({ remove: { key: removed, deletionTimestamp: timestamp, dataChange } })),
      ...adds,
      ...actions
    ];
    const put2 = await store.putIfAbsent(logKey(version2), encodeCommit(all));
    const after = await readSnapshot(store);
    if (put2.status !== "created" || after === void 0) throw new Error(`version ${version2}: ${put2.status}`);
    return after;
  }
  async place(store, schema, part, partitionBy) {
    const name = `part-${this.count++}`;
    const data = schema.filter((field) => !partitionBy.includes(field.name));
    const [copied] = await this.engine.copy(part.sql, {
      folder: join6(this.folder, name),
      partitionBy: [],
      fieldIds: {},
      rowGroupRows: part.rowGroupRows ?? 122880,
      name
    });
    if (copied === void 0) throw new Error("no file");
    const put2 = await store.putIfAbsent(part.key, readFileSync(copied.path));
    if (put2.status !== "created") throw new Error(`${part.key}: ${put2.status}`);
    const stats = "stats" in part ? part.stats : encodeStats(copied.rows, data, copied.columns);
    return {
      key: part.key,
      partitionValues: part.partitionValues ?? {},
      sizeBytes: copied.sizeBytes,
      modificationTime: 1,
      dataChange: true,
      ...stats === void 0 ? {} : { stats },
      ...part.tags === void 0 ? {} : { tags: part.tags }
    };
  }
  async close() {
    await this.engine.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
};

// ../../tmp/w/changes/mem.ts
import { existsSync, mkdirSync } from "node:fs";
var [, , n, memory, threads, ...modes] = process.argv;
var N = Number(n);
var dir = `/tmp/w/changes/t-${N}`;
if (!existsSync(dir)) {
  mkdirSync(dir);
  const w = await openWorkshop();
  const store = openLocal(dir);
  const schema = columns({ id: "bigint", text: "varchar" });
  const rows = (c) => `SELECT range AS id, md5((range + CASE WHEN range % 3 = 0 THEN ${c} ELSE 0 END)::VARCHAR) || repeat('x', 60) AS text FROM range(${N})`;
  await w.write(store, schema, [{ key: "old.parquet", sql: rows(0) }], { key: ["id"] });
  await w.write(store, schema, [{ key: "new.parquet", sql: rows(1) }], { remove: ["old.parquet"] });
  await w.close();
}
var reading = { store: openLocal(dir), runtime: systemRuntime, settings: {} };
for (const mode of modes) {
  const t = performance.now();
  const options = { since: mode.startsWith("all") ? -1 : 0, net: mode.endsWith("net"), memory, threads: Number(threads) };
  try {
    const r = await changes(reading, options).write("/tmp/w/changes/o.parquet", "parquet");
    console.log(n, memory, mode, r.rows, ((performance.now() - t) / 1e3).toFixed(1) + "s", Math.round(process.resourceUsage().maxRSS / 1024) + "MB");
  } catch (e) {
    console.log(n, memory, mode, String(e.message).slice(0, 150), ((performance.now() - t) / 1e3).toFixed(1) + "s");
  }
}
