/**
 * Versions of tables as sides. Files that both sides have, being versions of one table, hold the same rows: they are
 * counted, and nothing of them is read but their keys, which must not come back in the rows that changed.
 */
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Engine, RunOptions } from '../../engine/port.js'
import { filesRelation } from '../../engine/relation.js'
import { identList } from '../../engine/sql.js'
import type { AddFile, Snapshot } from '../../manifest/actions.js'
import { keyOf } from '../../manifest/create.js'
import { readSnapshot } from '../../manifest/log.js'
import { assertReadable } from '../../manifest/protocol.js'
import { parseStats } from '../../manifest/stats.js'
import { nullKeysSql, refuseNullKeys, refuseRepeatedKeys, repeatedKeysSql } from '../../plan/keys.js'
import { sameType } from '../../schema/names.js'
import { type FileSource, hasKnownEnding } from '../../source/files.js'
import { openStore } from '../../store/open.js'
import { FileCache } from '../fetch.js'
import { parseTableUrl } from '../version.js'
import { type RowCounts, relationOf, type Which } from './changes.js'
import type { Place, Side } from './sides.js'

export interface TableAt {
  /** Of the table, without a version. */
  url: string
  snapshot: Snapshot
  /** A SELECT of some columns, or all, of these files' rows. */
  rows(files: readonly AddFile[], columns?: readonly string[]): Promise<{ select: string; paths: string[] }>
  close(): Promise<void>
}

export function mayBeTable(from: string | Readable | undefined, { format }: FileSource): from is string {
  return (
    typeof from === 'string' && format === undefined && from !== '-' && !/[*?[\]{}]/.test(from) && !hasKnownEnding(from)
  )
}

/** Undefined where no table lies there. */
export async function openTableAt(from: string, place: Place): Promise<TableAt | undefined> {
  const { settings, runtime, run } = place
  const { url, version } = parseTableUrl(from)
  const store = await openStore(url, settings.store, runtime)
  try {
    const at = version === undefined ? {} : { version }
    const snapshot = await readSnapshot(store, { runtime, ...run, ...at })
    if (snapshot !== undefined) {
      assertReadable(snapshot)
      const cache = new FileCache(store, join(place.folder, `table-${runtime.uuid()}`))
      const { schema, partitionBy } = snapshot.metadata
      return {
        url: store.url,
        snapshot,
        rows: async (files, columns) => {
          const local = await cache.local(files, { ...run, ...(columns && { columns }) })
          const wanted = columns ? schema.filter(({ name }) => columns.includes(name)) : schema
          const divided = partitionBy.filter((name) => wanted.some((field) => field.name === name))
          const select = filesRelation({ files: local, schema: wanted, partitionBy: divided })
          return { select, paths: local.map(({ path }) => path) }
        },
        close: () => store.close(),
      }
    }
  } catch (error) {
    await store.close()
    throw error
  }
  await store.close()
  return undefined
}

/** What a side is told by the table that it is a version of. */
export function tableSide(which: Which, { snapshot }: TableAt): Omit<Side, 'relation' | 'files' | 'close'> {
  const { schema, configuration } = snapshot.metadata
  return {
    which,
    schema,
    texts: new Set(),
    key: keyOf({ configuration }),
    loadColumns: configuration['lakewright.loadColumns'] === undefined ? [] : loadColumnNames,
    explain: async () => {},
  }
}

const loadColumnNames = ['_loaded_at', '_load_id', '_created_at', '_updated_at']

/** Files that two versions of one table have in common, where their columns are the same. */
export interface Shared {
  keys: ReadonlySet<string>
  rows: number
  /** A SELECT of some of their columns. */
  select(columns: readonly string[]): Promise<string>
}

export function sharedFiles(old: TableAt, now: TableAt): Shared | undefined {
  const [before, after] = [old.snapshot.metadata, now.snapshot.metadata]
  const alike =
    old.url === now.url &&
    before.schema.length === after.schema.length &&
    before.schema.every(({ name, type }, i) => {
      const other = after.schema[i]
      return other !== undefined && other.name === name && sameType(other.type, type)
    })
  if (!alike) return undefined
  const files = [...now.snapshot.files.values()].filter(({ key }) => old.snapshot.files.has(key))
  const counted = files.flatMap((file) => {
    const rows = file.stats === undefined ? undefined : parseStats(file.stats)?.numRecords
    return rows === undefined ? [] : [{ file, rows }]
  })
  if (counted.length === 0) return undefined
  return {
    keys: new Set(counted.map(({ file }) => file.key)),
    rows: counted.reduce((sum, { rows }) => sum + rows, 0),
    select: async (columns) => {
      const { select } = await now.rows(
        counted.map(({ file }) => file),
        columns,
      )
      return select
    },
  }
}

/** @throws LakeError invalid: a key that is null there, or also in rows of a side that are elsewhere */
export async function refuseSharedKeys(shared: Shared, { engine, run, key, rows }: SharedWork): Promise<void> {
  if (rows.old + rows.new === 0) return
  await engine.run(`CREATE VIEW lw_shared AS ${await shared.select(key)}`, run)
  refuseNullKeys(await engine.rows(nullKeysSql('lw_shared', key), run), { of: 'both sides', key })
  const columns = identList(key)
  for (const which of ['old', 'new'] as const) {
    const again = `SELECT ${columns} FROM lw_shared SEMI JOIN ${relationOf(which)} USING (${columns})`
    const together = `(SELECT ${columns} FROM ${relationOf(which)} SEMI JOIN lw_shared USING (${columns}) UNION ALL ${again})`
    const [found] = await engine.rows(`SELECT count(*) AS n FROM (${again})`, run)
    if (Number(found?.n) === 0) continue
    refuseRepeatedKeys(await engine.rows(repeatedKeysSql(together, key), run), { of: `the ${which} side`, key })
  }
}

export interface SharedWork {
  engine: Engine
  run: RunOptions
  key: readonly string[]
  /** Of the files that are not shared. */
  rows: RowCounts
}
