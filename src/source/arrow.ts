/**
 * Arrow tables and record batches, in whatever they are handed over, as a schema and a stream of batches.
 *
 *   Table, RecordBatch                         its batches
 *   Iterable of these                          pulled by the engine while it reads
 *   AsyncIterable of these, RecordBatchReader  handed over in turns
 *
 * The schema is that of the first batch; the engine refuses a later one that differs. Whoever leaves the stream before
 * its end has called the source's `return()`.
 */
import type { Schema as ArrowSchema, RecordBatch, Table } from 'apache-arrow'
import type { BatchStream } from '../engine/port.js'
import { LakeError } from '../errors.js'
import { fromArrowSchema } from '../schema/arrow.js'
import type { Schema } from '../schema/types.js'

export async function arrowBatches(input: ArrowInput): Promise<ArrowBatches> {
  if (isTable(input)) return described(input.schema, input.batches)
  if (isBatch(input)) return described(input.schema, [input])
  const { first, all } = await peek<Table | RecordBatch>(input)
  const schema = first === undefined ? schemaOf(input) : asArrow(first).schema
  return described(schema, Symbol.iterator in all ? new SyncFlat(all) : new AsyncFlat(all))
}

export type ArrowInput = Table | RecordBatch | Iterable<RecordBatch | Table> | AsyncIterable<RecordBatch | Table>

export interface ArrowBatches {
  schema: Schema
  /** Undefined where there was no batch to take it from: then the schema has no columns. */
  arrowSchema: ArrowSchema | undefined
  batches: BatchStream
}

/** Whether a value is a table or a batch, of this copy of apache-arrow or another. */
export function isArrow(value: unknown): value is Table | RecordBatch {
  if (typeof value !== 'object' || value === null || !('schema' in value) || !('numRows' in value)) return false
  const { schema } = value
  return typeof schema === 'object' && schema !== null && 'fields' in schema
}

/**
 * The first element of a source, and all of its elements, once. A source that is both kinds of iterable is taken as
 * what it says it is (`isAsync`), else as a synchronous one.
 */
export async function peek<T>(
  source: Iterable<T> | AsyncIterable<T>,
): Promise<{ first: T | undefined; all: Iterable<T> | AsyncIterable<T> }> {
  if (Symbol.iterator in source && !saysAsync(source)) {
    const rest = source[Symbol.iterator]()
    const next = rest.next()
    return { first: next.done ? undefined : next.value, all: new SyncResumed(next, rest) }
  }
  if (!(Symbol.asyncIterator in source)) throw new TypeError('the source is no iterable')
  const rest = source[Symbol.asyncIterator]()
  const next = await rest.next()
  return { first: next.done ? undefined : next.value, all: new AsyncResumed(next, rest) }
}

function described(arrowSchema: ArrowSchema | undefined, batches: BatchStream): ArrowBatches {
  return { schema: arrowSchema === undefined ? [] : fromArrowSchema(arrowSchema), arrowSchema, batches }
}

function isTable(value: unknown): value is Table {
  return isArrow(value) && 'batches' in value
}

function isBatch(value: unknown): value is RecordBatch {
  return isArrow(value) && !('batches' in value)
}

/** A reader knows its schema without any batch. */
function schemaOf(input: object): ArrowSchema | undefined {
  if (!('schema' in input)) return undefined
  const { schema } = input
  return typeof schema === 'object' && schema !== null && 'fields' in schema ? (schema as ArrowSchema) : undefined
}

/** Arrow's asynchronous readers have both methods, and the synchronous one throws. */
function saysAsync(source: object): boolean {
  return 'isAsync' in source && typeof source.isAsync === 'function' && source.isAsync() === true
}

function asArrow(value: unknown): Table | RecordBatch {
  if (isArrow(value)) return value
  throw new LakeError('invalid', 'a stream of Arrow batches holds something else', {
    found: value === null ? 'null' : typeof value,
    fix: 'Pass Arrow tables and record batches, or rows, but not both in one stream.',
  })
}

function batchesOf(value: Table | RecordBatch): readonly RecordBatch[] {
  return isTable(value) ? value.batches : [value as RecordBatch]
}

/*
 * Iterators are written out: a generator that was never started, or that waits in a loop over a bare iterator, does not
 * pass `return()` on.
 */

class SyncResumed<T> implements IterableIterator<T> {
  private isOver: boolean
  constructor(
    private first: IteratorResult<T> | undefined,
    private readonly rest: Iterator<T>,
  ) {
    this.isOver = first?.done === true
  }
  next(): IteratorResult<T> {
    if (this.isOver) return { done: true, value: undefined }
    const next = this.first ?? this.rest.next()
    this.first = undefined
    this.isOver = next.done === true
    return next
  }
  return(): IteratorResult<T> {
    if (!this.isOver) this.rest.return?.()
    this.isOver = true
    return { done: true, value: undefined }
  }
  [Symbol.iterator](): this {
    return this
  }
}

class AsyncResumed<T> implements AsyncIterableIterator<T> {
  private isOver: boolean
  constructor(
    private first: IteratorResult<T> | undefined,
    private readonly rest: AsyncIterator<T>,
  ) {
    this.isOver = first?.done === true
  }
  async next(): Promise<IteratorResult<T>> {
    if (this.isOver) return { done: true, value: undefined }
    const next = this.first ?? (await this.rest.next())
    this.first = undefined
    this.isOver = next.done === true
    return next
  }
  async return(): Promise<IteratorResult<T>> {
    const { isOver } = this
    this.isOver = true
    if (!isOver) await this.rest.return?.()
    return { done: true, value: undefined }
  }
  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Tables in a stream are taken apart. */
class SyncFlat implements IterableIterator<RecordBatch> {
  private readonly source: Iterator<unknown>
  private waiting: Iterator<RecordBatch> = [].values()
  constructor(source: Iterable<unknown>) {
    this.source = source[Symbol.iterator]()
  }
  next(): IteratorResult<RecordBatch> {
    for (;;) {
      const batch = this.waiting.next()
      if (!batch.done) return batch
      const next = this.source.next()
      if (next.done) return { done: true, value: undefined }
      try {
        this.waiting = batchesOf(asArrow(next.value)).values()
      } catch (error) {
        // Who iterates does not return to an iterator that threw.
        this.return()
        throw error
      }
    }
  }
  return(): IteratorResult<RecordBatch> {
    this.source.return?.()
    return { done: true, value: undefined }
  }
  [Symbol.iterator](): this {
    return this
  }
}

class AsyncFlat implements AsyncIterableIterator<RecordBatch> {
  private readonly source: AsyncIterator<unknown>
  private waiting: Iterator<RecordBatch> = [].values()
  constructor(source: AsyncIterable<unknown>) {
    this.source = source[Symbol.asyncIterator]()
  }
  async next(): Promise<IteratorResult<RecordBatch>> {
    for (;;) {
      const batch = this.waiting.next()
      if (!batch.done) return batch
      const next = await this.source.next()
      if (next.done) return { done: true, value: undefined }
      try {
        this.waiting = batchesOf(asArrow(next.value)).values()
      } catch (error) {
        await this.return()
        throw error
      }
    }
  }
  async return(): Promise<IteratorResult<RecordBatch>> {
    await this.source.return?.()
    return { done: true, value: undefined }
  }
  [Symbol.asyncIterator](): this {
    return this
  }
}
