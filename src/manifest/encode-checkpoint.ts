/**
 * The state of the table → the bytes of a checkpoint: the classic single file, one struct column per action (protocol,
 * "Checkpoint Schema"), Parquet with zstd, `stats` as text, integers exact; add and remove with `dataChange: false`, as the protocol
 * asks. `decode-checkpoint.ts` reads it back.
 */
import type { AddFile, Metadata, Protocol, RemoveFile, Snapshot, Txn } from './actions.js'
import {
  type Arrow,
  type Column,
  type ColumnData,
  flagColumn,
  intColumn,
  listColumn,
  longColumn,
  mapColumn,
  nullColumn,
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
  const [txns, removes, adds] = [[...snapshot.txns.values()], [...tombstones], [...snapshot.files.values()]]
  const columns: Column[] = [
    { name: 'protocol', data: protocolColumn(arrow, [snapshot.protocol]) },
    { name: 'metaData', data: metadataColumn(arrow, [snapshot.metadata]) },
    { name: 'txn', data: txnColumn(arrow, txns) },
    { name: 'remove', data: removeColumn(arrow, removes) },
    { name: 'add', data: addColumn(arrow, adds) },
  ]
  const schema = new arrow.Schema(columns.map(({ name, data }) => new arrow.Field(name, data.type, true)))
  // One batch per kind of action: of a row, one column is filled and the others are null.
  const batches = columns.map(({ data: { length } }, filled) => {
    const children = columns.map(({ data }, i) => (i === filled ? data : nullColumn(arrow, data.type, length)))
    const type = new arrow.Struct(schema.fields)
    return new arrow.RecordBatch(schema, arrow.makeData({ type, length, nullCount: 0, children }))
  })
  const stream = arrow.tableToIPC(new arrow.Table(schema, batches), 'stream')
  const properties = new parquet.WriterPropertiesBuilder().setCompression(parquet.Compression.ZSTD).build()
  return {
    body: parquet.writeParquet(parquet.Table.fromIPCStream(stream), properties),
    rows: 2 + txns.length + removes.length + adds.length,
  }
}

export interface EncodedCheckpoint {
  body: Uint8Array
  /** Actions in it: `size` of the hint. */
  rows: number
}

export interface Codec {
  arrow: typeof import('apache-arrow')
  parquet: typeof import('parquet-wasm')
}

/** Both are heavy, and needed only by those who read or write a checkpoint. */
export async function loadCodec(): Promise<Codec> {
  const [arrow, parquet] = await Promise.all([import('apache-arrow'), import('parquet-wasm')])
  return { arrow, parquet }
}

function protocolColumn(arrow: Arrow, rows: readonly Protocol[]): ColumnData {
  const texts = (of: (row: Protocol) => string[] | undefined) => listColumn(arrow, rows.map(of))
  return structColumn(arrow, rows.length, [
    {
      name: 'minReaderVersion',
      data: intColumn(
        arrow,
        rows.map((row) => row.minReaderVersion),
      ),
    },
    {
      name: 'minWriterVersion',
      data: intColumn(
        arrow,
        rows.map((row) => row.minWriterVersion),
      ),
    },
    { name: 'readerFeatures', data: texts((row) => row.readerFeatures) },
    { name: 'writerFeatures', data: texts((row) => row.writerFeatures) },
  ])
}

function metadataColumn(arrow: Arrow, rows: readonly Metadata[]): ColumnData {
  const text = (of: (row: Metadata) => string | undefined) => textColumn(arrow, rows.map(of))
  const format = structColumn(arrow, rows.length, [
    { name: 'provider', data: text(() => 'parquet') },
    {
      name: 'options',
      data: mapColumn(
        arrow,
        rows.map(() => ({})),
      ),
    },
  ])
  return structColumn(arrow, rows.length, [
    { name: 'id', data: text((row) => row.id) },
    { name: 'name', data: text((row) => row.name) },
    { name: 'description', data: text((row) => row.description) },
    { name: 'format', data: format },
    { name: 'schemaString', data: text(schemaString) },
    {
      name: 'partitionColumns',
      data: listColumn(
        arrow,
        rows.map((row) => row.partitionBy),
      ),
    },
    {
      name: 'configuration',
      data: mapColumn(
        arrow,
        rows.map((row) => row.configuration),
      ),
    },
    {
      name: 'createdTime',
      data: longColumn(
        arrow,
        rows.map((row) => row.createdTime),
      ),
    },
  ])
}

function txnColumn(arrow: Arrow, rows: readonly Txn[]): ColumnData {
  return structColumn(arrow, rows.length, [
    {
      name: 'appId',
      data: textColumn(
        arrow,
        rows.map((row) => row.appId),
      ),
    },
    {
      name: 'version',
      data: longColumn(
        arrow,
        rows.map((row) => row.version),
      ),
    },
    {
      name: 'lastUpdated',
      data: longColumn(
        arrow,
        rows.map((row) => row.lastUpdated),
      ),
    },
  ])
}

function removeColumn(arrow: Arrow, rows: readonly RemoveFile[]): ColumnData {
  const flag = (of: (row: RemoveFile) => boolean | undefined) => flagColumn(arrow, rows.map(of))
  return structColumn(arrow, rows.length, [
    {
      name: 'path',
      data: textColumn(
        arrow,
        rows.map((row) => encodePath(row.key)),
      ),
    },
    {
      name: 'deletionTimestamp',
      data: longColumn(
        arrow,
        rows.map((row) => row.deletionTimestamp),
      ),
    },
    { name: 'dataChange', data: flag(() => false) },
    { name: 'extendedFileMetadata', data: flag((row) => row.extendedFileMetadata) },
    {
      name: 'partitionValues',
      data: mapColumn(
        arrow,
        rows.map((row) => row.partitionValues),
      ),
    },
    {
      name: 'size',
      data: longColumn(
        arrow,
        rows.map((row) => row.sizeBytes),
      ),
    },
  ])
}

function addColumn(arrow: Arrow, rows: readonly AddFile[]): ColumnData {
  return structColumn(arrow, rows.length, [
    {
      name: 'path',
      data: textColumn(
        arrow,
        rows.map((row) => encodePath(row.key)),
      ),
    },
    {
      name: 'partitionValues',
      data: mapColumn(
        arrow,
        rows.map((row) => row.partitionValues),
      ),
    },
    {
      name: 'size',
      data: longColumn(
        arrow,
        rows.map((row) => row.sizeBytes),
      ),
    },
    {
      name: 'modificationTime',
      data: longColumn(
        arrow,
        rows.map((row) => row.modificationTime),
      ),
    },
    {
      name: 'dataChange',
      data: flagColumn(
        arrow,
        rows.map(() => false),
      ),
    },
    {
      name: 'tags',
      data: mapColumn(
        arrow,
        rows.map((row) => row.tags),
      ),
    },
    {
      name: 'stats',
      data: textColumn(
        arrow,
        rows.map((row) => row.stats),
      ),
    },
  ])
}
