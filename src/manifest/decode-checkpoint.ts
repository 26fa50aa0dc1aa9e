/**
 * The bytes of a checkpoint → the state of the table, whoever wrote it: classic (one file or parts) and V2 (Parquet or JSON, with
 * sidecars), columns in any order, any compression that parquet-wasm knows. Columns that we do not know (`stats_parsed`,
 * `partitionValues_parsed`) are skipped, missing ones are absent values. Integers stay exact (bigint).
 */
import type { RecordBatch, Vector } from 'apache-arrow'
import { LakeError } from '../errors.js'
import type { PartitionValues } from './actions.js'
import { type Arrow, plain, readMaps, readStruct, readTexts } from './arrow-columns.js'
import type { Replay } from './change.js'
import { loadCodec } from './encode-checkpoint.js'
import {
  metadataShape,
  parseAction,
  parseLines,
  protocolShape,
  toAdd,
  toMetadata,
  toProtocol,
  toRemove,
  toTxn,
  txnShape,
} from './parse.js'
import { decodePath } from './paths.js'

/**
 * One file of a checkpoint into a replay that is being built.
 * @param key of the file, for errors, and for the layout: `.json` of V2
 * @returns the keys, below `_sidecars/`, of the files that hold the rest (V2)
 */
export async function decodeCheckpoint(body: Uint8Array, key: string, into: Replay): Promise<string[]> {
  try {
    if (key.endsWith('.json')) return decodeJson(body, key, into)
    const { arrow, parquet } = await loadCodec()
    const stream = parquet.readParquet(body, { batchSize: 65_536 }).intoIPCStream()
    return arrow.tableFromIPC(stream).batches.flatMap((batch) => decodeBatch(arrow, batch, into))
  } catch (cause) {
    if (cause instanceof LakeError) throw cause
    throw new LakeError('corrupt', 'a checkpoint cannot be read', {
      key,
      cause,
      fix: 'Remove this checkpoint if all commits before it are still there; they say the same.',
    })
  }
}

function decodeBatch(arrow: Arrow, batch: RecordBatch, into: Replay): string[] {
  decodeFew(arrow, batch, 'protocol', (row) => {
    into.keep({ protocol: toProtocol(protocolShape.parse(row)) })
  })
  decodeFew(arrow, batch, 'metaData', (row) => {
    into.keep({ metaData: toMetadata(metadataShape.parse(row)) })
  })
  decodeFew(arrow, batch, 'txn', (row) => {
    into.keep({ txn: toTxn(txnShape.parse(row)) })
  })
  decodeRemoves(arrow, batch, into)
  decodeAdds(arrow, batch, into)
  const sidecars: string[] = []
  decodeFew(arrow, batch, 'sidecar', (row) => {
    if (typeof row.path === 'string') sidecars.push(decodePath(row.path))
  })
  return sidecars
}

/** Actions of which a checkpoint holds few: row by row, through the same door as the log's lines. */
function decodeFew(arrow: Arrow, batch: RecordBatch, name: string, take: (row: Record<string, unknown>) => void): void {
  const vector = batch.getChild(name)
  if (vector === null || vector.nullCount === batch.numRows) return
  for (let row = 0; row < batch.numRows; row++)
    if (vector.isValid(row)) take(plain(arrow, vector.get(row)) as Record<string, unknown>)
}

/** The many: column by column, types held by the Arrow schema. */
function decodeAdds(arrow: Arrow, batch: RecordBatch, into: Replay): void {
  const struct = readStruct(arrow, batch, 'add')
  if (struct === undefined) return
  const text = (name: string) => readTexts(arrow, struct.column(name))
  const number = (name: string) => numberReader(struct.column(name))
  const [path, stats] = [text('path'), text('stats')]
  const [size, modificationTime] = [number('size'), number('modificationTime')]
  const partitionValues = readMaps(arrow, struct.column('partitionValues'))
  const tags = readMaps(arrow, struct.column('tags'))
  const deletionVector = struct.column('deletionVector')
  for (let row = 0; row < batch.numRows; row++) {
    if (!struct.has(row)) continue
    const file = toAdd({
      path: present(path(row), 'add.path'),
      partitionValues: partitionValues?.(row) ?? {},
      size: present(size(row), 'add.size'),
      modificationTime: modificationTime(row) ?? 0,
      dataChange: false,
      stats: stats(row),
      tags: tags?.(row) as Record<string, string> | undefined,
      deletionVector: vectorOf(arrow, deletionVector, row),
    })
    into.files.set(file.key, file)
  }
}

function decodeRemoves(arrow: Arrow, batch: RecordBatch, into: Replay): void {
  const struct = readStruct(arrow, batch, 'remove')
  if (struct === undefined) return
  const path = readTexts(arrow, struct.column('path'))
  const deletionTimestamp = numberReader(struct.column('deletionTimestamp'))
  const size = numberReader(struct.column('size'))
  const extended = struct.column('extendedFileMetadata')
  const partitionValues = readMaps(arrow, struct.column('partitionValues'))
  const deletionVector = struct.column('deletionVector')
  for (let row = 0; row < batch.numRows; row++) {
    if (!struct.has(row)) continue
    const file = toRemove({
      path: present(path(row), 'remove.path'),
      deletionTimestamp: deletionTimestamp(row),
      dataChange: false,
      extendedFileMetadata: (extended?.get(row) as boolean | null) ?? undefined,
      partitionValues: partitionValues?.(row) as PartitionValues | undefined,
      size: size(row),
      deletionVector: vectorOf(arrow, deletionVector, row),
    })
    into.tombstones.set(file.key, file)
  }
}

function decodeJson(body: Uint8Array, key: string, into: Replay): string[] {
  const sidecars: string[] = []
  for (const { value } of parseLines(body, key)) {
    const path = (value as { sidecar?: { path?: unknown } | null }).sidecar?.path
    if (typeof path === 'string') sidecars.push(decodePath(path))
    const action = parseAction(value)
    if (action === undefined) continue
    if ('remove' in action) into.tombstones.set(action.remove.key, action.remove)
    else into.keep(action)
  }
  return sidecars
}

function numberReader(vector: Vector | undefined): (row: number) => number | undefined {
  if (vector === undefined) return () => undefined
  return (row) => {
    const value = vector.get(row)
    return value === null ? undefined : Number(value)
  }
}

function vectorOf(arrow: Arrow, vector: Vector | undefined, row: number): Record<string, unknown> | undefined {
  if (vector === undefined || !vector.isValid(row)) return undefined
  return plain(arrow, vector.get(row)) as Record<string, unknown>
}

function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new LakeError('corrupt', 'a checkpoint lacks a required value', { column: name })
  return value
}
