/**
 * A side of a diff, whatever it is, as a view in the engine that can be scanned as often as one likes.
 *
 *   table, table@12            its files, where they lie; from a store a copy on this machine
 *   Parquet                    the files, in place
 *   CSV, JSON, Arrow IPC       read once, into one Parquet file of the spool
 *   rows, batches, a query     the same
 *
 * Text that has no declared type stays text here: its types are inferred when both sides are known (`types.ts`).
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Engine, RunOptions } from '../../engine/port.js'
import { quoteGlobFree, quoteIdent, quotePath } from '../../engine/sql.js'
import type { Runtime } from '../../runtime.js'
import { foldName } from '../../schema/names.js'
import type { Schema } from '../../schema/types.js'
import { type FileSource, files, isFileSource, parquet } from '../../source/files.js'
import { type LoadInput, openInput } from '../../source/open.js'
import type { Input, ReadingSettings } from '../../source/port.js'
import { spoolFormat } from '../../stage/compare/joined.js'
import type { QueryResult } from '../result.js'
import type { Which } from './changes.js'
import type { DiffSettings } from './settings.js'
import { mayBeTable, openTableAt, type Shared, sharedFiles, type TableAt, tableSide } from './tables.js'

/** Whatever `--from` takes, several of them as one, rows, Arrow batches, or what a query answers. */
export type DiffSide = LoadInput | readonly (string | URL | FileSource)[] | QueryResult

/** @throws LakeError invalid: what cannot be read, with its place */
export async function openSides(old: DiffSide, now: DiffSide, place: Place): Promise<OpenSides> {
  const opened: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const one of opened.splice(0)) await one()
  }
  try {
    const givens = { old: await lookAt(old, 'old', place), new: await lookAt(now, 'new', place) }
    const tables = [givens.old.table, givens.new.table].filter((table) => table !== undefined)
    opened.push(...tables.map((table) => () => table.close()))
    const [before, after] = tables
    // Of rows with one key in two files the last is to be found.
    const shared = before && after && place.settings.orderBy === undefined ? sharedFiles(before, after) : undefined
    const sides: Side[] = []
    for (const given of [givens.old, givens.new]) {
      const side = given.table
        ? await versionSide(given.table, shared, given.opening)
        : await inputSide(await withoutTables(given.inputs, given.opening), given.opening)
      opened.push(() => side.close())
      sides.push(side)
    }
    return { old: sides[0] as Side, new: sides[1] as Side, shared, close }
  } catch (error) {
    await close()
    throw error
  }
}

export interface OpenSides extends Record<Which, Side> {
  /** What both are known to have in common; neither view has it. */
  shared: Shared | undefined
  close(): Promise<void>
}

export interface Side {
  which: Which
  /** A view, quoted. */
  relation: string
  /** Where it reads Parquet files and nothing else: their paths. */
  files: readonly string[]
  schema: Schema
  /** Columns, folded, that are text only because nobody said what they are. */
  texts: ReadonlySet<string>
  /** What a table remembers; empty elsewhere. */
  key: string[]
  /** What loads write about themselves into a table: no part of a row's content. */
  loadColumns: readonly string[]
  /** What an engine's error while the view is read means, if it is about this side. */
  explain(error: unknown): Promise<void>
  close(): Promise<void>
}

export interface Place {
  engine: Engine
  runtime: Runtime
  folder: string
  settings: DiffSettings
  run: RunOptions
}

interface Opening extends Place {
  which: Which
}

interface Given {
  opening: Opening
  inputs: LoadInput[]
  /** Where it is a version of a table and nothing else. */
  table: TableAt | undefined
}

async function lookAt(given: DiffSide, which: Which, place: Place): Promise<Given> {
  const folder = join(place.folder, which)
  await mkdir(folder, { recursive: true })
  const opening: Opening = { ...place, which, folder }
  const inputs = isQuery(given) ? [parquet(await written(given, opening))] : listOf(given)
  return { opening, inputs, table: await soleTable(inputs, opening) }
}

/** By its shape: a result is also an iterable of rows, but its values have types that rows do not show. */
function isQuery(given: DiffSide): given is QueryResult {
  return typeof given === 'object' && 'write' in given && 'batches' in given && 'columns' in given
}

async function written(result: QueryResult, { folder }: Opening): Promise<string> {
  const path = join(folder, 'result.parquet')
  await result.write(path, 'parquet')
  return path
}

/** Several file sources are several inputs; an array of anything else is one input, of rows or batches. */
function listOf(given: Exclude<DiffSide, QueryResult>): LoadInput[] {
  const several =
    Array.isArray(given) &&
    given.length > 0 &&
    given.every((one) => isFileSource(one) || typeof one === 'string' || one instanceof URL)
  return several ? (given as LoadInput[]) : [given as LoadInput]
}

async function soleTable(inputs: readonly LoadInput[], opening: Opening): Promise<TableAt | undefined> {
  const [source, ...others] = inputs.map(sourceOf)
  const from = source?.from[0]
  if (source === undefined || others.length > 0 || source.from.length > 1) return undefined
  // What changes columns is done where files are read.
  const { types, rename, set, derive } = { ...opening.settings, ...source.options }
  if ([types, rename, set, derive].some((setting) => setting !== undefined)) return undefined
  return mayBeTable(from, source) ? await openTableAt(from, opening) : undefined
}

function sourceOf(input: LoadInput): FileSource | undefined {
  if (isFileSource(input)) return input
  return typeof input === 'string' || input instanceof URL ? files(input) : undefined
}

