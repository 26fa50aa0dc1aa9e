import { RecordBatchReader, tableFromArrays, tableFromJSON, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import { typeName } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { arrowBatches } from '../../src/source/arrow.js'
import { type RowsOptions, rowsToBatches } from '../../src/source/rows.js'
import { spillFolder } from '../engine/spill.js'

let engine: Engine
let count = 0
beforeAll(async () => {
  engine = await openDuckDB({ memory: '1GB', threads: 2, spillFolder: await spillFolder() })
})
afterAll(() => engine.close())

type Rows = Iterable<unknown> | AsyncIterable<unknown>

async function load(rows: Rows, options?: RowsOptions): Promise<Record<string, unknown>[]> {
  const { schema, batches } = await rowsToBatches(rows, options)
  const name = `r${count++}`
  await engine.feed(name, schema, batches, { rowNumber: '__row' })
  return await engine.rows(`SELECT * EXCLUDE (__row) FROM ${name} ORDER BY __row`)
}

async function typesOf(rows: Rows, options?: RowsOptions): Promise<Record<string, string>> {
  const { schema } = await rowsToBatches(rows, options)
  return Object.fromEntries(schema.map((field) => [field.name, typeName(field.type)]))
}

async function* later(rows: Iterable<unknown>): AsyncGenerator<unknown> {
  yield* rows
}

const table = (types: Record<string, Schema[number]['type']>): Schema =>
  Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }))

describe('types of rows', () => {
  test('come from their values', async () => {
    const rows = [
      {},
      {
        i: 1,
        d: 0.5,
        big: 2n ** 62n,
        t: 'x',
        b: true,
        at: new Date(0),
        bytes: Uint8Array.of(1),
        list: [1, null],
        s: { a: 1, n: { x: [] } },
        m: new Map([['k', 1.5]]),
        nothing: null,
      },
    ]
    expect(await typesOf(rows)).toEqual({
      i: 'bigint',
      d: 'double',
      big: 'bigint',
      t: 'varchar',
      b: 'boolean',
      at: 'timestamp',
      bytes: 'blob',
      list: 'bigint[]',
      s: 'struct(a bigint, n struct(x varchar[]))',
      m: 'map(varchar, double)',
      nothing: 'varchar',
    })
  })

  test('integers and fractions mixed are double when exact, else refused with the row', async () => {
    expect(await typesOf([{ a: 1 }, { a: 1.5 }, { a: 2n }])).toEqual({ a: 'double' })
    await expect(typesOf([{ a: 1.5 }, { a: 2n ** 53n + 1n }])).rejects.toMatchObject({
      code: 'invalid',
      details: { row: 2 },
    })
    expect(await typesOf([{ a: 2 ** 60 }])).toEqual({ a: 'double' })
  })

  for (const [name, rows, details] of [
    ['text among numbers', [{ a: 1 }, { a: 'x' }], { row: 2, column: 'a' }],
    ['a nested mixture', [{ a: { b: [1] } }, { a: { b: ['x'] } }], { row: 2, column: 'a.b[]' }],
    ['a function', [{ a: () => 1 }], { row: 1 }],
    ['an instance of a class', [{ a: new URL('http://x/') }], { row: 1 }],
    ['an integer beyond 64 bits', [{ a: 1n }, { a: 2n ** 63n }], { row: 2 }],
    ['objects without fields', [{ a: {} }], { column: 'a' }],
    ['a row that is no object', [{ a: 1 }, [1]], { row: 2 }],
    ['null for a row', [null], { row: 1 }],
    ['names that differ in case', [{ a: 1, A: 2 }], {}],
    ['an empty name', [{ '': 1 }], {}],
  ] as const)
    test(`${name} is refused`, async () => {
      await expect(typesOf(rows)).rejects.toMatchObject({ code: 'invalid', details })
    })

  test('declared ones rule, then those of the table', async () => {
    const schema = table({
      a: { kind: 'integer' },
      B: { kind: 'date' },
      c: { kind: 'double' },
      unseen: { kind: 'blob' },
    })
    const rows = [{ a: 1, b: '2026-11-20', c: 1 }]
    expect(await typesOf(rows, { schema, types: { c: 'decimal(5,1)', more: 'date' } })).toEqual({
      a: 'integer',
      b: 'date',
      c: 'decimal(5,1)',
      more: 'date',
    })
    expect(await typesOf(rows, { types: { a: { kind: 'smallint' }, '*': 'varchar' } })).toEqual({
      a: 'smallint',
      b: 'varchar',
      c: 'varchar',
    })
    expect(await typesOf([], { schema })).toEqual({ a: 'integer', B: 'date', c: 'double', unseen: 'blob' })
    expect(await typesOf([])).toEqual({})
  })

  test('a mistyped name in types is an error with the near miss', async () => {
    await expect(typesOf([{ amount: 1 }], { types: { amuont: 'double' } })).rejects.toMatchObject({
      fix: expect.stringContaining('amount'),
    })
  })
})

