/**
 * Debezium's change events as parts. Every document is seen through once (`debezium/event.ts`); of each the row goes into a
 * copy, one file per schema, with what happened to it before its own members:
 *
 *   {"__lw_seq":7,"__lw_op":"u","__lw_order":"24023128","__lw_keys":"110","id":1,"name":"Ada"}
 *
 * Rows that came with a schema have its types (`debezium/connect.ts`); of the others shapes are learnt as of any JSON. Folders
 * above the files are the transport's, and no columns.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Engine } from '../engine/port.js'
import { quoteIdent, quotePath, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { toSql } from '../schema/duckdb.js'
import { misfitSql } from '../schema/misfit.js'
import type { LakeType } from '../schema/types.js'
import { rowEncoding } from './debezium/connect.js'
import { type Event, EventReader, isMetadata, type SchemaAt, type Span } from './debezium/event.js'
import type { OrderLog } from './debezium/order.js'
import { ConnectRowReader, type Edit, edited } from './debezium/row.js'
import { withoutUnavailable } from './debezium/unavailable.js'
import type { LocalFile } from './file-part.js'
import type { Compression, SourceOptions } from './files.js'
import { asJson, brokenRow, fieldsIn, located, plainPath } from './json.js'
import { jsonDocuments } from './json-documents.js'
import { JsonProblem, JsonScanner } from './json-scan.js'
import { newShape, ShapeReader } from './json-shape.js'
import { LineFile, objectBytes, readRejects } from './line-file.js'
import type { OrderedScan, Part, PartColumn } from './part.js'
import { placeSql, sequenceOf } from './sequence.js'
import type { Spool } from './spool.js'

export async function openDebezium(
  files: readonly EventFile[],
  options: SourceOptions,
  ctx: DebeziumContext,
): Promise<Part[]> {
  const copies = new Copies(ctx)
  for (const file of files) await readFile(file, options, copies, ctx)
  await copies.close()
  copies.refuseLostDeletes(files)
  return copies.parts(files, options)
}

export type EventFile = LocalFile & { compression: Compression }

export interface DebeziumContext {
  engine: Engine
  spool: Spool
  divert: boolean
  /** The type that a column of the row shall get, by its name in the events; undefined where nothing says it. */
  wanted(name: string): LakeType | undefined
  /** Of all inputs of the load. */
  orders: OrderLog
}

async function readFile(file: EventFile, options: SourceOptions, copies: Copies, ctx: DebeziumContext): Promise<void> {
  const path = await plainPath(file, options, ctx)
  const layout = await layoutOf(path)
  let row = 0
  for await (const piece of jsonDocuments(createReadStream(path, { highWaterMark: 1 << 20 }), layout)) {
    for (const document of located(piece, file, () => row + 1)) {
      row++
      try {
        copies.take(document, file, row)
      } catch (error) {
        if (!(error instanceof JsonProblem)) throw error
        if (!ctx.divert) throw brokenRow(error, file, row)
        copies.reject(document, file, row, error)
      }
    }
    await copies.flush()
  }
}

/** Copies of the rows, by the schema that they came with. */
class Copies {
  private readonly events = new EventReader()
  private readonly byGroup = new Map<string, Copy>()
  private readonly rejected: LineFile | undefined
  private ignored = 0
  private tombstones = 0
  /** Unwrapped rows of which nothing says whether they are deleted. */
  private unmarked = 0

  constructor(private readonly ctx: DebeziumContext) {
    this.rejected = ctx.divert ? new LineFile(ctx.spool.path('.rejects.ndjson')) : undefined
  }

  /** @throws JsonProblem */
  take({ bytes, start, end }: Span, file: LocalFile, row: number): void {
    const event = this.events.read(bytes, start, end)
    if (event.kind === 'ignored') {
      this.ignored++
      if (event.isTombstone) this.tombstones++
      return
    }
    if (event.kind === 'row' && event.flat?.isMarked === false) this.unmarked++
    const copy = this.copyOf(event)
    const line = copy.lineOf(event, row)
    this.ctx.orders.note(event.order, file.name, row)
    copy.lines.write(withEvent(line, event, sequenceOf(file.ordinal ?? 0, row)))
  }

  reject({ bytes, start, end }: Span, file: LocalFile, row: number, problem: JsonProblem): void {
    const raw = asJson(bytes.toString('utf8', start, end))
    this.rejected?.write(Buffer.from(JSON.stringify({ file: file.name, row, reason: problem.message, raw })))
  }

  async flush(): Promise<void> {
    for (const { lines } of this.byGroup.values()) await lines.flush()
    await this.rejected?.flush()
  }

  async close(): Promise<void> {
    // Without any event there is a part all the same: it says how many lines were ignored or rejected.
    if (this.byGroup.size === 0) this.copyOf({ kind: 'truncate', order: undefined, schema: undefined })
    for (const { lines } of this.byGroup.values()) await lines.close()
    await this.rejected?.close()
  }