async function versionSide(table: TableAt, shared: Shared | undefined, opening: Opening): Promise<Side> {
  const files = [...table.snapshot.files.values()].filter(({ key }) => !shared?.keys.has(key))
  const { select, paths } = await table.rows(files)
  const relation = await createView(select, opening)
  return { ...tableSide(opening.which, table), relation, files: paths, close: async () => {} }
}

/** Tables among several inputs, or with settings that change their columns, as one Parquet file each. */
async function withoutTables(inputs: readonly LoadInput[], opening: Opening): Promise<LoadInput[]> {
  const { engine, runtime, folder, run } = opening
  const replaced: LoadInput[] = []
  for (const input of inputs) {
    const source = sourceOf(input)
    const tables = new Map<string, string>()
    for (const from of source?.from ?? []) {
      const table = source && mayBeTable(from, source) ? await openTableAt(from, opening) : undefined
      if (table === undefined) continue
      const path = join(folder, `rows-${runtime.uuid()}.parquet`)
      const { select } = await table.rows([...table.snapshot.files.values()])
      await table.close()
      await engine.run(`COPY (${select}) TO ${quotePath(path)} (${spoolFormat})`, run)
      tables.set(String(from), path)
    }
    if (source === undefined || tables.size === 0) replaced.push(input)
    else {
      const { format, options } = source
      for (const from of source.from) {
        const path = tables.get(String(from))
        replaced.push(
          path === undefined ? files(from, { ...options, ...(format && { format }) }) : parquet(path, options),
        )
      }
    }
  }
  return replaced
}

async function inputSide(inputs: LoadInput[], opening: Opening): Promise<Side> {
  const { which } = opening
  const { input, texts } = await openAsText(inputs, opening)
  try {
    const inPlace = input.columnar ? input.parquetFiles : undefined
    const files = inPlace ?? [await spooled(input, opening)]
    const select = inPlace === undefined ? spoolSql(files[0] ?? '') : input.select
    return {
      which,
      relation: await createView(select, opening),
      files,
      schema: input.schema,
      texts,
      key: [],
      loadColumns: [],
      explain: async (error) => {
        await input.refine(error)
      },
      close: () => input.close(),
    }
  } catch (error) {
    await input.close()
    throw error
  }
}

/** Columns whose type would be inferred are read as text: they need not be read again when the other side disagrees. */
async function openAsText(
  inputs: LoadInput[],
  opening: Opening,
): Promise<{ input: Input; texts: ReadonlySet<string> }> {
  const { runtime, engine, folder, settings, run } = opening
  const reading = readingOf(settings)
  const open = (types: Record<string, string>): Promise<Input> =>
    openInput(inputs, types === reading.types ? reading : { ...reading, types: { ...types, ...reading.types } }, {
      engine,
      runtime,
      spoolFolder: folder,
      evolve: false,
      onReject: 'fail',
      ...(settings.store === undefined ? {} : { store: settings.store }),
      ...run,
    })
  const declared = (name: string): boolean =>
    Object.keys(reading.types ?? {}).some((one) => foldName(one) === foldName(name))
  // Expressions are written for the types that their columns would have.
  const derives =
    inputs.some((input) => isFileSource(input) && input.options.derive !== undefined) || reading.derive !== undefined
  if (!derives && isPipedText(inputs, settings) && !declared('*')) {
    const input = await open({ '*': 'varchar' })
    return { input, texts: new Set(input.schema.map(({ name }) => foldName(name)).filter((name) => !declared(name))) }
  }
  const input = await open({})
  const inferred = input.schema.map(({ name }) => name).filter((name) => input.typedBy[name] === 'inferred')
  if (derives || inferred.length === 0) return { input, texts: new Set() }
  await input.close()
  return {
    input: await open(Object.fromEntries(inferred.map((name) => [name, 'varchar']))),
    texts: new Set(inferred.map(foldName)),
  }
}

/** CSV that comes through a pipe cannot be opened twice. */
function isPipedText(inputs: readonly LoadInput[], settings: DiffSettings): boolean {
  return inputs.some((input) => {
    const source = input instanceof Readable && !input.readableObjectMode ? files(input) : sourceOf(input)
    const format = source?.format ?? settings.format
    const isPiped = source?.from.some((from) => from === '-' || typeof from !== 'string') ?? false
    return isPiped && (format === 'csv' || format === 'tsv')
  })
}

function readingOf(settings: DiffSettings): ReadingSettings {
  const names = [
    'format',
    'delimiter',
    'quote',
    'escape',
    'encoding',
    'skipRows',
    'header',
    'nullText',
    'types',
    'rename',
    'set',
    'derive',
  ] as const satisfies (keyof ReadingSettings)[]
  return Object.fromEntries(names.flatMap((name) => (settings[name] === undefined ? [] : [[name, settings[name]]])))
}

async function spooled(input: Input, { engine, folder, run }: Opening): Promise<string> {
  const path = join(folder, 'rows.parquet')
  for (;;) {
    try {
      await engine.run(`COPY (${input.select}) TO ${quotePath(path)} (${spoolFormat})`, run)
      return path
    } catch (error) {
      if (!(await input.refine(error))) throw error
    }
  }
}

/** Every column of a file that `spoolFormat` wrote. */
export function spoolSql(path: string): string {
  return `SELECT * FROM read_parquet(${quoteGlobFree(path)}, hive_partitioning = false)`
}

/** Not a temporary one: streams have connections of their own. */
async function createView(
  select: string,
  { engine, which, run }: Pick<Opening, 'engine' | 'which' | 'run'>,
): Promise<string> {
  const name = quoteIdent(`lw_side_${which}`)
  await engine.run(`CREATE VIEW ${name} AS ${select}`, run)
  return name
}
