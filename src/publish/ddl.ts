/**
 * The statement with which another engine reads a table.
 *
 *   duckdb   CREATE OR REPLACE VIEW "orders" AS SELECT … ;             one version, no extension
 *   athena   CREATE EXTERNAL TABLE `orders` LOCATION '…' TBLPROPERTIES ('table_type' = 'DELTA');
 *   trino    CALL delta.system.register_table(schema_name => 'default', table_name => 'orders', table_location => '…');
 *   spark    CREATE TABLE IF NOT EXISTS `orders` USING DELTA LOCATION '…';
 *
 * All but the first follow the table to its newest version.
 */
import { LakeError } from '../errors.js'
import type { Snapshot } from '../manifest/actions.js'
import { callOf, type Reading } from '../read/reading.js'
import { snapshotAt } from '../read/snapshot.js'
import type { At } from '../read/version.js'
import type { Store } from '../store/port.js'
import { viewSql } from './duckdb-sql.js'
import { commentText, directoryGlob, nameParts, tableName, tablePath } from './places.js'

/** @throws LakeError invalid: no table, a name that is none, a place the engine cannot read; unsupported: Athena and an older version */
export async function ddl(reading: Reading, dialect: DdlDialect, options: DdlOptions & At = {}): Promise<string> {
  const { name, ...at } = options
  const snapshot = await snapshotAt(reading.store, at, callOf(reading))
  const isPinned = at.version !== undefined || at.asOf !== undefined
  const statement = statements[dialect](reading.store, snapshot, name, isPinned)
  return `${statement.trimEnd()}\n${directoryNote(reading.store, snapshot)}\n`
}

export type DdlDialect = 'duckdb' | 'athena' | 'trino' | 'spark'

export interface DdlOptions {
  /** Of the view or table, with dots between its parts; default: the last part of the table's address. */
  name?: string
}

type Statement = (store: Store, snapshot: Snapshot, name: string | undefined, isPinned: boolean) => string

const statements: Record<DdlDialect, Statement> = { duckdb: viewSql, athena, trino, spark }

function athena(store: Store, { version }: Snapshot, name: string | undefined, isPinned: boolean): string {
  if (store.kind !== 's3')
    throw new LakeError('invalid', 'Athena reads tables on S3 only', { table: store.url, fix: 'Copy the table to S3.' })
  if (isPinned)
    throw new LakeError('unsupported', 'Athena reads the newest version of a Delta table only', {
      version,
      fix: 'Leave the version out, or restore it first.',
    })
  const parts = partsOf(store, name, 2)
  return `CREATE EXTERNAL TABLE ${backticks(parts)}
LOCATION ${escapedText(`${tablePath(store)}/`)}
TBLPROPERTIES ('table_type' = 'DELTA');`
}

/** Named as in Trino's documentation; the catalog is the first of three parts. */
function trino(store: Store, { version }: Snapshot, name: string | undefined, isPinned: boolean): string {
  const parts = partsOf(store, name, 3)
  const table = parts.at(-1) ?? ''
  const schema = parts.at(-2) ?? 'default'
  const catalog = parts.at(-3) ?? 'delta'
  const register = `CALL ${doubleQuotes([catalog])}.system.register_table(
  schema_name => ${doubledText(schema)},
  table_name => ${doubledText(table)},
  table_location => ${doubledText(locationUrl(store))}
);`
  if (!isPinned) return register
  const full = doubleQuotes([catalog, schema, table])
  return `${register}\nSELECT * FROM ${full} FOR VERSION AS OF ${version};`
}

function spark(store: Store, { version }: Snapshot, name: string | undefined, isPinned: boolean): string {
  const table = backticks(partsOf(store, name, 3))
  const url = locationUrl(store)
  const note = store.kind === 's3' ? '-- On Amazon EMR and Databricks write s3:// for s3a://.\n' : ''
  const location = escapedText(url.replace(/^s3:\/\//, 's3a://'))
  const create = `${note}CREATE TABLE IF NOT EXISTS ${table}\nUSING DELTA\nLOCATION ${location};`
  return isPinned ? `${create}\nSELECT * FROM ${table} VERSION AS OF ${version};` : create
}

/** For readers that only know directories, and what they must know themselves. */
function directoryNote(store: Store, { metadata }: Snapshot): string {
  const glob = commentText(directoryGlob(store, metadata.partitionBy))
  return `-- Readers that only know directories: ${glob}
-- (they see superseded files too, until those are vacuumed; never glob ** from the table's root)`
}

/** The default name is one part, whatever dots it has. */
function partsOf(store: Store, name: string | undefined, most: number): string[] {
  return name === undefined ? [tableName(store)] : nameParts(name, most)
}

/** Hadoop and Trino take `file:///` with the path as it is, not percent-encoded. */
function locationUrl(store: Store): string {
  const path = tablePath(store)
  if (store.kind !== 'local') return path
  const slashes = path.replaceAll('\\', '/')
  return `file://${slashes.startsWith('/') ? '' : '/'}${slashes}`
}

function backticks(parts: readonly string[]): string {
  return parts.map((part) => `\`${part.replaceAll('`', '``')}\``).join('.')
}

function doubleQuotes(parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.')
}

/** Hive's and Spark's text: a backslash escapes. */
function escapedText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll(`'`, `\\'`)}'`
}

/** Standard SQL's text: a quote is doubled. */
function doubledText(text: string): string {
  return `'${text.replaceAll(`'`, `''`)}'`
}
