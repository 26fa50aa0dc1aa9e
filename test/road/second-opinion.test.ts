/** parquet-wasm, another implementation of Parquet, reads every kind of file that a table of ours has. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Table as ArrowTable, tableFromIPC } from 'apache-arrow'
import { readParquet } from 'parquet-wasm'
import { afterAll, expect, test } from 'vitest'
import { csv, openTable } from '../../src/index.js'

const folder = mkdtempSync(join(tmpdir(), 'lakewright-second-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('data files, rejects and checkpoints are read by parquet-wasm as they were written', async () => {
  const root = join(folder, 'table')
  await using table = await openTable(root, { partitionBy: ['dt'] })
  const file = join(folder, 'rows.csv')
  writeFileSync(
    file,
    'dt,id,price,at,note\n2026-11-01,1,1.10,2026-11-01T10:00:00.123456Z,é\n2026-11-01,2,-2.5,,\n2026-11-01,x,1,,\n',
  )
  const types = { id: 'bigint', price: 'decimal(12,2)', at: 'timestamp', note: 'varchar' }
  const receipt = await table.append(csv(file), { types, onReject: 'divert' })
  for (let n = 0; n < 10; n++) await table.append([{ dt: '2026-11-02', id: n }])

  const [first] = (await table.files()).filter(({ key }) => key.startsWith('dt=2026-11-01/'))
  const data = read(join(root, first?.key ?? ''))
  // Partition columns stand in the manifest, not in the files.
  expect(data.schema.fields.map(({ name }) => name)).toEqual(['id', 'price', 'at', 'note'])
  expect(data.schema.fields.map(({ type }) => String(type))).toEqual([
    'Int64',
    'Decimal[12e+2]',
    'Timestamp<MICROSECOND, UTC>',
    'Utf8',
  ])
  expect(data.getChild('id')?.toArray()).toEqual(new BigInt64Array([1n, 2n]))
  expect([...(data.getChild('note') ?? [])]).toEqual(['é', null])

  const rejected = read(join(root, receipt.rejectedFile ?? ''))
  expect(rejected.numRows).toBe(1)
  expect(rejected.get(0)?.toJSON()).toMatchObject({ _row_number: 3n, _file: expect.stringContaining('rows.csv') })

  const [checkpoint] = readdirSync(join(root, '_delta_log')).filter((name) => name.endsWith('.checkpoint.parquet'))
  const actions = read(join(root, '_delta_log', checkpoint ?? ''))
  const added = [...(actions.getChild('add') ?? [])].filter((add) => add !== null)
  expect(added.length).toBe(11)
})

function read(path: string): ArrowTable {
  return tableFromIPC(readParquet(readFileSync(path)).intoIPCStream())
}
