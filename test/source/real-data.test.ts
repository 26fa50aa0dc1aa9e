/**
 * Real tables (`fixtures/`, with origin and licence), read by us and by a second, simple reader of CSV.
 */
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { useReading } from './reading.js'

const suite = useReading()
const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url))

describe('italy-vaccinations', () => {
  const folder = `${fixtures}/italy-vaccinations`

  test('every snapshot has the published rows, and its columns their types', async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.csv.gz'))
    const counts = await Promise.all(
      names.sort().map(async (name) => (await suite.read(`${folder}/${name}`)).rows.length),
    )
    expect(counts).toEqual([26497, 26987, 27528, 28008, 28511, 29026, 29506])
    const { columns } = await suite.read(`${folder}/2021-03-29.csv.gz`)
    expect(columns.slice(0, 6)).toEqual([
      'data_somministrazione date',
      'fornitore varchar',
      'area varchar',
      'fascia_anagrafica varchar',
      'sesso_maschile bigint',
      'sesso_femminile bigint',
    ])
  })

  test('all snapshots as one input', async () => {
    expect((await suite.read(`${folder}/*.csv.gz`)).rows).toHaveLength(196_063)
  })
})

describe('nga-media-items', () => {
  test('every cell is the one that was published: line breaks, quotes, nulls and empty texts', async () => {
    for (const name of ['2021-07-03.csv.gz', '2021-07-06.csv.gz']) {
      const path = `${fixtures}/nga-media-items/${name}`
      const [header = [], ...published] = simpleCsv(gunzipSync(await readFile(path)).toString('utf8'))
      const { rows } = await suite.read(path, { types: { '*': 'varchar' } })
      const key = (row: (string | null | undefined)[]): string => JSON.stringify(row)
      const ours = rows.map((row) => key(header.map((column) => row[column ?? ''] as string | null)))
      expect(ours.sort()).toEqual(published.map(key).sort())
    }
  })
})

/** Cells as text, null for unquoted empty ones. */
function simpleCsv(text: string): (string | null)[][] {
  const rows: (string | null)[][] = []
  let row: (string | null)[] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/gy
  while (cell.lastIndex < text.length) {
    const [, quoted, plain = '', end] = cell.exec(text) ?? []
    row.push(quoted?.replaceAll('""', '"') ?? (plain === '' ? null : plain))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}
