/**
 * Which columns a load has, where each part takes them from, and which types they may get.
 *
 * In this order: names (`--header`), `--rename`; values from folders, from the scope, from `--set`; types; `--derive`.
 * Each column has a list of candidates, the narrowest first; the first that holds all values of all parts is its type:
 *
 *   declared, or of the table        that type alone (with `evolve` also wider ones that it widens to)
 *   text without a declared type     null only, bigint, double, date, timestamp, boolean, varchar
 *   text beside typed parts          the typed parts' type, then what both widen to
 */
import { quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { commonType } from '../schema/fit.js'
import { inferable } from '../schema/grammar.js'
import { assertColumnNames, findColumn, foldName, nearMiss, parseType, sameType, typeName } from '../schema/names.js'
import type { LakeType, Schema } from '../schema/types.js'
import type { Part, PartColumn } from './part.js'
import type { OpenInputContext, ReadingSettings } from './port.js'

/** A column of the load. */
export interface Column {
  name: string
  /** By part; `undefined` where the part has none, and its rows null. */
  sources: (Source | undefined)[]
  candidates: Candidate[]
  /** The candidate that is tried now. */
  at: number
  typedBy: 'declared' | 'table' | 'inferred' | 'typed'
  /** Whether the table is partitioned by it: values that readers cannot tell from null do not fit. */
  divides?: boolean
}

export type Source = Omit<PartColumn, 'name'> & {
  /** The same in all rows: nothing of the part is needed to know it. */
  isConstant?: boolean
}
/** `null`: no value seen, so none may come. */
export type Candidate = LakeType | null

export function planColumns(parts: readonly Part[], reading: ReadingSettings, ctx: ColumnsContext): Column[] {
  const byPart = parts.map((part) => sourcesOf(part, reading, ctx))
  const columns = unite(byPart)
  const types = parseTypes(reading.types ?? {})
  assertKnown('types', [...types.byName.keys()], columns, reading.derive)
  const dividing = new Set((ctx.partitionBy ?? []).map(foldName))
  for (const column of columns) {
    decideType(column, types, ctx)
    column.divides = dividing.has(foldName(column.name))
  }
  return columns
}

export type ColumnsContext = Pick<OpenInputContext, 'tableSchema' | 'evolve' | 'scopeConstants' | 'partitionBy'>

export function typeNow(column: Column): LakeType {
  return column.candidates[column.at] ?? { kind: 'varchar' }
}

export interface DeclaredTypes {
  byName: Map<string, LakeType>
  others: LakeType | undefined
}

export function parseTypes(types: Record<string, string>): DeclaredTypes {
  const entries = Object.entries(types).map(([name, text]) => [name, parseType(text)] as const)
  return {
    byName: new Map(entries.filter(([name]) => name !== '*')),
    others: entries.find(([name]) => name === '*')?.[1],
  }
}

/** The type that was asked for by name, or by `*`, or that the table has. */
export function wantedType(
  name: string,
  types: DeclaredTypes,
  tableSchema: Schema | undefined,
): { type: LakeType; by: 'declared' | 'table' } | undefined {
  const ofTable = tableSchema && findColumn(tableSchema, name)
  const declared = [...types.byName].find(([column]) => foldName(column) === foldName(name))?.[1]
  if (declared !== undefined) return { type: declared, by: 'declared' }
  if (ofTable !== undefined) return { type: ofTable.type, by: 'table' }
  return types.others && { type: types.others, by: 'declared' }
}

/** @throws LakeError invalid: names a column that does not exist, and the near miss */
function assertKnown(
  setting: 'types',
  names: string[],
  columns: readonly Column[],
  derive: Record<string, string> = {},
): void {
  const known = [...columns.map((column) => column.name), ...Object.keys(derive)]
  for (const name of names) {
    if (known.some((one) => foldName(one) === foldName(name))) continue
    throw noSuchColumn(`\`--${setting}\` names a column that the input does not have`, name, known)
  }
}

export function noSuchColumn(message: string, name: string, known: string[], where: { file?: string } = {}): LakeError {
  const near = nearMiss(name, known)
  const list = known.length > 30 ? `${known.slice(0, 30).join(', ')}, …` : known.join(', ')
  return new LakeError('invalid', message, {
    ...where,
    column: name,
    fix: `${near === undefined ? '' : `Did you mean \`${near}\`? `}Columns are ${list}.`,
  })
}

type Named = Source & { name: string }

/** Names as the load has them, constants included. */
function sourcesOf(part: Part, reading: ReadingSettings, ctx: ColumnsContext): Named[] {
  const named = renamed(part, { ...reading.rename, ...part.rename })
  assertColumnNames(
    named.map((source) => source.name),
    { file: part.label },
  )
  for (const { name } of named) {
    if (!foldName(name).startsWith('__lw_')) continue
    throw new LakeError('invalid', 'names that begin with `__lw_` are kept for lakewright', {
      file: part.label,
      column: name,
      fix: 'Rename the column with `--rename`.',
    })
  }
  const has = new Set(named.map((source) => foldName(source.name)))
  const constants: Named[] = []
  for (const [name, value] of Object.entries(reading.set ?? {})) {
    if (has.has(foldName(name)))
      throw new LakeError('invalid', '`--set` names a column that the input has already', {
        file: part.label,
        column: name,
        fix: 'Leave the setting out, or rename the column with `--rename`.',
      })
    has.add(foldName(name))
    constants.push(constant(name, value))
  }
  for (const [name, value] of Object.entries(ctx.scopeConstants ?? {}))
    if (!has.has(foldName(name)) && !derives(reading, name)) constants.push(constant(name, value))
  return [...named, ...constants]
}

function derives(reading: ReadingSettings, name: string): boolean {
  return Object.keys(reading.derive ?? {}).some((one) => foldName(one) === foldName(name))
}

function renamed(part: Part, rename: Record<string, string>): Named[] {
  const names = part.columns.map((column) => column.name)
  const newNames = new Map<string, string>()
  for (const [from, to] of Object.entries(rename)) {
    const old = names.find((name) => name === from) ?? names.find((name) => foldName(name) === foldName(from))
    if (old !== undefined) newNames.set(old, to)
    else if (!names.some((name) => foldName(name) === foldName(to)))
      throw noSuchColumn(`\`--rename\` finds neither \`${from}\` nor \`${to}\``, from, names, { file: part.label })
  }
  return part.columns.map((column) => ({ ...column, name: newNames.get(column.name) ?? column.name }))
}