  /** Rows that do not say whether they are deleted, and tombstones: these may be all there is of a delete. */
  refuseLostDeletes(files: readonly EventFile[]): void {
    if (this.tombstones === 0 || this.unmarked === 0) return
    throw new LakeError('invalid', 'the unwrapped events delete rows by tombstones alone, which say no order', {
      file: files[0]?.name,
      tombstones: this.tombstones,
      fix: 'Let ExtractNewRecordState rewrite deletes (`delete.tombstone.handling.mode=rewrite`) and add its metadata (`add.fields=op,source.lsn`).',
    })
  }

  parts(files: readonly EventFile[], options: SourceOptions): Part[] {
    const rejected = this.rejected === undefined ? {} : { rejects: readRejects([this.rejected]) }
    return [...this.byGroup.values()].map((copy, index) => {
      const columns = copy.columns(files)
      const isFirst = index === 0
      const part = partOf(copy.lines, columns, files, options)
      return { ...part, events: { ignored: isFirst ? this.ignored : 0 }, ...(isFirst ? rejected : {}) }
    })
  }

  private copyOf(event: Exclude<Event, { kind: 'ignored' }>): Copy {
    const { schema } = event
    const isFlat = event.kind === 'row' && event.flat !== undefined
    const id = schema === undefined ? '' : `${schema.index} ${schema.of} ${isFlat}`
    const known = this.byGroup.get(id)
    if (known !== undefined) return known
    const lines = new LineFile(this.ctx.spool.path('.events.ndjson'))
    const copy = schema === undefined ? new PlainCopy(lines, this.ctx) : this.typedCopy(lines, schema, isFlat)
    this.byGroup.set(id, copy)
    return copy
  }

  private typedCopy(lines: LineFile, { index, of }: SchemaAt, isFlat: boolean): Copy {
    return new TypedCopy(lines, rowEncoding(this.events.schemas[index] as Buffer, of, isFlat, this.ctx.wanted))
  }
}

type RowEvent = Exclude<Event, { kind: 'ignored' }>

interface Line {
  /** The row's, without braces. */
  members: Buffer
  keys: string
}

interface Copy {
  lines: LineFile
  /** @throws JsonProblem */
  lineOf(event: RowEvent, row: number): Line
  columns(files: readonly LocalFile[]): CopyColumn[]
}

type CopyColumn = PartColumn & { read: string }

const noMembers: Line = { members: Buffer.alloc(0), keys: '' }

/** Rows that came with a schema. */
class TypedCopy implements Copy {
  private readonly reader: ConnectRowReader

  constructor(
    readonly lines: LineFile,
    private readonly encoding: ReturnType<typeof rowEncoding>,
  ) {
    this.reader = new ConnectRowReader(encoding)
  }

  lineOf(event: RowEvent): Line {
    return event.kind === 'row' ? this.reader.read(event.row) : noMembers
  }

  columns(): CopyColumn[] {
    return this.encoding.fields.map(({ name, encoding: { type, read, value } }, place) => {
      const column = quoteIdent(name)
      return { name, kind: 'typed', type, sql: value?.(column, 0) ?? column, place, read }
    })
  }
}

/** Rows without a schema: what they are shows over all of them. */
class PlainCopy implements Copy {
  private readonly reader: ShapeReader
  private hasMetadata = false

  constructor(
    readonly lines: LineFile,
    private readonly ctx: DebeziumContext,
  ) {
    this.reader = new ShapeReader(newShape(), {
      isEmpty: false,
      has: (name) => ['decimal', 'varchar'].includes(ctx.wanted(name)?.kind ?? ''),
    })
  }

  lineOf(event: RowEvent, row: number): Line {
    if (event.kind !== 'row') return noMembers
    this.hasMetadata ||= event.flat !== undefined
    const { bytes, start, end } = withoutUnavailable(event.row)
    this.reader.read(bytes, start, end, row)
    return { members: membersOf(bytes, start, end, this.reader.quotedRanges), keys: this.reader.keys() }
  }

  columns(files: readonly LocalFile[]): CopyColumn[] {
    return fieldsIn(this.reader, files).flatMap(({ name, type }, place) => {
      if (this.hasMetadata && isMetadata(name)) return []
      return [{ ...plainColumn(name, type, this.ctx.wanted(name), files), place, read: toSql(type) }]
    })
  }
}

function plainColumn(
  name: string,
  type: LakeType,
  wanted: LakeType | undefined,
  files: readonly LocalFile[],
): PartColumn {
  const sql = quoteIdent(name)
  const column: PartColumn = { name, kind: 'typed', type, sql }
  const isNumber = type.kind === 'bigint' || type.kind === 'double'
  if (isNumber && wanted?.kind === 'timestamp') throw ambiguousTime(name, files)
  // All that Debezium writes for a date is the number of its day.
  if (type.kind === 'bigint' && wanted?.kind === 'date')
    return { ...column, type: { kind: 'date' }, sql: dateSql(name, sql) }
  if (type.kind === 'varchar' && wanted?.kind === 'decimal') return { ...column, hint: decimalHint }
  return column
}

