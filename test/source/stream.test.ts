import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { RecordBatchReader, type Table, tableFromArrays, tableToIPC } from 'apache-arrow'
import { describe, expect, test } from 'vitest'
import { arrow, csv } from '../../src/source/files.js'
import { column, failure, useReading } from './reading.js'

const suite = useReading()

async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await new Promise((resolve) => setImmediate(resolve))
    yield item
  }
}

describe('rows', () => {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ id: i, v: `v${i}`, at: new Date(i * 1000) }))

  test('come as arrays, iterables and asynchronous iterables', async () => {
    for (const input of [rows, rows.values(), later(rows), Readable.from(rows)]) {
      const read = await suite.read([input])
      expect(read.columns).toEqual(['id bigint', 'v varchar', 'at timestamp'])
      expect(read.rows).toHaveLength(5000)
    }
  })

  test('meet the table’s types, also beside files', async () => {
    const tableSchema = [
      { name: 'id', type: { kind: 'bigint' } as const, nullable: true },
      { name: 'dt', type: { kind: 'date' } as const, nullable: true },
    ]
    const path = await suite.file('beside.csv', 'id,dt\n2,2026-11-21\n')
    const read = await suite.read([[{ id: 1, dt: '2026-11-20' }], path], {}, { tableSchema })
    expect(column(read, 'dt')).toEqual(['2026-11-20', '2026-11-21'])
  })

  test('are read as text where a declared type asks for the grammar; a misfit names the row', async () => {
    const error = await failure(
      suite.read(
        [
          [
            { id: 1, n: '5' },
            { id: 2, n: '0x10' },
          ],
        ],
        { types: { n: 'bigint' } },
      ),
    )
    expect(error.details).toMatchObject({ row: 2, column: 'n' })
  })

  test('a type for a column one letter off is refused', async () => {
    expect((await failure(suite.read([rows], { types: { att: 'date' } }))).fix).toContain('Did you mean `at`')
  })

  test('can be renamed, and none at all leave the table’s columns', async () => {
    expect((await suite.read([[{ a: 1 }]], { rename: { a: 'b' }, types: { b: 'integer' } })).rows).toEqual([{ b: 1 }])
    const tableSchema = [{ name: 'id', type: { kind: 'bigint' } as const, nullable: true }]
    expect(await suite.read([[]], {}, { tableSchema, required: ['id'] })).toMatchObject({
      columns: ['id bigint'],
      rows: [],
    })
    expect((await failure(suite.read([[]]))).message).toMatch(/no rows and no columns/)
  })
})

describe('Arrow', () => {
  const table = tableFromArrays({
    id: Int32Array.from({ length: 3000 }, (_, i) => i),
    v: Array.from({ length: 3000 }, (_, i) => `é${i}`),
  })

  test('tables, batches, and iterables of them', async () => {
    const batches = (): Table['batches'] => table.batches
    for (const input of [table, batches(), later(batches()), batches()[0] ?? table]) {
      const read = await suite.read([input])
      expect(read.columns).toEqual(['id integer', 'v varchar'])
      expect(column(read, 'v').slice(0, 2)).toEqual(['é0', 'é1'])
    }
  })

  test('IPC files and streams; one that is cut is refused', async () => {
    for (const kind of ['file', 'stream'] as const) {
      const bytes = tableToIPC(table, kind)
      const path = await suite.file(`t-${kind}.arrow`, bytes)
      expect((await suite.read(path)).rows).toHaveLength(3000)
      const { rows } = await suite.read(arrow(path), {}, { provenance: true })
      expect(rows.find(({ id }) => id === 0)).toMatchObject({
        __lw_file: path,
        __lw_row: 1n,
      })
      const cut = await suite.file('cut.arrow', bytes.subarray(0, bytes.length >> 1))
      const error = await failure(suite.read(cut))
      expect(error.code).toBe('invalid')
      expect(error.details.file).toBe(cut)
    }
    expect([...RecordBatchReader.from(tableToIPC(table))]).toHaveLength(1)
  })
})

test('an Arrow file with compressed buffers is unsupported, and named', async () => {
  const path = fileURLToPath(new URL('../../fixtures/arrow/lz4.feather', import.meta.url))
  const error = await failure(suite.read(path))
  expect(error.code).toBe('unsupported')
  expect(error.details.file).toBe(path)
})

describe('bytes that are piped in', () => {
  test('are read in the format that is said, gzip or not', async () => {
    const text = 'id,v\n1,a\n2,b\n'
    for (const bytes of [Buffer.from(text), gzipSync(text)])
      expect((await suite.read(csv(Readable.from([bytes], { objectMode: false })))).rows).toEqual([
        { id: 1n, v: 'a' },
        { id: 2n, v: 'b' },
      ])
    const unnamed = Readable.from([Buffer.from(text)], { objectMode: false })
    expect((await failure(suite.read(unnamed))).fix).toContain('--format')
  })
})
