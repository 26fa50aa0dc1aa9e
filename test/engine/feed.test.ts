import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  LargeBinary,
  LargeUtf8,
  List,
  Map_,
  makeData,
  Null,
  RecordBatch,
  Schema,
  Struct,
  TimeMicrosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import type { Schema as LakeSchema, LakeType } from '../../src/schema/types.js'
import { spillFolder } from './spill.js'

let engine: Engine
let count = 0
beforeAll(async () => {
  engine = await openDuckDB({ memory: '1GB', threads: 2, spillFolder: await spillFolder() })
})
afterAll(() => engine.close())

function batchOf(columns: Record<string, Vector>): RecordBatch {
  const entries = Object.entries(columns)
  const fields = entries.map(([name, vector]) => new Field(name, vector.type, true))
  const length = entries[0]?.[1].length ?? 0
  const children = entries.map(([, vector]) => {
    const data = vector.data[0]
    if (data === undefined || vector.data.length !== 1) throw new Error('one chunk expected')
    return data
  })
  return new RecordBatch(
    new Schema(fields),
    makeData({ type: new Struct<Record<string, DataType>>(fields), length, nullCount: 0, children }),
  )
}

function field(name: string, type: LakeType): LakeSchema[number] {
  return { name, type, nullable: true }
}

async function roundTrip(vector: Vector, type: LakeType): Promise<unknown[]> {
  const name = `r${count++}`
  await engine.feed(name, [field('x', type)], [batchOf({ x: vector })], { rowNumber: '__row' })
  return (await engine.rows(`SELECT x FROM ${name} ORDER BY __row`)).map((row) => row.x)
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** Long enough for several chunks, with nulls at odd places. */
function many<T>(make: (i: number) => T, rows = 5000): (T | null)[] {
  return Array.from({ length: rows }, (_, i) => (i % 7 === 3 ? null : make(i)))
}

const text = (i: number) => 'é日本ab'.repeat(i % 9).slice(0, i % 31)
const big = (i: number) => (i % 2 === 0 ? 1n : -1n) * (2n ** 62n + BigInt(i))

const cases: { name: string; type: DataType; lake: LakeType; values: unknown[]; expected?: unknown[] }[] = [
  { name: 'tinyint', type: new Int8(), lake: { kind: 'tinyint' }, values: many((i) => (i % 256) - 128) },
  { name: 'smallint', type: new Int16(), lake: { kind: 'smallint' }, values: many((i) => i - 32768) },
  { name: 'integer', type: new Int32(), lake: { kind: 'integer' }, values: many((i) => i - 2147483648) },
  { name: 'bigint', type: new Int64(), lake: { kind: 'bigint' }, values: many(big) },
  { name: 'uint8', type: new Uint8(), lake: { kind: 'smallint' }, values: many((i) => i % 256) },
  { name: 'uint16', type: new Uint16(), lake: { kind: 'integer' }, values: many((i) => 65535 - i) },
  {
    name: 'uint32',
    type: new Uint32(),
    lake: { kind: 'bigint' },
    values: many((i) => 4294967295 - i),
    expected: many((i) => 4294967295n - BigInt(i)),
  },
  {
    name: 'uint64',
    type: new Uint64(),
    lake: { kind: 'decimal', precision: 20, scale: 0 },
    values: many((i) => 18446744073709551615n - BigInt(i)),
    expected: many((i) => String(18446744073709551615n - BigInt(i))),
  },
  { name: 'float', type: new Float32(), lake: { kind: 'float' }, values: many((i) => i / 4) },
  { name: 'double', type: new Float64(), lake: { kind: 'double' }, values: many((i) => i / 3) },
  { name: 'half', type: new Float16(), lake: { kind: 'float' }, values: [0.5, -2, null, 65504, 2 ** -24] },
  { name: 'boolean', type: new Bool(), lake: { kind: 'boolean' }, values: many((i) => i % 3 === 0) },
  { name: 'utf8', type: new Utf8(), lake: { kind: 'varchar' }, values: many(text) },
  { name: 'large utf8', type: new LargeUtf8(), lake: { kind: 'varchar' }, values: many(text) },
  { name: 'binary', type: new Binary(), lake: { kind: 'blob' }, values: many((i) => new Uint8Array(i % 40).fill(i)) },
  {
    name: 'large binary',
    type: new LargeBinary(),
    lake: { kind: 'blob' },
    values: many((i) => new Uint8Array(i % 40).fill(i)),
  },
  {
    name: 'fixed-size binary',
    type: new FixedSizeBinary(13),
    lake: { kind: 'blob' },
    values: many((i) => new Uint8Array(13).fill(i)),
  },
  {
    name: 'date in days',
    type: new DateDay(),
    lake: { kind: 'date' },
    values: many((i) => new Date(i * 86_400_000)),
    expected: many((i) => new Date(i * 86_400_000).toISOString().slice(0, 10)),
  },
  {
    name: 'date in milliseconds',
    type: new DateMillisecond(),
    lake: { kind: 'date' },
    values: many((i) => new Date(-i * 86_400_000)),
    expected: many((i) => new Date(-i * 86_400_000).toISOString().slice(0, 10)),
  },
  {
    name: 'list',
    type: new List(new Field('item', new Utf8(), true)),
    lake: { kind: 'list', element: { kind: 'varchar' } },
    values: many((i) => Array.from({ length: i % 5 }, (_, j) => (j === 2 ? null : text(i + j)))),
  },
  {
    name: 'list of lists',
    type: new List(new Field('item', new List(new Field('item', new Int32(), true)), true)),
    lake: { kind: 'list', element: { kind: 'list', element: { kind: 'integer' } } },
    values: many((i) => Array.from({ length: i % 4 }, (_, j) => (j === 1 ? null : [i, null, j]))),
  },
  {
    name: 'fixed-size list',
    type: new FixedSizeList(3, new Field('item', new Int32(), true)),
    lake: { kind: 'list', element: { kind: 'integer' } },
    values: many((i) => [i, null, -i - 1]),
  },
  {
    name: 'struct',
    type: new Struct([new Field('1', new Utf8(), true), new Field('0', new Int32(), true)]),
    lake: { kind: 'struct', fields: [field('0', { kind: 'integer' }), field('1', { kind: 'varchar' })] },
    values: many((i) => ({ '1': text(i), '0': i % 5 === 0 ? null : i })),
  },
  {
    name: 'dictionary of text',
    type: new Dictionary(new Utf8(), new Int32()),
    lake: { kind: 'varchar' },
    values: many((i) => `value number ${i % 100}`),
  },
  {
    name: 'dictionary of integers',
    type: new Dictionary(new Int64(), new Int8()),
    lake: { kind: 'bigint' },
    values: many((i) => big(i % 50)),
  },
]

describe('a batch comes out of the engine as it went in', () => {
  for (const { name, type, lake, values, expected } of cases)
    test(name, async () => {
      expect(await roundTrip(vectorFromArray(values, type), lake)).toEqual(expected ?? values)
    })

  for (const { name, type, lake, values, expected } of cases)
    test(`${name}, sliced`, async () => {
      const vector = vectorFromArray(values, type).slice(5, 4321)
      expect(await roundTrip(vector, lake)).toEqual((expected ?? values).slice(5, 4321))
    })

  test('timestamps of all units and without zone', async () => {
    const micros = 1_763_632_800_123_000n
    const expected = ['2025-11-20T10:00:00.123Z', null]
    const data = (type: DataType, value: bigint) =>
      vectorOf(type, BigInt64Array.of(value, 0n), Uint8Array.of(1)) as Vector
    const lake: LakeType = { kind: 'timestamp' }
    expect(await roundTrip(data(new TimestampMicrosecond('UTC'), micros), lake)).toEqual(expected)
    expect(await roundTrip(data(new TimestampMicrosecond(), micros), lake)).toEqual(expected)
    expect(await roundTrip(data(new TimestampMillisecond(), micros / 1000n), lake)).toEqual(expected)
    expect(await roundTrip(data(new TimestampNanosecond(), micros * 1000n), lake)).toEqual(expected)
    expect(await roundTrip(data(new TimestampSecond(), micros / 1_000_000n), lake)).toEqual([
      '2025-11-20T10:00:00Z',
      null,
    ])
    expect(await roundTrip(data(new TimestampMicrosecond(), -1n), lake)).toEqual(['1969-12-31T23:59:59.999999Z', null])
  })

  test('nanoseconds that would be lost are refused with their row', async () => {
    const vector = vectorOf(new TimestampNanosecond(), BigInt64Array.of(1000n, 1001n))
    await expect(roundTrip(vector, { kind: 'timestamp' })).rejects.toMatchObject({
      code: 'invalid',
      details: { row: 2, column: 'x' },
    })
  })

  test('a date with a time of day is refused with its row', async () => {
    const vector = vectorOf(new DateMillisecond(), BigInt64Array.of(0n, 86_400_001n))
    await expect(roundTrip(vector, { kind: 'date' })).rejects.toMatchObject({ details: { row: 2 } })
  })

  test('decimals of every width', async () => {
    for (const precision of [3, 4, 5, 9, 10, 18, 19, 38]) {
      const largest = 10n ** BigInt(precision) - 1n
      const values = [largest, -largest, 0n, -1n]
      const spelled = values.map((value) => spellDecimal(value, 2))
      const vector = decimalVector(values, precision, 2)
      expect(await roundTrip(vector, { kind: 'decimal', precision, scale: 2 })).toEqual(spelled)
    }
  })

  test('a decimal of more digits than its type says is refused', async () => {
    for (const [value, precision] of [
      [10_000n, 4],
      [-(10n ** 9n), 9],
      [10n ** 18n, 18],
      [2n ** 64n + 5n, 18],
    ] as const)
      await expect(
        roundTrip(decimalVector([1n, value], precision, 0), { kind: 'decimal', precision, scale: 0 }),
      ).rejects.toMatchObject({ code: 'invalid', details: { row: 2 } })
  })

  test('a decimal of negative scale is spelled out', async () => {
    const vector = decimalVector([12n, -99999n], 5, -2)
    expect(await roundTrip(vector, { kind: 'decimal', precision: 7, scale: 0 })).toEqual(['1200', '-9999900'])
  })

  test('text and numbers behind dictionaries with nulls among their values', async () => {
    for (const [values, type, lake] of [
      [['a', null, 'long enough to need memory'], new Utf8(), { kind: 'varchar' }],
      [[true, null, false], new Bool(), { kind: 'boolean' }],
      [[1, null, 3], new Float64(), { kind: 'double' }],
    ] as const) {
      const dictionary = vectorFromArray([...values], type as DataType)
      const codes = Int32Array.from({ length: 5000 }, (_, i) => i % 3)
      const data = makeData({ type: new Dictionary(type as DataType, new Int32()), data: codes, dictionary })
      const expected = Array.from(codes, (code) => values[code])
      expect(await roundTrip(vectorFromData(data), lake)).toEqual(expected)
    }
  })

  test('times become the text DuckDB prints', async () => {
    const vector = vectorOf(new TimeMicrosecond(), BigInt64Array.of(36_000_500_000n, 86_399_999_999n, 0n))
    expect(await roundTrip(vector, { kind: 'varchar' })).toEqual(['10:00:00.5', '23:59:59.999999', '00:00:00'])
  })

  test('a null column fits any type', async () => {
    const vector = makeVectorOf(new Null(), 3)
    expect(await roundTrip(vector, { kind: 'bigint' })).toEqual([null, null, null])
    expect(await roundTrip(vector, { kind: 'list', element: { kind: 'varchar' } })).toEqual([null, null, null])
  })

  test('maps', async () => {
    const entries = new Struct<{ key: Utf8; value: Int32 }>([
      new Field('key', new Utf8(), false),
      new Field('value', new Int32(), true),
    ])
    const type = new Map_<Utf8, Int32>(new Field('entries', entries, false))
    const values = many((i) => new Map(Array.from({ length: i % 3 }, (_, j) => [`k${j}`, i + j])))
    const expected = values.map((map) => map && [...map].map(([key, value]) => ({ key, value })))
    const lake: LakeType = { kind: 'map', key: { kind: 'varchar' }, value: { kind: 'integer' } }
    expect(await roundTrip(vectorFromArray(values, type), lake)).toEqual(expected)
    expect(await roundTrip(vectorFromArray(values, type).slice(9, 3000), lake)).toEqual(expected.slice(9, 3000))
  })

  test('a null struct has null fields, even where Arrow has values under it', async () => {
    const child = makeData({ type: new Int32(), data: Int32Array.of(7, 8) })
    const type = new Struct<{ a: Int32 }>([new Field('a', new Int32(), true)])
    const data = makeData({ type, length: 2, nullCount: 1, nullBitmap: Uint8Array.of(1), children: [child] })
    const name = `r${count++}`
    const batch = batchOf({ s: vectorFromData(data) })
    const lake: LakeType = { kind: 'struct', fields: [field('a', { kind: 'integer' })] }
    await engine.feed(name, [field('s', lake)], [batch])
    expect(await engine.rows(`SELECT s.a AS a, s FROM ${name}`)).toEqual([
      { a: 7, s: { a: 7 } },
      { a: null, s: null },
    ])
  })
})

describe('text that is not UTF-8', () => {
  const valid = Buffer.from('ok and long enough to need memory')

  function textVector(parts: Uint8Array[], nullBitmap?: Uint8Array): Vector {
    const valueOffsets = Int32Array.of(0, ...parts.map((_, i) => Buffer.concat(parts.slice(0, i + 1)).byteLength))
    return vectorFromData(
      makeData({
        type: new Utf8(),
        length: parts.length,
        valueOffsets,
        data: Buffer.concat(parts),
        nullBitmap: nullBitmap ?? null,
      }),
    )
  }

  for (const [name, bad] of [
    ['a stray byte', Uint8Array.of(0x61, 0xff)],
    ['a surrogate', Uint8Array.of(0xed, 0xa0, 0x80)],
    ['an overlong form', Uint8Array.of(0xc0, 0x80)],
    ['beyond U+10FFFF', Uint8Array.of(0xf4, 0x90, 0x80, 0x80)],
    ['a cut character in long text', Buffer.concat([valid, Uint8Array.of(0xe6)])],
  ] as const)
    test(`${name} is refused with row and column, not turned into null`, async () => {
      await expect(roundTrip(textVector([valid, valid, bad, valid]), { kind: 'varchar' })).rejects.toMatchObject({
        code: 'invalid',
        details: { row: 3, column: 'x' },
      })
    })

  test('a character cut in two by an offset is refused, though the bytes in a row are valid', async () => {
    const [first = 0, second = 0] = Buffer.from('é')
    const vector = textVector([valid, Uint8Array.of(first), Uint8Array.of(second)])
    await expect(roundTrip(vector, { kind: 'varchar' })).rejects.toMatchObject({ details: { row: 2 } })
  })

  test('what stands under a null does not matter', async () => {
    const vector = textVector([Uint8Array.of(0xff), Buffer.from('é'), valid], Uint8Array.of(6))
    expect(await roundTrip(vector, { kind: 'varchar' })).toEqual([null, 'é', valid.toString()])
  })

  test('in a list it is refused with the row of the list', async () => {
    const child = textVector([valid, valid, Uint8Array.of(0xff)]).data[0]
    const type = new List(new Field('item', new Utf8(), true))
    const data = makeData({ type, length: 3, valueOffsets: Int32Array.of(0, 1, 1, 3), child: child as Data<Utf8> })
    await expect(roundTrip(vectorFromData(data), { kind: 'list', element: { kind: 'varchar' } })).rejects.toMatchObject(
      { details: { row: 3 } },
    )
  })

  test('characters of every length and the bytes U+0000 come through', async () => {
    const values = [
      '',
      '\0',
      'a\0b',
      '😀',
      '\u0000'.repeat(20),
      '\uffff',
      'x'.repeat(12),
      'x'.repeat(13),
      '日本語日本語',
    ]
    expect(await roundTrip(vectorFromArray(values, new Utf8()), { kind: 'varchar' })).toEqual(values)
  })
})

describe('arrays that contradict themselves are refused before memory is touched', () => {
  test('a buffer shorter than the length', async () => {
    const data = makeData({ type: new Int32(), length: 100, data: Int32Array.of(1, 2) })
    await expect(roundTrip(vectorFromData(data), { kind: 'integer' })).rejects.toMatchObject({ code: 'invalid' })
  })

  test('offsets beyond the bytes', async () => {
    const data = makeData({
      type: new Utf8(),
      length: 2,
      valueOffsets: Int32Array.of(0, 5, 500),
      data: Buffer.alloc(6),
    })
    await expect(roundTrip(vectorFromData(data), { kind: 'varchar' })).rejects.toMatchObject({ code: 'invalid' })
  })

  test('a dictionary code that is not there', async () => {
    const dictionary = vectorFromArray(['a'], new Utf8())
    const type = new Dictionary(new Utf8(), new Int32())
    const data = makeData({ type, length: 2, data: Int32Array.of(0, 1), dictionary })
    await expect(roundTrip(vectorFromData(data), { kind: 'varchar' })).rejects.toMatchObject({ details: { row: 2 } })
  })
})

describe('the stream of batches', () => {
  const schema: LakeSchema = [field('id', { kind: 'bigint' }), field('name', { kind: 'varchar' })]
  const batch = (from: number, rows: number) =>
    batchOf({
      id: vectorFromArray(
        Array.from({ length: rows }, (_, i) => BigInt(from + i)),
        new Int64(),
      ),
      name: vectorFromArray(
        Array.from({ length: rows }, (_, i) => `name ${from + i}`),
        new Utf8(),
      ),
    })

  class Counted {
    pulled = 0
    returned = 0
    constructor(
      readonly batches: number,
      readonly fault?: Error,
    ) {}
    next(): IteratorResult<RecordBatch> {
      if (this.fault !== undefined && this.pulled === this.batches) throw this.fault
      if (this.pulled === this.batches) return { done: true, value: undefined }
      return { done: false, value: batch(this.pulled++ * 3000, 3000) }
    }
    return(): IteratorResult<RecordBatch> {
      this.returned++
      return { done: true, value: undefined }
    }
    [Symbol.iterator]() {
      return this
    }
  }

  class CountedAsync extends Counted {
    // A class whose instances are asynchronous only.
    readonly inner = new Counted(this.batches, this.fault)
    asAsync(): AsyncIterable<RecordBatch> {
      const { inner } = this
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => inner.next(),
          return: async () => inner.return(),
        }),
      }
    }
  }

  test('a synchronous one is pulled while the query runs, once', async () => {
    const source = new Counted(10)
    const fed = await engine.feed('sync_once', schema, source)
    expect(source.pulled).toBe(0)
    expect(fed.replayable).toBe(false)
    const [row] = await engine.rows('SELECT count(*) AS n, count(DISTINCT id) AS ids, max(name) AS name FROM sync_once')
    expect(row).toEqual({ n: 30000n, ids: 30000n, name: 'name 9999' })
    expect(fed.rows).toBe(30000)
    expect(source.returned).toBe(0)
    await expect(engine.rows('SELECT * FROM sync_once')).rejects.toMatchObject({ code: 'invalid' })
    // The error was told; the next statement is none of its business.
    expect(await engine.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('an asynchronous one is taken over before feed resolves, and can be scanned again', async () => {
    const source = new CountedAsync(40)
    const fed = await engine.feed('async_all', schema, source.asAsync(), { rowNumber: '__row' })
    expect([fed.replayable, fed.rows, source.inner.returned]).toEqual([true, 120000, 0])
    for (const _ of [1, 2])
      expect(
        await engine.rows('SELECT count(*) AS n, count(*) FILTER (id + 1 = __row) AS numbered FROM async_all'),
      ).toEqual([{ n: 120000n, numbered: 120000n }])
  })

  test('no batches, and batches without rows, make an empty relation', async () => {
    await engine.feed('sync_none', schema, [])
    await engine.feed('sync_empty', schema, [batch(0, 0), batch(0, 0)])
    await engine.feed('async_none', schema, new CountedAsync(0).asAsync())
    for (const name of ['sync_none', 'sync_empty', 'async_none'])
      expect(await engine.rows(`SELECT * FROM ${name}`)).toEqual([])
  })

  test('empty batches among others lose nothing', async () => {
    await engine.feed('sync_mixed', schema, [batch(0, 0), batch(0, 5), batch(0, 0), batch(5, 5), batch(0, 0)])
    expect(await engine.rows('SELECT sum(id)::BIGINT AS s, count(*) AS n FROM sync_mixed')).toEqual([
      { s: 45n, n: 10n },
    ])
  })

  test('columns may stand in another order, and the row number follows them', async () => {
    const plain = batch(0, 2)
    const turned = batchOf({
      name: vectorFromArray(['n2'], new Utf8()),
      id: vectorFromArray([2n], new Int64()),
    })
    await engine.feed('turned', schema, [plain, turned], { rowNumber: '__row' })
    expect(await engine.rows('SELECT * FROM turned ORDER BY __row')).toEqual([
      { id: 0n, name: 'name 0', __row: 1n },
      { id: 1n, name: 'name 1', __row: 2n },
      { id: 2n, name: 'n2', __row: 3n },
    ])
  })

  const one = { id: vectorFromArray([1n], new Int64()), name: vectorFromArray(['a'], new Utf8()) }
  const wrongs: [string, Record<string, Vector>, string][] = [
    ['another type', { id: one.id, name: vectorFromArray([1], new Int32()) }, 'name'],
    ['a missing column', { id: one.id }, 'name'],
    ['an extra column', { ...one, more: one.name }, 'more'],
  ]
  for (const [name, columns, column] of wrongs)
    test(`a later batch with ${name} is refused, naming batch and column`, async () => {
      const expected = { code: 'invalid', details: { batch: 2, column } }
      const batches = [batch(0, 3), batchOf(columns)]
      const relation = `wrong${count++}`
      await engine.feed(relation, schema, batches)
      await expect(engine.rows(`SELECT count(name) FROM ${relation}`)).rejects.toMatchObject(expected)
      await expect(engine.feed(`${relation}_async`, schema, toAsync(batches))).rejects.toMatchObject(expected)
    })

  test('what the iterable throws comes out as it was thrown', async () => {
    const fault = new RangeError('the source broke')
    const source = new Counted(2, fault)
    await engine.feed('throws', schema, source)
    expect(await failure(engine.run('CREATE TABLE thrown AS SELECT * FROM throws'))).toBe(fault)
    expect(source.returned).toBe(0)
    expect(await failure(engine.feed('throws2', schema, new CountedAsync(2, fault).asAsync()))).toBe(fault)
  })

  test('a source left before its end is returned to', async () => {
    const limited = new Counted(1000)
    await engine.feed('limited', schema, limited)
    await engine.rows('SELECT * FROM limited LIMIT 1')
    expect([limited.returned, limited.pulled < 1000]).toEqual([1, true])
    const failed = new Counted(1000)
    await engine.feed('failed', schema, failed)
    await expect(engine.rows(`SELECT error('no ' || name) FROM failed`)).rejects.toThrow('no name')
    expect(failed.returned).toBe(1)
  })

  test('a signal ends a query over an endless source with its reason, and returns to the source', async () => {
    const endless = new Counted(Number.POSITIVE_INFINITY)
    const stop = new AbortController()
    const reason = new Error('enough')
    await engine.feed('endless', schema, endless)
    const query = failure(engine.rows('SELECT count(*) FROM endless', { signal: stop.signal }))
    setTimeout(() => stop.abort(reason), 100)
    expect(await query).toBe(reason)
    expect(endless.returned).toBe(1)
  })

  test('a signal ends a feed from a source that never answers', async () => {
    const stop = new AbortController()
    let returned = 0
    const silent: AsyncIterable<RecordBatch> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => {
          returned++
          return { done: true, value: undefined }
        },
      }),
    }
    const fed = failure(engine.feed('silent', schema, silent, { signal: stop.signal }))
    setTimeout(() => stop.abort(new Error('enough')), 50)
    expect(await fed).toEqual(new Error('enough'))
    expect(returned).toBe(1)
  })

  test('a query may be streamed from a synchronous source while other statements run', async () => {
    await engine.feed('streamed', schema, new Counted(50))
    let rows = 0
    for await (const page of engine.stream('SELECT id FROM streamed')) {
      if (rows < 10_000) await engine.run('SELECT 1')
      rows += page.length
    }
    expect(rows).toBe(150_000)
  })
})

