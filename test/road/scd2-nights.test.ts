/** Seven nightly states of one published table, kept as history: every night can be had back, whole. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { csv, type LoadSettings, openTable, type Table } from '../../src/index.js'
import { localPlace, memoryPlace } from './places.js'

const fixtures = fileURLToPath(new URL('../../fixtures/italy-vaccinations', import.meta.url))
const nights = [
  '2021-03-29',
  '2021-03-30',
  '2021-03-31',
  '2021-04-01',
  '2021-04-02',
  '2021-04-03',
  '2021-04-04',
] as const
const key = ['data_somministrazione', 'fornitore', 'area', 'fascia_anagrafica']

describe.each([
  { where: 'a local folder', make: localPlace, partitionBy: [] },
  { where: 'memory', make: memoryPlace, partitionBy: ['area'] },
  { where: 'memory', make: memoryPlace, partitionBy: ['_is_current'] },
])('on $where, partitioned by $partitionBy', ({ make, partitionBy }) => {
  test('the versions of each night are that night’s file, and the current ones the last', async () => {
    await using place = await make()
    await using table = await openTable(`${place.url}/t`, { key, partitionBy })
    let versions = 0
    for (const night of nights) {
      const { rows } = await load(table, night)
      expect(rows).toMatchObject({ read: (await linesOf(night)).length, corrected: 0, ignored: 0 })
      expect(rows.unchanged).toBe(rows.read - (rows.inserted ?? 0))
      versions += rows.inserted ?? 0
    }
    for (const night of nights)
      expect(same(await rowsAt(table, holdsAt(night)), await linesOf(night)), night).toBe(true)
    expect(same(await rowsAt(table, '_is_current'), await linesOf('2021-04-04'))).toBe(true)
    expect((await table.snapshot()).rows).toBe(versions)
    expect(await load(table, '2021-04-04')).toMatchObject({ status: 'unchanged' })
    expect((await table.verify({ deep: true })).problems).toEqual([])
  }, 180_000)
})

/** It does where every other night left an instant of its own in the table: from there on the night's state is known. */
test('a night that comes late makes the history that it makes in its turn', async () => {
  await using place = await memoryPlace()
  await using inTurn = await openTable(`${place.url}-in-turn`, { key })
  for (const night of nights) await load(inTurn, night)
  await using late = await openTable(`${place.url}-late`, { key })
  for (const night of nights.toSpliced(2, 1)) await load(late, night)
  await expect(load(late, nights[2])).rejects.toMatchObject({ code: 'invalid' })
  await load(late, nights[2], { late: 'insert' })
  expect(same(await rowsAt(inTurn, 'true', '*'), await rowsAt(late, 'true', '*'))).toBe(true)
}, 180_000)

function load(table: Table, night: string, settings: LoadSettings = {}) {
  return table.scd2(csv(`${fixtures}/${night}.csv.gz`), { effectiveAt: night, types: { '*': 'varchar' }, ...settings })
}

/** The file's rows as they stand there: it quotes nothing, and every cell is filled. */
async function linesOf(night: string): Promise<string[]> {
  const text = gunzipSync(await readFile(`${fixtures}/${night}.csv.gz`)).toString()
  return text.trimEnd().split('\n').slice(1)
}

async function rowsAt(
  table: Table,
  where: string,
  columns = '* exclude (_effective_from, _effective_to, _is_current)',
): Promise<string[]> {
  const rows = await table.query(`select concat_ws(',', *columns(${columns})) as line from t where ${where}`).toArray()
  return rows.map(({ line }) => String(line))
}

function holdsAt(night: string): string {
  const at = `timestamptz '${night} 00:00:00+00'`
  return `_effective_from <= ${at} and (_effective_to > ${at} or _effective_to is null)`
}

/** As sets of rows; a difference of 30,000 lines is not worth printing. */
function same(a: readonly string[], b: readonly string[]): boolean {
  const sorted = b.toSorted()
  return a.length === b.length && a.toSorted().every((line, i) => line === sorted[i])
}
