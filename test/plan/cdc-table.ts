/**
 * A table that only a planner changes: its plan is driven against a real engine, what it stages becomes the next version.
 * No store and no log, so that thousands of loads take seconds.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import { filesRelation, type RelationFile } from '../../src/engine/relation.js'
import { literal, quoteIdent, quotePath } from '../../src/engine/sql.js'
import type { AddFile, Snapshot } from '../../src/manifest/actions.js'
import { cdc } from '../../src/plan/cdc.js'
import type { PlanContext, StagedFile, Verdict } from '../../src/plan/port.js'
import { toSql } from '../../src/schema/duckdb.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { createExecutor } from '../../src/stage/execute.js'
import { fingerprintName } from '../../src/stage/fingerprint.js'

/** `absent` names columns that the event does not have; values are in the columns' order, `null` where there is none. */
export interface Event {
  op: string
  order: bigint | number | string | null
  values: (string | number | bigint | boolean | null)[]
  absent?: string[]
}

export interface TableShape {
  /** Name and type, the order column among them. */
  columns: Record<string, string>
  key: string[]
  order: string
  partitionBy?: string[]
  softDelete?: string
  changeFeed?: boolean
  loadColumns?: string[]
  deletesOfOldOrder?: boolean
}

export interface Bench extends AsyncDisposable {
  engine: Engine
  folder: string
}

