/**
 * Rows and Arrow batches as parts: they go through the engine's `feed`, which pulls a synchronous source while the load
 * scans it, once, and holds an asynchronous one.
 */
import { open } from 'node:fs/promises'
import type { RecordBatch, Table } from 'apache-arrow'
import type { BatchStream, Engine } from '../engine/port.js'
import { quoteIdent, quoteText } from '../engine/sql.js'
import { isLakeError, LakeError } from '../errors.js'
import { assertColumnNames, nearMiss, sameName } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import { type ArrowInput, arrowBatches, isArrow, peek } from './arrow.js'
import { noSuchColumn } from './columns.js'
import type { LocalFile } from './file-part.js'
import type { SourceOptions } from './files.js'
import type { OrderedScan, Part } from './part.js'
import { sequenceSql } from './sequence.js'

export type Rows = Iterable<unknown> | AsyncIterable<unknown>

export interface StreamContext {
  engine: Engine
  /** Unique within the engine. */
  name: string
  /** SQL types by column, as the rows spell it; `*` for all others. */
  types: Record<string, string>
  /** The table's, where its types rule. */
  tableSchema: Schema | undefined
  /** Whether the rows are needed more than once. */
  replay: boolean
  /** Of the stream among the load's files and streams. */
  ordinal: number
  /** Say of each row where it stands and which columns it has. */
  absent: boolean
  /** Whether a look at the first rows of what can be read only once is wanted. */
  sampled: boolean
  signal: AbortSignal | undefined
}

/** Arrays, iterables and asynchronous iterables of objects, Arrow batches or tables; one Arrow table, one batch. No part where there are no columns. */
export async function openStream(input: Rows | Table | RecordBatch, ctx: StreamContext): Promise<Part | undefined> {
  if (isArrow(input)) return fedPart(await arrowBatches(input), ctx, 'the batches')
  if (typeof input !== 'object' || input === null || !(Symbol.iterator in input || Symbol.asyncIterator in input))
    throw new LakeError('invalid', 'the input is neither a file nor rows', {
      fix: 'Pass a path, `csv(…)` and the like, an array, an iterable or an Arrow table.',
    })
  const { first, all } = await peek<unknown>(input)
  if (isArrow(first)) return fedPart(await arrowBatches(all as ArrowInput), ctx, 'the batches')
  // Where rows may lack columns the first one says little of the others.
  if (typeof first === 'object' && first !== null && !ctx.absent)
    assertNoSlip(Object.keys(ctx.types), Object.keys(first))
  const { rowsToBatches } = await import('./rows.js')
  const known = ctx.tableSchema === undefined ? {} : { schema: ctx.tableSchema }
  const keys = ctx.absent ? { keysColumn } : {}
  return fedPart(await rowsToBatches(all, { types: ctx.types, ...known, ...keys }), ctx, 'the rows')
}

/** Arrow IPC, file or stream format, batch by batch. */
export async function openArrowFile(file: LocalFile, options: SourceOptions, ctx: StreamContext): Promise<Part[]> {
  const { RecordBatchReader } = await import('apache-arrow')
  const handle = await open(file.path)
  try {
    const reader = await RecordBatchReader.from(handle)
    await reader.open()
    const part = await fedPart(await arrowBatches(reader as ArrowInput), ctx, file.name)
    return part === undefined ? [] : [{ ...part, rename: options.rename ?? {} }]
  } catch (error) {
    if (isLakeError(error)) throw error
    throw arrowProblem(error, file)
  } finally {
    await handle.close().catch(() => undefined)
  }
}

/** Of rows, last: which columns each has. */
const keysColumn = '__lw_keys'

