/**
 * One load, top to bottom. Read this first.
 *
 *   base ─► input ─► plan ⇄ rows ─► staged files ─► commit ─► publish
 *
 * Until the commit's conditional PUT nobody sees anything of it, and every failure before that leaves the table as it was.
 */
import { setMaxListeners } from 'node:events'
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openDuckDB } from './engine/duckdb.js'
import type { Engine } from './engine/port.js'
import { emptyRelation } from './engine/relation.js'
import { isLakeError, LakeError } from './errors.js'
import { resolveTables } from './from-table.js'
import { land, type Rejected, receiptFor } from './land.js'
import type { AddFile, Snapshot } from './manifest/actions.js'
import { readSnapshot } from './manifest/log.js'
import { assertWritable } from './manifest/protocol.js'
import { effectiveColumns, ownColumns } from './mode-columns.js'
import { scopeConstants } from './partition/scope.js'
import { append } from './plan/append.js'
import { cdc } from './plan/cdc.js'
import { deleteRows } from './plan/delete.js'
import { merge } from './plan/merge.js'
import type { Plan, PlanContext, Verdict } from './plan/port.js'
import { overwrite, replace } from './plan/replace.js'
import { scd2 } from './plan/scd2.js'
import { sync } from './plan/sync.js'
import { withWidening } from './plan/widen.js'
import type { FileCache } from './read/fetch.js'
import type { RowHashContext, RowHashFiles } from './read/row-hashes.js'
import type { LoadMode, Receipt } from './receipt.js'
import { agree, changeFeedProperty, type Remembered } from './remembered.js'
import type { Runtime } from './runtime.js'
import { foldName, parseType, sameName } from './schema/names.js'
import type { Schema } from './schema/types.js'
import type { LoadSettings, Progress, TableSettings } from './settings.js'
import { isOwnColumn, parseAnyScope, type Shape, shapeLoad } from './shape.js'
import { isFileSource } from './source/files.js'
import { type LoadInput, openInput } from './source/open.js'
import type { Input } from './source/port.js'
import { createExecutor, type Executor } from './stage/execute.js'
import { fingerprintName } from './stage/fingerprint.js'
import type { RowHashes } from './stage/port.js'
import { rowHashName } from './stage/row-hash.js'
import { rejectedKey, stagingFolder } from './store/keys.js'
import type { Store, StoreUsage } from './store/port.js'

const plans: Record<LoadMode, Plan> = {
  append,
  replace,
  overwrite,
  merge,
  sync,
  scd2,
  cdc,
  delete: deleteRows,
}

export interface LoadContext {
  store: Store
  runtime: Runtime
  table: TableSettings
  settings: LoadSettings
  mode: LoadMode
  signal: AbortSignal | undefined
  /** Of the table's handle: what one load fetched the next one finds. */
  cache: FileCache
  rowHashes: RowHashFiles
}

/** All that one load holds while it runs. */
export interface Load extends LoadContext {
  txnId: string
  startedMs: number
  /** What the store had done before this load. */
  usageBefore: StoreUsage
  remembered: Remembered
  engine: Engine
  /** On this machine; removed at the end, whatever happens. */
  spoolFolder: string
  /** Numbers the files of this load; planning again goes on counting, so that no key is used twice. */
  nextNumber: () => number
}

/** @param inputs empty for `delete`, which has no rows of its own */
export async function runLoad(ctx: LoadContext, inputs: LoadInput | LoadInput[]): Promise<Receipt> {
  // Every request of a load listens to the caller's signal, and many are under way at once.
  if (ctx.signal) setMaxListeners(0, ctx.signal)
  const startedMs = ctx.runtime.now()
  const usageBefore = { ...ctx.store.usage }
  const txnId = ctx.runtime.uuid()
  const base = await readSnapshot(ctx.store, { signal: ctx.signal, runtime: ctx.runtime })
  refuseMissingTable(ctx, base)
  if (base) assertWritable(base, ctx.mode)
  const remembered = agree(base, ctx.table, ctx.settings, { mode: ctx.mode, startAnew: startsAnew(ctx) })
  if (!ctx.settings.dryRun) await ctx.store.probe({ signal: ctx.signal })

  const spoolFolder = await makeSpoolFolder(ctx, txnId)
  try {
    const engine = await openDuckDB({ ...engineUse(ctx), spillFolder: join(spoolFolder, 'spill') })
    try {
      const facts = { txnId, startedMs, usageBefore, remembered }
      const load: Load = { ...ctx, ...facts, engine, spoolFolder, nextNumber: counter() }
      return await loadInto(load, base, inputs)
    } finally {
      await engine.close()
    }
  } catch (error) {
    // What was under way when the caller aborted failed in its own words; the caller's reason is what happened.
    if (ctx.signal?.aborted && !isLakeError(error)) throw ctx.signal.reason
    throw error
  } finally {
    await rm(spoolFolder, { recursive: true, force: true })
    // The staging folder goes with its last file; one that others still use is not empty, and stays.
    for (const parent of stagingParents(ctx, txnId, spoolFolder)) await rmdir(parent).catch(() => {})
  }
}