describe('rows come out as they went in', () => {
  const at = new Date('2026-11-20T10:00:00.123Z')
  const rows = Array.from({ length: 40_000 }, (_, i) => ({
    id: i - 20_000,
    big: i % 2 === 0 ? BigInt(i) * 2n ** 40n : -i * 2 ** 30,
    amount: i / 7,
    text: i % 5 === 0 ? undefined : `${'é日😀'.repeat(i % 20)}${i}`,
    flag: i % 3 === 0,
    list: i % 4 === 0 ? null : [`a${i}`, null],
    s: { a: i, b: i % 2 === 0 ? 'x' : null },
  }))
  const expected = rows.map((row) => ({
    ...row,
    id: BigInt(row.id),
    big: BigInt(row.big),
    text: row.text ?? null,
    s: { ...row.s, a: BigInt(row.s.a) },
  }))

  test('many, synchronously', async () => {
    expect(await load(rows)).toEqual(expected)
  })

  test('many, asynchronously', async () => {
    expect(await load(later(rows))).toEqual(expected)
  })

  test('every declared type takes what fits it exactly', async () => {
    const cases: [string, unknown[], unknown[]][] = [
      ['tinyint', [-128, 127n, '5'], [-128, 127, 5]],
      ['smallint', [-32768, '32767'], [-32768, 32767]],
      ['integer', [2147483647, '-1'], [2147483647, -1]],
      [
        'bigint',
        [-(2n ** 63n), '9223372036854775807', -5, -(2 ** 53) + 1],
        [-(2n ** 63n), 2n ** 63n - 1n, -5n, -(2n ** 53n) + 1n],
      ],
      ['float', [0.1, 1, '2.5'], [Math.fround(0.1), 1, 2.5]],
      ['double', [0.1, 5n, '2.5', Number.NaN, -0], [0.1, 5, 2.5, Number.NaN, -0]],
      [
        'decimal(38,2)',
        [1.1, '1.10', -5n, 0, '-0.01', '9'.repeat(36)],
        ['1.10', '1.10', '-5.00', '0.00', '-0.01', `${'9'.repeat(36)}.00`],
      ],
      ['decimal(4,1)', ['-1.5', 999.9], ['-1.5', '999.9']],
      ['date', [new Date('2026-11-20'), '0001-01-01'], ['2026-11-20', '0001-01-01']],
      [
        'timestamp',
        [at, '2026-11-20T10:00:00.000001+02:00', new Date('0001-01-01')],
        ['2026-11-20T10:00:00.123Z', '2026-11-20T08:00:00.000001Z', '0001-01-01T00:00:00Z'],
      ],
      ['boolean', [true, 'false'], [true, false]],
      ['varchar', ['x', 1, 2n, true, at], ['x', '1', '2', 'true', at.toISOString()]],
      ['blob', [Uint8Array.of(1, 2), 'AQI='], [Uint8Array.of(1, 2), Uint8Array.of(1, 2)]],
      ['integer[]', [[1, null], []], [[1, null], []]],
      [
        'map(varchar, integer)',
        [new Map([['a', 1]]), { b: 2 }, [{ key: 'c', value: null }]],
        [[{ key: 'a', value: 1 }], [{ key: 'b', value: 2 }], [{ key: 'c', value: null }]],
      ],
      [
        'struct("1" integer, "0" varchar)',
        [{ '0': 'x' }, { '1': 1 }],
        [
          { '1': null, '0': 'x' },
          { '1': 1, '0': null },
        ],
      ],
    ]
    for (const [type, values, out] of cases) {
      const read = await load(
        [...values, null].map((x) => ({ x })),
        { types: { x: type } },
      )
      expect(
        read.map((row) => row.x),
        type,
      ).toEqual([...out, null])
    }
  })

  test('what does not fit exactly is refused with row and column', async () => {
    const cases: [string, unknown[]][] = [
      ['tinyint', [128, -129, 1.5, '007', true]],
      ['bigint', [2 ** 60, 2n ** 63n, '1.0', new Date(0)]],
      ['float', [16777217, 0.123456789]],
      ['double', [2n ** 53n + 1n, 'x', '1e5']],
      ['decimal(4,2)', [100, 1.005, '1.005', 1e21]],
      ['date', [new Date(1), '2026-02-30', 5, new Date(Number.NaN)]],
      ['timestamp', [new Date(Number.NaN), 5, '2026-11-20 25:00']],
      ['varchar', [{}, ['a'], 'half \ud800']],
      ['blob', ['%', [1]]],
      ['integer[]', [5, ['x'], { length: 1 }]],
      ['struct(a integer)', [{ b: 1 }, 5, [1], new Map()]],
      ['map(varchar, integer)', [[1], { a: 'x' }, [{ key: null, value: 1 }]]],
    ]
    for (const [type, values] of cases)
      for (const value of values)
        await expect(
          load([{ x: null }, { x: value }], { types: { x: type } }),
          `${type} ${String(value)}`,
        ).rejects.toMatchObject({
          code: 'invalid',
          details: { row: 2 },
        })
  })

  test('names that objects inherit are columns like any other', async () => {
    const rows = [JSON.parse('{"__proto__": 1, "constructor": "x"}'), { id: 1 }]
    const [first, second] = await load(rows)
    expect(Object.entries(first ?? {})).toEqual([
      ['__proto__', 1n],
      ['constructor', 'x'],
      ['id', null],
    ])
    expect(second?.constructor).toBe(null)
  })

  test('instances of classes are rows by their own fields', async () => {
    class Order {
      id = 1
      get total() {
        return 5
      }
    }
    expect(await load([new Order()])).toEqual([{ id: 1n }])
  })
})

