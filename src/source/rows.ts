/**
 * Rows, as JavaScript objects, as a schema and a stream of Arrow batches. Only a sample and one batch of rows are held.
 *
 *   { id: 1, at: new Date(), tags: ['a'] }   id bigint, at timestamp, tags varchar[]
 *
 * The type of a column is what `types` says, else the table's, else what the sample shows. After the sample nothing is
 * guessed: a value that does not fit, or a column that was not there, is refused with its row.
 */
import type { Data, DataType, RecordBatch } from 'apache-arrow'
import type { BatchStream } from '../engine/port.js'
import { LakeError } from '../errors.js'
import { assertColumnNames, findColumn, nearMiss, parseType } from '../schema/names.js'
import type { LakeType, Schema } from '../schema/types.js'
import { type Arrow, type ColumnBuilder, columnBuilder } from './rows/builders.js'
import { type TypedBy, ValueRefused } from './rows/convert.js'
import { describeValue, Guess } from './rows/infer.js'

export async function rowsToBatches(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  options: RowsOptions = {},
): Promise<RowBatches> {
  const { sampleRows = 10_000 } = options
  const arrow = await import('apache-arrow')
  if (Symbol.iterator in rows) {
    const source = rows[Symbol.iterator]()
    const sample = sampleOf(source, sampleRows)
    const plan = planOrLeave(() => planColumns(sample.rows, options), source)
    return {
      ...plan,
      schema: withKeys(plan, options),
      batches: new SyncBatches(new Batcher(arrow, plan, options), sample, source),
    }
  }
  const source = rows[Symbol.asyncIterator]()
  const sample = await asyncSampleOf(source, sampleRows)
  const plan = planOrLeave(() => planColumns(sample.rows, options), source)
  return {
    ...plan,
    schema: withKeys(plan, options),
    batches: new AsyncBatches(new Batcher(arrow, plan, options), sample, source),
  }
}

export interface RowsOptions {
  /** The table's: its types rule for the columns that the rows have. Without any row it is the schema. */
  schema?: Schema
  /** Type by column, or its SQL name; `*` for all others. A column that no row of the sample has exists, and is null there. */
  types?: Record<string, string | LakeType>
  sampleRows?: number
  /** Adds this VARCHAR column, last: which of the others a row has, whatever their value: `1101`. */
  keysColumn?: string
}

export interface RowBatches {
  schema: Schema
  typedBy: Record<string, TypedBy>
  /** Can be iterated once. */
  batches: BatchStream
}

type Plan = Pick<RowBatches, 'schema' | 'typedBy'>

function withKeys({ schema }: Plan, { keysColumn }: RowsOptions): Schema {
  if (keysColumn === undefined || schema.length === 0) return schema
  return [...schema, { name: keysColumn, type: { kind: 'varchar' }, nullable: true }]
}

interface Sample {
  rows: unknown[]
  ended: boolean
}

function sampleOf(source: Iterator<unknown>, limit: number): Sample {
  const rows: unknown[] = []
  while (rows.length < limit) {
    const next = source.next()
    if (next.done) return { rows, ended: true }
    rows.push(next.value)
  }
  return { rows, ended: false }
}

async function asyncSampleOf(source: AsyncIterator<unknown>, limit: number): Promise<Sample> {
  const rows: unknown[] = []
  while (rows.length < limit) {
    const next = await source.next()
    if (next.done) return { rows, ended: true }
    rows.push(next.value)
  }
  return { rows, ended: false }
}

function planOrLeave<T>(plan: () => T, source: Iterator<unknown> | AsyncIterator<unknown>): T {
  try {
    return plan()
  } catch (error) {
    void Promise.resolve(source.return?.()).catch(() => {})
    throw error
  }
}

function planColumns(rows: readonly unknown[], options: RowsOptions): Plan {
  const guesses = guessColumns(rows)
  const declared = Object.entries(options.types ?? {}).filter(([name]) => name !== '*')
  const others = options.types?.['*']
  const names = [...guesses.keys()]
  for (const [name] of declared) if (!names.includes(name)) names.push(name)
  if (rows.length === 0) names.push(...namesOf(options.schema).filter((name) => !includesFolded(names, name)))
  assertNames(names, declared, guesses)
  const typedBy: Plan['typedBy'] = {}
  const schema = names.map((name) => {
    const given = declared.find(([other]) => other === name)?.[1]
    const known = findColumn(options.schema ?? [], name)?.type
    const [type, by] = typeOf(name, given, known, others, guesses.get(name))
    Object.defineProperty(typedBy, name, { value: by, enumerable: true, writable: true, configurable: true })
    return { name, type, nullable: true }
  })
  return { schema, typedBy }
}

