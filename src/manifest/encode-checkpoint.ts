/**
 * The state of the table → the bytes of a checkpoint: the classic single file, one struct column per action (protocol,
 * "Checkpoint Schema"), Parquet with zstd, `stats` as text, integers exact; add and remove with `dataChange: false`, as the protocol
 * asks. `decode-checkpoint.ts` reads it back.
 */
import type { AddFile, RemoveFile, Snapshot, Txn } from './actions.js'
import {
  type Arrow,
  type ColumnData,
  flagColumn,
  intColumn,
  listColumn,
  longColumn,
  mapColumn,
  structColumn,
  textColumn,
} from './arrow-columns.js'
import { schemaString } from './encode.js'
import { encodePath } from './paths.js'

/** @param tombstones removes that have not expired */
export async function encodeCheckpoint(
  snapshot: Snapshot,
  tombstones: Iterable<RemoveFile>,
): Promise<EncodedCheckpoint> {
  const { arrow, parquet } = await loadCodec()
  const rows = { txns: [...snapshot.txns.values()], removes: [...tombstones], adds: [...snapshot.files.values()] }
  const count = 2 + rows.txns.length + rows.removes.length + rows.adds.length
  const data = structColumn(arrow, count, undefined, [
    { name: 'protocol', data: protocolColumn(arrow, snapshot, count) },
    { name: 'metaData', data: metadataColumn(arrow, snapshot, count) },
    { name: 'txn', data: txnColumn(arrow, placed(rows.txns, 2, count)) },
    { name: 'remove', data: removeColumn(arrow, placed(rows.removes, 2 + rows.txns.length, count)) },
    { name: 'add', data: addColumn(arrow, placed(rows.adds, count - rows.adds.length, count)) },
  ])
  const schema = new arrow.Schema((data.type as InstanceType<Arrow['Struct']>).children)
  const table = new arrow.Table(schema, [new arrow.RecordBatch(schema, data as never)])
  const properties = new parquet.WriterPropertiesBuilder().setCompression(parquet.Compression.ZSTD).build()
  return {
    body: parquet.writeParquet(parquet.Table.fromIPCStream(arrow.tableToIPC(table, 'stream')), properties),
    rows: count,
  }
}

export interface EncodedCheckpoint {
  body: Uint8Array
  /** Actions in it: `size` of the hint. */
  rows: number
}

/** Both are heavy, and needed only by those who read or write a checkpoint. */
export async function loadCodec() {
  const [arrow, parquet] = await Promise.all([import('apache-arrow'), import('parquet-wasm')])
  return { arrow, parquet }
}

/** Values at rows `from …` of a column of `count` rows; the other rows are other actions. */
function placed<T>(values: readonly T[], from: number, count: number): (T | undefined)[] {
  const column = new Array<T | undefined>(count).fill(undefined)
  values.forEach((value, i) => {
    column[from + i] = value
  })
  return column
}

function protocolColumn(arrow: Arrow, { protocol }: Snapshot, count: number): ColumnData {
  const rows = placed([protocol], 0, count)
  return structColumn(arrow, count, rows, [
    {
      name: 'minReaderVersion',
      data: intColumn(
        arrow,
        rows.map((row) => row?.minReaderVersion),
      ),
    },
    {
      name: 'minWriterVersion',
      data: intColumn(
        arrow,
        rows.map((row) => row?.minWriterVersion),
      ),
    },
    {
      name: 'readerFeatures',
      data: listColumn(
        arrow,
        rows.map((row) => row?.readerFeatures),
      ),
    },
    {
      name: 'writerFeatures',
      data: listColumn(
        arrow,
        rows.map((row) => row?.writerFeatures),
      ),
    },
  ])
}