async function* toAsync(batches: RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches
}

function vectorFromData(data: Parameters<typeof vectorFromChunks>[0]): Vector {
  return vectorFromChunks(data)
}

function vectorFromChunks(data: ReturnType<typeof makeData>): Vector {
  const type = new Struct<{ x: DataType }>([new Field('x', data.type, true)])
  const batch = new RecordBatch(new Schema([new Field('x', data.type, true)]), makeData({ type, children: [data] }))
  const child = batch.getChildAt(0)
  if (child === null) throw new Error('no child')
  return child
}

function vectorOf(type: DataType, values: BigInt64Array | Int32Array | Uint32Array, nullBitmap?: Uint8Array): Vector {
  const length = type instanceof Decimal ? values.length / 4 : values.length
  return vectorFromData(makeData({ type, length, data: values, nullBitmap } as Parameters<typeof makeData>[0]))
}

function makeVectorOf(type: Null, length: number): Vector {
  return vectorFromData(makeData({ type, length }))
}

function decimalVector(values: bigint[], precision: number, scale: number): Vector {
  const words = new BigInt64Array(values.flatMap((value) => [BigInt.asIntN(64, value), value >> 64n]))
  return vectorOf(new Decimal(scale, precision, 128), new Uint32Array(words.buffer))
}

function spellDecimal(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
