/**
 * A table at one version as a view that plain DuckDB reads, without an extension: every file by its absolute path, partition
 * values as the manifest has them.
 *
 *   -- lakewright: orders, version 12 …
 *   CREATE OR REPLACE VIEW "orders" AS
 *   SELECT … FROM read_parquet(['/lake/orders/dt=2026-11-20/….parquet', …], …);
 *
 * It stays right for ever, as long as no vacuum removes its files. Files on S3 need `httpfs` and a secret on the reader's side.
 */
import { filesRelation } from '../engine/relation.js'
import { quoteIdent, quoteText } from '../engine/sql.js'
import type { Metadata, Snapshot } from '../manifest/actions.js'
import type { Store } from '../store/port.js'
import { commentText, nameParts, objectPath, tableName, tablePath } from './places.js'

/**
 * Above this number of files the published view would be megabytes, written anew after every commit: it then asks the
 * `delta` extension instead, and reads the newest version.
 */
export const mostFilesByName = 5000

export function publishedSql(store: Store, snapshot: Snapshot): string {
  return snapshot.files.size > mostFilesByName ? extensionSql(store, snapshot) : viewSql(store, snapshot)
}

/** @param name with dots between its parts; the table's own by default */
export function viewSql(store: Store, snapshot: Snapshot, name?: string): string {
  const { files, metadata } = snapshot
  const select = filesRelation({
    files: [...files.values()].map((file) => ({ ...file, path: objectPath(store, file.key) })),
    schema: metadata.schema,
    partitionBy: metadata.partitionBy,
  })
  const needs =
    store.kind === 's3'
      ? ['-- Needs once: INSTALL httpfs; LOAD httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain);']
      : []
  return [
    ...header(store, snapshot),
    ...needs,
    `CREATE OR REPLACE VIEW ${viewName(store, name)} AS`,
    `${select};`,
    '',
  ].join('\n')
}

/** The version that a published file shows, and of which table; undefined for a file that is none of ours. */
export function publishedVersion(sql: string): { table: string; version: number } | undefined {
  const [, version, table] = /^-- lakewright: .*, version (\d+) of ([^\s,]+)/m.exec(sql) ?? []
  return version === undefined || table === undefined ? undefined : { table, version: Number(version) }
}

/** The table's id as one word. */
export function tableMark({ id }: Pick<Metadata, 'id'>): string {
  return id.replaceAll(/[\s,]/g, '_')
}

function extensionSql(store: Store, snapshot: Snapshot): string {
  return [
    ...header(store, snapshot),
    `-- More than ${mostFilesByName} files: too many to name here. This view shows the newest version, and needs once:`,
    '-- INSTALL delta; LOAD delta;',
    `CREATE OR REPLACE VIEW ${viewName(store)} AS`,
    `SELECT * FROM delta_scan(${quoteText(tablePath(store))});`,
    '',
  ].join('\n')
}

function header(store: Store, { files, metadata, timestamp, version }: Snapshot): string[] {
  const time = new Date(timestamp).toISOString()
  return [
    `-- lakewright: ${commentText(tableName(store))}, version ${version} of ${tableMark(metadata)}, ${time}, ${files.size} files.`,
    '-- Made from _delta_log after each commit; changes to this file are lost.',
  ]
}

function viewName(store: Store, name?: string): string {
  const parts = name === undefined ? [tableName(store)] : nameParts(name)
  return parts.map(quoteIdent).join('.')
}
