/**
 * Actions → the bytes of a commit file. One action is one line, `commitInfo` first where there is one; members stand in
 * the protocol's order, so that the same actions are the same bytes.
 */
import { toDeltaSchema } from '../schema/delta.js'
import type { Action, AddFile, CdcFile, Metadata, RemoveFile, Txn } from './actions.js'
import { stringifyJson } from './json.js'
import { encodePath } from './paths.js'

export function encodeCommit(actions: readonly Action[]): Uint8Array {
  return Buffer.from(actions.map((action) => `${encodeAction(action)}\n`).join(''), 'utf8')
}

export function encodeAction(action: Action): string {
  return stringifyJson(toJson(action))
}

export function schemaString(metadata: Metadata): string {
  return stringifyJson(toDeltaSchema(metadata.schema))
}

function toJson(action: Action): object {
  if ('add' in action) return { add: addJson(action.add) }
  if ('remove' in action) return { remove: removeJson(action.remove) }
  if ('txn' in action) return { txn: txnJson(action.txn) }
  if ('cdc' in action) return { cdc: cdcJson(action.cdc) }
  if ('metaData' in action) return { metaData: metadataJson(action.metaData) }
  return action
}

function addJson({
  key,
  partitionValues,
  sizeBytes,
  modificationTime,
  dataChange,
  stats,
  tags,
  deletionVector,
}: AddFile) {
  return {
    path: encodePath(key),
    partitionValues,
    size: sizeBytes,
    modificationTime,
    dataChange,
    stats,
    tags,
    deletionVector,
  }
}

function removeJson(file: RemoveFile) {
  return {
    path: encodePath(file.key),
    deletionTimestamp: file.deletionTimestamp,
    dataChange: file.dataChange,
    extendedFileMetadata: file.extendedFileMetadata,
    partitionValues: file.partitionValues,
    size: file.sizeBytes,
    deletionVector: file.deletionVector,
  }
}

function txnJson({ appId, version, lastUpdated }: Txn) {
  return { appId, version, lastUpdated }
}

function cdcJson({ key, partitionValues, sizeBytes }: CdcFile) {
  return { path: encodePath(key), partitionValues, size: sizeBytes, dataChange: false }
}

function metadataJson(metadata: Metadata) {
  return {
    id: metadata.id,
    name: metadata.name,
    description: metadata.description,
    format: { provider: 'parquet', options: {} },
    schemaString: schemaString(metadata),
    partitionColumns: metadata.partitionBy,
    configuration: metadata.configuration,
    createdTime: metadata.createdTime,
  }
}
