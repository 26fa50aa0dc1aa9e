/** Tables for tests of what reads: files by DuckDB, the log by `commit`, on any store. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import type { Action, AddFile, CommitInfo, PartitionValues, Snapshot } from '../../src/manifest/actions.js'
import { createTable } from '../../src/manifest/create.js'
import { encodeCommit } from '../../src/manifest/encode.js'
import { readSnapshot } from '../../src/manifest/log.js'
import { encodeStats } from '../../src/manifest/stats.js'
import { systemRuntime } from '../../src/runtime.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { logKey } from '../../src/store/keys.js'
import type { Store } from '../../src/store/port.js'

export function columns(text: Record<string, string>): Schema {
  return Object.entries(text).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))
}

export interface Part {
  key: string
  /** A SELECT of the file's columns. */
  sql: string
  partitionValues?: PartitionValues
  /** Statistics to write instead of the true ones; `undefined` for none. */
  stats?: string | undefined
  tags?: Record<string, string>
  rowGroupRows?: number
}

export interface TableOptions {
  partitionBy?: string[]
  key?: string[]
  configuration?: Record<string, string>
  /** Keys of files that go. */
  remove?: string[]
  /** Row-level changes: files with `_change_type` beside the table's columns. */
  changeData?: Part[]
  /** Only the arrangement of rows changes. */
  dataChange?: boolean
  commitInfo?: CommitInfo
  actions?: Action[]
  /** The schema is another one from this commit on. */
  newSchema?: boolean
}

/** A workshop with an engine and a folder; `write` makes the next version of the table on the store. */
export async function openWorkshop(): Promise<Workshop> {
  const folder = mkdtempSync(join(tmpdir(), 'workshop-'))
  const engine = await openDuckDB({ spillFolder: join(folder, 'spill'), threads: 1 })
  return new Workshop(folder, engine)
}

export class Workshop {
  private count = 0
  constructor(
    readonly folder: string,
    readonly engine: Engine,
  ) {}

  newFolder(): string {
    return mkdtempSync(join(this.folder, 'table-'))
  }

  /** One commit. @returns the table after it */
  async write(store: Store, schema: Schema, parts: Part[], options: TableOptions = {}): Promise<Snapshot> {
    const { partitionBy = [], remove = [], key = [], actions = [], newSchema = false, dataChange = true } = options
    const before = await readSnapshot(store)
    const version = (before?.version ?? -1) + 1
    const timestamp = Date.UTC(2026, 10, 20 + version)
    const adds: Action[] = []
    for (const part of parts)
      adds.push({ add: { ...(await this.place(store, schema, part, partitionBy)), dataChange } })
    for (const part of options.changeData ?? []) {
      const { key: path, partitionValues, sizeBytes } = await this.place(store, schema, part, partitionBy)
      adds.push({ cdc: { key: path, partitionValues, sizeBytes } })
    }
    const table = { schema, partitionBy, key, configuration: options.configuration ?? {} }
    const all: Action[] = [
      { commitInfo: { timestamp, operation: 'WRITE', ...options.commitInfo } },
      ...(before === undefined ? createTable(table, systemRuntime, timestamp) : []),
      ...(before !== undefined && newSchema ? [{ metaData: { ...before.metadata, schema } }] : []),
      ...remove.map((removed) => ({ remove: { key: removed, deletionTimestamp: timestamp, dataChange } })),
      ...adds,
      ...actions,
    ]
    const put = await store.putIfAbsent(logKey(version), encodeCommit(all))
    const after = await readSnapshot(store)
    if (put.status !== 'created' || after === undefined) throw new Error(`version ${version}: ${put.status}`)
    return after
  }

  private async place(store: Store, schema: Schema, part: Part, partitionBy: string[]): Promise<AddFile> {
    const name = `part-${this.count++}`
    const data = schema.filter((field) => !partitionBy.includes(field.name))
    const [copied] = await this.engine.copy(part.sql, {
      folder: join(this.folder, name),
      partitionBy: [],
      fieldIds: {},
      rowGroupRows: part.rowGroupRows ?? 122_880,
      name,
    })
    if (copied === undefined) throw new Error('no file')
    const put = await store.putIfAbsent(part.key, readFileSync(copied.path))
    if (put.status !== 'created') throw new Error(`${part.key}: ${put.status}`)
    const stats = 'stats' in part ? part.stats : encodeStats(copied.rows, data, copied.columns)
    return {
      key: part.key,
      partitionValues: part.partitionValues ?? {},
      sizeBytes: copied.sizeBytes,
      modificationTime: 1,
      dataChange: true,
      ...(stats === undefined ? {} : { stats }),
      ...(part.tags === undefined ? {} : { tags: part.tags }),
    }
  }

  async close(): Promise<void> {
    await this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
