/**
 * CSV files as parts. Nothing is sniffed: the header is read by hand (`csv-text.ts`), DuckDB is told everything else and gives
 * every column as text. Files with the same header are one scan.
 *
 * What DuckDB tolerates and we leave so: empty lines between rows (where there are two columns or more), delimiters too
 * many at the end of a row, blanks around a quoted value.
 */
import type { Engine } from '../engine/port.js'
import { quoteGlobFree, quoteIdent, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { assertColumnNames } from '../schema/names.js'
import { repairCsv } from './csv-repair.js'
import { byBytes, csvRecords, type Dialect, fileBytes, notUtf8, recordProblem, utf8 } from './csv-text.js'
import { filePart, groupBy, type LocalFile, type ReadHow } from './file-part.js'
import type { Compression, SourceOptions } from './files.js'
import { type RejectsFile, readRejects } from './line-file.js'
import type { Part, PartColumn } from './part.js'
import { assertWholeZstd, canDecompress, decompress, isUtf8, type Spool, transcode } from './spool.js'

export async function openCsv(files: readonly CsvFile[], options: SourceOptions, ctx: CsvContext): Promise<Part[]> {
  const dialect = dialectOf(options, ctx.format)
  const opened: OpenedCsv[] = []
  for (const file of files) {
    const plain = await plainText(file, options, ctx.spool)
    const header = options.header ?? (await readHeader(plain, dialect, options.skipRows ?? 0, ctx.engine))
    // An empty file has no rows, and no columns either.
    if (header !== undefined) opened.push({ file: plain, header })
  }
  const groups = groupBy(opened, ({ file, header }) => [header, file.compression])
  const parts: Part[] = []
  for (const group of groups) {
    const header = group[0]?.header ?? []
    const files = group.map(({ file }) => file)
    const { sound, repaired } = ctx.divert
      ? await partSound(files, header, options, dialect, ctx)
      : { sound: files, repaired: [] }
    if (sound.length > 0) parts.push(csvPart(sound, header, options, dialect))
    if (repaired.length > 0) parts.push(repairedPart(repaired, header, options, dialect))
  }
  return parts
}

export interface CsvFile extends LocalFile {
  compression: Compression
}

export interface CsvContext {
  engine: Engine
  spool: Spool
  format: 'csv' | 'tsv'
  divert: boolean
}

interface OpenedCsv {
  file: CsvFile
  header: string[]
}

function dialectOf(options: SourceOptions, format: 'csv' | 'tsv'): Dialect {
  const quote = options.quote ?? '"'
  const dialect = {
    delimiter: options.delimiter ?? (format === 'tsv' ? '\t' : ','),
    quote,
    escape: options.escape ?? quote,
  }
  if (dialect.delimiter === '' || Buffer.byteLength(dialect.delimiter) > 4 || /[\r\n]/.test(dialect.delimiter))
    throw new LakeError('invalid', 'a delimiter is 1 to 4 bytes, and no line break', { delimiter: dialect.delimiter })
  for (const [name, value] of [['quote', quote] as const, ['escape', dialect.escape] as const])
    if (Buffer.byteLength(value) > 1)
      throw new LakeError('invalid', `the ${name} is one ASCII character, or empty for none`, { [name]: value })
  return dialect
}

async function plainText(file: CsvFile, options: SourceOptions, spool: Spool): Promise<CsvFile> {
  const utf8 = isUtf8(options.encoding)
  if (utf8 && !canDecompress(file.compression)) {
    await assertWholeZstd(file)
    return file
  }
  const path = await decompress(file, file.compression, spool)
  const plain: CsvFile = { ...file, path, compression: 'none' }
  return utf8 ? plain : { ...plain, path: await transcode(plain, options.encoding ?? 'utf-8', spool) }
}

/** Names in the first record; `undefined` for a file without any. */
async function readHeader(
  file: CsvFile,
  dialect: Dialect,
  skipRows: number,
  engine: Engine,
): Promise<string[] | undefined> {
  const text = file.compression === 'none' ? fileBytes(file.path, skipRows) : firstLines(file, skipRows, engine)
  for await (const record of csvRecords(text, byBytes(dialect))) {
    if (record.broken !== undefined)
      throw new LakeError('invalid', `the header has ${record.broken}`, {
        file: file.name,
        fix: 'Say `--quote` or `--escape`.',
      })
    const names = record.fields.map((field) => utf8(field))
    if (!names.every((name) => name !== undefined)) throw notUtf8(file.name)
    assertHeader(names, file.name)
    return names
  }
  return undefined
}

function assertHeader(names: string[], file: string): void {
  const only = names.length === 1 ? (names[0] ?? '') : ''
  const inside = [';', '|', '\t'].find((delimiter) => only.includes(delimiter))
  if (inside !== undefined) {
    const shown = inside === '\t' ? '\\t' : inside
    throw new LakeError('invalid', `the header is one column and contains \`${shown}\``, {
      file,
      column: only,
      fix: `Say \`--delimiter '${shown}'\` if that is what separates the columns, else name them with \`--header\` and \`--skip-rows\`.`,
    })
  }
  assertColumnNames(names, { file })
}

/** What cannot be decompressed here, DuckDB reads line by line. */
async function* firstLines(file: CsvFile, skipRows: number, engine: Engine): AsyncGenerator<string> {
  const lines = `read_csv(${quoteGlobFree(file.path)}, auto_detect=false, columns={'l': 'VARCHAR'}, delim='\u0001', quote='', escape='', header=false, compression='zstd', ${limits})`
  const rows = await engine.rows(`SELECT coalesce(l, '') AS l FROM ${lines} LIMIT ${skipRows + 100}`)
  for (const [index, row] of rows.entries())
    if (index >= skipRows) yield Buffer.from(`${String(row.l)}\n`).toString('latin1')
}

function csvPart(files: CsvFile[], header: string[], options: SourceOptions, dialect: Dialect): Part {
  // DuckDB, told to read serially, passes over a quote that does not close: it may, once there is none.
  const prove = async (): Promise<void> => {
    for (const file of files) {
      const problem = await findProblem(file, header, options, dialect)
      if (problem !== undefined) throw problem
    }
  }
  return filePart({
    files,
    columns: header.map((name) => column(name, options.nullText ?? [])),
    reader: (of, how) => readCsvSql(of as CsvFile[], header, options, dialect, how),
    ...(files.every((file) => file.compression === 'none') ? { prove } : {}),
    rename: options.rename ?? {},
    explain: (message) => explain(message, files, header, options, dialect),
  })
}

/** Files that DuckDB reads as they are, and copies without their bad rows of those that it does not. */
async function partSound(
  files: CsvFile[],
  header: string[],
  options: SourceOptions,
  dialect: Dialect,
  { engine, spool }: CsvContext,
): Promise<{ sound: CsvFile[]; repaired: RepairedFile[] }> {
  const sound: CsvFile[] = []
  const repaired: RepairedFile[] = []
  for (const file of files) {
    try {
      await engine.rows(
        `SELECT count(COLUMNS(*)) FROM ${readCsvSql([file], header, options, dialect, { serial: false })}`,
      )
      sound.push(file)
    } catch (error) {
      const message = error instanceof Error ? error.message : ''
      if (file.compression !== 'none' || !message.includes('CSV')) throw error
      const layout = { dialect, skipLines: options.skipRows ?? 0, hasHeader: options.header === undefined }
      repaired.push({ ...file, ...(await repairCsv(file, header.length, layout, spool)) })
    }
  }
  return { sound, repaired }
}

interface RepairedFile extends CsvFile {
  rejects: RejectsFile
}

function repairedPart(files: RepairedFile[], header: string[], options: SourceOptions, dialect: Dialect): Part {
  const layout = { ...options, header, skipRows: 0 }
  return filePart({
    files,
    columns: header.map((name) => column(name, options.nullText ?? [])),
    reader: (of, how) => readCsvSql(of as CsvFile[], [rowColumn, ...header], layout, dialect, how),
    serial: true,
    rename: options.rename ?? {},
    rowNumber: `CAST(${rowColumn} AS BIGINT)`,
    rejects: readRejects(files.map((file) => file.rejects)),
  })
}

const rowColumn = '__lw_number'

function column(name: string, nullText: readonly string[]): PartColumn {
  const ident = quoteIdent(name)
  const sql =
    nullText.length === 0
      ? ident
      : `CASE WHEN ${ident} IN (${nullText.map(quoteText).join(', ')}) THEN NULL ELSE ${ident} END`
  return { name, kind: 'untyped', type: { kind: 'varchar' }, sql }
}

/** A line may be as long as a buffer; both sizes are DuckDB's for buffers. */
const limits = 'max_line_size=33554432, buffer_size=33554432'

/** `new_line` is left to DuckDB on purpose: told `\r\n` it answers no rows at all, left alone it refuses a mixture. */
function readCsvSql(
  files: readonly CsvFile[],
  header: string[],
  options: SourceOptions,
  dialect: Dialect,
  { pathColumn, serial }: ReadHow,
): string {
  const settings = [
    'auto_detect=false',
    `columns={${header.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(', ')}}`,
    `delim=${quoteText(dialect.delimiter)}`,
    `quote=${quoteText(dialect.quote)}`,
    `escape=${quoteText(dialect.quote === '' ? '' : dialect.escape)}`,
    `header=${options.header === undefined}`,
    `skip=${options.skipRows ?? 0}`,
    `compression='${files[0]?.compression ?? 'none'}'`,
    `nullstr=['']`,
    'allow_quoted_nulls=false',
    'null_padding=false',
    'strict_mode=true',
    `comment=''`,
    'hive_partitioning=false',
    'union_by_name=false',
    `parallel=${!serial}`,
    limits,
    ...(pathColumn === undefined ? [] : [`filename=${quoteText(pathColumn)}`]),
  ]
  return `read_csv([${files.map((file) => quoteGlobFree(file.path)).join(', ')}], ${settings.join(', ')})`
}

/** Lines that DuckDB counts before the first row. */
function linesBefore(options: SourceOptions): number {
  return (options.skipRows ?? 0) + (options.header === undefined ? 1 : 0)
}

async function explain(
  message: string,
  files: CsvFile[],
  header: string[],
  options: SourceOptions,
  dialect: Dialect,
): Promise<LakeError | undefined> {
  const path = /^ {2}file = (.*)$/m.exec(message)?.[1]
  const file = files.find((one) => one.path === path)
  if (file === undefined) return undefined
  const line = /CSV Error on Line: (\d+)/.exec(message)?.[1]
  const row = line === undefined ? undefined : Number(line) - linesBefore(options)
  const counts = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message)
  if (counts !== null)
    return new LakeError('invalid', `the row has ${counts[2]} values, the header ${counts[1]}`, {
      file: file.name,
      row,
      fix: 'Correct the row, say how values are quoted (`--quote`, `--escape`), or divert such rows with `--on-reject divert`.',
    })
  if (message.includes('Invalid unicode')) return notUtf8(file.name, row)
  if (message.includes('Maximum line size'))
    return new LakeError('invalid', 'a row is longer than 32 MB, probably because a quote does not close', {
      file: file.name,
      row,
      fix: 'Say how values are quoted with `--quote` and `--escape`.',
    })
  return (await findProblem(file, header, options, dialect)) ?? badQuote(file, row)
}