function metadataColumn(arrow: Arrow, { metadata }: Snapshot, count: number): ColumnData {
  const rows = placed([metadata], 1, count)
  const format = structColumn(arrow, count, rows, [
    {
      name: 'provider',
      data: textColumn(
        arrow,
        rows.map((row) => row && 'parquet'),
      ),
    },
    {
      name: 'options',
      data: mapColumn(
        arrow,
        rows.map((row) => row && {}),
      ),
    },
  ])
  return structColumn(arrow, count, rows, [
    {
      name: 'id',
      data: textColumn(
        arrow,
        rows.map((row) => row?.id),
      ),
    },
    {
      name: 'name',
      data: textColumn(
        arrow,
        rows.map((row) => row?.name),
      ),
    },
    {
      name: 'description',
      data: textColumn(
        arrow,
        rows.map((row) => row?.description),
      ),
    },
    { name: 'format', data: format },
    {
      name: 'schemaString',
      data: textColumn(
        arrow,
        rows.map((row) => row && schemaString(row)),
      ),
    },
    {
      name: 'partitionColumns',
      data: listColumn(
        arrow,
        rows.map((row) => row?.partitionBy),
      ),
    },
    {
      name: 'configuration',
      data: mapColumn(
        arrow,
        rows.map((row) => row?.configuration),
      ),
    },
    {
      name: 'createdTime',
      data: longColumn(
        arrow,
        rows.map((row) => row?.createdTime),
      ),
    },
  ])
}

function txnColumn(arrow: Arrow, rows: readonly (Txn | undefined)[]): ColumnData {
  return structColumn(arrow, rows.length, rows, [
    {
      name: 'appId',
      data: textColumn(
        arrow,
        rows.map((row) => row?.appId),
      ),
    },
    {
      name: 'version',
      data: longColumn(
        arrow,
        rows.map((row) => row?.version),
      ),
    },
    {
      name: 'lastUpdated',
      data: longColumn(
        arrow,
        rows.map((row) => row?.lastUpdated),
      ),
    },
  ])
}

function removeColumn(arrow: Arrow, rows: readonly (RemoveFile | undefined)[]): ColumnData {
  return structColumn(arrow, rows.length, rows, [
    {
      name: 'path',
      data: textColumn(
        arrow,
        rows.map((row) => row && encodePath(row.key)),
      ),
    },
    {
      name: 'deletionTimestamp',
      data: longColumn(
        arrow,
        rows.map((row) => row?.deletionTimestamp),
      ),
    },
    {
      name: 'dataChange',
      data: flagColumn(
        arrow,
        rows.map((row) => row && false),
      ),
    },
    {
      name: 'extendedFileMetadata',
      data: flagColumn(
        arrow,
        rows.map((row) => row?.extendedFileMetadata),
      ),
    },
    {
      name: 'partitionValues',
      data: mapColumn(
        arrow,
        rows.map((row) => row?.partitionValues),
      ),
    },
    {
      name: 'size',
      data: longColumn(
        arrow,
        rows.map((row) => row?.sizeBytes),
      ),
    },
  ])
}

function addColumn(arrow: Arrow, rows: readonly (AddFile | undefined)[]): ColumnData {
  return structColumn(arrow, rows.length, rows, [
    {
      name: 'path',
      data: textColumn(
        arrow,
        rows.map((row) => row && encodePath(row.key)),
      ),
    },
    {
      name: 'partitionValues',
      data: mapColumn(
        arrow,
        rows.map((row) => row?.partitionValues),
      ),
    },
    {
      name: 'size',
      data: longColumn(
        arrow,
        rows.map((row) => row?.sizeBytes),
      ),
    },
    {
      name: 'modificationTime',
      data: longColumn(
        arrow,
        rows.map((row) => row?.modificationTime),
      ),
    },
    {
      name: 'dataChange',
      data: flagColumn(
        arrow,
        rows.map((row) => row && false),
      ),
    },
    {
      name: 'tags',
      data: mapColumn(
        arrow,
        rows.map((row) => row?.tags),
      ),
    },
    {
      name: 'stats',
      data: textColumn(
        arrow,
        rows.map((row) => row?.stats),
      ),
    },
  ])
}
