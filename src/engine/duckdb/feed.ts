/**
 * Arrow batches as a relation: a table function whose rows are made in this process, at most 2048 a call, while DuckDB's
 * threads work on those before.
 *
 *   synchronous iterable    a view over the function: pulled once, while the query that scans it runs
 *   asynchronous iterable   a relation in DuckDB, filled in turns of about 64 MB, which may spill
 *
 * What the iterable throws is kept as it is and comes out of the statement that pulled it; the iterable's `return()` is
 * called whenever it is left before its end.
 */
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api'
import type { Schema as ArrowSchema, Data, RecordBatch } from 'apache-arrow'
import { LakeError } from '../../errors.js'
import { foldName, typeName } from '../../schema/names.js'
import type { Schema } from '../../schema/types.js'
import type { FedRelation, FeedOptions } from '../port.js'
import { quoteIdent } from '../sql.js'
import type { ArrowType } from './numbers.js'
import { textIds } from './text.js'
import { type DuckApi, duckTypeOf } from './types.js'
import { ValueMisfit } from './value-misfit.js'
import { type Bindings, type ColumnWriter, columnWriter } from './vectors.js'

/** What DuckDB's vectors hold at most. */
const chunkRows = 2048
/** Text of one chunk, so that long values do not make it huge. */
const chunkTextBytes = 16 << 20
/** What is handed over in one turn of an asynchronous iterable. */
const turnBytes = 64 << 20

export interface FeedHost {
  api: DuckApi
  bindings: Bindings
  connection: DuckDBConnection
  threads: number
  /** Runs a statement; a failure of this feed comes out as it was thrown. */
  run(sql: string, options?: FeedOptions): Promise<void>
}

export class Feed implements FedRelation {
  rows = 0
  /** What went wrong in here while DuckDB was scanning: it sees only a message. */
  failure: { error: unknown; connectionId: number | undefined } | undefined
  private source: Iterator<RecordBatch> | undefined
  /** Whose statement scans, or has scanned, the current source. */
  private scannedBy: number | undefined
  private readonly cursor: BatchCursor
  private readonly functionName: string

  constructor(
    readonly name: string,
    readonly replayable: boolean,
    private readonly schema: Schema,
    private readonly host: FeedHost,
    number: number,
    private readonly options: FeedOptions,
  ) {
    this.functionName = `__lw_feed_${number}`
    this.cursor = new BatchCursor(host.bindings, name, schema)
  }

  /** Ready to be scanned by a statement of somebody else. */
  async open(batches: Iterable<RecordBatch>): Promise<void> {
    this.source = batches[Symbol.iterator]()
    this.register()
    await this.host.run(`CREATE VIEW ${quoteIdent(this.name)} AS SELECT * FROM ${this.functionName}()`)
  }

  /** Takes everything over before it resolves. */
  async fill(batches: AsyncIterable<RecordBatch>): Promise<void> {
    const { signal } = this.options
    const source = batches[Symbol.asyncIterator]()
    const relation = quoteIdent(this.name)
    let ended = false
    let pending = false
    const collect = async (): Promise<Turn> => {
      pending = true
      try {
        const turn = await unlessAborted(collectTurn(source), signal)
        pending = false
        ended = turn.ended
        return turn
      } catch (error) {
        // An iterator that threw is over; one that was left alone is not.
        pending = signal?.aborted === true
        ended = !pending
        throw error
      }
    }
    try {
      this.register()
      await this.host.run(`CREATE TABLE ${relation} AS SELECT * FROM ${this.functionName}() LIMIT 0`)
      let turn = await collect()
      while (turn.batches.length > 0) {
        this.source = turn.batches.values()
        this.scannedBy = undefined
        // The next turn is collected while DuckDB takes this one; neither may fail unheard.
        const next = turn.ended ? Promise.resolve({ batches: [], ended: true }) : collect()
        next.catch(() => {})
        await this.host.run(`INSERT INTO ${relation} SELECT * FROM ${this.functionName}()`, this.options)
        turn = await next
      }
    } finally {
      this.source = undefined
      // A generator that is waiting answers `return()` only when it wakes up, which may be never.
      const returned = ended ? undefined : Promise.resolve(source.return?.()).catch(() => {})
      if (!pending) await returned
    }
  }

