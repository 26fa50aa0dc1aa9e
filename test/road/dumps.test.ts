/**
 * Full dumps of real tables, night after night: each sync finds exactly what an independent comparison of the two files
 * found (counts from `expected-diffs.json`, made with Python and checked with SQLite), touches only the partitions that
 * differ, and the last one leaves the table equal to the last file.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { csv, openTable, type Table } from '../../src/index.js'
import { localPlace } from './places.js'

/** Cells are compared as text, quoted and unquoted empty alike. */
const asText = { types: { '*': 'varchar' }, nullText: [''] }

interface DataSet {
  folder: string
  key: string[]
  partitionBy?: string[]
  first: string
  /** Inserted, updated, deleted since the night before. */
  nights: Record<string, [number, number, number]>
}

const sets: DataSet[] = [
  {
    folder: 'italy-vaccinations',
    key: ['data_somministrazione', 'fornitore', 'area', 'fascia_anagrafica'],
    partitionBy: ['data_somministrazione'],
    first: '2021-03-29',
    nights: {
      '2021-03-30': [492, 1742, 2],
      '2021-03-31': [541, 2100, 0],
      '2021-04-01': [481, 1920, 1],
      '2021-04-02': [505, 1642, 2],
      '2021-04-03': [516, 1593, 1],
      '2021-04-04': [481, 879, 1],
    },
  },
  {
    folder: 'nga-constituents',
    key: ['constituentid'],
    first: '2023-04-20',
    nights: {
      '2023-05-19': [63, 62, 3],
      '2023-05-20': [5, 0, 1],
      '2023-05-21': [8, 0, 0],
      '2023-05-23': [4, 1, 0],
      '2023-05-24': [4, 7, 1],
      '2024-02-01': [435, 298, 8],
      '2024-05-23': [251, 237, 19],
      '2025-03-07': [349, 430, 17],
    },
  },
  {
    folder: 'nga-media-items',
    key: ['mediaid'],
    first: '2021-07-03',
    nights: {
      '2021-07-06': [2, 8, 0],
      '2021-07-15': [2, 16, 2],
      '2021-08-05': [8, 36, 3],
      '2021-08-18': [14, 10, 1],
      '2021-09-09': [12, 1, 15],
    },
  },
]

describe.each(sets)('$folder', ({ folder, key, partitionBy = [], first, nights }) => {
  test('a chain of syncs ends equal to the last dump', { timeout: 240_000 }, async () => {
    await using place = await localPlace()
    await using table = await openTable(`${place.url}/${randomUUID()}`, { key, partitionBy })
    await table.sync(csv(pathOf(folder, first)), asText)
    let before = readDump(pathOf(folder, first))
    let files = await keysOf(table)
    for (const [night, [inserted, updated, deleted]] of Object.entries(nights)) {
      const path = pathOf(folder, night)
      const dump = readDump(path)
      const receipt = await table.sync(csv(path), asText)
      const unchanged = dump.length - inserted - updated
      expect(receipt.rows).toMatchObject({ read: dump.length, inserted, updated, deleted, unchanged, ignored: 0 })
      if (partitionBy.length > 0) {
        const touched = partitionsThatDiffer(before, dump, partitionBy[0] as string)
        expect(receipt.partitions).toMatchObject({ replaced: touched, removed: [] })
        const stay = files.filter((file) => !touched.some((partition) => file.startsWith(`${partition}/`)))
        files = await keysOf(table)
        expect(files).toEqual(expect.arrayContaining(stay))
      }
      before = dump
    }
    expect(await table.sync(csv(pathOf(folder, Object.keys(nights).at(-1) as string)), asText)).toMatchObject({
      status: 'unchanged',
    })
    const names = Object.keys(before[0] as Cells)
    const columns = names.map((name) => `"${name}"`).join(', ')
    const rows = (await table.query(`select ${columns} from t`).toArray()) as Cells[]
    expect(textsOf(rows, names)).toEqual(textsOf(before, names))
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })
})

describe('a broken dump of italy-vaccinations', () => {
  const dump = gunzipSync(readFileSync(pathOf('italy-vaccinations', '2021-03-29'))).toString()
  const lines = dump.split('\n')

  test.each([
    ['emptied', ''],
    ['of which only the header is left', `${lines[0]}\n`],
    ['that broke off after half of its lines', `${lines.slice(0, lines.length / 2).join('\n')}\n`],
  ])('%s is held back, and the table is as it was', async (_, text) => {
    await using place = await localPlace()
    await using table = await openTable(`${place.url}/${randomUUID()}`)
    const [set] = sets as [DataSet]
    const settings = { ...asText, key: set.key, partitionBy: set.partitionBy ?? [] }
    await table.sync(csv(pathOf(set.folder, set.first)), settings)
    const before = await table.snapshot()
    const broken = csv(Readable.from([Buffer.from(text)]))
    await expect(table.sync(broken, settings)).rejects.toMatchObject({ code: 'guard' })
    expect(await table.snapshot()).toEqual(before)
    expect(await table.loads()).toMatchObject([{ baseHolds: true, guard: [{ guard: 'maxDeleteRatio' }] }])
  })
})

type Cells = Record<string, string | null>

function pathOf(folder: string, night: string): string {
  return fileURLToPath(new URL(`../../fixtures/${folder}/${night}.csv.gz`, import.meta.url))
}

function readDump(path: string): Cells[] {
  const [names = [], ...rows] = records(gunzipSync(readFileSync(path)).toString())
  return rows.map((cells) => Object.fromEntries(names.map((name, i) => [name, cells[i] || null])))
}

/** RFC 4180, by hand: what is read here must not be read by what is tested. */
function records(text: string): string[][] {
  const all: string[][] = []
  let record: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy
  for (let match = field.exec(text); match !== null && field.lastIndex <= text.length; match = field.exec(text)) {
    record.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] !== ',') {
      all.push(record)
      record = []
    }
    if (field.lastIndex === text.length) break
  }
  return all
}

function partitionsThatDiffer(before: Cells[], after: Cells[], column: string): string[] {
  const [old, now] = [partitionsOf(before, column), partitionsOf(after, column)]
  const text = (rows: Cells[] = []) => textsOf(rows, Object.keys(rows[0] ?? {})).join('\n')
  const days = [...now.keys()].filter((day) => text(old.get(day)) !== text(now.get(day)))
  return days.map((day) => `${column}=${day}`).sort()
}

function partitionsOf(rows: Cells[], column: string): Map<string, Cells[]> {
  const partitions = new Map<string, Cells[]>()
  for (const row of rows) {
    const day = String(row[column])
    const others = partitions.get(day)
    if (others) others.push(row)
    else partitions.set(day, [row])
  }
  return partitions
}

function textsOf(rows: Cells[], names: string[]): string[] {
  return rows.map((row) => JSON.stringify(names.map((name) => row[name] ?? null))).sort()
}

async function keysOf(table: Table): Promise<string[]> {
  return (await table.files()).map(({ key }) => key)
}