export async function openBench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-cdc-'))
  const engine = await openDuckDB({ spillFolder: join(folder, 'spill'), threads: 2, memory: '1GB' })
  return {
    engine,
    folder,
    async [Symbol.asyncDispose]() {
      await engine.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export class EventTable {
  readonly schema: Schema
  version = -1
  configuration: Record<string, string> = {}
  files = new Map<string, AddFile>()
  feed: Record<string, unknown>[] = []
  private readonly local = new Map<string, string>()
  private loads = 0

  constructor(
    private readonly bench: Bench,
    private readonly shape: TableShape,
  ) {
    this.schema = Object.entries(shape.columns).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))
  }

  /** @param supplied columns that the input has at all; default all */
  async cdc(
    events: Event[],
    { startedMs = 0, supplied, retention }: { startedMs?: number; supplied?: string[]; retention?: string } = {},
  ): Promise<Verdict> {
    const { engine, folder } = this.bench
    await engine.run(`CREATE OR REPLACE TEMP VIEW lw_input AS ${this.inputSql(events)}`)
    const load = `load-${this.loads++}`
    let number = 0
    const columns = this.schema.filter(({ name }) => !this.partitionBy.includes(name))
    const executor = createExecutor({
      engine,
      txnId: `${this.schema.length}-${load}`,
      schema: this.schema,
      partitionBy: this.partitionBy,
      sortBy: [],
      targetFileBytes: 2 ** 27,
      fingerprint: { of: fingerprintName(engine.id, columns), columns },
      spoolFolder: await mkdtemp(join(folder, 'load-')),
      replayable: true,
      columnar: false,
      nextNumber: () => number++,
      localFiles: async (files) => files.map((file) => this.placed(file)),
      inputFiles: [],
      pathsOf: () => undefined,
      hashedRows: () => Promise.reject(new Error('not asked for')),
    })
    const plan = cdc(this.context(load, startedMs, supplied, retention))
    let step = plan.next()
    while (!step.done) step = plan.next(await executor.answer(step.value))
    await this.apply(step.value)
    return step.value
  }

  async rows(): Promise<Record<string, unknown>[]> {
    return await this.bench.engine.rows(`${this.relation([...this.files.values()])} ORDER BY ALL`)
  }

  /** The order of deleted keys, as it is kept. */
  async tombstones(): Promise<Record<string, unknown>[]> {
    const text = this.configuration['lakewright.tombstones']
    if (text === undefined) return []
    const { key } = JSON.parse(text) as { key: string }
    return await this.bench.engine.rows(`SELECT * FROM read_parquet('${this.local.get(key)}') ORDER BY ALL`)
  }

  /** Every row once more, as an append may do it. */
  async double(): Promise<void> {
    for (const file of [...this.files.values()]) {
      const key = `again-${file.key}`
      const path = join(await mkdtemp(join(this.bench.folder, 'again-')), 'rows.parquet')
      await copyFile(this.local.get(file.key) ?? '', path)
      this.local.set(key, path)
      this.files.set(key, { ...file, key })
    }
  }

  /** All rows without their order, as another mode may bring them. */
  async withoutOrder(): Promise<void> {
    const path = join(await mkdtemp(join(this.bench.folder, 'plain-')), 'rows.parquet')
    const rows = this.relation([...this.files.values()])
    const order = quoteIdent(this.shape.order)
    await this.bench.engine.run(
      `COPY (SELECT * REPLACE (CAST(NULL AS ${this.orderType}) AS ${order}) FROM (${rows})) TO ${quotePath(path)} (FORMAT parquet)`,
    )
    this.local.set('plain.parquet', path)
    const added = { partitionValues: {}, sizeBytes: 1, modificationTime: 0, dataChange: true }
    this.files = new Map([['plain.parquet', { key: 'plain.parquet', ...added }]])
  }

  private get partitionBy(): string[] {
    return this.shape.partitionBy ?? []
  }

  private context(
    loadId: string,
    startedMs: number,
    supplied: string[] | undefined,
    tombstoneRetention: string | undefined,
  ): PlanContext {
    const { shape, schema } = this
    const own = [shape.softDelete, ...(shape.loadColumns ?? [])]
    return {
      base: this.version < 0 ? undefined : this.snapshot(),
      schema,
      partitionBy: this.partitionBy,
      key: shape.key,
      loadColumns: shape.loadColumns ?? [],
      fingerprint: { of: '', columns: [] },
      rearranged: false,
      input: {
        name: 'lw_input',
        schema,
        supplied: supplied ?? schema.map(({ name }) => name).filter((name) => !own.includes(name)),
        extras: [],
      },
      rowHash: { of: 'rows', columns: schema, key: shape.key },
      changeFeed: shape.changeFeed ?? true,
      startedMs,
      loadId,
      settings: {
        orderColumn: shape.order,
        ...(shape.softDelete ? { softDelete: shape.softDelete } : {}),
        ...(tombstoneRetention ? { tombstoneRetention } : {}),
        ...(shape.deletesOfOldOrder ? { deletesOfOldOrder: true } : {}),
      },
    }
  }

  private snapshot(): Snapshot {
    return {
      version: this.version,
      timestamp: 0,
      protocol: { minReaderVersion: 1, minWriterVersion: 2 },
      metadata: { id: 't', schema: this.schema, partitionBy: this.partitionBy, configuration: this.configuration },
      files: new Map(this.files),
      txns: new Map(),
    }
  }

  private inputSql(events: Event[]): string {
    const types = [...this.schema.map(({ type }) => toSql(type)), 'VARCHAR', this.orderType, 'VARCHAR[]', 'BIGINT']
    const names = [...this.schema.map(({ name }) => name), '__lw_op', '__lw_order', '__lw_absent', '__lw_seq']
    const casts = names.map((name, i) => `CAST(c${i} AS ${types[i]}) AS ${quoteIdent(name)}`)
    const tuples = events.map(({ op, order, values, absent }, i) => {
      const given = this.schema.map((_, at) => literal(values[at] ?? null))
      return `(${[...given, literal(op), literal(order), literal(absent ?? []), literal(i + 1)].join(', ')})`
    })
    const none = `(${names.map(() => 'NULL').join(', ')})`
    const from = `(VALUES ${tuples.length > 0 ? tuples.join(', ') : none}) v(${names.map((_, i) => `c${i}`).join(', ')})`
    return `SELECT ${casts.join(', ')} FROM ${from} WHERE ${tuples.length > 0}`
  }

  private get orderType(): string {
    return toSql(parseType(this.shape.columns[this.shape.order] ?? 'bigint'))
  }

  private async apply(verdict: Verdict): Promise<void> {
    const { add, supersede, changeData = [], tombstones = [], properties = {} } = verdict
    if (add.length + supersede.length + tombstones.length + Object.keys(properties).length === 0) return
    this.version++
    for (const file of [...add, ...changeData, ...tombstones]) this.local.set(file.key, file.file.path)
    await this.readFeed(verdict)
    for (const { key } of supersede) this.files.delete(key)
    for (const file of add) this.files.set(file.key, addOf(file))
    const configuration = { ...this.configuration, ...properties }
    this.configuration = Object.fromEntries(Object.entries(configuration).filter(([, text]) => text !== ''))
  }

  /** What a reader of the change feed would be told: a version without change data has only inserted. */
  private async readFeed({ add, supersede, changeData = [] }: Verdict): Promise<void> {
    const changeType = { name: '_change_type', type: { kind: 'varchar' as const }, nullable: true }
    const sql =
      supersede.length === 0
        ? `SELECT *, 'insert' AS _change_type FROM (${this.relation(add.map(addOf))})`
        : this.relation(changeData.map(addOf), [...this.schema, changeType])
    const rows = await this.bench.engine.rows(`${sql} ORDER BY ALL`)
    this.feed.push(...rows.map((row) => ({ ...row, _commit_version: this.version })))
  }

  private relation(files: AddFile[], schema = this.schema): string {
    return filesRelation({ files: files.map((file) => this.placed(file)), schema, partitionBy: this.partitionBy })
  }

  private placed(file: AddFile): RelationFile {
    return { ...file, path: this.local.get(file.key) ?? '' }
  }
}

function addOf({ key, partitionValues, file, stats }: StagedFile): AddFile {
  return { key, partitionValues, sizeBytes: file.sizeBytes, modificationTime: 0, dataChange: true, stats }
}
