/**
 * `COPY … TO` as the port asks for it, and what it answers.
 *
 *   COPY (…) TO 'folder' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V1, ROW_GROUP_SIZE 122880, RETURN_STATS, …)
 *
 * Files end in `.staged`, so that no glob for Parquet meets them, and their names never collide with those of another
 * statement that writes to the same folder.
 */
import { join } from 'node:path'
import type { DuckDBType } from '@duckdb/node-api'
import { LakeError } from '../../errors.js'
import type { CopiedFile, CopyOptions, Row } from '../port.js'
import { identList, quoteIdent, quotePath } from '../sql.js'

/** DuckDB's own: small enough for readers to skip, large enough to compress. */
const defaultRowGroupRows = 122_880

export interface Column {
  name: string
  type: DuckDBType
}

/** @param columns of `sql`, for the shape of nested field ids; undefined where all ids are of columns that it has */
export function copySql(sql: string, options: CopyOptions, columns: readonly Column[] | undefined): string {
  const { folder, partitionBy, targetFileBytes, rowGroupRows = defaultRowGroupRows, inOrder = false, name } = options
  if (!/^[A-Za-z0-9._-]+$/.test(name))
    throw new LakeError('invalid', 'the name of staged files may hold letters, digits, `.`, `_` and `-`', { name })
  const settings = [
    'FORMAT parquet',
    'COMPRESSION zstd',
    // A fifth faster than zstd's default of 3, for one or two percent more bytes.
    'COMPRESSION_LEVEL 1',
    // Spark 4.1 cannot read V2.
    'PARQUET_VERSION V1',
    `ROW_GROUP_SIZE ${rowGroupRows}`,
    'RETURN_STATS',
  ]
  const ids = columns ? fieldIdStruct(columns, options) : plainFieldIds(options)
  if (ids !== '') settings.push(`FIELD_IDS {${ids}}`)
  // Into several files, which may be begun at any time, threads write as they come.
  if (inOrder) return `COPY (${sql}) TO ${quotePath(join(folder, `${name}.staged`))} (${settings.join(', ')})`
  // APPEND never overwrites, which is why it needs the uuid.
  settings.push('APPEND', `FILENAME_PATTERN ${quotePath(`${name}-{uuid}`)}`, `FILE_EXTENSION 'staged'`)
  if (partitionBy.length > 0) settings.push(`PARTITION_BY (${identList(partitionBy)})`, 'WRITE_PARTITION_COLUMNS false')
  // Without a size there would be one file per thread or one called like the folder.
  else settings.push(`FILE_SIZE_BYTES ${targetFileBytes ?? Number.MAX_SAFE_INTEGER}`)
  return `COPY (${sql}) TO ${quotePath(folder)} (${settings.join(', ')})`
}

function plainFieldIds({ fieldIds }: CopyOptions): string {
  return Object.entries(fieldIds)
    .map(([name, id]) => `${quoteIdent(name)}: ${id}`)
    .join(', ')
}

/** `"a": 1, "s": {__duckdb_field_id: 2, "x": 3}`; columns without an id are left out. */
function fieldIdStruct(columns: readonly Column[], { fieldIds, partitionBy }: CopyOptions): string {
  const written = columns.filter((column) => !partitionBy.includes(column.name))
  return membersOf(written, '', fieldIds)
}

function membersOf(fields: readonly Column[], path: string, fieldIds: Record<string, number>): string {
  const members: string[] = []
  for (const { name, type } of fields) {
    const place = path + name
    const own = Object.hasOwn(fieldIds, place) ? fieldIds[place] : undefined
    const nested = membersOf(childrenOf(type), `${place}.`, fieldIds)
    if (nested === '' && own !== undefined) members.push(`${quoteIdent(name)}: ${own}`)
    else if (nested !== '') {
      const head = own === undefined ? '' : `__duckdb_field_id: ${own}, `
      members.push(`${quoteIdent(name)}: {${head}${nested}}`)
    }
  }
  return members.join(', ')
}

/** Named as Parquet names them: a list's `element`, a map's `key` and `value`. */
function childrenOf(type: DuckDBType): Column[] {
  if ('entryNames' in type)
    return type.entryNames.flatMap((name, index) => {
      const child = type.entryTypes[index]
      return child === undefined ? [] : [{ name, type: child }]
    })
  if ('keyType' in type)
    return [
      { name: 'key', type: type.keyType },
      { name: 'value', type: type.valueType },
    ]
  return 'valueType' in type ? [{ name: 'element', type: type.valueType }] : []
}

/** One row of RETURN_STATS, as `values.ts` reads it. */
export function copiedFile(row: Row): CopiedFile {
  const columns: CopiedFile['columns'] = {}
  for (const { key, value } of entriesOf(row.column_statistics)) {
    const name = topLevelName(String(key))
    if (name === undefined) continue
    const facts = new Map(entriesOf(value).map((fact) => [String(fact.key), String(fact.value)]))
    setOwn(columns, name, statisticsOf(facts))
  }
  const partitionKeys: Record<string, string> = {}
  for (const { key, value } of entriesOf(row.partition_keys)) setOwn(partitionKeys, String(key), String(value))
  return {
    path: String(row.filename),
    rows: Number(row.count),
    sizeBytes: Number(row.file_size_bytes),
    partitionKeys,
    columns,
  }
}

function statisticsOf(facts: Map<string, string>): CopiedFile['columns'][string] {
  const statistics: CopiedFile['columns'][string] = {}
  const [min, max, nulls] = [facts.get('min'), facts.get('max'), facts.get('null_count')]
  const [hasNaN, size] = [facts.get('has_nan'), facts.get('column_size_bytes')]
  if (min !== undefined) statistics.min = min
  if (max !== undefined) statistics.max = max
  if (nulls !== undefined) statistics.nullCount = Number(nulls)
  if (hasNaN !== undefined) statistics.hasNaN = hasNaN === 'true'
  if (size !== undefined) statistics.sizeBytes = Number(size)
  return statistics
}

/** `"we""ird"` → `we"ird`; undefined for a leaf of something nested, `"l"."element"`. */
function topLevelName(key: string): string | undefined {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(key)?.[1]
  return quoted?.replaceAll('""', '"')
}

function entriesOf(value: unknown): { key: unknown; value: unknown }[] {
  return Array.isArray(value) ? value : []
}

/** A column may be called `__proto__`. */
function setOwn<T>(target: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
}
