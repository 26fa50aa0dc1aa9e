/**
 * The schema that Kafka Connect's JSON converter sends along, as columns: how a value is written in the event, which type of
 * ours it has, and how it gets there.
 *
 *   in the schema                                      in the event        ours
 *   int8 … int64, float, double, boolean, string       as they are         tinyint … bigint, float, double, boolean, varchar
 *   bytes                                              base64              blob
 *   array, struct, map                                 array, object       list, struct, map
 *   connect.data.Decimal                               base64, or number   decimal(p,s); varchar beyond 38 digits
 *   debezium.data.VariableScaleDecimal                 {scale, base64}     varchar, or the decimal that is wanted
 *   connect.data.Date, debezium.time.Date              days                date
 *   debezium.time.IsoDate                              2017-06-03Z         date
 *   …Timestamp, MicroTimestamp, NanoTimestamp          ms, µs, ns          timestamp
 *   ZonedTimestamp, IsoTimestamp                       text with offset    timestamp
 *   …Time, MicroTime, NanoTime                         ms, µs, ns          varchar, `10:11:12.5`
 *   debezium.data.Bits                                 base64, low first   varchar of `0` and `1`
 *   debezium.time.Year; Json, Xml, Uuid, Enum, ZonedTime … as they are     integer; varchar
 */
import { z } from 'zod'
import { toSql } from '../../schema/duckdb.js'
import { castSql } from '../../schema/grammar.js'
import { quoteIdentifier, quoteText } from '../../schema/quote.js'
import type { LakeType } from '../../schema/types.js'
import { JsonProblem } from '../json-scan.js'
import { isScale } from './decimal.js'
import { isMetadata, type SchemaAt } from './event.js'

/**
 * @param wanted the type that a column shall get, where that is known
 * @throws JsonProblem for what is no schema of rows
 */
export function rowEncoding(
  schema: Buffer,
  of: SchemaAt['of'],
  isFlat: boolean,
  wanted: (name: string) => LakeType | undefined,
): RowEncoding {
  const row = rowSchema(parsed(schema), of)
  const fields = (row?.fields ?? []).map((field): Field => {
    const name = field.field ?? ''
    return { name, encoding: encodingOf(field, wanted(name)) }
  })
  const isOwn = ({ name }: Field) => !isFlat || !isMetadata(name)
  return { fields: fields.filter(isOwn), metadata: fields.filter((field) => !isOwn(field)).map(({ name }) => name) }
}

export interface RowEncoding {
  fields: Field[]
  /** Members that are passed over. */
  metadata: string[]
}

export interface Field {
  name: string
  encoding: Encoding
}

export interface Encoding {
  type: LakeType
  form: Form
  /** The type as which the engine reads what `row.ts` makes of it. */
  read: string
  /** SQL of our value; absent where what was read is it. */
  value?(read: string, depth: number): string
}

/** What stands in the event. */
export type Form =
  /** Tokens of up to `short` characters are always within. */
  | { kind: 'integer'; least: bigint; most: bigint; short: number; multipleOf?: 1000n }
  | { kind: 'float' | 'boolean' | 'text' | 'base64' | 'zoned' | 'date' }
  | { kind: 'decimal'; scale: number; precision: number | undefined }
  | { kind: 'variable-decimal' }
  | { kind: 'bits'; length: number | undefined }
  | { kind: 'list'; element: Encoding }
  | { kind: 'map'; key: Encoding; value: Encoding }
  | { kind: 'struct'; fields: Field[] }

interface ConnectSchema {
  type: string
  field?: string | undefined
  name?: string | null | undefined
  parameters?: Record<string, string> | null | undefined
  fields?: ConnectSchema[] | undefined
  items?: ConnectSchema | undefined
  keys?: ConnectSchema | undefined
  values?: ConnectSchema | undefined
}

const connectSchema: z.ZodType<ConnectSchema> = z.lazy(() =>
  z.object({
    type: z.string(),
    field: z.string().optional(),
    name: z.string().nullish(),
    parameters: z.record(z.string(), z.string()).nullish(),
    fields: z.array(connectSchema).optional(),
    items: connectSchema.optional(),
    keys: connectSchema.optional(),
    values: connectSchema.optional(),
  }),
)

function parsed(text: Buffer): ConnectSchema {
  const result = connectSchema.safeParse(JSON.parse(text.toString('utf8')))
  if (result.success && result.data.type === 'struct') return result.data
  throw new JsonProblem('the `schema` beside the payload is no schema of Kafka Connect for a struct')
}

/** Of an envelope, the row's; undefined where it has none. */
function rowSchema(schema: ConnectSchema, of: SchemaAt['of']): ConnectSchema | undefined {
  if (of === 'row') return schema
  const byName = (name: string) => schema.fields?.find(({ field, type }) => field === name && type === 'struct')
  return byName('after') ?? byName('before')
}

