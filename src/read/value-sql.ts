/**
 * The conversions of `toJsonValue` as SQL over DuckDB's types, so that large results are written by the engine. A test
 * holds that both say the same.
 *
 *   BIGINT       CASE WHEN x BETWEEN -(2^53-1) AND 2^53-1 THEN to_json(x) ELSE to_json(x::VARCHAR) END
 *   DECIMAL      x::VARCHAR
 *   MAP(k, v)    a list of {key, value}
 *
 * In CSV nested values are their JSON text.
 */
import { quoteIdent, quoteText } from '../engine/sql.js'
import { parseTypeSyntax, type TypeSyntax } from '../schema/type-syntax.js'

/** @param sqlType as DESCRIBE prints it; @returns SQL of what `COPY … (FORMAT json)` writes for the value */
export function jsonValueSql(sqlType: string, sql: string): string {
  const syntax = syntaxOf(sqlType)
  return syntax === undefined ? asText(sql) : json(syntax, sql, 0)
}

/** SQL of the text of a CSV field: timestamps and binary as in JSON, the rest as DuckDB prints it. */
export function csvValueSql(sqlType: string, sql: string): string {
  const syntax = syntaxOf(sqlType)
  if (syntax === undefined) return asText(sql)
  if (syntax.kind !== 'plain')
    return `CASE WHEN ${sql} IS NULL THEN NULL ELSE CAST(to_json(${json(syntax, sql, 0)}) AS VARCHAR) END`
  const kind = kindOf(syntax.name)
  return kind === 'timestamp' || kind === 'blob' ? json(syntax, sql, 0) : sql
}

function syntaxOf(sqlType: string): TypeSyntax | undefined {
  try {
    return parseTypeSyntax(sqlType)
  } catch {
    return undefined
  }
}

const wide = new Set(['bigint', 'ubigint', 'hugeint', 'uhugeint'])
const small = new Set(['boolean', 'tinyint', 'smallint', 'integer', 'utinyint', 'usmallint', 'uinteger', 'varchar'])
const timestamps = new Set(['timestamp', 'timestamp with time zone', 'timestamp_s', 'timestamp_ms', 'timestamp_ns'])

type Kind = 'wide' | 'small' | 'float' | 'blob' | 'timestamp' | 'text'

function kindOf(name: string): Kind {
  if (wide.has(name)) return 'wide'
  if (small.has(name)) return 'small'
  if (timestamps.has(name)) return 'timestamp'
  if (name === 'float' || name === 'double') return 'float'
  return name === 'blob' ? 'blob' : 'text'
}

function json(syntax: TypeSyntax, x: string, depth: number): string {
  switch (syntax.kind) {
    case 'plain':
      return plain(syntax.name, x)
    case 'list': {
      const item = `e${depth}`
      return `list_transform(${x}, lambda ${item}: ${json(syntax.element, item, depth + 1)})`
    }
    case 'map': {
      const entry = `e${depth}`
      const pair = [
        `key := ${json(syntax.key, `${entry}.key`, depth + 1)}`,
        `value := ${json(syntax.value, `${entry}.value`, depth + 1)}`,
      ]
      return `list_transform(map_entries(${x}), lambda ${entry}: struct_pack(${pair.join(', ')}))`
    }
    case 'struct': {
      const members = syntax.fields.map(
        ({ name, type }) => `${quoteIdent(name)} := ${json(type, `struct_extract(${x}, ${quoteText(name)})`, depth)}`,
      )
      return `CASE WHEN ${x} IS NULL THEN NULL ELSE struct_pack(${members.join(', ')}) END`
    }
    case 'union':
      return asText(x)
  }
}

function plain(name: string, x: string): string {
  switch (kindOf(name)) {
    case 'small':
      return x
    case 'wide':
      return `CASE WHEN ${x} IS NULL THEN NULL WHEN ${x} BETWEEN -9007199254740991 AND 9007199254740991 THEN to_json(CAST(${x} AS BIGINT)) ELSE to_json(CAST(${x} AS VARCHAR)) END`
    case 'float':
      return `CASE WHEN ${x} IS NULL THEN NULL WHEN isnan(${x}) THEN to_json('NaN') WHEN isinf(${x}) THEN to_json(CASE WHEN ${x} > 0 THEN 'Infinity' ELSE '-Infinity' END) ELSE to_json(${x}) END`
    case 'blob':
      return `to_base64(${x})`
    case 'timestamp':
      return timestampText(name, x)
    case 'text':
      return asText(x)
  }
}

/** `2026-11-20T10:00:00Z`, with `.123`, `.123456` or `.123456789` where not 0. */
function timestampText(name: string, x: string): string {
  // Whatever the session's zone: an instant's microseconds are the same everywhere.
  const text = (format: string) => `strftime(make_timestamp(epoch_us(${x})), '%Y-%m-%dT%H:%M:%S${format}')`
  const cases = [
    `WHEN ${x} IS NULL THEN NULL`,
    `WHEN NOT isfinite(${x}) THEN CAST(${x} AS VARCHAR)`,
    ...(name === 'timestamp_ns'
      ? [`WHEN epoch_ns(${x}) % 1000 <> 0 THEN strftime(${x}, '%Y-%m-%dT%H:%M:%S.%nZ')`]
      : []),
    `WHEN epoch_us(${x}) % 1000000 = 0 THEN ${text('Z')}`,
    `WHEN epoch_us(${x}) % 1000 = 0 THEN ${text('.%gZ')}`,
  ]
  return `CASE ${cases.join(' ')} ELSE ${text('.%fZ')} END`
}

function asText(x: string): string {
  return `CAST(${x} AS VARCHAR)`
}