async function loadInto(load: Load, base: Snapshot | undefined, inputs: LoadInput | LoadInput[]): Promise<Receipt> {
  const inputFolder = join(load.spoolFolder, 'input')
  await mkdir(inputFolder, { recursive: true })
  const input = await inputOf(load, base, inputs, inputFolder)
  try {
    const planned = await reportingRows(load, () => planUntilProven(load, base, input))
    const rejected = await stageRejected(load, input)
    if (load.settings.dryRun) return receiptFor('planned', load, planned, rejected)
    return await land(load, planned, rejected)
  } finally {
    await input.close()
  }
}

/** Without inputs there are no rows: `delete` works on those of the table. */
async function inputOf(
  load: Load,
  base: Snapshot | undefined,
  inputs: LoadInput | LoadInput[],
  spoolFolder: string,
): Promise<Input> {
  if (load.mode === 'delete') return noInput(base)
  return await openInput(await resolveTables(load, listOf(inputs)), load.settings, {
    engine: load.engine,
    runtime: load.runtime,
    spoolFolder,
    // Without the columns that do not come with the rows: an input without rows would seem to bring them.
    ...(base && !startsAnew(load)
      ? { tableSchema: base.metadata.schema.filter(({ name }) => !isOwnColumn(load, ownColumns(load, base), name)) }
      : {}),
    evolve: load.settings.schema === 'evolve',
    onReject: load.settings.onReject ?? 'fail',
    ...scopeConstantsOf(load, base),
    partitionBy: load.remembered.partitionBy,
    required: requiredColumns(load),
    ...(load.mode === 'cdc' ? { absent: true } : {}),
    ...(load.mode === 'merge' || load.mode === 'cdc' ? { mayHaveMore: true } : {}),
    store: load.table.store ?? {},
    signal: load.signal,
    onProgress: (progress) => report(load, { stage: 'read', ...progress }),
  })
}

function noInput(base: Snapshot | undefined): Input {
  const schema = base?.metadata.schema ?? []
  return {
    schema,
    select: emptyRelation(schema),
    supplied: [],
    typedBy: {},
    replayable: true,
    refine: async () => false,
    close: async () => {},
  }
}

/** Columns that the mode fills by itself need not come with the rows. */
function requiredColumns({ mode, remembered: { partitionBy, key } }: Load): string[] {
  // An event of a deleted row may say its key alone.
  if (mode === 'cdc') return key
  const own = mode === 'scd2' ? effectiveColumns.map(({ name }) => foldName(name)) : []
  return [...partitionBy, ...key].filter((name) => !own.includes(foldName(name)))
}

export interface Planned {
  base: Snapshot | undefined
  input: Input
  shape: Shape
  verdict: Verdict
  executor: Executor
  /** The same load on another base: what is staged already is not staged again. */
  planAgain(base: Snapshot | undefined): Promise<Planned>
}

/** Types of text are proposed and then proved by the first pass over the rows: a proof that fails widens them. */
async function planUntilProven(load: Load, base: Snapshot | undefined, input: Input): Promise<Planned> {
  for (;;) {
    try {
      return await planOn(load, base, input)
    } catch (error) {
      if (!(await input.refine(error))) throw error
    }
  }
}