function typeOf(
  name: string,
  declared: string | LakeType | undefined,
  known: LakeType | undefined,
  others: string | LakeType | undefined,
  guess: Guess | undefined,
): [LakeType, TypedBy] {
  if (declared !== undefined) return [asType(declared), 'declared']
  if (known !== undefined) return [known, 'table']
  if (others !== undefined) return [asType(others), 'declared']
  return [guess?.decide(name) ?? { kind: 'varchar' }, 'inferred']
}

function asType(type: string | LakeType): LakeType {
  return typeof type === 'string' ? parseType(type) : type
}

function guessColumns(rows: readonly unknown[]): Map<string, Guess> {
  const guesses = new Map<string, Guess>()
  for (const [index, row] of rows.entries()) {
    const object = rowObject(row, index + 1)
    for (const name of Object.keys(object)) {
      let guess = guesses.get(name)
      if (guess === undefined) {
        guess = new Guess()
        guesses.set(name, guess)
      }
      guess.observe(object[name], index + 1)
    }
  }
  return guesses
}

/** Instances of classes are welcome as rows; lists and single values are not rows. */
function rowObject(row: unknown, number: number): Record<string, unknown> {
  if (
    typeof row === 'object' &&
    row !== null &&
    !Array.isArray(row) &&
    !(row instanceof Date) &&
    !ArrayBuffer.isView(row)
  )
    return row as Record<string, unknown>
  throw new LakeError('invalid', `row ${number} is no object but ${row === null ? 'null' : describeValue(row)}`, {
    row: number,
    fix: 'Pass rows as objects, one key per column.',
  })
}

function assertNames(
  names: readonly string[],
  declared: [string, string | LakeType][],
  guesses: Map<string, Guess>,
): void {
  for (const [name] of declared) {
    const near = guesses.has(name) ? undefined : nearMiss(name, guesses.keys())
    if (near === undefined || declared.some(([other]) => other === near)) continue
    throw new LakeError('invalid', `no row has the column \`${name}\` that \`types\` names`, {
      column: name,
      fix: `Did you mean \`${near}\`?`,
    })
  }
  assertColumnNames(names)
}

function namesOf(schema: Schema | undefined): string[] {
  return (schema ?? []).map((field) => field.name)
}

function includesFolded(names: readonly string[], name: string): boolean {
  return names.some((other) => other.toLowerCase() === name.toLowerCase())
}

/** Rows of one batch: few at first, so that rows of many megabytes do not make it huge. */
const firstBatchRows = 128
const mostBatchRows = 16_384
const plentyBytes = 8 << 20

/** Rows in, batches out. */
class Batcher {
  /** Rows for the next batch. */
  wanted = firstBatchRows
  private rowsBefore = 0
  private readonly columns: { name: string; builder: ColumnBuilder; isInherited: boolean }[]
  private readonly names: readonly string[]
  private readonly known: ReadonlySet<string>
  private readonly keys: ColumnBuilder | undefined
  private readonly schema: RecordBatch['schema']
  private readonly struct: DataType

  constructor(
    private readonly arrow: Arrow,
    plan: Plan,
    { keysColumn }: Pick<RowsOptions, 'keysColumn'> = {},
  ) {
    this.columns = plan.schema.map(({ name, type }) => ({
      name,
      builder: columnBuilder(arrow, type, name, plan.typedBy[name] ?? 'inferred'),
      isInherited: name in Object.prototype,
    }))
    this.names = this.columns.map(({ name }) => name)
    this.known = new Set(this.names)
    const fields = this.columns.map(({ name, builder }) => new arrow.Field(name, builder.type, true))
    if (keysColumn !== undefined) {
      this.keys = columnBuilder(arrow, { kind: 'varchar' }, keysColumn, 'inferred')
      fields.push(new arrow.Field(keysColumn, this.keys.type, true))
    }
    this.schema = new arrow.Schema(fields)
    this.struct = new arrow.Struct(fields)
  }

  batchOf(rows: readonly unknown[]): RecordBatch {
    this.checkNames(rows)
    const children: Data[] = []
    for (const column of this.columns) children.push(this.fill(column, rows as readonly Record<string, unknown>[]))
    if (this.keys) children.push(this.fillKeys(this.keys, rows as readonly Record<string, unknown>[]))
    this.rowsBefore += rows.length
    const data = this.arrow.makeData({ type: this.struct, length: rows.length, nullCount: 0, children } as Parameters<
      Arrow['makeData']
    >[0])
    const bytes = data.byteLength
    if (bytes < plentyBytes / 2) this.wanted = Math.min(mostBatchRows, this.wanted * 2)
    else if (bytes > plentyBytes * 2) this.wanted = Math.max(16, this.wanted >> 1)
    return new this.arrow.RecordBatch(this.schema, data as RecordBatch['data'])
  }