  /** Called after every statement: whoever began a scan is done with it. */
  leave(connectionId: number): void {
    if (this.scannedBy === connectionId) this.close()
  }

  close(): void {
    const source = this.source
    this.source = undefined
    try {
      source?.return?.()
    } catch (error) {
      this.fail(error)
    }
  }

  private register(): void {
    const { api, connection, threads } = this.host
    const { rowNumber } = this.options
    const types = this.schema.map((field) => duckTypeOf(api, field.type))
    connection.registerTableFunction(
      api.DuckDBTableFunction.create({
        name: this.functionName,
        supportsProjectionPushdown: true,
        bindFunction: (info) => {
          info.setBindData({ connectionId: info.clientContext.connectionId })
          for (const [index, field] of this.schema.entries()) {
            const type = types[index]
            if (type !== undefined) info.addResultColumn(field.name, type)
          }
          if (rowNumber !== undefined) info.addResultColumn(rowNumber, api.BIGINT)
        },
        initFunction: (info) => {
          info.setInitData({ columns: info.getColumnIndexes() })
          // One thread makes rows, the others work on them.
          info.setMaxThreads(threads)
          const { connectionId } = info.bindData as { connectionId: number }
          if (!this.begin(connectionId)) info.setError('the relation was scanned before')
        },
        mainFunction: (info, output) => {
          try {
            const { columns } = info.initData as { columns: number[] }
            output.rowCount = this.failure === undefined ? this.fillChunk(output, columns) : 0
          } catch (error) {
            this.fail(error)
            info.setError('the relation cannot be read')
          }
        },
      }),
    )
  }

  /** False where the rows have gone to an earlier scan. */
  private begin(connectionId: number): boolean {
    // The scan without rows that makes the relation of an asynchronous iterable.
    if (this.replayable && this.source === undefined) return true
    if (this.scannedBy === undefined && this.source !== undefined) {
      this.scannedBy = connectionId
      return true
    }
    const fix = 'Run one statement that needs the rows once, or keep them in a relation first.'
    const message = `the rows of \`${this.name}\` come from a stream and can be read only once`
    this.fail(new LakeError('invalid', message, { fix }), connectionId)
    return false
  }

  private fail(error: unknown, connectionId = this.scannedBy): void {
    this.failure ??= { error, connectionId }
  }

  private pull(): RecordBatch | undefined {
    const source = this.source
    if (source === undefined) return undefined
    try {
      const next = source.next()
      if (!next.done) return next.value
      this.source = undefined
      return undefined
    } catch (error) {
      // An iterator that threw is over: it is not to be returned to.
      this.source = undefined
      throw error
    }
  }

  private fillChunk(output: DuckDBDataChunk, columns: readonly number[]): number {
    this.options.signal?.throwIfAborted()
    if (!this.cursor.advance(() => this.pull())) return 0
    const { bindings } = this.host
    const vectors = columns.map((column, index) => ({
      column,
      vector: bindings.data_chunk_get_vector(output.chunk, index),
    }))
    const first = this.rows
    const count = this.cursor.write(vectors)
    const numbered = vectors.find(({ column }) => column === this.schema.length)
    if (numbered !== undefined && this.options.rowNumber !== undefined) {
      const numbers = BigInt64Array.from({ length: count }, (_, at) => BigInt(first + at + 1))
      bindings.copy_data_to_vector(numbered.vector, 0, numbers.buffer, 0, numbers.byteLength)
    }
    this.rows += count
    return count
  }
}

interface Turn {
  batches: RecordBatch[]
  ended: boolean
}

async function collectTurn(source: AsyncIterator<RecordBatch>): Promise<Turn> {
  const batches: RecordBatch[] = []
  let bytes = 0
  while (bytes < turnBytes) {
    const next = await source.next()
    if (next.done) return { batches, ended: true }
    batches.push(next.value)
    bytes += next.value.data.byteLength
  }
  return { batches, ended: false }
}