async function planOn(load: Load, base: Snapshot | undefined, input: Input): Promise<Planned> {
  const shape = shapeLoad(load, base, input, startsAnew(load))
  await load.engine.run(`CREATE OR REPLACE TEMP VIEW ${inputName} AS ${shape.select}`, { signal: load.signal })
  const columns = fingerprintColumns(shape)
  const fingerprint = { of: fingerprintName(load.engine.id, columns), columns }
  const call = load.signal ? { signal: load.signal } : {}
  const executor = createExecutor({
    engine: load.engine,
    txnId: load.txnId,
    schema: shape.schema,
    partitionBy: shape.partitionBy,
    sortBy: load.remembered.sortBy,
    targetFileBytes: load.remembered.targetFileBytes,
    fingerprint,
    spoolFolder: load.spoolFolder,
    replayable: input.replayable,
    columnar: input.columnar ?? false,
    inputFiles: input.parquetFiles ?? [],
    pathsOf: (files) => pathsHere(load.store, files),
    ...(shape.sample === undefined ? {} : { sample: shape.sample }),
    nextNumber: load.nextNumber,
    signal: load.signal,
    onStaged: (progress) => report(load, { stage: 'stage', ...progress }),
    localFiles: (files, needed) => load.cache.local(files, { columns: needed, ...call }),
    hashedRows: (files, hashes) => load.rowHashes.select(files, hashes, rowHashContext(load, shape)),
  })

  async function planAgain(newBase: Snapshot | undefined): Promise<Planned> {
    const again = shapeLoad(load, newBase, input, startsAnew(load))
    // Files staged for other columns do not fit: the rows are read once more.
    if (again.select !== shape.select) {
      if (input.replayable) return await planOn(load, newBase, input)
      throw new LakeError(
        'conflict',
        'the table changed its columns while the load ran, and the input can be read only once',
        {
          table: load.store.url,
          fix: 'Nothing of this load became visible. Run it again.',
        },
      )
    }
    const plan = withWidening(plans[load.mode], again.widened)
    const verdict = await drive(plan(planContext(load, newBase, again, fingerprint)), executor)
    return { base: newBase, input, shape: again, verdict, executor, planAgain }
  }
  return await planAgain(base)
}

/** Undefined where a file does not lie on this machine. */
function pathsHere(store: Store, files: readonly AddFile[]): string[] | undefined {
  const paths = files.flatMap(({ key }) => store.localPath(key) ?? [])
  return paths.length === files.length ? paths : undefined
}

export function rowHashContext(load: Load, { schema, partitionBy }: Shape): RowHashContext {
  const options = load.signal ? { signal: load.signal } : {}
  return { engine: load.engine, schema, partitionBy, options, log: load.runtime.log }
}

const inputName = 'lw_input'

function planContext(
  load: Load,
  base: Snapshot | undefined,
  shape: Shape,
  fingerprint: PlanContext['fingerprint'],
): PlanContext {
  return {
    base,
    schema: shape.schema,
    partitionBy: shape.partitionBy,
    key: shape.key,
    loadColumns: shape.loadColumns,
    fingerprint,
    rearranged: startsAnew(load),
    input: {
      ...{ name: inputName, schema: shape.schema, supplied: shape.supplied, extras: shape.extras },
      ...(shape.ignored === undefined ? {} : { ignored: shape.ignored }),
    },
    ...(shape.scope ? { scope: shape.scope } : {}),
    rowHash: rowHashesOf(load, shape),
    changeFeed: shape.configuration[changeFeedProperty] === 'true',
    startedMs: load.startedMs,
    loadId: load.settings.loadId ?? load.txnId,
    settings: { ...load.settings, ...shape.settings },
  }
}

/** Which hash of a row: over everything but its key, what the load itself says of it, and when a version holds. */
export function rowHashesOf({ engine, mode }: Load, { schema, key, loadColumns }: Shape): RowHashes {
  const span = mode === 'scd2' ? effectiveColumns.map(({ name }) => name) : []
  const identity = [...key, ...span]
  const columns = schema.filter(({ name }) => !identity.includes(name) && !loadColumns.includes(name))
  return { of: rowHashName(engine.id, columns, identity), columns, key: identity }
}

/** Step a plan from ask to ask until its verdict. */
async function drive(plan: ReturnType<Plan>, executor: Executor): Promise<Verdict> {
  let step = plan.next()
  while (!step.done) step = plan.next(await executor.answer(step.value))
  return step.value
}

/** An overwrite that replaces the schema has nothing in common with the table before but its history. */
export function startsAnew({ mode, settings }: Pick<LoadContext, 'mode' | 'settings'>): boolean {
  return mode === 'overwrite' && settings.schema === 'replace'
}

