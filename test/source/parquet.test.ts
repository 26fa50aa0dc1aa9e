import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { failure, useReading } from './reading.js'

const suite = useReading()

async function parquetFile(name: string, select: string): Promise<string> {
  const path = `${suite.folder}/${name}`
  await suite.engine.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
  return path
}

describe('Parquet', () => {
  test('types map without loss', async () => {
    const path = await parquetFile(
      'types.parquet',
      `SELECT 255::UTINYINT AS u8, 18446744073709551615::UBIGINT AS u64, TIMESTAMP '2026-11-20 10:00:00.123456' AS naive,
       TIMESTAMPTZ '2026-11-20 10:00:00+02' AS zoned, 1.10::DECIMAL(10,2) AS d, 'a'::BLOB AS b, TIME '10:00:00' AS t,
       uuid '00000000-0000-0000-0000-000000000001' AS u, {'x': [1, NULL]} AS s, MAP {'k': 1.5::FLOAT} AS m`,
    )
    const { columns, rows } = await suite.read(path)
    expect(columns).toEqual([
      'u8 smallint',
      'u64 decimal(20,0)',
      'naive timestamp',
      'zoned timestamp',
      'd decimal(10,2)',
      'b blob',
      't varchar',
      'u varchar',
      's struct(x integer[])',
      'm map(varchar, float)',
    ])
    expect(rows[0]).toMatchObject({
      u64: '18446744073709551615',
      naive: '2026-11-20T10:00:00.123456Z',
      zoned: '2026-11-20T08:00:00Z',
      d: '1.10',
    })
  })

  test('files with different columns and types are united by name, widened without loss', async () => {
    await parquetFile(
      'u-1.parquet',
      "SELECT 1::INTEGER AS id, 'x' AS filename, 7 AS file_row_number, 1.5::DECIMAL(4,1) AS d",
    )
    await parquetFile('u-2.parquet', 'SELECT 2.25::DECIMAL(10,2) AS D, 5000000000::BIGINT AS ID')
    const { columns, rows } = await suite.read(`${suite.folder}/u-*.parquet`, {}, { provenance: true })
    expect(columns).toEqual(['id bigint', 'filename varchar', 'file_row_number integer', 'd decimal(10,2)'])
    expect(rows.map(({ id, d, __lw_row }) => [id, d, __lw_row])).toEqual([
      [1n, '1.50', 1n],
      [5000000000n, '2.25', 1n],
    ])
  })

  test('types that no type holds both of are refused with the column', async () => {
    await parquetFile('w-1.parquet', 'SELECT true AS v')
    await parquetFile('w-2.parquet', 'SELECT 1 AS v')
    const error = await failure(suite.read(`${suite.folder}/w-*.parquet`))
    expect(error.details).toMatchObject({ column: 'v', types: 'boolean, integer' })
    const { rows } = await suite.read(`${suite.folder}/w-*.parquet`, { types: { v: 'varchar' } })
    expect(rows).toEqual([{ v: 'true' }, { v: '1' }])
  })

  test('a file that is cut short, empty or damaged is named', async () => {
    const good = await parquetFile('x-1.parquet', "SELECT i, 'v' || i AS v FROM range(20000) t(i)")
    const bytes = await readFile(good)
    const hole = Buffer.from(bytes)
    hole.fill(0, 2000, 6000)
    for (const [name, content] of [
      ['cut', bytes.subarray(0, -30)],
      ['empty', Buffer.alloc(0)],
      ['hole', hole],
    ] as const) {
      const path = await suite.file(`x-${name}.parquet`, content)
      const error = await failure(suite.read([good, path], { derive: { n: 'length(v) + i' } }))
      expect(error.code).toBe('invalid')
      expect(error.details.file).toBe(path)
    }
  })

  test('values that would be lost are refused with their row', async () => {
    const path = await parquetFile(
      'ns.parquet',
      'SELECT i AS id, make_timestamp_ns(1000000000 * i + i) AS at FROM range(3) t(i)',
    )
    const error = await failure(suite.read(path))
    expect(error.message).toMatch(/nanoseconds would be lost/)
    expect(error.details).toMatchObject({ column: 'at', file: path })
    expect([2, 3]).toContain(error.details.row)
  })

  test('text of a typed source stays text, and is read by the grammar where the table has another type', async () => {
    const path = await parquetFile('text.parquet', "SELECT '2026-11-20' AS dt, '007' AS code")
    expect((await suite.read(path)).columns).toEqual(['dt varchar', 'code varchar'])
    const { rows } = await suite.read(path, { types: { dt: 'date' } })
    expect(rows).toEqual([{ dt: '2026-11-20', code: '007' }])
    expect((await failure(suite.read(path, { types: { code: 'bigint' } }))).details).toMatchObject({
      value: '007',
      row: 1,
    })
  })
})
