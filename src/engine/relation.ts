/**
 * A list of Parquet files of one table, as one SELECT: the table's columns in its order and types, whatever the files hold.
 *
 *   in the files                          in the relation
 *   no partition columns                  the manifest's values
 *   a column is missing (older file)      typed nulls
 *   a narrower type, fewer struct fields  cast by name
 *   a naive timestamp (INT96 of Spark)    the same instant in UTC, in any session's zone
 *   `*`, `?`, `[` in a path               themselves, never a pattern
 *
 * Partition values come from the manifest. Three shapes say the same (5,000 files of 200 rows, two partition columns):
 *
 *   shape             when                                            count  one partition  group by
 *   hive_partitioning every path provably says the manifest's values    208             58       338 ms
 *   constants         all files are of one partition
 *   join on filename  otherwise                                         442            243       696 ms
 *   (UNION ALL of one scan per partition, not used)                    1651            983      2683 ms
 *
 * `union_by_name` opens every footer before the query starts (+0.2 s for 5,000 files), so only files that their
 * statistics do not prove to have every column are scanned so.
 */
import { LakeError } from '../errors.js'
import type { PartitionValues } from '../manifest/actions.js'
import { toSql } from '../schema/duckdb.js'
import { findColumn, foldName, isNested } from '../schema/names.js'
import type { Field, LakeType, Schema } from '../schema/types.js'
import { literal, quoteGlobFree, quoteIdent, quotePath, quoteText } from './sql.js'

/**
 * @returns a SELECT with exactly the schema's columns, then, with `provenance`, `__lw_file` (the key, VARCHAR) and
 * `__lw_row` (position in the file from 0, BIGINT). No order of rows is promised.
 * @throws LakeError unsupported: a file with a deletion vector; a column named `file_row_number` where provenance is asked for
 */
export function filesRelation({ files, schema, partitionBy, provenance = false }: RelationRequest): string {
  const dataColumns = schema.filter((field) => !isPartitionColumn(field, partitionBy))
  for (const file of files) refuseMaskedRows(file)
  if (provenance === true) refuseRowNumberColumn(schema)
  if (files.length === 0) return emptyRelation(schema, provenance)

  const { uniform, rest } = groupFiles(files, dataColumns)
  const shape = { schema, dataColumns, partitionBy, provenance }
  const scans = [
    ...uniform.map((group) => scan(group, { ...shape, complete: true })),
    ...(rest.length > 0 ? [scan(rest, { ...shape, complete: false })] : []),
  ]
  return scans.join('\nUNION ALL\n')
}

export interface RelationRequest {
  files: readonly RelationFile[]
  schema: Schema
  partitionBy: readonly string[]
  /** Add `__lw_file` and `__lw_row`; with `file` the row is null, and costs nothing. */
  provenance?: boolean | 'file'
}

/** An `AddFile` with the path where its content can be read: on this machine, or a URL that the reader's DuckDB knows. */
export interface RelationFile {
  path: string
  key: string
  partitionValues: PartitionValues
  /** Delta `stats` JSON; with it, files that have all columns are found without opening them. */
  stats?: string
  /** The log's `tags`: a `lakewright.fp` says that the file is ours, so that its statistics are trusted. */
  tags?: Record<string, string>
  deletionVector?: Record<string, unknown>
}

/** No rows, the table's columns. */
export function emptyRelation(schema: Schema, provenance: boolean | 'file' = false): string {
  const columns = schema.map((field) => `${nullOf(field.type)} AS ${quoteIdent(field.name)}`)
  if (provenance) columns.push('CAST(NULL AS VARCHAR) AS __lw_file', 'CAST(NULL AS BIGINT) AS __lw_row')
  return `SELECT ${columns.join(', ')} WHERE false`
}

/** The SQL of one partition value as the manifest has it, in the column's type. Delta: the empty text is null. */
export function partitionConstant(value: string | null | undefined, type: LakeType): string {
  return `CAST(${partitionText(value, type)} AS ${toSql(type)})`
}

interface Shape {
  schema: Schema
  dataColumns: Schema
  partitionBy: readonly string[]
  provenance: boolean | 'file'
  /** Every file has every column, with the same nested types. */
  complete: boolean
}

