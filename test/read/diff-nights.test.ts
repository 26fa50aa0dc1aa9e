/**
 * Full dumps of real tables: every pair of successive states gives exactly the difference that plain Python found
 * (`fixtures/expected-diffs.json`), by hashes and by values, and old + changes = new.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { csv, type DiffSettings, diff } from '../../src/index.js'

const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url))
const { datasets } = JSON.parse(readFileSync(`${fixtures}/expected-diffs.json`, 'utf8')) as { datasets: DataSets }

type DataSets = Record<string, { key: string[]; partition?: string; diffs: Expected[] }>

interface Expected {
  from: string
  to: string
  rows_from: number
  rows_to: number
  inserts: number
  updates: number
  deletes: number
  unchanged: number
  updated_cells_by_column?: Record<string, number>
  insert_keys_sha256: string
  update_keys_sha256: string
  delete_keys_sha256: string
  updates_without_column_lastmodified?: number
  partitions_changed?: string[]
  partitions_added?: string[]
  partitions_removed?: string[]
}

/** Cells are compared as text, quoted and unquoted empty alike. */
const asText: DiffSettings = { types: { '*': 'varchar' }, nullText: [''] }

const pairs = Object.entries(datasets).flatMap(([name, { key, partition, diffs }]) =>
  diffs.map((expected) => ({ name, key, partition, expected, from: expected.from, to: expected.to })),
)

describe.each(pairs)('$name, $from to $to', ({ name, key, partition, expected }) => {
  const [from, to] = [expected.from, expected.to].map((file) => csv(`${fixtures}/${name}/${file}`))
  const between = (settings: DiffSettings = {}) =>
    diff(from as never, to as never, { key, prove: true, ...asText, ...settings })

  test.each([{ exact: false }, { exact: true }])('counts, keys and cells, exact: $exact', async ({ exact }) => {
    await using changes = await between({ exact })
    const summary = {
      inserted: expected.inserts,
      updated: expected.updates,
      deleted: expected.deletes,
      unchanged: expected.unchanged,
      changedColumns: expected.updated_cells_by_column ?? {},
      schema: { added: [], removed: [] },
    }
    expect(JSON.parse(JSON.stringify(changes))).toEqual({
      ...summary,
      proved: true,
      algorithm: exact ? 'exact' : expect.stringMatching(/^duckdb-row-hash-1:/),
    })
    const rows = await changes.toArray()
    const keysOf = (type: string) =>
      digest(rows.filter((row) => row._change_type === type).map((row) => keyText(row, key)))
    expect(keysOf('insert')).toBe(expected.insert_keys_sha256)
    expect(keysOf('delete')).toBe(expected.delete_keys_sha256)
    expect(keysOf('update_preimage')).toBe(expected.update_keys_sha256)
    expect(keysOf('update_postimage')).toBe(expected.update_keys_sha256)
    if (partition !== undefined) {
      const touched = new Set(rows.map((row) => row[partition]))
      expect([...touched].sort()).toEqual(
        [
          ...(expected.partitions_changed ?? []),
          ...(expected.partitions_added ?? []),
          ...(expected.partitions_removed ?? []),
        ].sort(),
      )
    }
  })

  if (expected.updates_without_column_lastmodified === undefined) return
  test('without lastmodified', async () => {
    for (const exact of [false, true]) {
      await using changes = await between({ exact, ignore: ['LastModified'] })
      const { lastmodified: _, ...cells } = expected.updated_cells_by_column ?? {}
      expect(changes).toMatchObject({
        inserted: expected.inserts,
        updated: expected.updates_without_column_lastmodified,
        deleted: expected.deletes,
      })
      expect(changes.changedColumns).toEqual(cells)
    }
  })
})

function keyText(row: Record<string, unknown>, key: readonly string[]): string {
  const values = key.map((name) => row[name])
  return JSON.stringify(values.length === 1 ? values[0] : values)
}

/** Of the sorted keys, by code point, joined by a line feed. */
function digest(keys: string[]): string {
  const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return createHash('sha256').update(sorted.join('\n')).digest('hex')
}