describe('after the sample nothing is guessed', () => {
  const head = Array.from({ length: 300 }, (_, i) => ({ id: i, name: `n${i}` }))

  for (const [name, row, column] of [
    ['another type', { id: 'secret '.repeat(20), name: 'x' }, 'id'],
    ['a fraction among integers', { id: 1.5, name: 'x' }, 'id'],
    ['a new column', { id: 1, name: 'x', more: 1 }, 'more'],
  ] as const)
    test(`${name} is refused, naming row, column and types`, async () => {
      for (const rows of [[...head, row], later([...head, row])]) {
        const error = await load(rows, { sampleRows: 100 }).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        expect(error).toMatchObject({
          code: 'invalid',
          details: { row: 301, column },
          fix: expect.stringContaining('types'),
        })
        expect(String(error)).not.toContain('secret '.repeat(8))
      }
    })

  test('missing, additional empty and reordered keys are fine', async () => {
    const rows = [...head, { name: 'x', id: 1, more: undefined }, { name: 'y' }, {}]
    expect((await load(rows, { sampleRows: 100 })).slice(-3)).toEqual([
      { id: 1n, name: 'x' },
      { id: null, name: 'y' },
      { id: null, name: null },
    ])
  })
})

describe('the source', () => {
  function source(rows: number, onReturn: () => void, fault?: Error): IterableIterator<unknown> {
    let at = 0
    return {
      next: () => {
        if (at === rows && fault !== undefined) throw fault
        return at === rows ? { done: true, value: undefined } : { done: false, value: { id: at++ } }
      },
      return: () => {
        onReturn()
        return { done: true, value: undefined }
      },
      [Symbol.iterator]() {
        return this
      },
    }
  }

  test('is not held: no more rows are pulled than a batch needs', async () => {
    let pulled = 0
    const rows = (function* () {
      for (;;) yield { id: pulled++ }
    })()
    const { batches } = await rowsToBatches(rows, { sampleRows: 10 })
    const iterator = (batches as Iterable<unknown>)[Symbol.iterator]()
    iterator.next()
    expect(pulled).toBeLessThan(1000)
    iterator.return?.()
  })

  test('is returned to when the sample is refused, and when a later row is', async () => {
    for (const sampleRows of [1, 1000]) {
      let returned = 0
      const inner = source(5000, () => returned++)
      const rows = {
        [Symbol.iterator]: () => ({
          next: () => {
            const next = inner.next()
            return !next.done && (next.value as { id: number }).id === 400 ? { done: false, value: { id: 'x' } } : next
          },
          return: () => inner.return?.() ?? { done: true, value: undefined },
        }),
      } as Iterable<unknown>
      await expect(load(rows, { sampleRows: sampleRows === 1000 ? 450 : 1 })).rejects.toMatchObject({ code: 'invalid' })
      expect(returned).toBe(1)
    }
  })

  test('is returned to when an asynchronous one has a later misfit', async () => {
    let ended = false
    const rows = (async function* () {
      try {
        for (let id = 0; ; id++) yield { id: id === 400 ? 'x' : id }
      } finally {
        ended = true
      }
    })()
    await expect(load(rows, { sampleRows: 10 })).rejects.toMatchObject({ details: { row: 401 } })
    expect(ended).toBe(true)
  })

  test('surfaces its own error, and is not returned to after it', async () => {
    const fault = new RangeError('broken')
    let returned = 0
    await expect(
      load(
        source(500, () => returned++, fault),
        { sampleRows: 10 },
      ),
    ).rejects.toBe(fault)
    await expect(
      load(
        source(5, () => returned++, fault),
        { sampleRows: 10 },
      ),
    ).rejects.toBe(fault)
    expect(returned).toBe(0)
  })
})

