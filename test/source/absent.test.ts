import { tableFromArrays } from 'apache-arrow'
import { describe, expect, test } from 'vitest'
import { parseType } from '../../src/schema/names.js'
import type { LoadInput } from '../../src/source/open.js'
import type { OpenInputContext, ReadingSettings } from '../../src/source/port.js'
import { failure, inOrder, type Read, useReading } from './reading.js'

const suite = useReading()

function read(inputs: LoadInput | LoadInput[], reading: ReadingSettings = {}, more: Partial<OpenInputContext> = {}) {
  return suite.read(inputs, reading, { absent: true, ...more })
}

const absent = (result: Read) => inOrder(result).map((row) => row.__lw_absent)
const ids = (result: Read) => inOrder(result).map(({ id }) => Number(id))
const columns = (types: Record<string, string>) =>
  Object.entries(types).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))

describe('a column that a row does not have', () => {
  test('is told from null in NDJSON and JSON', async () => {
    const rows = ['{"id":1,"a":null,"b":{"x":1}}', '{"id":2}', '{"b":null,"id":3,"late":true}', '{ }']
    for (const [name, text] of [
      ['a.ndjson', rows.join('\n')],
      ['a.json', `[${rows.join(',\n')}]`],
    ] as const) {
      const result = await read(await suite.file(name, text))
      expect(result.columns).toEqual(['id bigint', 'a varchar', 'b struct(x bigint)', 'late boolean'])
      expect(absent(result)).toEqual([['late'], ['a', 'b', 'late'], ['a'], ['id', 'a', 'b', 'late']])
      expect(inOrder(result)[0]).toMatchObject({ id: 1n, a: null, b: { x: 1n } })
    }
  })

  test('is a property that does not exist; undefined and null are null', async () => {
    class Row {
      constructor(readonly id: number) {}
      get b() {
        return 'got'
      }
    }
    const rows = [{ id: 1, a: null, b: undefined }, { id: 2, b: 'x' }, { b: 'y', id: 3, a: 1 }, new Row(4)]
    async function* later() {
      yield* rows
    }
    for (const input of [rows, later()]) {
      const result = await read([input as LoadInput])
      expect(result.columns).toEqual(['id bigint', 'a bigint', 'b varchar'])
      expect(absent(result)).toEqual([[], ['a'], [], ['a']])
      expect(inOrder(result).map(({ b }) => b)).toEqual([null, 'x', 'y', 'got'])
    }
  })

  test('is one that the whole CSV, Parquet or Arrow input does not have', async () => {
    const header = await suite.file('h1.csv', 'id,a\n1,\n2,x\n')
    const parquet = `${suite.folder}/p.parquet`
    await suite.engine.run(`COPY (SELECT 3::BIGINT AS id, NULL::VARCHAR AS b) TO '${parquet}' (FORMAT parquet)`)
    const arrow = tableFromArrays({ id: BigInt64Array.of(4n) })
    const result = await read([header, parquet, arrow])
    expect(absent(result)).toEqual([['b'], ['b'], ['a'], ['a', 'b']])
    expect(ids(result)).toEqual([1, 2, 3, 4])
  })

  test('is named as the table spells it; what no input has is absent from every row', async () => {
    const path = await suite.file('spelled.ndjson', '{"id":1,"old":1}\n{"id":2}')
    const tableSchema = columns({ ID: 'bigint', New: 'bigint', extra: 'varchar', dt: 'varchar' })
    const reading = { rename: { old: 'new' }, set: { dt: '2026-01-01' } }
    expect(absent(await read(path, reading, { tableSchema }))).toEqual([['extra'], ['New', 'extra']])
  })

  test('takes the columns with it that are made from it', async () => {
    const path = await suite.file('derived.ndjson', '{"id":1,"at":"2026-01-01 10:00:00"}\n{"id":2}\n{"id":3,"at":null}')
    const derive = { dt: 'CAST("AT" AS DATE)', twice: 'id * 2', either: `coalesce("at", 'none')` }
    const result = await read(path, { derive })
    expect(absent(result)).toEqual([[], ['at', 'dt'], []])
    expect(inOrder(result).map(({ either }) => either)).toEqual(['2026-01-01 10:00:00', 'none', 'none'])
  })

  test('of a folder or a setting is never absent', async () => {
    const { mkdir } = await import('node:fs/promises')
    await mkdir(`${suite.folder}/in/dt=2026-01-01`, { recursive: true })
    await suite.file('in/dt=2026-01-01/a.ndjson', '{"id":1}\n{"id":2,"x":1}')
    expect(absent(await read(`${suite.folder}/in`))).toEqual([['x'], []])
  })

  test('is told where rows are diverted, too', async () => {
    const path = await suite.file('divert.ndjson', '{"id":1}\n{"id":\n{"id":3,"n":"x"}\n{"id":4,"n":"1.5"}')
    const tableSchema = columns({ id: 'bigint', n: 'decimal(5,1)' })
    const result = await read(path, {}, { tableSchema, onReject: 'divert' })
    expect(ids(result)).toEqual([1, 4])
    expect(absent(result)).toEqual([['n'], []])
    expect(result.rejects).toHaveLength(2)
  })

  test('may not have a name of ours', async () => {
    const error = await failure(read(await suite.file('ours.ndjson', '{"__lw_keys":1}')))
    expect(error.message).toMatch(/__lw_/)
  })
})