function badQuote(file: CsvFile, row: number | undefined): LakeError {
  return new LakeError('invalid', 'a quote does not close, or text follows a closing quote', {
    file: file.name,
    row,
    fix: 'Say how values are quoted with `--quote` and `--escape`, or divert such rows with `--on-reject divert`.',
  })
}

/** DuckDB does not always say where, nor notice: read the file once more, by hand. */
async function findProblem(
  file: CsvFile,
  header: string[],
  options: SourceOptions,
  dialect: Dialect,
): Promise<LakeError | undefined> {
  if (file.compression !== 'none') return undefined
  const bytesDialect = byBytes(dialect)
  let row = options.header === undefined ? -1 : 0
  let first: string | undefined
  for await (const record of csvRecords(fileBytes(file.path, options.skipRows ?? 0), bytesDialect)) {
    if (record.raw !== '' || header.length === 1) row++
    else if (record.ending === (first ?? record.ending)) continue
    first ??= record.ending
    const problem = row === 0 ? undefined : recordProblem(record, header.length, bytesDialect)
    const where = { file: file.name, row }
    if (problem === 'the bytes are not UTF-8') return notUtf8(file.name, row)
    if (problem !== undefined)
      return new LakeError('invalid', problem, {
        ...where,
        fix: 'Correct the row, say how values are quoted (`--quote`, `--escape`), or divert such rows with `--on-reject divert`.',
      })
    if (record.ending !== '' && record.ending !== first)
      return new LakeError('invalid', `the line ends with ${shown(record.ending)}, those before with ${shown(first)}`, {
        ...where,
        fix: 'Give all rows the same line breaks, e.g. with `dos2unix`, or quote values that contain one.',
      })
  }
  return undefined
}

function shown(ending: string): string {
  return ending.replace('\r', 'CR').replace('\n', 'LF')
}
