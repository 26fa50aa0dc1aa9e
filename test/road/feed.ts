/** The change data of one version as its files have it: what other readers of the change feed are given. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Row } from '../../src/engine/port.js'
import { quoteIdent, quotePath, quoteText } from '../../src/engine/sql.js'
import type { Place } from './places.js'

/** Of the table `t` in a local place; by id, what was before what is. Partition columns stand after `id`, as text. */
export async function feedOf(place: Place, version: number): Promise<Row[]> {
  const root = join(place.url, 't')
  const log = await readFile(join(root, '_delta_log', `${String(version).padStart(20, '0')}.json`), 'utf8')
  const files = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { cdc?: { path: string; partitionValues: Record<string, string | null> } })
    .flatMap(({ cdc }) => cdc ?? [])
  if (files.length === 0) return []
  const selects = files.map(({ path, partitionValues }) => {
    const values = Object.entries(partitionValues).map(
      ([name, value]) => `${value === null ? 'NULL' : quoteText(value)} AS ${quoteIdent(name)}`,
    )
    return `SELECT ${['id', ...values, '* EXCLUDE (id)'].join(', ')} FROM read_parquet(${quotePath(join(root, path))})`
  })
  const spillFolder = await mkdtemp(join(tmpdir(), 'lakewright-feed-'))
  const engine = await openDuckDB({ spillFolder })
  try {
    return await engine.rows(
      `SELECT * FROM (${selects.join(' UNION ALL BY NAME ')}) ORDER BY id, _change_type = 'update_postimage'`,
    )
  } finally {
    await engine.close()
    await rm(spillFolder, { recursive: true, force: true })
  }
}
