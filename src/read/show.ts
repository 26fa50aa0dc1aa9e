/**
 * What a table is, from its manifest alone: no data file is read, save the footers of files for which another writer
 * recorded no row count.
 */
import pLimit from 'p-limit'
import { LakeError } from '../errors.js'
import type { AddFile, Snapshot } from '../manifest/actions.js'
import { keyOf } from '../manifest/create.js'
import { parseStats } from '../manifest/stats.js'
import { partitionId, partitionPath } from '../partition/spec.js'
import { typeName } from '../schema/names.js'
import type { CallOptions, Store } from '../store/port.js'
import { readFooter, rowsOf } from './footer.js'
import { callOf, type Reading } from './reading.js'
import { snapshotAt } from './snapshot.js'
import type { At } from './version.js'

export async function showTable(reading: Reading, at: At = {}): Promise<TableSummary> {
  const call = callOf(reading)
  return tableSummary(reading.store, await snapshotAt(reading.store, at, call), call)
}

/** In the order of their folders; one entry, with an empty name, for a table without partitions that has files. */
export async function showPartitions(reading: Reading, at: At = {}): Promise<PartitionSummary[]> {
  const call = callOf(reading)
  return partitionSummaries(reading.store, await snapshotAt(reading.store, at, call), call)
}

/** In the order of their keys. */
export async function showFiles(reading: Reading, at: At = {}): Promise<FileSummary[]> {
  const call = callOf(reading)
  return fileSummaries(reading.store, await snapshotAt(reading.store, at, call), call)
}

export type { At }

export async function tableSummary(store: Store, snapshot: Snapshot, options: CallOptions = {}): Promise<TableSummary> {
  const { metadata, version } = snapshot
  const files = await fileSummaries(store, snapshot, options)
  const settings = Object.fromEntries(
    Object.entries(metadata.configuration).filter(
      ([name]) => name !== 'lakewright.key' && !name.startsWith('delta.feature.'),
    ),
  )
  return {
    table: store.url,
    version,
    columns: metadata.schema.map(({ name, type }) => ({ name, type: typeName(type) })),
    partitionBy: [...metadata.partitionBy],
    key: keyOf(metadata),
    partitions: partitionsOf(snapshot).length,
    files: files.length,
    rows: sum(files, ({ rows }) => rows),
    bytes: sum(files, ({ bytes }) => bytes),
    ...(Object.keys(settings).length > 0 ? { settings } : {}),
  }
}

export async function partitionSummaries(
  store: Store,
  snapshot: Snapshot,
  options: CallOptions = {},
): Promise<PartitionSummary[]> {
  const { partitionBy } = snapshot.metadata
  const byKey = new Map((await fileSummaries(store, snapshot, options)).map((file) => [file.key, file]))
  return partitionsOf(snapshot)
    .map((files): PartitionSummary => {
      const partitionValues = files[0]?.partitionValues ?? {}
      const summaries = files.flatMap(({ key }) => byKey.get(key) ?? [])
      return {
        partition: partitionPath(partitionValues, partitionBy),
        values: Object.fromEntries(partitionBy.map((name) => [name, partitionValues[name] || null])),
        files: files.length,
        rows: sum(summaries, ({ rows }) => rows),
        bytes: sum(summaries, ({ bytes }) => bytes),
      }
    })
    .sort((a, b) => compare(a.partition, b.partition))
}

export async function fileSummaries(
  store: Store,
  { files, metadata }: Snapshot,
  options: CallOptions = {},
): Promise<FileSummary[]> {
  const limit = pLimit(footersAtOnce)
  const summaries = await Promise.all(
    [...files.values()].map(async (file) => ({
      key: file.key,
      partition: partitionPath(file.partitionValues, metadata.partitionBy),
      rows: recordedRows(file) ?? (await limit(() => footerRows(store, file, options))),
      bytes: file.sizeBytes,
    })),
  )
  return summaries.sort((a, b) => compare(a.key, b.key))
}

/** As `show --json` prints it. */
export interface TableSummary {
  table: string
  version: number
  columns: { name: string; type: string }[]
  partitionBy: string[]
  key: string[]
  partitions: number
  files: number
  rows: number
  bytes: number
  /** Table properties, `delta.*` and `lakewright.*`. */
  settings?: Record<string, string>
}

export interface PartitionSummary {
  /** Its folder; empty for a table without partitions. */
  partition: string
  /** As text, by column. */
  values: Record<string, string | null>
  files: number
  rows: number
  bytes: number
}

export interface FileSummary {
  /** Below the table's root. */
  key: string
  partition: string
  rows: number
  bytes: number
}

const footersAtOnce = 16

export function recordedRows(file: AddFile): number | undefined {
  return parseStats(file.stats)?.numRecords
}

async function footerRows(store: Store, file: AddFile, options: CallOptions): Promise<number> {
  const footer = await readFooter(store, file, options)
  if (footer !== undefined) return rowsOf(footer)
  throw new LakeError('corrupt', 'a data file that the manifest names is not there', {
    key: file.key,
    fix: 'Find out what removed it (`lakewright verify`).',
  })
}

/** The files of each partition; equal values are one partition, however other writers spelled them. */
function partitionsOf({ files, metadata }: Snapshot): AddFile[][] {
  const partitions = new Map<string, AddFile[]>()
  for (const file of files.values()) {
    const id = partitionId(file.partitionValues, metadata.partitionBy, metadata.schema)
    const members = partitions.get(id)
    if (members === undefined) partitions.set(id, [file])
    else members.push(file)
  }
  return [...partitions.values()]
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