describe('the order of rows', () => {
  test('is that of the inputs as they are given, whatever their kinds, and within each', async () => {
    const one = await suite.file('o1.ndjson', '{"id":1}\n{"id":2}')
    const two = await suite.file('o2.csv', 'id\n3\n4\n')
    const result = await read([two, one, [{ id: 5 }, { id: 6 }], two])
    expect(ids(result)).toEqual([3, 4, 1, 2, 5, 6, 3, 4])
    const sequence = inOrder(result).map(({ __lw_seq }) => __lw_seq as bigint)
    expect(new Set(sequence).size).toBe(8)
  })

  test('is that of the names within a glob, also where files are of several layouts', async () => {
    const { mkdir } = await import('node:fs/promises')
    await mkdir(`${suite.folder}/glob`, { recursive: true })
    await suite.file('glob/c.csv', 'id\n5\n')
    await suite.file('glob/a.csv', 'id\n1\n')
    await suite.file('glob/b.csv', 'x,id\n,2\n')
    await suite.file('glob/b.ndjson', '{"id":3}\n{"id":4}')
    expect(ids(await read(`${suite.folder}/glob/*`))).toEqual([1, 2, 3, 4, 5])
  })

  test('holds for files that are scanned by several threads', async () => {
    const rows = 300_000
    const parquet = `${suite.folder}/many.parquet`
    const of = `SELECT i AS id, repeat('x', 40) AS t FROM range(${rows}) t(i) ORDER BY i`
    await suite.engine.run(`COPY (${of}) TO '${parquet}' (FORMAT parquet, ROW_GROUP_SIZE 10000)`)
    await suite.engine.run(`COPY (${of}) TO '${suite.folder}/many.csv' (FORMAT csv)`)
    await suite.engine.run(`COPY (${of}) TO '${suite.folder}/many.ndjson' (FORMAT json)`)
    for (const path of [parquet, `${suite.folder}/many.csv`, `${suite.folder}/many.ndjson`]) {
      const { openInput } = await import('../../src/source/open.js')
      const { systemRuntime } = await import('../../src/runtime.js')
      const context = { engine: suite.engine, runtime: systemRuntime, spoolFolder: suite.folder, evolve: false }
      const input = await openInput([path], {}, { ...context, onReject: 'fail', absent: true })
      const [found] = await suite.engine.rows(
        `SELECT count(*) AS n, count(*) FILTER (id <> __lw_seq - 1) AS wrong FROM (${input.select})`,
      )
      expect(found).toEqual({ n: BigInt(rows), wrong: 0n })
      await input.close()
    }
  }, 60_000)
})

test('places and the rest stand beside each other, in this order', async () => {
  const path = await suite.file('both.ndjson', '{"id":1}')
  const result = await read(path, {}, { provenance: true })
  expect(Object.keys(result.rows[0] ?? {})).toEqual(['id', '__lw_file', '__lw_row', '__lw_absent', '__lw_seq'])
  expect(result.rows).toEqual([{ id: 1n, __lw_file: path, __lw_row: 1n, __lw_absent: [], __lw_seq: 1n }])
})

test('without being asked nothing of it is there', async () => {
  const path = await suite.file('plain.ndjson', '{"id":1}')
  const result = await suite.read(path)
  expect(result.rows).toEqual([{ id: 1n }])
})

test('an input without rows has the columns all the same', async () => {
  const tableSchema = columns({ id: 'bigint' })
  const result = await read(await suite.file('none.ndjson', ''), {}, { tableSchema })
  expect(result.rows).toEqual([])
})