/** Waiting for somebody else's promise ends with the signal. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  work.catch(() => {})
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

type VectorOf = { column: number; vector: Parameters<ColumnWriter['write']>[0] }

/** Where we are in the stream: a batch, and a row of it. */
class BatchCursor {
  private batch: RecordBatch | undefined
  private batchNumber = 0
  private row = 0
  private rowsBefore = 0
  private knownSchema: ArrowSchema | undefined
  private columns: { source: number; writer: ColumnWriter }[] = []

  constructor(
    private readonly bindings: Bindings,
    private readonly name: string,
    private readonly schema: Schema,
  ) {}

  /** False at the end of the stream. */
  advance(pull: () => RecordBatch | undefined): boolean {
    while (this.batch === undefined || this.row >= this.batch.numRows) {
      this.rowsBefore += this.batch?.numRows ?? 0
      this.row = 0
      this.batch = undefined
      const next = pull()
      if (next === undefined) return false
      this.batchNumber += 1
      if (next.schema !== this.knownSchema) this.adopt(next.schema)
      this.batch = next
    }
    return true
  }

  write(vectors: readonly VectorOf[]): number {
    const batch = this.batch
    if (batch === undefined) return 0
    const data = batch.data
    const count = this.chunkSize(data, Math.min(chunkRows, batch.numRows - this.row))
    for (const { column, vector } of vectors) {
      const from = this.columns[column]
      const child = from === undefined ? undefined : data.children[from.source]
      if (from === undefined || child === undefined) continue
      try {
        if (child.length < this.row + count) throw new ValueMisfit(0, 'it is shorter than its batch')
        from.writer.write(vector, child, this.row, count)
      } catch (error) {
        throw error instanceof ValueMisfit ? this.misfit(error, column) : error
      }
    }
    this.row += count
    return count
  }

  private chunkSize(data: Data, rows: number): number {
    let count = rows
    for (const child of data.children) {
      const offsets: ArrayLike<number | bigint> | undefined = child.valueOffsets
      if (offsets === undefined || !textIds.has(child.typeId)) continue
      const from = Number(offsets[this.row] ?? 0)
      while (count > 1 && Number(offsets[this.row + count] ?? 0) - from > chunkTextBytes) count = count >> 1
    }
    return count
  }

  /** Batches may have their columns in any order; names and types must be those that were declared. */
  private adopt(schema: ArrowSchema): void {
    const names = schema.fields.map((field) => field.name)
    this.columns = this.schema.map((field) => {
      const source = sourceOf(names, field.name)
      const type = schema.fields[source]?.type
      if (type === undefined) throw this.differs(field.name, 'is missing')
      const writer = columnWriter(this.bindings, type as ArrowType, field.type)
      if (writer === undefined) throw this.differs(field.name, `is ${String(type)}, and not ${typeName(field.type)}`)
      return { source, writer }
    })
    const extra = names.find((_, index) => !this.columns.some((column) => column.source === index))
    if (extra !== undefined) throw this.differs(extra, 'was not in the batches before')
    this.knownSchema = schema
  }

  private differs(column: string, what: string): LakeError {
    return new LakeError('invalid', `in batch ${this.batchNumber} the column \`${column}\` ${what}`, {
      relation: this.name,
      batch: this.batchNumber,
      column,
      fix: 'Give all batches of a load the same columns and types.',
    })
  }

  private misfit(error: ValueMisfit, column: number): LakeError {
    const field = this.schema[column]
    const row = this.rowsBefore + this.row + error.row + 1
    return new LakeError('invalid', `row ${row}, column \`${field?.name}\`: ${error.message}`, {
      row,
      batch: this.batchNumber,
      column: field?.name,
      fix: 'Correct the value where the batch is made.',
    })
  }
}

function sourceOf(names: readonly string[], name: string): number {
  const exact = names.indexOf(name)
  return exact === -1 ? names.findIndex((other) => foldName(other) === foldName(name)) : exact
}