  private fill(column: Batcher['columns'][number], rows: readonly Record<string, unknown>[]): Data {
    const { name, builder, isInherited } = column
    let at = 0
    try {
      for (; at < rows.length; at++) {
        const row = rows[at]
        if (row !== undefined) builder.add(isInherited && !Object.hasOwn(row, name) ? null : row[name])
      }
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error
      const row = this.rowsBefore + at + 1
      throw new LakeError('invalid', `row ${row}: ${error.message}`, {
        row,
        column: error.path,
        fix: `Correct the value, or give the type of the column with \`types\`, e.g. { types: { '${name}': 'varchar' } }.`,
      })
    }
    return builder.finish()
  }

  private fillKeys(builder: ColumnBuilder, rows: readonly Record<string, unknown>[]): Data {
    for (const row of rows) {
      let keys = ''
      for (const { name, isInherited } of this.columns)
        keys += (isInherited ? Object.hasOwn(row, name) : name in row) ? '1' : '0'
      builder.add(keys)
    }
    return builder.finish()
  }

  private checkNames(rows: readonly unknown[]): void {
    for (let at = 0; at < rows.length; at++) {
      const row = rowObject(rows[at], this.rowsBefore + at + 1)
      let index = 0
      let isKnown = true
      // Rows mostly have the keys of the one before, in its order.
      for (const name in row) isKnown &&= name === this.names[index++]
      if (!isKnown) {
        this.checkSlowly(rows, at)
        return
      }
    }
  }

  private checkSlowly(rows: readonly unknown[], from: number): void {
    for (let at = from; at < rows.length; at++) {
      const number = this.rowsBefore + at + 1
      const row = rowObject(rows[at], number)
      for (const name of Object.keys(row)) {
        if (this.known.has(name) || row[name] === undefined || row[name] === null) continue
        throw new LakeError('invalid', `row ${number}: no row of the sample had the column \`${name}\``, {
          row: number,
          column: name,
          fix: `Give its type with \`types\`, e.g. { types: { '${name}': 'varchar' } }.`,
        })
      }
    }
  }
}

/** Written out, and not a generator: one that was never started does not pass `return()` on. */
class SyncBatches implements IterableIterator<RecordBatch> {
  private readonly first: Iterator<unknown>
  private ended: boolean

  constructor(
    private readonly batcher: Batcher,
    sample: Sample,
    private readonly source: Iterator<unknown>,
  ) {
    this.first = sample.rows.values()
    this.ended = sample.ended
  }

  next(): IteratorResult<RecordBatch> {
    const rows: unknown[] = []
    while (rows.length < this.batcher.wanted) {
      let next = this.first.next()
      if (next.done && !this.ended) {
        next = this.pull()
        this.ended = next.done === true
      }
      if (next.done) break
      rows.push(next.value)
    }
    if (rows.length === 0) return { done: true, value: undefined }
    try {
      return { done: false, value: this.batcher.batchOf(rows) }
    } catch (error) {
      // Who iterates does not return to an iterator that threw.
      this.return()
      throw error
    }
  }

  return(): IteratorResult<RecordBatch> {
    if (!this.ended) this.source.return?.()
    this.ended = true
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): IterableIterator<RecordBatch> {
    return this
  }

  private pull(): IteratorResult<unknown> {
    try {
      return this.source.next()
    } catch (error) {
      this.ended = true
      throw error
    }
  }
}

class AsyncBatches implements AsyncIterableIterator<RecordBatch> {
  private readonly first: Iterator<unknown>
  private ended: boolean

  constructor(
    private readonly batcher: Batcher,
    sample: Sample,
    private readonly source: AsyncIterator<unknown>,
  ) {
    this.first = sample.rows.values()
    this.ended = sample.ended
  }

  async next(): Promise<IteratorResult<RecordBatch>> {
    const rows: unknown[] = []
    while (rows.length < this.batcher.wanted) {
      let next = this.first.next()
      if (next.done && !this.ended) {
        next = await this.pull()
        this.ended = next.done === true
      }
      if (next.done) break
      rows.push(next.value)
    }
    if (rows.length === 0) return { done: true, value: undefined }
    try {
      return { done: false, value: this.batcher.batchOf(rows) }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorResult<RecordBatch>> {
    const { ended } = this
    this.ended = true
    if (!ended) await this.source.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<RecordBatch> {
    return this
  }

  private async pull(): Promise<IteratorResult<unknown>> {
    try {
      return await this.source.next()
    } catch (error) {
      this.ended = true
      throw error
    }
  }
}
