/**
 * Parquet files as parts: files with the same columns of the same types are one scan, so that DuckDB's own uniting of
 * schemas (which makes DOUBLE of what it cannot widen) has nothing to do.
 */
import type { Engine } from '../engine/port.js'
import { quoteGlobFree, quoteIdent, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { fromSql } from '../schema/duckdb.js'
import { assertColumnNames } from '../schema/names.js'
import { filePart, groupBy, type LocalFile } from './file-part.js'
import type { SourceOptions } from './files.js'
import type { Part, PartColumn } from './part.js'

export async function openParquet(
  files: readonly LocalFile[],
  options: SourceOptions,
  { engine }: { engine: Engine },
): Promise<Part[]> {
  const signatures = await readSignatures(files, engine)
  const groups = groupBy(
    files.map((file) => ({ file })),
    ({ file }) => signatures.get(file.path),
  )
  const parts: Part[] = []
  for (const group of groups)
    parts.push(
      await parquetPart(
        group.map(({ file }) => file),
        options,
        engine,
      ),
    )
  return parts
}

async function parquetPart(files: LocalFile[], options: SourceOptions, engine: Engine): Promise<Part> {
  const first = files[0] as LocalFile
  const described = await engine.describe(`SELECT * FROM ${readParquetSql([first], {})}`)
  assertColumnNames(
    described.map(({ name }) => name),
    { file: first.name },
  )
  const part = filePart({
    files,
    columns: described.map(({ name, sqlType }) => column(name, sqlType)),
    reader: readParquetSql,
    rename: options.rename ?? {},
    explain: async (message) => explain(message, files),
  })
  part.columnar = true
  part.parquetFiles = files.map(({ path }) => path)
  return part
}

function column(name: string, sqlType: string): PartColumn {
  const ident = quoteIdent(name)
  const { type, cast } = fromSql(sqlType, name)
  return { name, kind: 'typed', type, sql: cast?.(ident) ?? ident }
}

function readParquetSql(files: readonly LocalFile[], { pathColumn }: { pathColumn?: string }): string {
  const path = pathColumn === undefined ? '' : `, filename=${quoteText(pathColumn)}`
  const paths = files.map((file) => quoteGlobFree(file.path)).join(', ')
  return `read_parquet([${paths}], hive_partitioning=false, union_by_name=false${path})`
}

/** What distinguishes the columns of one file from those of another, by path. */
async function readSignatures(files: readonly LocalFile[], engine: Engine): Promise<Map<string, string>> {
  const paths = files.map((file) => quoteGlobFree(file.path)).join(', ')
  const what = `{n: name, t: type, l: type_length, r: repetition_type, c: num_children, v: converted_type, s: scale, p: precision, o: logical_type}`
  try {
    const rows = await engine.rows(
      `SELECT file_name, md5(string_agg(CAST(to_json(${what}) AS VARCHAR), ';' ORDER BY i)) AS signature ` +
        `FROM (SELECT *, row_number() OVER () AS i FROM parquet_schema([${paths}])) GROUP BY file_name`,
    )
    return new Map(rows.map((row) => [String(row.file_name), String(row.signature)]))
  } catch (error) {
    throw explain(error instanceof Error ? error.message : '', files, error) ?? error
  }
}

function explain(message: string, files: readonly LocalFile[], cause?: unknown): LakeError | undefined {
  const file = files.find(({ path }) => message.includes(`'${path}'`) || message.includes(`"${path}"`))
  if (file === undefined) return undefined
  const reason = (message.split('\n', 1)[0] ?? '').replaceAll(file.path, file.name)
  return new LakeError('invalid', `the Parquet file is cut short, damaged or none (${reason})`, {
    file: file.name,
    fix: 'Fetch or write the file again.',
    cause,
  })
}