describe('Arrow input', () => {
  const make = () => tableFromArrays({ id: Int32Array.of(1, 2, 3), x: Float64Array.of(0.5, 1.5, 2.5) })

  async function read(input: Parameters<typeof arrowBatches>[0]): Promise<Record<string, unknown>[]> {
    const { schema, batches } = await arrowBatches(input)
    const name = `r${count++}`
    await engine.feed(name, schema, batches, { rowNumber: '__row' })
    return await engine.rows(`SELECT * EXCLUDE (__row) FROM ${name} ORDER BY __row`)
  }

  const expected = [
    { id: 1, x: 0.5 },
    { id: 2, x: 1.5 },
    { id: 3, x: 2.5 },
  ]

  test('tables, batches, and streams of both', async () => {
    const [batch] = make().batches
    if (batch === undefined) throw new Error('no batch')
    expect(await read(make())).toEqual(expected)
    expect(await read(batch)).toEqual(expected)
    expect(await read([batch, make()])).toEqual([...expected, ...expected])
    expect(await read(later([make(), batch]) as AsyncIterable<typeof batch>)).toEqual([...expected, ...expected])
    expect(await read(make().slice(1, 3))).toEqual(expected.slice(1))
  })

  test('readers of IPC streams, synchronous and not', async () => {
    const bytes = tableToIPC(make(), 'stream')
    expect(await read(RecordBatchReader.from(bytes))).toEqual(expected)
    const reader = await RecordBatchReader.from(later([bytes]) as AsyncIterable<Uint8Array>)
    expect(await read(reader)).toEqual(expected)
  })

  test('text that the library keeps as a dictionary', async () => {
    expect(await read(tableFromJSON([{ a: 'x' }, { a: 'y' }, { a: 'x' }]))).toEqual([
      { a: 'x' },
      { a: 'y' },
      { a: 'x' },
    ])
  })

  test('a table without rows keeps its columns; a stream without batches has none', async () => {
    expect((await arrowBatches(make().slice(0, 0))).schema.map((field) => field.name)).toEqual(['id', 'x'])
    expect(await arrowBatches([])).toMatchObject({ schema: [], arrowSchema: undefined })
  })

  test('anything else in the stream is refused', async () => {
    await expect(arrowBatches([{ id: 1 }] as never)).rejects.toMatchObject({ code: 'invalid' })
    await expect(read([make(), vectorFromArray(['a'], new Utf8())] as never)).rejects.toMatchObject({ code: 'invalid' })
  })

  test('a stream that was only peeked at is returned to', async () => {
    let returned = 0
    const { batches } = await arrowBatches({
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: make() }),
        return: () => {
          returned++
          return { done: true, value: undefined }
        },
      }),
    })
    ;(batches as IterableIterator<unknown>).return?.()
    expect(returned).toBe(1)
  })
})