async function fedPart(
  { schema, batches }: { schema: Schema; batches: BatchStream },
  ctx: StreamContext,
  label: string,
): Promise<Part | undefined> {
  const own = schema.filter(({ name }) => name !== keysColumn)
  if (own.length === 0) return undefined
  assertColumnNames(
    schema.map(({ name }) => name),
    { file: label },
  )
  const options = { rowNumber: '__lw_row', ...(ctx.signal === undefined ? {} : { signal: ctx.signal }) }
  const split = ctx.sampled && !ctx.replay && Symbol.iterator in batches ? splitHead(batches) : undefined
  const head = split && (await ctx.engine.feed(`${ctx.name}_head`, schema, inTurns(split.head), options))
  const fed = await ctx.engine.feed(ctx.name, schema, split?.all ?? batches, options)
  let relation = quoteIdent(fed.name)
  let { replayable } = fed
  if (ctx.replay && !replayable) {
    const held = quoteIdent(`${ctx.name}_held`)
    await ctx.engine.run(`CREATE TABLE ${held} AS SELECT * FROM ${relation}`)
    relation = held
    replayable = true
  }
  const columns = own.map(({ name }) => quoteIdent(name)).join(', ')
  const hasKeys = own.length < schema.length
  const withPlaces = (from: string, more = '') =>
    `SELECT ${quoteText(label)} AS __lw_file, __lw_row, ${more}${columns} FROM ${from}`
  const ordered = (): OrderedScan => {
    const keys = hasKeys ? `${keysColumn}, ` : ''
    const scan = withPlaces(relation, `${sequenceSql(ctx.ordinal, '__lw_row')} AS __lw_seq, ${keys}`)
    return { scan, scanWithPlaces: scan, hasKeys }
  }
  return {
    ...(head && !replayable ? { head: withPlaces(quoteIdent(head.name)) } : {}),
    columns: own.map(({ name, type }, place) => ({
      name,
      kind: 'typed',
      type,
      sql: quoteIdent(name),
      ...(hasKeys ? { place } : {}),
    })),
    scan: `SELECT ${columns} FROM ${relation}`,
    scanWithPlaces: withPlaces(relation),
    ordered,
    replayable,
    label,
    rename: {},
  }
}

/** Rows enough to see how many partitions they fall into. */
const headRows = 50_000

/** The first rows on their own, and all of them as they were: batches taken for the look are given again. */
function splitHead(batches: Iterable<RecordBatch>): { head: RecordBatch[]; all: Iterable<RecordBatch> } {
  const rest = batches[Symbol.iterator]()
  const taken: RecordBatch[] = []
  const head: RecordBatch[] = []
  let rows = 0
  while (rows < headRows) {
    const next = rest.next()
    if (next.done) break
    taken.push(next.value)
    head.push(next.value.numRows > headRows - rows ? next.value.slice(0, headRows - rows) : next.value)
    rows += next.value.numRows
  }
  function* all() {
    try {
      yield* taken.splice(0)
      for (let next = rest.next(); !next.done; next = rest.next()) yield next.value
    } finally {
      rest.return?.()
    }
  }
  return { head, all: all() }
}

/** Asynchronous, so that the engine holds the batches and they can be scanned again. */
async function* inTurns(batches: RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches
}

/** A type may name a column that comes with a later row, but hardly one that is a letter off. */
function assertNoSlip(named: string[], known: string[]): void {
  for (const name of named)
    if (name !== '*' && !known.some((one) => sameName(one, name)) && nearMiss(name, known) !== undefined)
      throw noSuchColumn('`types` names a column that the first row does not have', name, known)
}

function arrowProblem(error: unknown, file: LocalFile): LakeError {
  const message = error instanceof Error ? error.message : String(error)
  if (/compress|codec/i.test(message))
    return new LakeError('unsupported', 'the Arrow file has compressed buffers', {
      file: file.name,
      fix: 'Write it without compression, or as Parquet.',
      cause: error,
    })
  return new LakeError('invalid', `the Arrow file is cut short, damaged or none (${message.split('\n', 1)[0] ?? ''})`, {
    file: file.name,
    fix: 'Write the file again.',
    cause: error,
  })
}
