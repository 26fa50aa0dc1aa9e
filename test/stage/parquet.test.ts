/** Footers are read and written again without a loss, whoever wrote them, and files of pieces are read by others. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow'
import fc from 'fast-check'
import { readParquet, Table, writeParquet } from 'parquet-wasm'
import { afterAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import { openParquet, spliceParquet } from '../../src/stage/parquet/splice.js'
import {
  decodeThrift,
  encodeThrift,
  type ThriftStruct,
  type ThriftValue,
  thriftTypes,
} from '../../src/stage/parquet/thrift.js'
import { seeded } from '../property/seed.js'

const folder = mkdtempSync(join(tmpdir(), 'lakewright-parquet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('thrift', () => {
  const { i8, i16, i32, i64, double, binary, list, struct } = thriftTypes
  const leaf = fc.oneof(
    fc.boolean().map((value) => ({ type: thriftTypes.true as number, value: value as ThriftValue })),
    fc.bigInt({ min: -128n, max: 127n }).map((value) => ({ type: i8 as number, value: value as ThriftValue })),
    fc
      .bigInt({ min: -(2n ** 15n), max: 2n ** 15n - 1n })
      .map((value) => ({ type: i16 as number, value: value as ThriftValue })),
    fc
      .bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n })
      .map((value) => ({ type: i32 as number, value: value as ThriftValue })),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .map((value) => ({ type: i64 as number, value: value as ThriftValue })),
    fc
      .uint8Array({ minLength: 8, maxLength: 8 })
      .map((value) => ({ type: double as number, value: value as ThriftValue })),
    fc.uint8Array({ maxLength: 300 }).map((value) => ({ type: binary as number, value: value as ThriftValue })),
  )
  const { any } = fc.letrec<{ any: { type: number; value: ThriftValue }; fields: ThriftStruct }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc
        .array(tie('fields'), { maxLength: 20 })
        .map((items) => ({ type: list as number, value: { of: struct, items } })),
      fc
        .array(fc.bigInt({ min: -9n, max: 9n }), { maxLength: 20 })
        .map((items) => ({ type: list as number, value: { of: i32, items } })),
      tie('fields').map((value) => ({ type: struct as number, value })),
    ),
    fields: fc
      .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 40 }), tie('any')), { maxLength: 6, selector: ([id]) => id })
      .map((entries): ThriftStruct => new Map(entries.sort(([a], [b]) => a - b))),
  }))

  test('what is encoded is decoded to the same', () => {
    fc.assert(
      fc.property(any, (field) => {
        const bytes = encodeThrift(new Map([[3, field]]))
        const again = decodeThrift(bytes)
        expect(Buffer.from(encodeThrift(again))).toEqual(Buffer.from(bytes))
        expect(plain(again.get(3)?.value)).toEqual(plain(field.value))
      }),
      seeded({ numRuns: 200 }),
    )
  })

  test('what ends too early is an error, not a loop', () => {
    const bytes = encodeThrift(new Map([[1, { type: list, value: { of: i64, items: [1n, 2n ** 40n] } }]]))
    for (let end = 0; end < bytes.length; end++)
      expect(() => decodeThrift(bytes.subarray(0, end))).toThrow('ends too early')
  })
})

describe('footers', () => {
  test('of DuckDB and of the Rust implementation survive byte for byte', async () => {
    for (const path of [await duckFile('a', 5000), rustFile()]) {
      const bytes = footerOf(path)
      expect(Buffer.from(encodeThrift(decodeThrift(bytes)))).toEqual(bytes)
    }
  })

  test('a file of pieces has the rows of each, in their order, for another reader too', async () => {
    const [a, b] = [await openParquet(await duckFile('a', 5000)), await openParquet(await duckFile('b', 3000))]
    const path = join(folder, 'spliced.parquet')
    const { sizeBytes } = await spliceParquet(path, a, [...b.rowGroups, ...a.rowGroups.slice(1)])
    const bytes = readFileSync(path)
    expect(bytes.length).toBe(sizeBytes)
    const table = tableFromIPC(readParquet(bytes).intoIPCStream())
    const kept = a.rowGroups.slice(1).reduce((sum, { rows }) => sum + rows, 0)
    expect(table.numRows).toBe(3000 + kept)
    expect([...(table.getChild('name') ?? [])]).toEqual([
      ...Array.from({ length: 3000 }, (_, i) => `b${i}`),
      ...Array.from({ length: kept }, (_, i) => `a${5000 - kept + i}`),
    ])
    expect((await openParquet(path)).rowGroups.map(({ rows }) => rows)).toEqual(
      [...b.rowGroups, ...a.rowGroups.slice(1)].map(({ rows }) => rows),
    )
  })

  test('what is no Parquet file is said to be none', async () => {
    const path = join(folder, 'none')
    for (const content of ['', 'PAR1', 'a text that is longer than a footer', 'PAR1....PARE']) {
      writeFileSync(path, content)
      await expect(openParquet(path)).rejects.toMatchObject({ name: 'LakeError' })
    }
  })
})

async function duckFile(name: string, rows: number): Promise<string> {
  const engine = await openDuckDB({ spillFolder: folder })
  try {
    const sql = `SELECT range AS id, '${name}' || range AS name, [range] AS list, range % 7 AS small FROM range(${rows}) ORDER BY range`
    const options = { partitionBy: [], fieldIds: { id: 1, name: 2 }, inOrder: true, rowGroupRows: 2048 }
    const [file] = await engine.copy(sql, { folder, name: `${name}-${readdirSync(folder).length}`, ...options })
    return file?.path ?? ''
  } finally {
    await engine.close()
  }
}

function rustFile(): string {
  const arrow = tableFromArrays({ id: Int32Array.from([1, 2, 3]), name: ['x', null, 'z'] })
  const path = join(folder, 'rust.parquet')
  writeFileSync(path, writeParquet(Table.fromIPCStream(tableToIPC(arrow, 'stream'))))
  return path
}

function footerOf(path: string): Buffer {
  const bytes = readFileSync(path)
  const length = bytes.readUInt32LE(bytes.length - 8)
  return bytes.subarray(bytes.length - 8 - length, bytes.length - 8)
}

/** Without what two encodings of one value may differ in. */
function plain(value: ThriftValue | undefined): unknown {
  if (value instanceof Map) return [...value].map(([id, field]) => [id, plain(field.value)])
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'object') return value.items.map(plain)
  return value
}
