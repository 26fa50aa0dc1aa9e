/**
 * JSON files as parts. One pass over the bytes in JavaScript proves them and learns their shape over all rows
 * (`json-shape.ts`); then DuckDB reads them with exactly those types. The file itself is read where it is plain NDJSON and
 * nothing is to be changed, else a copy in the spool folder:
 *
 *   .json (an array, or objects one after the other)   one object per line
 *   numbers asked for as decimal or varchar            in quotes, so that no digit is lost
 *   rows that are diverted                             left out, and kept in a file of their own
 */
import { createReadStream } from 'node:fs'
import type { Engine } from '../engine/port.js'
import { quoteGlobFree, quoteIdent, quotePath, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { toSql } from '../schema/duckdb.js'
import type { Field } from '../schema/types.js'
import { filePart, type LocalFile } from './file-part.js'
import type { Compression, SourceOptions } from './files.js'
import { jsonDocuments } from './json-documents.js'
import { JsonProblem } from './json-scan.js'
import { fieldsOfShape, type NameSet, NumberProblem, newShape, ShapeReader } from './json-shape.js'
import { LineFile, objectBytes, readRejects } from './line-file.js'
import type { Part } from './part.js'
import { sequenceOf } from './sequence.js'
import { assertWholeZstd, canDecompress, decompress, isUtf8, type Spool, transcode } from './spool.js'

export async function openJson(
  files: readonly (LocalFile & { compression: Compression })[],
  options: SourceOptions,
  ctx: JsonContext,
): Promise<Part[]> {
  const reader = new ShapeReader(newShape(), ctx.quoteNumbersOf)
  const scanned: ScannedFile[] = []
  for (const file of files) scanned.push(await scanFile(file, options, reader, ctx))
  const fields = fieldsIn(reader, scanned)
  if (fields.length === 0) return []
  const longest = scanned.reduce((most, file) => Math.max(most, file.longestBytes), 0)
  const groups = new Map<string, ScannedFile[]>()
  for (const file of scanned) {
    const id = JSON.stringify(Object.keys(file.folders))
    groups.set(id, [...(groups.get(id) ?? []), file])
  }
  return [...groups.values()].map((group) => jsonPart(group, fields, longest, options, ctx.absent))
}

export interface JsonContext {
  engine: Engine
  spool: Spool
  format: 'json' | 'ndjson'
  divert: boolean
  /** Columns whose numbers are read as text, because a decimal or text is wanted. */
  quoteNumbersOf: NameSet
  /** Say of each row where it stands and which columns it has. */
  absent: boolean
}

interface ScannedFile extends LocalFile {
  longestBytes: number
  rejects: LineFile | undefined
}

function jsonPart(
  files: ScannedFile[],
  fields: Field[],
  longest: number,
  options: SourceOptions,
  absent: boolean,
): Part {
  const kept = absent ? [...fields, ...orderFields] : fields
  const columns = kept.map(({ name, type }) => `${quoteText(name)}: ${quoteText(toSql(type))}`).join(', ')
  const rejected = files.flatMap((file) => (file.rejects === undefined ? [] : [file.rejects]))
  return filePart({
    files,
    columns: fields.map(({ name, type }, place) => ({ name, kind: 'typed', type, sql: quoteIdent(name), place })),
    ...(absent ? { ordered: { columns: orderFields.map(({ name }) => name), hasKeys: true } } : {}),
    reader: (of, { pathColumn }) =>
      `read_json([${of.map((file) => quoteGlobFree(file.path)).join(', ')}], format='newline_delimited', records=true, auto_detect=false, ` +
      `columns={${columns}}, compression='uncompressed', maximum_object_size=${objectBytes([longest])}, hive_partitioning=false${pathColumn === undefined ? '' : `, filename=${quoteText(pathColumn)}`})`,
    rename: options.rename ?? {},
    ...(rejected.length === 0 ? {} : { rejects: readRejects(rejected) }),
  })
}

/** In the copies, before the members of the row. */
const orderFields: Field[] = [
  { name: '__lw_seq', type: { kind: 'bigint' }, nullable: true },
  { name: '__lw_keys', type: { kind: 'varchar' }, nullable: true },
]

export function fieldsIn(reader: ShapeReader, files: readonly LocalFile[]): Field[] {
  const where = files.length === 1 ? { file: files[0]?.name } : {}
  try {
    return fieldsOfShape(reader.root, '')
  } catch (error) {
    if (!(error instanceof NumberProblem)) throw error
    const { path, notBigint, notDouble } = error
    throw new LakeError('invalid', 'numbers of the column fit neither bigint nor, exactly, double', {
      ...where,
      column: path,
      row: notDouble.row,
      value: notDouble.text.slice(0, 100),
      ...(notBigint.row === notDouble.row ? {} : { besides: notBigint.text.slice(0, 100) }),
      fix: `Declare what it shall be, e.g. \`--types "${path}=decimal(38,10)"\` or \`--types "${path}=varchar"\`.`,
    })
  }
}

async function scanFile(
  file: LocalFile & { compression: Compression },
  options: SourceOptions,
  reader: ShapeReader,
  ctx: JsonContext,
): Promise<ScannedFile> {
  const path = await plainPath(file, options, ctx)
  const asItIs =
    ctx.format === 'ndjson' && !ctx.divert && !ctx.absent && ctx.quoteNumbersOf.isEmpty && !(await hasMark(path))
  const copy = asItIs ? undefined : new LineFile(ctx.spool.path('.ndjson'))
  const rejected = ctx.divert ? new LineFile(ctx.spool.path('.rejects.ndjson')) : undefined
  let row = 0
  let longestBytes = 0
  for await (const piece of jsonDocuments(createReadStream(path, { highWaterMark: 1 << 20 }), ctx.format)) {
    for (const { bytes, start, end } of located(piece, file, () => row + 1)) {
      row++
      longestBytes = Math.max(longestBytes, end - start)
      try {
        if (rejected !== undefined) assertReadable(bytes, start, end)
        reader.read(bytes, start, end, row)
        const line = copy && oneLine(bytes, start, end, reader.quotedRanges)
        if (line) copy.write(ctx.absent ? withOrder(line, sequenceOf(file.ordinal ?? 0, row), reader.keys()) : line)
      } catch (error) {
        if (!(error instanceof JsonProblem)) throw error
        if (rejected === undefined) throw brokenRow(error, file, row)
        const raw = asJson(bytes.subarray(start, end).toString('utf8'))
        rejected.write(Buffer.from(JSON.stringify({ file: file.name, row, reason: error.message, raw })))
      }
    }
    await copy?.flush()
    await rejected?.flush()
  }
  await copy?.close()
  await rejected?.close()
  return { ...file, path: copy?.path ?? path, longestBytes: copy?.longestBytes ?? longestBytes, rejects: rejected }
}

/** What is wrong between the documents, with its place. */
export function* located<T>(documents: Iterable<T>, file: LocalFile, row: () => number): Generator<T> {
  try {
    yield* documents
  } catch (error) {
    throw error instanceof JsonProblem ? brokenRow(error, file, row()) : error
  }
}

/** What is diverted must not leave half of its columns behind: look before merging. */
function assertReadable(bytes: Buffer, start: number, end: number): void {
  try {
    JSON.parse(bytes.toString('utf8', start, end))
  } catch {
    throw new JsonProblem('the JSON is broken')
  }
}

export function asJson(raw: string): string {
  try {
    JSON.parse(raw)
    return raw
  } catch {
    return JSON.stringify(raw)
  }
}

export function brokenRow(problem: JsonProblem, file: LocalFile, row: number): LakeError {
  return new LakeError('invalid', problem.message, {
    file: file.name,
    row,
    fix: problem.fix ?? 'Correct the row, or divert such rows with `--on-reject divert`.',
  })
}

export async function plainPath(
  file: LocalFile & { compression: Compression },
  options: SourceOptions,
  { engine, spool }: Pick<JsonContext, 'engine' | 'spool'>,
): Promise<string> {
  let { path } = file
  if (canDecompress(file.compression)) path = await decompress(file, file.compression, spool)
  else {
    await assertWholeZstd(file)
    path = await decompressByEngine(file, engine, spool)
  }
  if (isUtf8(options.encoding)) return path
  return transcode({ path, name: file.name }, options.encoding ?? 'utf-8', spool)
}

/**
 * Line by line: JSON has no raw line breaks and no U+0001 within strings, so that nothing is lost.
 */
async function decompressByEngine(file: LocalFile, engine: Engine, spool: Spool): Promise<string> {
  const to = spool.path('.plain')
  const lines =
    `read_csv(${quoteGlobFree(file.path)}, auto_detect=false, columns={'l': 'VARCHAR'}, delim='\u0001', quote='', escape='', header=false, ` +
    `compression='zstd', max_line_size=33554432, buffer_size=33554432, strict_mode=false)`
  await engine.run(
    `COPY (SELECT l FROM ${lines}) TO ${quotePath(to)} (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\u0001', COMPRESSION 'none')`,
  )
  return to
}

async function hasMark(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path, { end: 2 })) return (chunk as Buffer).toString('hex') === 'efbbbf'
  return false
}

function oneLine(bytes: Buffer, start: number, end: number, quoted: readonly number[]): Buffer {
  const pieces: Buffer[] = []
  let from = start
  for (let i = 0; i < quoted.length; i += 2) {
    const first = quoted[i] ?? from
    const last = quoted[i + 1] ?? first
    pieces.push(bytes.subarray(from, first), quote, bytes.subarray(first, last), quote)
    from = last
  }
  pieces.push(bytes.subarray(from, end))
  const line = Buffer.concat(pieces)
  // Line breaks stand only between tokens.
  for (let at = 0; at < line.length; at++) if (line[at] === 0x0a || line[at] === 0x0d) line[at] = 0x20
  return line
}

/** `{"a":1}` as `{"__lw_seq":7,"__lw_keys":"1","a":1}` */
function withOrder(line: Buffer, sequence: bigint, keys: string): Buffer {
  const isEmpty = !keys.includes('1')
  return Buffer.concat([
    Buffer.from(`{"__lw_seq":${sequence},"__lw_keys":"${keys}"${isEmpty ? '' : ','}`),
    line.subarray(1),
  ])
}

const quote = Buffer.from('"')