function constant(name: string, value: string | number | boolean | null): Named {
  if (typeof value === 'boolean')
    return { name, kind: 'typed', type: { kind: 'boolean' }, sql: String(value), isConstant: true }
  const sql = value === null ? 'CAST(NULL AS VARCHAR)' : quoteText(String(value))
  return { name, kind: 'untyped', type: { kind: 'varchar' }, sql, isConstant: true }
}

/** By name, without regard to case; the first part's spelling and order, then what later parts add. */
function unite(byPart: readonly Named[][]): Column[] {
  const columns = new Map<string, Column>()
  for (const [index, sources] of byPart.entries()) {
    for (const { name, ...source } of sources) {
      let column = columns.get(foldName(name))
      if (column === undefined) {
        column = { name, sources: byPart.map(() => undefined), candidates: [], at: 0, typedBy: 'typed' }
        columns.set(foldName(name), column)
      }
      column.sources[index] = source
    }
  }
  return [...columns.values()]
}

function decideType(column: Column, types: DeclaredTypes, ctx: ColumnsContext): void {
  const wanted = wantedType(column.name, types, ctx.tableSchema)
  const ofTable = ctx.tableSchema && findColumn(ctx.tableSchema, column.name)
  // The table's spelling is the table's column.
  if (ofTable !== undefined) column.name = ofTable.name
  const given = column.sources.filter((source) => source !== undefined)
  const typed = given.filter((source) => source.kind === 'typed').map((source) => source.type)
  const hasText = given.some((source) => source.kind === 'untyped')
  if (wanted?.by === 'declared' && ofTable !== undefined)
    assertAgrees(column.name, wanted.type, ofTable.type, ctx.evolve)
  if (wanted !== undefined) {
    column.typedBy = wanted.by
    column.candidates =
      wanted.by === 'table' && ctx.evolve ? widerThan(column, wanted.type, typed, hasText) : [wanted.type]
    return
  }
  const ofTyped = typed.length === 0 ? undefined : typed.reduce((a, b) => unionOrRefuse(column.name, a, b))
  column.typedBy = hasText ? 'inferred' : 'typed'
  if (!hasText) column.candidates = [ofTyped ?? { kind: 'varchar' }]
  else if (ofTyped === undefined) column.candidates = [null, ...inferable]
  else column.candidates = distinct([ofTyped, ...inferable.flatMap((type) => commonType(ofTyped, type) ?? [])])
}

function assertAgrees(column: string, declared: LakeType, ofTable: LakeType, evolve: boolean): void {
  const common = commonType(ofTable, declared)
  if (common !== undefined && (sameType(common, ofTable) || (evolve && sameType(common, declared)))) return
  throw new LakeError('invalid', "`--types` says another type than the table's", {
    column,
    declared: typeName(declared),
    table: typeName(ofTable),
    fix: `Leave it out${common === undefined || evolve ? '' : ', or widen the column with `--schema evolve`'}.`,
  })
}

/** The table's type, then what the input's own values would widen it to. */
function widerThan(column: Column, table: LakeType, typed: LakeType[], hasText: boolean): LakeType[] {
  const own = typed.reduce<LakeType | undefined>(
    (a, b) => (a === undefined ? b : unionOrRefuse(column.name, a, b)),
    undefined,
  )
  const isText = typed.every((type) => type.kind === 'varchar')
  const first = own === undefined || isText ? table : (commonType(table, own) ?? table)
  const texts = hasText || isText ? inferable : []
  return distinct([first, ...texts.flatMap((type) => commonType(first, type) ?? [])])
}

function unionOrRefuse(column: string, a: LakeType, b: LakeType): LakeType {
  const type = commonType(a, b)
  if (type !== undefined) return type
  throw new LakeError('invalid', 'inputs of one load have different types for a column, and none holds both', {
    column,
    types: `${typeName(a)}, ${typeName(b)}`,
    fix: `Say which, e.g. \`--types "${column}=varchar"\`.`,
  })
}

function distinct(types: LakeType[]): LakeType[] {
  return types.filter((type, i) => types.findIndex((one) => sameType(one, type)) === i)
}