const scaleParameter = 'scale'
const precisionParameter = 'connect.decimal.precision'

function encodingOf(schema: ConnectSchema, wanted?: LakeType): Encoding {
  return logical(schema, wanted) ?? plain(schema)
}

function plain(schema: ConnectSchema): Encoding {
  switch (schema.type) {
    case 'int8':
      return same({ kind: 'tinyint' }, integer(8n))
    case 'int16':
      return same({ kind: 'smallint' }, integer(16n))
    case 'int32':
      return same({ kind: 'integer' }, integer(32n))
    case 'int64':
      return same({ kind: 'bigint' }, integer(64n))
    case 'float':
    case 'float32':
      return same({ kind: 'float' }, { kind: 'float' })
    case 'double':
    case 'float64':
      return same({ kind: 'double' }, { kind: 'float' })
    case 'boolean':
      return same({ kind: 'boolean' }, { kind: 'boolean' })
    case 'string':
      return text
    case 'bytes':
      return { type: { kind: 'blob' }, form: { kind: 'base64' }, read: 'VARCHAR', value: (x) => `from_base64(${x})` }
    case 'array':
      return list(encodingOf(schema.items ?? noType))
    case 'map':
      return map(encodingOf(schema.keys ?? noType), encodingOf(schema.values ?? noType))
    case 'struct':
      return struct((schema.fields ?? []).map((field) => ({ name: field.field ?? '', encoding: encodingOf(field) })))
    default:
      throw new JsonProblem(`the schema has the type \`${schema.type}\`, which Kafka Connect does not know`)
  }
}

/** Values that are more than their plain type: by the schema's name. */
function logical({ name, type, parameters }: ConnectSchema, wanted: LakeType | undefined): Encoding | undefined {
  switch (`${name ?? ''} ${type}`) {
    case 'org.apache.kafka.connect.data.Decimal bytes':
      return decimal(parameters ?? {}, wanted)
    case 'io.debezium.data.VariableScaleDecimal struct':
      return { ...text, form: { kind: 'variable-decimal' } }
    case 'org.apache.kafka.connect.data.Date int32':
    case 'io.debezium.time.Date int32':
      return days
    case 'io.debezium.time.IsoDate string':
      return same({ kind: 'date' }, { kind: 'date' })
    case 'org.apache.kafka.connect.data.Timestamp int64':
    case 'io.debezium.time.Timestamp int64':
      return instant('ms')
    case 'io.debezium.time.MicroTimestamp int64':
      return instant('us')
    case 'io.debezium.time.NanoTimestamp int64':
      return instant('ns')
    case 'io.debezium.time.ZonedTimestamp string':
    case 'io.debezium.time.IsoTimestamp string':
      return zoned
    case 'org.apache.kafka.connect.data.Time int32':
    case 'io.debezium.time.Time int32':
      return time('ms')
    case 'io.debezium.time.MicroTime int64':
      return time('us')
    case 'io.debezium.time.NanoTime int64':
      return time('ns')
    case 'io.debezium.data.Bits bytes': {
      const length = Number(parameters?.length)
      return { ...text, form: { kind: 'bits', length: length > 0 && length <= mostBits ? length : undefined } }
    }
    default:
      return undefined
  }
}

/** PostgreSQL says this much of `bit varying` without a length. */
const mostBits = 83_886_080

const noType: ConnectSchema = { type: 'nothing' }
const text: Encoding = { type: { kind: 'varchar' }, form: { kind: 'text' }, read: 'VARCHAR' }

function same(type: LakeType, form: Form): Encoding {
  return { type, form, read: toSql(type) }
}

function integer(bits: bigint): Form {
  return between(-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n)
}

function between(least: bigint, most: bigint): Extract<Form, { kind: 'integer' }> {
  return { kind: 'integer', least, most, short: Math.min(String(-least).length, String(most).length) - 1 }
}

/** Days and microseconds of the years 0001 to 9999, which is what other readers of a table know. */
const years = { firstDay: -719_162n, lastDay: 2_932_896n, firstSecond: -62_135_596_800n, lastSecond: 253_402_300_799n }
const perSecond = { ms: 1000n, us: 1_000_000n, ns: 1_000_000_000n } as const

const days: Encoding = {
  type: { kind: 'date' },
  form: between(years.firstDay, years.lastDay),
  read: 'INTEGER',
  value: (x) => `(DATE '1970-01-01' + ${x})`,
}

const zoned: Encoding = {
  type: { kind: 'timestamp' },
  form: { kind: 'zoned' },
  read: 'VARCHAR',
  value: (x) => castSql({ kind: 'timestamp' }, x),
}