function dateSql(name: string, x: string): string {
  const misfit = misfitSql({ column: name, type: 'date', reason: 'days since 1970 of the years 0001 to 9999' }, x)
  const day = `DATE '1970-01-01' + CAST(${x} AS INTEGER)`
  return `CASE WHEN ${x} IS NULL THEN NULL WHEN ${x} BETWEEN -719162 AND 2932896 THEN ${day} ELSE ${misfit} END`
}

const decimalHint =
  'Debezium writes decimals as base64 unless `decimal.handling.mode` is `string`, and only the schema of the event tells their scale'

function ambiguousTime(column: string, files: readonly LocalFile[]): LakeError {
  return new LakeError('invalid', 'without a schema a number does not say which time it is: ms, µs or ns', {
    ...(files.length === 1 ? { file: files[0]?.name } : {}),
    column,
    fix: `Send the events with their schemas (\`value.converter.schemas.enable=true\`), or \`--rename "${column}=${column}_us" --derive "${column}=make_timestamp(${column}_us)"\`.`,
  })
}

function partOf(lines: LineFile, columns: CopyColumn[], files: readonly LocalFile[], options: SourceOptions): Part {
  const ofEvents = { __lw_seq: 'BIGINT', __lw_op: 'VARCHAR', __lw_order: 'VARCHAR', __lw_keys: 'VARCHAR' }
  const reads = [...columns.map(({ name, read }) => [name, read] as const), ...Object.entries(ofEvents)]
  const reader =
    `read_json([${quotePath(lines.path)}], format='newline_delimited', records=true, auto_detect=false, ` +
    `columns={${reads.map(([name, read]) => `${quoteText(name)}: ${quoteText(read)}`).join(', ')}}, ` +
    `compression='uncompressed', maximum_object_size=${objectBytes([lines.longestBytes])}, hive_partitioning=false)`
  const { ordinal, row } = placeSql('__lw_seq')
  const firstOrdinal = files[0]?.ordinal ?? 0
  const names = `[${files.map(({ name }) => quoteText(name)).join(', ')}]`
  const places = [`${names}[${ordinal} - ${firstOrdinal} + 1] AS __lw_file`, `${row} AS __lw_row`]
  const own = columns.map(({ name }) => quoteIdent(name))
  const select = (more: readonly string[]) => `SELECT ${[...more, ...own].join(', ')} FROM ${reader}`
  const ordered = (): OrderedScan => {
    const more = Object.keys(ofEvents)
    return { scan: select(more), scanWithPlaces: select([...places, ...more]), hasKeys: true }
  }
  return {
    columns: columns.map(({ read, ...column }) => column),
    scan: select(own.length === 0 ? ['1'] : []),
    scanWithPlaces: select(places),
    ordered,
    replayable: true,
    label: files[0]?.name ?? '',
    rename: options.rename ?? {},
  }
}

/** The line of the copy. */
function withEvent({ members, keys }: Line, event: RowEvent, sequence: bigint): Buffer {
  const op = event.kind === 'truncate' ? 't' : event.op
  const { order } = event
  const orderMember = order === undefined ? '' : `"__lw_order":"${order.value}",`
  // A name begins with a quote: without one there are only blanks.
  const comma = members.includes(0x22) ? ',' : ''
  const head = `{"__lw_seq":${sequence},"__lw_op":"${op}",${orderMember}"__lw_keys":"${keys}"${comma}`
  return onOneLine(Buffer.concat([Buffer.from(head), members, closing]))
}

/** Line breaks stand only between tokens. */
function onOneLine(line: Buffer): Buffer {
  if (!line.includes(0x0a) && !line.includes(0x0d)) return line
  for (let at = 0; at < line.length; at++) if (line[at] === 0x0a || line[at] === 0x0d) line[at] = 0x20
  return line
}

/** The row between its braces, with the numbers quoted that are kept as text. */
function membersOf(bytes: Buffer, start: number, end: number, quoted: readonly number[]): Buffer {
  const edits: Edit[] = []
  for (let i = 0; i + 1 < quoted.length; i += 2) {
    const [from = 0, to = 0] = quoted.slice(i, i + 2)
    edits.push({ start: from, end: to, text: `"${bytes.toString('latin1', from, to)}"` })
  }
  return edited(bytes, start + 1, end - 1, edits)
}

/** An array, or documents of several lines, or one document a line: as the first of them shows. */
async function layoutOf(path: string): Promise<'json' | 'ndjson'> {
  const beginning = (await firstBytes(path)).toString('utf8').replace(/^\uFEFF?\s*/, '')
  if (beginning.startsWith('[')) return 'json'
  const [, line, next] = /^([^\n]*)\n\s*(\S)/.exec(beginning) ?? []
  if (line === undefined || next === '{' || next === 'n') return 'ndjson'
  return new DocumentScanner().isWhole(line) ? 'ndjson' : 'json'
}

async function firstBytes(path: string): Promise<Buffer> {
  const handle = await open(path)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1 << 18), 0, 1 << 18, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

class DocumentScanner extends JsonScanner {
  isWhole(text: string): boolean {
    const bytes = Buffer.from(text)
    try {
      this.begin(bytes, 0, bytes.length)
      this.skip()
      return true
    } catch {
      return false
    }
  }
}

const closing = Buffer.from('}')
