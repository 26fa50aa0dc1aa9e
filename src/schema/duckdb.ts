/**
 * Our types and DuckDB's. What DuckDB has and we have not is converted without loss or refused (CONTRACT §3):
 *
 *   UTINYINT USMALLINT UINTEGER UBIGINT   smallint integer bigint decimal(20,0)
 *   HUGEINT UHUGEINT                      decimal(38,0), per value, beyond it a misfit
 *   UUID TIME TIMETZ ENUM JSON BIT NULL   varchar
 *   TIMESTAMP TIMESTAMP_S _MS _NS         timestamp, read as UTC; nanoseconds that would be lost are a misfit
 *   X[n]                                  x[]
 *   INTERVAL UNION VARIANT GEOMETRY …     refused by name
 *
 * Infinite dates and timestamps are misfits too: other readers see a day in the year 5881580.
 */
import { LakeError } from '../errors.js'
import { misfitSql } from './misfit.js'
import { typeName } from './names.js'
import { quoteIdentifier, quoteText } from './quote.js'
import { parseTypeSyntax, type TypeSyntax, TypeSyntaxError } from './type-syntax.js'
import type { LakeType } from './types.js'

/** DuckDB's text for our type, for casts and table definitions. */
export function toSql(type: LakeType): string {
  switch (type.kind) {
    case 'timestamp':
      return 'TIMESTAMP WITH TIME ZONE'
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'list':
      return `${toSql(type.element)}[]`
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `${quoteIdentifier(field.name)} ${toSql(field.type)}`).join(', ')})`
    case 'map':
      return `MAP(${toSql(type.key)}, ${toSql(type.value)})`
    default:
      return type.kind.toUpperCase()
  }
}

/**
 * @param sqlType as DESCRIBE prints it
 * @param column for the error and the message of misfits
 * @throws LakeError invalid for a type whose values have no lossless form here
 */
export function fromSql(sqlType: string, column = ''): DuckType {
  const syntax = parse(sqlType, column)
  const type = typeOf(syntax, sqlType, column)
  const misfit = { column, type: typeName(type) }
  return convert(syntax, 'x', misfit, 0) === undefined
    ? { type }
    : { type, cast: (sql) => convert(syntax, sql, misfit, 0) ?? sql }
}

export interface DuckType {
  type: LakeType
  /** The SQL that makes a value of ours of one of DuckDB's, or raises a misfit (`misfit.ts`); absent where they are the same. */
  cast?: (columnSql: string) => string
}

/** The value of a column of DuckDB's type as one of ours: `columnSql` itself where nothing is to be done. */
export function castExpression(sqlType: string, columnSql: string, column = ''): string {
  return fromSql(sqlType, column).cast?.(columnSql) ?? columnSql
}

const direct: Record<string, LakeType> = {
  boolean: { kind: 'boolean' },
  tinyint: { kind: 'tinyint' },
  smallint: { kind: 'smallint' },
  integer: { kind: 'integer' },
  bigint: { kind: 'bigint' },
  float: { kind: 'float' },
  double: { kind: 'double' },
  varchar: { kind: 'varchar' },
  blob: { kind: 'blob' },
  date: { kind: 'date' },
  'timestamp with time zone': { kind: 'timestamp' },
  utinyint: { kind: 'smallint' },
  usmallint: { kind: 'integer' },
  uinteger: { kind: 'bigint' },
  ubigint: { kind: 'decimal', precision: 20, scale: 0 },
  hugeint: { kind: 'decimal', precision: 38, scale: 0 },
  uhugeint: { kind: 'decimal', precision: 38, scale: 0 },
  timestamp: { kind: 'timestamp' },
  timestamp_s: { kind: 'timestamp' },
  timestamp_ms: { kind: 'timestamp' },
  timestamp_ns: { kind: 'timestamp' },
  uuid: { kind: 'varchar' },
  time: { kind: 'varchar' },
  time_ns: { kind: 'varchar' },
  'time with time zone': { kind: 'varchar' },
  enum: { kind: 'varchar' },
  json: { kind: 'varchar' },
  bit: { kind: 'varchar' },
  null: { kind: 'varchar' },
}

const refused: Record<string, string> = {
  interval: 'a month and 30 days are not the same length, so it has no lossless form: use a number of seconds or text',
  variant: 'its values have types of their own: cast it to JSON',
  geometry: 'readers of the table do not know it: use ST_AsWKB or ST_AsText',
  bignum: 'it has more digits than decimal(38,0): cast it to decimal or varchar',
}

function parse(sqlType: string, column: string): TypeSyntax {
  try {
    return parseTypeSyntax(sqlType)
  } catch (error) {
    if (error instanceof TypeSyntaxError) throw unsupportedType(sqlType, column, error.message)
    throw error
  }
}

function typeOf(syntax: TypeSyntax, sqlType: string, column: string): LakeType {
  switch (syntax.kind) {
    case 'list':
      return { kind: 'list', element: typeOf(syntax.element, sqlType, column) }
    case 'map':
      return { kind: 'map', key: typeOf(syntax.key, sqlType, column), value: typeOf(syntax.value, sqlType, column) }
    case 'struct':
      return {
        kind: 'struct',
        fields: syntax.fields.map((field) => ({
          name: field.name,
          type: typeOf(field.type, sqlType, column),
          nullable: true,
        })),
      }
    case 'union':
      throw unsupportedType(sqlType, column, 'a UNION holds values of several types: split it into columns')
    case 'plain': {
      if (syntax.name === 'decimal')
        return { kind: 'decimal', precision: Number(syntax.args[0] ?? 18), scale: Number(syntax.args[1] ?? 3) }
      const type = direct[syntax.name]
      if (type === undefined) throw unsupportedType(sqlType, column, refused[syntax.name])
      return type
    }
  }
}

type Aim = { column: string; type: string }

/** @returns undefined where the value is ours as it is */
function convert(syntax: TypeSyntax, x: string, aim: Aim, depth: number): string | undefined {
  switch (syntax.kind) {
    case 'plain':
      return convertPlain(syntax.name, x, aim)
    case 'list': {
      const item = `e${depth}`
      const element = convert(syntax.element, item, aim, depth + 1)
      if (element === undefined && syntax.size === undefined) return undefined
      return `list_transform(${x}, lambda ${item}: ${element ?? item})`
    }
    case 'map': {
      const entry = `e${depth}`
      const key = convert(syntax.key, `${entry}.key`, aim, depth + 1)
      const value = convert(syntax.value, `${entry}.value`, aim, depth + 1)
      if (key === undefined && value === undefined) return undefined
      const pair = `struct_pack(k := ${key ?? `${entry}.key`}, v := ${value ?? `${entry}.value`})`
      return `map_from_entries(list_transform(map_entries(${x}), lambda ${entry}: ${pair}))`
    }
    case 'struct': {
      const fields = syntax.fields.map(({ name, type }) => {
        const member = `struct_extract(${x}, ${quoteText(name)})`
        return { name, member, converted: convert(type, member, aim, depth) }
      })
      if (fields.every((field) => field.converted === undefined)) return undefined
      const packed = fields.map(({ name, member, converted }) => `${quoteIdentifier(name)} := ${converted ?? member}`)
      return `CASE WHEN ${x} IS NULL THEN NULL ELSE struct_pack(${packed.join(', ')}) END`
    }
    case 'union':
      return undefined
  }
}

const mostDigits = '9'.repeat(38)

function convertPlain(name: string, x: string, aim: Aim): string | undefined {
  const proven = (condition: string, value: string, reason: string): string =>
    `CASE WHEN ${x} IS NULL THEN NULL WHEN ${condition} THEN ${value} ELSE ${misfitSql({ ...aim, reason }, x)} END`
  // Independent of the session's zone, and ten times faster than AT TIME ZONE 'UTC'.
  const instant = `make_timestamptz(epoch_us(CAST(${x} AS TIMESTAMP)))`
  switch (name) {
    case 'utinyint':
    case 'usmallint':
    case 'uinteger':
    case 'ubigint':
      return `CAST(${x} AS ${toSql(direct[name] ?? { kind: 'varchar' })})`
    case 'hugeint':
      return proven(
        `${x} BETWEEN -${mostDigits} AND ${mostDigits}`,
        `CAST(${x} AS DECIMAL(38,0))`,
        'more than 38 digits',
      )
    case 'uhugeint':
      return proven(`${x} <= ${mostDigits}`, `CAST(${x} AS DECIMAL(38,0))`, 'more than 38 digits')
    case 'date':
    case 'timestamp with time zone':
      return proven(`isfinite(${x})`, x, 'infinite')
    case 'timestamp':
    case 'timestamp_s':
    case 'timestamp_ms':
      return proven(`isfinite(CAST(${x} AS TIMESTAMP))`, instant, 'infinite')
    case 'timestamp_ns':
      return `CASE WHEN ${x} IS NULL THEN NULL WHEN NOT isfinite(CAST(${x} AS TIMESTAMP)) THEN ${misfitSql({ ...aim, reason: 'infinite' }, x)} WHEN epoch_ns(${x}) % 1000 = 0 THEN ${instant} ELSE ${misfitSql({ ...aim, reason: 'nanoseconds would be lost' }, x)} END`
    case 'uuid':
    case 'time':
    case 'time_ns':
    case 'time with time zone':
    case 'enum':
    case 'json':
    case 'bit':
    case 'null':
      return `CAST(${x} AS VARCHAR)`
    default:
      return undefined
  }
}

function unsupportedType(sqlType: string, column: string, reason: string | undefined): LakeError {
  const why = reason === undefined ? 'is not supported' : `cannot be stored: ${reason}`
  return new LakeError('invalid', `type ${sqlType} ${why}`, {
    ...(column === '' ? {} : { column }),
    fix: 'Convert the column where the data comes from, or with `--derive`.',
  })
}