function instant(unit: keyof typeof perSecond): Encoding {
  const first = years.firstSecond * perSecond[unit]
  const last = (years.lastSecond + 1n) * perSecond[unit] - 1n
  // 64 bits of nanoseconds end in the years 1677 and 2262.
  const least = first < -(2n ** 63n) ? -(2n ** 63n) : first
  const most = last > 2n ** 63n - 1n ? 2n ** 63n - 1n : last
  const micros = { ms: (x: string) => `${x} * 1000`, us: (x: string) => x, ns: (x: string) => `${x} // 1000` }[unit]
  return {
    type: { kind: 'timestamp' },
    form: { ...between(least, most), ...(unit === 'ns' ? { multipleOf: 1000n } : {}) },
    read: 'BIGINT',
    value: (x) => `make_timestamptz(${micros(x)})`,
  }
}

/** MySQL's go from -838:59:59 to 838:59:59. */
function time(unit: keyof typeof perSecond): Encoding {
  const most = 2n ** (unit === 'ms' ? 31n : 63n) - 1n
  return {
    type: { kind: 'varchar' },
    form: between(-most, most),
    read: 'BIGINT',
    value: (x) => timeSql(x, perSecond[unit]),
  }
}

/** As DuckDB prints TIME: fractions without zeros at their end. */
function timeSql(x: string, units: bigint): string {
  const width = String(units).length - 1
  const seconds = `(abs(${x}) // ${units})`
  const clock = `printf('%02d:%02d:%02d', ${seconds} // 3600, ${seconds} // 60 % 60, ${seconds} % 60)`
  const fraction = `rtrim(printf('.%0${width}d', abs(${x}) % ${units}), '0.')`
  // '.' goes with the zeros of a whole second, so a fraction is what is left after it.
  return `(CASE WHEN ${x} < 0 THEN '-' ELSE '' END || ${clock} || ${fraction})`
}

function decimal(parameters: Record<string, string>, wanted: LakeType | undefined): Encoding {
  const given = Number(parameters[scaleParameter] ?? 0)
  const declared = Number(parameters[precisionParameter] ?? Number.NaN)
  if (!isScale(given)) throw new JsonProblem('the scale of a decimal in the schema is no number')
  const scale = Math.max(given, 0)
  const precision = Number.isInteger(declared) ? Math.max(declared + Math.max(-given, 0), scale, 1) : undefined
  const form = { kind: 'decimal', scale: given } as const
  const isLong = (precision ?? 38) > 38 || scale > 38
  // Text has room for all digits; where it is wanted, or decimal(38) has none, they stay.
  if (isLong || wanted?.kind === 'varchar') return { ...text, form: { ...form, precision: undefined } }
  const type: LakeType = { kind: 'decimal', precision: precision ?? 38, scale }
  return same(type, { ...form, precision: type.precision })
}

function list(element: Encoding): Encoding {
  const { value } = element
  return {
    type: { kind: 'list', element: element.type },
    form: { kind: 'list', element },
    read: `${element.read}[]`,
    ...(value
      ? { value: (x, depth) => `list_transform(${x}, lambda e${depth}: ${value(`e${depth}`, depth + 1)})` }
      : {}),
  }
}

/** Entries as `[{"k":…,"v":…}]`, whatever the type of the keys. */
function map(key: Encoding, value: Encoding): Encoding {
  const entries = struct([
    { name: 'k', encoding: key },
    { name: 'v', encoding: value },
  ])
  const all = list(entries)
  return {
    type: { kind: 'map', key: key.type, value: value.type },
    form: { kind: 'map', key, value },
    read: all.read,
    value: (x, depth) => `map_from_entries(${all.value?.(x, depth) ?? x})`,
  }
}

function struct(fields: Field[]): Encoding {
  if (fields.length === 0) throw new JsonProblem('the schema has a struct without fields')
  const type: LakeType = {
    kind: 'struct',
    fields: fields.map(({ name, encoding }) => ({ name, type: encoding.type, nullable: true })),
  }
  const read = `STRUCT(${fields.map(({ name, encoding }) => `${quoteIdentifier(name)} ${encoding.read}`).join(', ')})`
  const form: Form = { kind: 'struct', fields }
  if (fields.every(({ encoding }) => encoding.value === undefined)) return { type, form, read }
  const value = (x: string, depth: number): string => {
    const members = fields.map(({ name, encoding }) => {
      const member = `struct_extract(${x}, ${quoteText(name)})`
      return `${quoteIdentifier(name)} := ${encoding.value?.(member, depth) ?? member}`
    })
    return `CASE WHEN ${x} IS NULL THEN NULL ELSE struct_pack(${members.join(', ')}) END`
  }
  return { type, form, read, value }
}