/** Rows that did not fit, with the reason and where they came from, as a file of their own. */
async function stageRejected(load: Load, input: Input): Promise<Rejected | undefined> {
  if (input.rejects === undefined) return undefined
  const folder = join(load.spoolFolder, 'rejected')
  await mkdir(folder, { recursive: true })
  const columns = '__lw_file AS _file, __lw_row AS _row_number, __lw_reason AS _reason, __lw_raw AS _row'
  const [file] = await load.engine.copy(`SELECT ${columns} FROM (${input.rejects})`, {
    folder,
    partitionBy: [],
    fieldIds: {},
    name: 'rejected',
    signal: load.signal,
  })
  if (file === undefined || file.rows === 0) return undefined
  return { rows: file.rows, key: rejectedKey(load.txnId), file: { path: file.path, sizeBytes: file.sizeBytes } }
}

function engineUse({ settings, table }: LoadContext): { memory?: string; threads?: number } {
  const memory = settings.memory ?? table.memory
  const threads = settings.threads ?? table.threads
  return { ...(memory ? { memory } : {}), ...(threads ? { threads } : {}) }
}

/** Below the table itself where the store can take files over from there, and the load is not just asked what it would do. */
async function makeSpoolFolder(ctx: LoadContext, txnId: string): Promise<string> {
  const own = ctx.settings.dryRun ? undefined : await ctx.store.spoolFolder(stagingFolder(ctx.settings.loadId ?? txnId))
  if (own === undefined) return await mkdtemp(join(ctx.table.tempFolder ?? tmpdir(), 'lakewright-'))
  const folder = join(own, txnId)
  await mkdir(folder, { recursive: true })
  return folder
}

function stagingParents({ settings }: LoadContext, txnId: string, spoolFolder: string): string[] {
  const own = spoolFolder.endsWith(join(stagingFolder(settings.loadId ?? txnId), txnId))
  return own ? [dirname(spoolFolder), dirname(dirname(spoolFolder))] : []
}

function fingerprintColumns({ schema, partitionBy, loadColumns }: Shape): Shape['schema'] {
  return schema.filter(({ name }) => !partitionBy.includes(name) && !loadColumns.includes(name))
}

/** While the engine works it is asked every now and then how far it has come. */
async function reportingRows<T>(load: Load, work: () => Promise<T>): Promise<T> {
  if (load.settings.onProgress === undefined && load.table.onProgress === undefined) return await work()
  const timer = setInterval(() => {
    const { percent, rowsProcessed } = load.engine.progress()
    const share = percent >= 0 ? { share: percent / 100 } : {}
    report(load, { stage: 'read', ...(rowsProcessed > 0 ? { rows: rowsProcessed } : {}), ...share })
  }, progressEveryMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}
const progressEveryMs = 250

/** Several file sources are several inputs; an array of anything else is one input, of rows or batches. */
function listOf(inputs: LoadInput | LoadInput[]): LoadInput[] {
  if (!Array.isArray(inputs)) return [inputs as LoadInput]
  const several =
    inputs.length > 0 && inputs.every((one) => isFileSource(one) || typeof one === 'string' || one instanceof URL)
  return several ? (inputs as LoadInput[]) : [inputs as LoadInput]
}

function refuseMissingTable(ctx: LoadContext, base: Snapshot | undefined): void {
  if (base !== undefined) return
  const creates = ctx.mode !== 'delete'
  if (creates && (ctx.settings.create ?? ctx.table.create ?? true)) return
  throw new LakeError('invalid', 'there is no table here', {
    table: ctx.store.url,
    fix: creates ? 'Check the address, or leave --no-create out to make the table.' : 'Check the address.',
  })
}

/** Columns that the scope fixes to one value: a file of that partition need not repeat it. */
function scopeConstantsOf(load: Load, base: Snapshot | undefined): { scopeConstants?: Record<string, string> } {
  const { scope } = load.settings
  if (scope === undefined) return {}
  const partitionBy = base?.metadata.partitionBy ?? load.remembered.partitionBy
  const schema = base?.metadata.schema ?? declaredColumns(partitionBy, load.settings.types ?? {})
  return { scopeConstants: scopeConstants(parseAnyScope(scope, schema, partitionBy)) }
}

/** Before the table exists its columns have the types that are declared; others are text, to be typed like any other. */
function declaredColumns(names: string[], types: Record<string, string>): Schema {
  return names.map((name) => {
    const declared = Object.entries(types).find(([column]) => sameName(column, name))?.[1] ?? types['*']
    return { name, type: declared === undefined ? { kind: 'varchar' } : parseType(declared), nullable: true }
  })
}

export function report(load: LoadContext, progress: Progress): void {
  load.settings.onProgress?.(progress)
  load.table.onProgress?.(progress)
}

function counter(): () => number {
  let next = 0
  return () => next++
}