function scan(files: RelationFile[], shape: Shape): string {
  const partitionFields = shape.partitionBy.map((name) => partitionField(shape.schema, name))
  const source = partitionSource(files, partitionFields)
  const fileKey = shape.provenance !== false ? fileKeySource(files) : undefined
  const joined = source.kind === 'join' || fileKey?.kind === 'join'
  const options = [
    source.kind === 'hive'
      ? `hive_partitioning = true, hive_types = {${partitionFields.map((field) => `${quoteText(field.name)}: ${quoteText(toSql(field.type))}`).join(', ')}}`
      : 'hive_partitioning = false',
    ...(joined || fileKey?.kind === 'path' ? [`filename = '__lw_path'`] : []),
    ...(shape.provenance === true ? ['file_row_number = true'] : []),
    ...(shape.complete ? [] : ['union_by_name = true']),
  ]
  const paths = files.map((file) => quoteGlobFree(file.path)).join(', ')
  const parquet = `read_parquet([${paths}], ${options.join(', ')})`
  const from = shape.complete ? `${parquet} r` : `(${withMissingColumns(parquet, shape.dataColumns)}) r`
  const columns = shape.schema.map((field) => {
    const at = partitionFields.indexOf(field)
    const value = at < 0 ? dataValue(field) : source.value(field, at)
    return `${value} AS ${quoteIdent(field.name)}`
  })
  if (fileKey !== undefined) {
    const row = shape.provenance === true ? 'r.file_row_number' : 'CAST(NULL AS BIGINT)'
    columns.push(`${fileKey.value} AS __lw_file`, `${row} AS __lw_row`)
  }
  const values = joined ? ` JOIN (${valuesPerFile(files, partitionFields)}) p ON p.path = r.__lw_path` : ''
  return `SELECT ${columns.join(', ')} FROM ${from}${values}`
}

interface PartitionSource {
  kind: 'none' | 'constants' | 'hive' | 'join'
  value(field: Field, at: number): string
}

function partitionSource(files: RelationFile[], fields: Field[]): PartitionSource {
  const first = files[0]?.partitionValues ?? {}
  if (
    files.every((file) =>
      fields.every(({ name }) => partitionValue(file.partitionValues, name) === partitionValue(first, name)),
    )
  )
    return {
      kind: fields.length === 0 ? 'none' : 'constants',
      value: (field) => partitionConstant(partitionValue(first, field.name), field.type),
    }
  if (files.every((file) => pathSays(file, fields)))
    return { kind: 'hive', value: (field) => `r.${quoteIdent(field.name)}` }
  return { kind: 'join', value: (_, at) => `p.p${at}` }
}

/** Types whose text means the same in a folder's name, read by DuckDB, as in the manifest: no time zones, no escapes. */
const plainInPath = new Set<LakeType['kind']>([
  'varchar',
  'date',
  'boolean',
  'tinyint',
  'smallint',
  'integer',
  'bigint',
  'decimal',
])

/**
 * Whether DuckDB, which takes every `name=value` folder in the whole path, would read exactly the manifest's values out
 * of it. A folder of that form above the table's root would add a column, or hide one of the table's.
 */
function pathSays(file: RelationFile, fields: Field[]): boolean {
  const folders = file.path.split(/[\\/]/).slice(0, -1)
  const pairs = folders.filter((folder) => folder.includes('=')).map((folder) => folder.split('='))
  if (pairs.length !== fields.length || file.path.includes('?')) return false
  return fields.every((field) => {
    const pair = pairs.find(([name]) => name === field.name)
    return (
      pair?.length === 2 &&
      plainInPath.has(field.type.kind) &&
      folderSays(pair[1] ?? '', partitionValue(file.partitionValues, field.name))
    )
  })
}

function folderSays(text: string, value: string | null): boolean {
  if (text === '__HIVE_DEFAULT_PARTITION__') return value === null
  if (text === '' || /[\n\r]/.test(text) || /^null$/i.test(text)) return false
  try {
    return decodeURIComponent(text) === value
  } catch {
    return false
  }
}

/** Where the key of a row's file comes from: a suffix of its path, as for files in place, else the list. */
function fileKeySource(files: RelationFile[]): { kind: 'constant' | 'path' | 'join'; value: string } {
  const [first] = files
  if (first !== undefined && files.length === 1) return { kind: 'constant', value: quoteText(first.key) }
  const prefix = first?.path.slice(0, first.path.length - first.key.length) ?? ''
  if (!files.every((file) => file.path === prefix + file.key)) return { kind: 'join', value: 'p.key' }
  return { kind: 'path', value: `substr(r.__lw_path, ${[...prefix].length + 1})` }
}

function valuesPerFile(files: RelationFile[], fields: Field[]): string {
  const rows = files.map((file) => {
    const values = fields.map((field) => partitionText(partitionValue(file.partitionValues, field.name), field.type))
    return `(${[quotePath(file.path), quoteText(file.key), ...values].join(', ')})`
  })
  const names = ['path', 'key', ...fields.map((_, at) => `t${at}`)]
  const casts = fields.map((field, at) => `CAST(t${at} AS ${toSql(field.type)}) AS p${at}`)
  return `SELECT ${['path', 'key', ...casts].join(', ')} FROM (VALUES ${rows.join(', ')}) v(${names.join(', ')})`
}

