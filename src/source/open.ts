/**
 * From what users pass to one schema and one SELECT: find the files, open each by its kind, unite the parts, decide the types.
 * What is proved while the load reads, and what happens when a proof fails, is `refine`.
 */
import { Readable } from 'node:stream'
import type { RecordBatch, Table } from 'apache-arrow'
import { quoteIdent, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { reconcile } from '../schema/evolve.js'
import { fitCastSql } from '../schema/fit.js'
import { type Misfit, misfitSql, parseMisfit } from '../schema/misfit.js'
import { foldName, nearMiss, sameName, typeName } from '../schema/names.js'
import type { LakeType, Schema } from '../schema/types.js'
import { type Column, parseTypes, planColumns, typeNow, wantedType } from './columns.js'
import { type Composition, composeRejects, composeSelect, nullOf, orderColumns } from './compose.js'
import { openCsv } from './csv.js'
import { OrderLog, orderType } from './debezium/order.js'
import { spoolRows } from './debezium/spool-rows.js'
import { openDebezium } from './debezium.js'
import { type Derived, planDerived } from './derive.js'
import { type FileSource, files, isFileSource } from './files.js'
import { fittedSql, fitValue } from './fit.js'
import { inferExactly, propose } from './infer.js'
import { openJson } from './json.js'
import type { NameSet } from './json-shape.js'
import { type FoundFile, locate } from './locate.js'
import { describeMisfits } from './misfits.js'
import { openParquet } from './parquet.js'
import type { Part } from './part.js'
import type { Input, InputEvents, OpenInputContext, ReadingSettings } from './port.js'
import { openSpool, type Spool } from './spool.js'
import { openArrowFile, openStream, type Rows, type StreamContext } from './stream.js'

/** @throws LakeError invalid, naming file, row and column where they are known */
export async function openInput(
  inputs: readonly LoadInput[],
  reading: ReadingSettings,
  ctx: OpenInputContext,
): Promise<Input> {
  const id = ctx.runtime.uuid().replaceAll('-', '').slice(0, 12)
  const opening: Opening = {
    reading: withTypesOf(inputs, reading),
    ctx,
    id: `lw_${id}`,
    spool: openSpool(ctx.spoolFolder, `in-${id}`, ctx.signal),
    // One stream on its own is read once, as it comes, unless its values decide about types.
    replay:
      ctx.onReject === 'divert' ||
      inputs.length > 1 ||
      (ctx.evolve && ctx.tableSchema !== undefined) ||
      ctx.absent === true,
    removals: [],
    labels: [],
    orders: new OrderLog(),
  }
  try {
    const parts: Part[] = []
    for (const [index, input] of inputs.entries()) parts.push(...(await openOne(input, index, opening)))
    const columns = planColumns(parts, opening.reading, ctx)
    const composition = compositionOf(parts, columns, opening)
    assertSupplied(composition, opening)
    await scanning(parts, () => propose(composition, ctx.engine, ctx.sampleRows ?? 20_000, ctx.signal))
    const input = new OpenedInput(composition, opening)
    await input.compose()
    return input
  } catch (error) {
    await removeAll(opening)
    throw error
  }
}

/** A path, glob, folder or URL; a file source; a stream of bytes; rows or Arrow batches. */
export type LoadInput = string | URL | FileSource | Readable | Rows | Table | RecordBatch

interface Opening {
  reading: ReadingSettings
  ctx: OpenInputContext
  id: string
  spool: Spool
  replay: boolean
  removals: (() => Promise<void>)[]
  /** What to call files and streams; the index is their ordinal. */
  labels: string[]
  /** By what the change events of all inputs are ordered. */
  orders: OrderLog
}

function compositionOf(parts: Part[], columns: Column[], { ctx, labels, orders }: Opening): Composition {
  const divert = ctx.onReject === 'divert'
  const composition: Composition = { parts, columns, divert, absent: ctx.absent === true, labels }
  const other = parts.find(({ events }) => events === undefined)
  if (other === undefined && parts.length > 0) return { ...composition, orderType: orderType(orders.kind) }
  const debezium = parts.find(({ events }) => events !== undefined)
  if (debezium === undefined) return composition
  throw new LakeError('invalid', 'of the inputs of one load some are Debezium events and others are not', {
    events: debezium.label,
    other: other?.label,
    fix: 'Load them one after the other.',
  })
}

class OpenedInput implements Input {
  schema: Schema = []
  select = ''
  typedBy: Input['typedBy'] = {}
  supplied: string[] = []
  sample?: string
  readonly replayable: boolean
  readonly columnar: boolean

  constructor(
    private readonly composition: Composition,
    private readonly opening: Opening,
  ) {
    this.replayable = composition.parts.every((part) => part.replayable)
    this.columnar = composition.parts.every((part) => part.columnar === true) && !opening.ctx.absent
  }

  get events(): InputEvents | undefined {
    const { orderType, parts } = this.composition
    if (orderType === undefined) return undefined
    const ignored = parts.reduce((sum, { events }) => sum + (events?.ignored ?? 0), 0)
    return { orderType, orderKind: this.opening.orders.kind, ignored: `SELECT CAST(${ignored} AS BIGINT) AS n` }
  }

  get parquetFiles(): readonly string[] {
    const { parts } = this.composition
    return parts.every((part) => part.parquetFiles !== undefined)
      ? parts.flatMap((part) => part.parquetFiles ?? [])
      : []
  }

  get rejects(): string | undefined {
    return this.composition.divert ? composeRejects(this.composition) : undefined
  }

  /** Schema and SELECT for the types as they are proposed now. */
  async compose(): Promise<void> {
    const { reading, ctx } = this.opening
    const { columns } = this.composition
    const { engine } = ctx
    const provenance = ctx.provenance ?? false
    const inner = composeSelect(this.composition, provenance)
    const known = columns.map((column) => column.name)
    const from = provenance ? composeSelect(this.composition, false) : inner
    const derived = reading.derive === undefined ? [] : await planDerived(reading.derive, from, known, engine)
    const outputs = [...columns.map(ofColumn), ...derived.map((one) => ofDerived(one, this.opening))]
    const ordered = inTableOrder(outputs, ctx)
    if (ordered.length === 0) throw nothingToRead()
    const values = ordered.map(({ field, sql }) => `${sql} AS ${quoteIdent(field.name)}`)
    if (provenance) values.push('__lw_file', '__lw_row')
    if (this.composition.absent) values.push(...orderOutputs(this.composition, ordered))
    this.schema = ordered.map(({ field }) => field)
    const over = (rows: string): string => `SELECT ${values.join(', ')} FROM (${rows})`
    this.select = over(inner)
    const heads = this.composition.parts.map((part) => ({
      ...part,
      scan: part.head ?? part.scan,
      scanWithPlaces: part.head ?? part.scan,
    }))
    const hasHead =
      !provenance && !this.composition.absent && this.composition.parts.some(({ head }) => head !== undefined)
    if (hasHead) this.sample = over(composeSelect({ ...this.composition, parts: heads }, false))
    this.typedBy = Object.fromEntries(ordered.map(({ field, typedBy }) => [field.name, typedBy]))
    this.supplied = ordered.filter(({ isSupplied }) => isSupplied).map(({ field }) => field.name)
  }

  async refine(error: unknown): Promise<boolean> {
    const { parts } = this.composition
    const messages = [...messagesOf(error)]
    const misfit = messages.map(parseMisfit).find((one) => one !== undefined)
    const goesOn = misfit === undefined ? await retries(messages, parts) : await this.refineMisfit(misfit)
    if (goesOn) {
      await this.compose()
      return true
    }
    const explained = await explain(messages, parts)
    if (explained !== undefined) throw explained
    return false
  }

  private async refineMisfit(misfit: Misfit): Promise<boolean> {
    const { engine, signal } = this.opening.ctx
    const { columns, parts } = this.composition
    const column = columns.find(({ name }) => sameName(name, misfit.column))
    if (column !== undefined && column.at < column.candidates.length - 1) {
      const before = column.at
      await scanning(parts, () => inferExactly(this.composition, engine, signal))
      if (column.at !== before) return true
    }
    const { error, isFound } = await describeMisfits(misfit, column, this.composition, engine)
    // A value that is nowhere was read at the wrong place.
    if (!isFound && (await readSerially(parts))) return true
    throw error
  }

  async close(): Promise<void> {
    await removeAll(this.opening)
  }
}

/** Scan, and once more where the reader lost its way in a CSV file. */
async function scanning(parts: readonly Part[], scan: () => Promise<void>): Promise<void> {
  try {
    await scan()
  } catch (error) {
    const messages = [...messagesOf(error)]
    if (await retries(messages, parts)) return scanning(parts, scan)
    throw (await explain(messages, parts)) ?? error
  }
}

/** What DuckDB finds wrong with a CSV file that it reads in parallel may be its own mistake. */
async function retries(messages: readonly string[], parts: readonly Part[]): Promise<boolean> {
  return messages.some((message) => message.includes('CSV')) && (await readSerially(parts))
}

async function readSerially(parts: readonly Part[]): Promise<boolean> {
  let isChanged = false
  for (const part of parts) if (await part.readSerially?.()) isChanged = true
  return isChanged
}

/** What an engine's error means. */
async function explain(messages: readonly string[], parts: readonly Part[]): Promise<LakeError | undefined> {
  for (const message of messages)
    for (const part of parts) {
      const explained = await part.explain?.(message)
      if (explained !== undefined) return explained
    }
  return undefined
}

async function removeAll({ removals }: Opening): Promise<void> {
  await Promise.all(removals.splice(0).map((removal) => removal()))
}

async function openOne(input: LoadInput, index: number, opening: Opening): Promise<Part[]> {
  const source = asFileSource(input)
  if (source !== undefined) return openFiles(source, index, opening)
  if (opening.reading.format === 'debezium') return openEventRows(input as Rows, opening)
  const ordinal = opening.labels.push('the rows') - 1
  const stream = streamContext(`${opening.id}_${index}`, opening, ordinal)
  const part = await openStream(input as Rows | Table | RecordBatch, stream)
  return part === undefined ? [] : [part]
}

/** Events as objects become lines, and are read like those of a file. */
async function openEventRows(rows: Rows, opening: Opening): Promise<Part[]> {
  const name = 'the rows'
  const path = await spoolRows(rows, opening.spool)
  const ordinal = opening.labels.push(name) - 1
  const file: FoundFile = { path, name, folders: {}, format: 'debezium', compression: 'none', ordinal }
  return openEvents([file], opening.reading, opening)
}

function asFileSource(input: LoadInput): FileSource | undefined {
  if (isFileSource(input)) return input
  if (typeof input === 'string' || input instanceof URL) return files(input)
  return input instanceof Readable && !input.readableObjectMode ? files(input) : undefined
}

async function openFiles(source: FileSource, index: number, opening: Opening): Promise<Part[]> {
  const { ctx, reading, spool } = opening
  const options = { ...reading, ...source.options, rename: source.options.rename ?? {} }
  const { files: located, remove } = await locate(source.from, source.format ?? reading.format, spool, ctx)
  opening.removals.push(remove)
  const found = located.map((file) => ({ ...file, ordinal: opening.labels.push(file.name) - 1 }))
  const parts: Part[] = []
  const of = (...formats: FoundFile['format'][]) => found.filter(({ format }) => formats.includes(format))
  const divert = ctx.onReject === 'divert'
  const { engine } = ctx
  for (const format of ['csv', 'tsv'] as const)
    if (of(format).length > 0) parts.push(...(await openCsv(of(format), options, { engine, spool, format, divert })))
  for (const format of ['ndjson', 'json'] as const)
    if (of(format).length > 0)
      parts.push(
        ...(await openJson(of(format), options, {
          engine,
          spool,
          format,
          divert,
          quoteNumbersOf: numbersAsText(options, opening),
          absent: ctx.absent === true,
        })),
      )
  if (of('debezium').length > 0) parts.push(...(await openEvents(of('debezium'), options, opening)))
  if (of('parquet').length > 0) parts.push(...(await openParquet(of('parquet'), options, ctx)))
  for (const [n, file] of of('arrow').entries())
    parts.push(
      ...(await openArrowFile(file, options, streamContext(`${opening.id}_${index}_${n}`, opening, file.ordinal))),
    )
  return parts
}

async function openEvents(files: FoundFile[], options: ReadingSettings, opening: Opening): Promise<Part[]> {
  const { ctx, spool, orders } = opening
  if (ctx.absent !== true)
    throw new LakeError('invalid', 'Debezium events are for the mode `cdc`', {
      file: files[0]?.name,
      fix: 'Load them with `cdc`, or read the file with `--format ndjson` as it is.',
    })
  return await openDebezium(files, options, {
    engine: ctx.engine,
    spool,
    divert: ctx.onReject === 'divert',
    wanted: wantedByName(options, opening),
    orders,
  })
}

function streamContext(name: string, opening: Opening, ordinal: number): StreamContext {
  const { ctx, reading, replay, removals } = opening
  removals.push(async () => {
    await ctx.engine.run(`DROP TABLE IF EXISTS ${quoteIdent(`${name}_held`)}`).catch(() => undefined)
  })
  const oldNames = new Map(Object.entries(reading.rename ?? {}).map(([from, to]) => [foldName(to), from]))
  const spelled = (name: string): string => oldNames.get(foldName(name)) ?? name
  const made = new Set([...Object.keys(reading.set ?? {}), ...Object.keys(reading.derive ?? {})].map(foldName))
  const types = Object.entries(reading.types ?? {}).filter(([column]) => !made.has(foldName(column)))
  // With `evolve` the rows' own types may widen the table's.
  const tableSchema = ctx.evolve
    ? undefined
    : ctx.tableSchema?.map((field) => ({ ...field, name: spelled(field.name) }))
  return {
    engine: ctx.engine,
    name,
    sampled: (ctx.partitionBy ?? []).length > 0,
    types: Object.fromEntries(types.map(([column, type]) => [spelled(column), type])),
    tableSchema,
    replay,
    ordinal,
    absent: ctx.absent === true,
    signal: ctx.signal,
  }
}

/** JSON columns, by their names in the file, that shall be decimal or text: digits beyond a double's must survive. */
function numbersAsText(options: ReadingSettings, opening: Opening): NameSet {
  const { reading, ctx } = opening
  const wanted = wantedByName(options, opening)
  return {
    isEmpty: Object.keys(reading.types ?? {}).length === 0 && ctx.tableSchema === undefined,
    has: (name) => {
      const kind = wanted(name)?.kind
      return kind === 'decimal' || kind === 'varchar'
    },
  }
}

/** The type that was asked for, or that the table has, of a column by its name in the file. */
function wantedByName(options: ReadingSettings, { reading, ctx }: Opening): (name: string) => LakeType | undefined {
  const types = parseTypes(reading.types ?? {})
  const rename = new Map(
    Object.entries({ ...reading.rename, ...options.rename }).map(([from, to]) => [foldName(from), to]),
  )
  return (name) => wantedType(rename.get(foldName(name)) ?? name, types, ctx.tableSchema)?.type
}

/** Sources may bring types, constants and expressions of their own; they hold for the whole load. */
function withTypesOf(inputs: readonly LoadInput[], reading: ReadingSettings): ReadingSettings {
  const merged = { ...reading }
  for (const { options } of inputs.filter(isFileSource)) {
    if (options.types !== undefined) merged.types = { ...options.types, ...merged.types }
    if (options.set !== undefined) merged.set = { ...options.set, ...merged.set }
    if (options.derive !== undefined) merged.derive = { ...options.derive, ...merged.derive }
  }
  return merged
}

/** The columns after the row's own. What no input has, and what is made from an absent column, is absent as well. */
function orderOutputs(composition: Composition, outputs: readonly Output[]): string[] {
  const missing = outputs.filter(({ isSupplied }) => !isSupplied).map(({ field }) => quoteText(field.name))
  const derived = outputs.flatMap(({ field, sql, uses = [] }) => {
    if (uses.length === 0) return []
    const lacks = `list_has_any(__lw_absent, [${uses.map(quoteText).join(', ')}])`
    return [`CASE WHEN ${lacks} AND (${sql}) IS NULL THEN [${quoteText(field.name)}] ELSE CAST([] AS VARCHAR[]) END`]
  })
  const lists = ['__lw_absent', ...(missing.length === 0 ? [] : [`[${missing.join(', ')}]`]), ...derived]
  const absent = lists.length === 1 ? '__lw_absent' : `list_concat(${lists.join(', ')}) AS __lw_absent`
  return orderColumns(composition).map(({ name }) => (name === '__lw_absent' ? absent : name))
}

/** A column of `select`. */
interface Output {
  field: Schema[number]
  sql: string
  typedBy: Input['typedBy'][string]
  isSupplied: boolean
  /** Of a derived one: the columns that it is made from. */
  uses?: string[]
}

function ofColumn(column: Column): Output {
  return {
    field: { name: column.name, type: typeNow(column), nullable: true },
    sql: quoteIdent(column.name),
    typedBy: column.typedBy,
    isSupplied: true,
  }
}

function ofDerived({ name, type, sql, uses }: Derived, { reading, ctx }: Opening): Output {
  const wanted = wantedType(name, parseTypes(reading.types ?? {}), ctx.tableSchema)
  if (wanted === undefined)
    return { field: { name, type, nullable: true }, sql, typedBy: 'typed', isSupplied: true, uses }
  const fitted = fitValue(type, wanted.type, sql)
  if (fitted === undefined)
    throw new LakeError('invalid', 'the derived column has another type than is wanted', {
      column: name,
      type: typeName(type),
      wanted: typeName(wanted.type),
      fix: 'Cast the expression.',
    })
  const proven = fittedSql(fitted, sql, misfitSql({ column: name, type: typeName(wanted.type) }, sql))
  return { field: { name, type: wanted.type, nullable: true }, sql: proven, typedBy: wanted.by, isSupplied: true, uses }
}

function inTableOrder(outputs: Output[], { tableSchema, evolve, mayHaveMore }: OpenInputContext): Output[] {
  if (tableSchema === undefined) return outputs
  const more = mayHaveMore
    ? outputs.filter(({ field }) => !tableSchema.some((own) => sameName(own.name, field.name)))
    : []
  const { schema } = reconcile(
    tableSchema,
    outputs.filter((output) => !more.includes(output)).map(({ field }) => field),
    { evolve },
  )
  const ordered = schema.map((field): Output => {
    const output = outputs.find((one) => sameName(one.field.name, field.name))
    if (output === undefined) return { field, sql: nullOf(field.type), typedBy: 'table', isSupplied: false }
    // Types were settled with the table's in view: what differs still (structs with more fields) is wider.
    return { ...output, field, sql: fitCastSql(output.field.type, field.type, output.sql) }
  })
  return [...ordered, ...more]
}

/** A key or partition column that is absent would be null in every row. */
function assertSupplied({ parts, columns }: Composition, { ctx, reading }: Opening): void {
  for (const name of ctx.required ?? []) {
    if (Object.keys(reading.derive ?? {}).some((one) => sameName(one, name))) continue
    const column = columns.find((one) => sameName(one.name, name))
    // Events without any row (a truncate) identify none.
    const without = parts.find(
      (part, index) => column?.sources[index] === undefined && !(part.events && part.columns.length === 0),
    )
    if (without === undefined) continue
    const near = nearMiss(
      name,
      columns.map((one) => one.name),
    )
    throw new LakeError('invalid', 'nothing supplies a column that partitions or identifies rows', {
      file: without.label,
      column: name,
      fix: `${near === undefined ? '' : `Did you mean \`${near}\`? `}Supply it with \`--set "${name}=…"\`, \`--derive "${name}=…"\` or \`--rename\`.`,
    })
  }
}

function nothingToRead(): LakeError {
  return new LakeError('invalid', 'the input is empty: it has no rows and no columns', {
    fix: 'Name the columns with `--header`, or create the table with an input that has some.',
  })
}

function* messagesOf(error: unknown): Generator<string> {
  for (let one = error; one instanceof Error; one = one.cause) yield one.message
}
