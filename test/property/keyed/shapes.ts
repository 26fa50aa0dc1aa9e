/**
 * Random tables and rows: a key of few values, so that rows meet; columns of few values each, so that many rows that meet
 * are equal; names and values that are hard to quote, to fold and to compare.
 */
import fc from 'fast-check'
import type { Incoming } from '../../model/incoming.js'
import { type Column, keyText, type Row } from '../../model/table.js'
import type { ColumnType, Value } from '../../model/value.js'

export interface Shape {
  columns: DomainColumn[]
  key: string[]
  partitionBy: string[]
}

/** A column and the few values that it takes. */
export interface DomainColumn extends Column {
  values: Value[]
}

export interface ShapeOptions {
  /** Names of columns that a mode adds, beside those drawn here. */
  reserved?: DomainColumn[]
  partitions?: boolean
}

export function shapeOf({ reserved = [], partitions = true }: ShapeOptions = {}): fc.Arbitrary<Shape> {
  return fc
    .record({
      keys: fc.uniqueArray(keyColumn, { minLength: 1, maxLength: 2, selector: ({ name }) => name }),
      data: fc.uniqueArray(dataColumn, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
      partition: partitions ? fc.option(partitionColumn, { freq: 2 }) : fc.constant(null),
      /** The table is divided by a part of its key. */
      byKey: fc.boolean(),
    })
    .map(({ keys, data, partition, byKey }) => {
      const first = keys[0]?.name ?? ''
      const divided = partition && byKey ? [first] : partition ? [partition.name] : []
      const columns = [...keys, ...data, ...(partition && !byKey ? [partition] : []), ...reserved]
      return {
        columns: columns.map((one) => (divided.includes(one.name) ? divisible(one) : one)),
        key: keys.map(({ name }) => name),
        partitionBy: divided,
      }
    })
}

export interface InputOptions {
  /** Columns that the input may leave out, or must have. */
  required?: readonly string[]
  /** How many of 100 inputs have a key twice, or null. */
  spoiled?: number
  maxRows?: number
  repeatedKeys?: boolean
  /** What beside the key makes a row another one. */
  also?: readonly string[]
}

/** Rows of the shape, most often with each key once; some columns are left out now and then. */
export function inputOf(shape: Shape, options: InputOptions = {}): fc.Arbitrary<Incoming> {
  const { required = [], spoiled = 4, maxRows = 24, repeatedKeys = false, also = [] } = options
  const needed = [...shape.key, ...shape.partitionBy, ...required]
  const optional = shape.columns.filter(({ name }) => !needed.includes(name)).map(({ name }) => name)
  return fc
    .record({
      rows: repeatedKeys
        ? fc.array(rowOf(shape), { maxLength: maxRows })
        : fc.uniqueArray(rowOf(shape), {
            maxLength: maxRows,
            selector: (row) => keyText(row, [...shape.key, ...also]),
          }),
      without: weighted(20, fc.subarray(optional)).map((names = []) => names),
      spoil: weighted(spoiled, fc.constantFrom<'null' | 'twice'>('null', 'twice')),
    })
    .map(({ rows, without, spoil }) => {
      const columns = shape.columns
        .filter(({ name }) => !without.includes(name))
        .map(({ name, type }) => ({ name, type }))
      return { columns, rows: spoiledRows(rows, shape, spoil).map((row) => only(row, columns)) }
    })
}

export function rowOf({ columns, key }: Shape): fc.Arbitrary<Row> {
  return fc.record(
    Object.fromEntries(columns.map((column) => [column.name, domainValue(column, key.includes(column.name))])),
  )
}

/** `percent` of 100 are drawn from the arbitrary, the others are absent. */
export function weighted<T>(percent: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(undefined) }, { weight: percent, arbitrary })
}

function domainValue({ values }: DomainColumn, isKey: boolean): fc.Arbitrary<Value> {
  return fc.constantFrom(...(isKey ? values.filter((value) => value !== null) : values))
}

function spoiledRows(rows: Row[], { key }: Shape, spoil: 'null' | 'twice' | undefined): Row[] {
  const [first] = rows
  if (spoil === undefined || first === undefined) return rows
  return spoil === 'twice' ? [...rows, first] : [{ ...first, [key.at(-1) ?? '']: null }, ...rows.slice(1)]
}

function only(row: Row, columns: readonly Column[]): Row {
  return Object.fromEntries(columns.map(({ name }) => [name, row[name] ?? null]))
}

/** What may divide a table: no text that some reader takes for null, no number that is none. */
function divisible(column: DomainColumn): DomainColumn {
  const values = column.values.filter(
    (value) => value !== '' && value !== 'null' && (typeof value !== 'number' || Number.isFinite(value)),
  )
  return { ...column, values: values.length > 0 ? values : ['x'] }
}

const pool: Record<string, readonly Value[]> = {
  bigint: [0n, 1n, -1n, 7n, 9_007_199_254_740_993n, 2n ** 63n - 1n, -(2n ** 63n)],
  double: [0, -0, 1, 1.5, 0.1, Number.NaN, Infinity, -Infinity, 1e300, 5e-324],
  varchar: [
    '',
    'a',
    'A',
    'b',
    'null',
    'caf\u00e9',
    'cafe\u0301',
    '\u{1f600}',
    '\uffee',
    ' a',
    "o'k",
    '1',
    'a/b',
    'x=y',
    '50%',
    'a\nb',
  ],
  boolean: [true, false],
  date: ['2026-11-20', '2026-11-21', '0001-01-01', '9999-12-31'],
  timestamp: ['2026-11-20T10:00:00Z', '2026-11-20T10:00:00.000001Z', '1969-12-31T23:59:59.500Z'],
  'decimal(10,2)': ['1.10', '-0.05', '0.00', '99999999.99'],
}

/** Also what generated SQL may call a relation or a column of its own. */
const names = [
  'v',
  'Name',
  'größe',
  'a b',
  'x"y',
  'select',
  'incoming',
  'current',
  'old',
  'kept',
  'n',
  '日本',
  'a.b',
  "it's",
]

const dataColumn: fc.Arbitrary<DomainColumn> = fc
  .constantFrom<ColumnType>('bigint', 'double', 'varchar', 'varchar', 'boolean', 'date', 'timestamp', 'decimal(10,2)')
  .chain((type) =>
    fc.record({
      name: fc.constantFrom(...names),
      type: fc.constant(type),
      values: fc.subarray([...(pool[type] ?? []), null], {
        minLength: 2,
        maxLength: Math.min(4, (pool[type] ?? []).length),
      }),
    }),
  )

const keyColumn: fc.Arbitrary<DomainColumn> = fc
  .constantFrom<ColumnType>('bigint', 'bigint', 'varchar', 'double', 'date', 'timestamp', 'decimal(10,2)', 'boolean')
  .chain((type) =>
    fc.record({
      name: fc.constantFrom('id', 'Key', 'order', 'k"ey', 'ключ'),
      type: fc.constant(type),
      values:
        type === 'bigint' ? fc.constant([1n, 2n, 3n, 4n, 5n, -9n, 2n ** 62n]) : fc.constant([...(pool[type] ?? [])]),
    }),
  )

const partitionColumn: fc.Arbitrary<DomainColumn> = fc.constantFrom<DomainColumn>(
  { name: 'part', type: 'varchar', values: ['a/b', 'é', 'x=y', 'A', 'a', null] },
  { name: 'part', type: 'varchar', values: ['50%', ' ', '日本', null] },
  { name: 'part', type: 'date', values: ['2026-11-20', '2026-11-21', null] },
  { name: 'part', type: 'bigint', values: [1n, -1n, 10n] },
)