/** Untyped nulls take the type that the files have; a column that none has is cast from there. */
function withMissingColumns(parquet: string, dataColumns: Schema): string {
  if (dataColumns.length === 0) return `SELECT * FROM ${parquet}`
  const nulls = dataColumns.map((field) => `NULL AS ${quoteIdent(field.name)}`).join(', ')
  return `SELECT ${nulls} WHERE false UNION ALL BY NAME SELECT * FROM ${parquet}`
}

/** Casts to the type that a file already has vanish when the query is bound, so filters still reach the scan. */
function dataValue(field: Field): string {
  const column = `r.${quoteIdent(field.name)}`
  const cast = `CAST(${column} AS ${toSql(field.type)})`
  if (field.type.kind !== 'timestamp') return cast
  // `typeof` is a constant once bound, so this is one branch or the other and not a CASE per row.
  return `CASE WHEN typeof(${column}) = 'TIMESTAMP' THEN make_timestamptz(epoch_us(CAST(${column} AS TIMESTAMP))) ELSE ${cast} END`
}

function partitionText(value: string | null | undefined, type: LakeType): string {
  if (value === null || value === undefined || value === '') return 'CAST(NULL AS VARCHAR)'
  // Without a zone the log means UTC; the session's zone must not decide.
  if (type.kind === 'timestamp') return quoteText(/(z|[+-]\d\d(:?\d\d)?)$/i.test(value) ? value : `${value}+00`)
  if (type.kind === 'blob')
    return quoteText(
      [...Buffer.from(value, 'latin1')].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
    )
  return literal(value)
}

/**
 * Groups within which every file is known to have every column, in the same type, so that the first file's schema may
 * stand for all: ours with one digest of columns, and other writers' with a value in every column. The rest is united
 * by name. A wrong proof of presence cannot pass unnoticed: DuckDB refuses a file that lacks a column of the first.
 */
function groupFiles(
  files: readonly RelationFile[],
  dataColumns: Schema,
): { uniform: RelationFile[][]; rest: RelationFile[] } {
  const nested = dataColumns.some((field) => isNested(field.type))
  const groups = new Map<string, RelationFile[]>()
  for (const file of files) {
    const digest = columnsDigest(file)
    const proven = statisticsNameAll(file, dataColumns, digest !== undefined) && !(nested && digest === undefined)
    const group = proven ? (digest ?? 'foreign') : 'rest'
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [file])
    else members.push(file)
  }
  // Columns have had few shapes; a table where they had many is better united than scanned in many pieces.
  if (groups.size > 4) return { uniform: [], rest: [...files] }
  const rest = groups.get('rest') ?? []
  groups.delete('rest')
  return { uniform: [...groups.values()], rest }
}

/** Of the file's column names and types, which is part of the name of our fingerprints. */
function columnsDigest(file: RelationFile): string | undefined {
  return file.tags?.['lakewright.fp']?.split(':')[2]
}

function statisticsNameAll(file: RelationFile, dataColumns: Schema, ours: boolean): boolean {
  if (file.stats === undefined) return false
  const { nullCount, numRecords } = parsedStats(file.stats)
  if (nullCount === undefined) return false
  return dataColumns.every((field) => {
    if (isNested(field.type)) return true
    const nulls = nullCount[field.name]
    // Another writer may have computed statistics through the table's schema, where a missing column is all null.
    return typeof nulls === 'number' && (ours || (numRecords !== undefined && nulls < numRecords))
  })
}

/** Counts only, so the loss of digits beyond 2^53 in other members does not matter. */
function parsedStats(stats: string): { nullCount?: Record<string, unknown>; numRecords?: number } {
  try {
    return JSON.parse(stats) ?? {}
  } catch {
    return {}
  }
}

function partitionField(schema: Schema, name: string): Field {
  const field = findColumn(schema, name)
  if (field === undefined)
    throw new LakeError('corrupt', 'the table is partitioned by a column that its schema does not have', {
      column: name,
    })
  return field
}

function isPartitionColumn(field: Field, partitionBy: readonly string[]): boolean {
  return partitionBy.some((name) => foldName(name) === foldName(field.name))
}

/** Delta takes the empty text for null. */
function partitionValue(values: PartitionValues, name: string): string | null {
  return values[name] || null
}

function nullOf(type: LakeType): string {
  return `CAST(NULL AS ${toSql(type)})`
}

function refuseMaskedRows(file: RelationFile): void {
  if (file.deletionVector === undefined) return
  throw new LakeError('unsupported', 'a file has rows masked by a deletion vector, which this version does not read', {
    key: file.key,
    fix: 'Rewrite the table with the writer that made it (e.g. Spark: `REORG TABLE … APPLY (PURGE)`).',
  })
}

function refuseRowNumberColumn(schema: Schema): void {
  const column = findColumn(schema, 'file_row_number')
  if (column === undefined) return
  throw new LakeError('unsupported', 'rows of a table with a column of this name cannot be numbered', {
    column: column.name,
    fix: 'Rename the column.',
  })
}
