/**
 * The types in which the columns of two sides are compared.
 *
 *   text, text         the narrowest type whose grammar holds every value of both, as if they were one input
 *   text, typed        the typed side's, where every text is a value of it
 *   typed, typed       the narrowest that holds both; of a double and another number double, where that holds every value
 *   otherwise          text; two kinds of numbers as one text for one number: `7` for 7, 7.0 and 7.00
 */
import type { Engine, RunOptions } from '../../engine/port.js'
import { quoteIdent } from '../../engine/sql.js'
import { commonType, fitCastSql, holds } from '../../schema/fit.js'
import { inferable } from '../../schema/grammar.js'
import { findColumn, foldName, isNested, sameType } from '../../schema/names.js'
import type { LakeType } from '../../schema/types.js'
import { fitsSql, fittedSql, fitValue } from '../../source/fit.js'
import type { Side } from './sides.js'

/** By folded name. */
export type SettledTypes = ReadonlyMap<string, SettledColumn>

export interface SettledColumn {
  type: LakeType
  /** The value in that type, over the side's view; absent where the side has no such column. */
  old?: string
  new?: string
}

/** Reads texts, and little where both sides have types. */
export async function settleTypes(sides: Sides, engine: Engine, run: RunOptions): Promise<SettledTypes> {
  const names = new Set([...sides.new.schema, ...sides.old.schema].map(({ name }) => foldName(name)))
  const pairs = [...names].map((folded) => pairOf(folded, sides))
  await chooseTypes(
    pairs.filter(({ candidates }) => candidates.length > 0),
    engine,
    run,
  )
  return new Map(pairs.map((pair) => [pair.folded, settled(pair)]))
}

export interface Sides {
  old: Side
  new: Side
}

/** One column of both sides. */
interface Pair {
  folded: string
  old: Source | undefined
  new: Source | undefined
  /** Types that its values may be of, the best first; empty where there is nothing to choose. */
  candidates: readonly LakeType[]
  /** Of the candidates, where one holds all values. */
  chosen?: LakeType
}

interface Source {
  relation: string
  sql: string
  type: LakeType
  isText: boolean
}

function pairOf(folded: string, sides: Sides): Pair {
  const [old, now] = [sourceOf(sides.old, folded), sourceOf(sides.new, folded)]
  return { folded, old, new: now, candidates: candidatesOf([old, now].filter((source) => source !== undefined)) }
}

function candidatesOf(sources: readonly Source[]): readonly LakeType[] {
  const typed = sources.filter(({ isText }) => !isText).map(({ type }) => type)
  if (typed.length === sources.length) {
    const [first, second] = typed
    const mayFit = first && second && isNumber(first) && isNumber(second) && commonType(first, second) === undefined
    return mayFit ? typed.filter(({ kind }) => kind === 'double' || kind === 'float') : []
  }
  const mayBe = typed.length === 0 ? inferable : typed
  return mayBe.filter((type) => type.kind !== 'varchar' && !isNested(type))
}

/** Whether its values must be looked at to know if they are of the type. */
function isOpen(source: Source, type: LakeType): boolean {
  return source.isText || !holds(type, source.type)
}

function sourceOf(side: Side, folded: string): Source | undefined {
  const field = findColumn(side.schema, folded)
  if (field === undefined) return undefined
  const { relation, texts } = side
  return { relation, sql: quoteIdent(field.name), type: field.type, isText: texts.has(folded) }
}

/** The first candidate that holds all values of both sides, and that is not for want of any. */
async function chooseTypes(pairs: readonly Pair[], engine: Engine, run: RunOptions): Promise<void> {
  let open = pairs.map((pair) => ({ pair, candidates: [...pair.candidates] }))
  // What a few rows refute need not be asked of all.
  const sampled = await heldBy(open, engine, run, sampleRows)
  open = open.map(({ pair, candidates }) => ({
    pair,
    candidates: candidates.filter((type) => sampled.get(pair)?.has(type)),
  }))
  // The best that is left is most often right; where it is not, the others are looked at.
  while (open.length > 0) {
    const best = open.flatMap(({ pair, candidates: [first] }) =>
      first === undefined ? [] : [{ pair, candidates: [first] }],
    )
    const held = await heldBy(best, engine, run)
    for (const { pair, candidates } of best) if (held.get(pair)?.has(candidates[0])) pair.chosen = candidates[0]
    open = open.flatMap(({ pair, candidates }) =>
      pair.chosen === undefined && candidates.length > 1 ? [{ pair, candidates: candidates.slice(1) }] : [],
    )
  }
  const withoutValues = await empty(
    pairs.filter(({ chosen }) => chosen !== undefined),
    engine,
    run,
  )
  for (const pair of withoutValues) if (![pair.old, pair.new].some((one) => one && !one.isText)) delete pair.chosen
}

const sampleRows = 10_000

interface Question {
  pair: Pair
  candidates: readonly LakeType[]
}

/** Which of the candidates hold all values, or all of the first ones; one scan of each side. */
async function heldBy(
  questions: readonly Question[],
  engine: Engine,
  run: RunOptions,
  limit?: number,
): Promise<Map<Pair, Set<LakeType | undefined>>> {
  const held = new Map(questions.map(({ pair, candidates }) => [pair, new Set<LakeType | undefined>(candidates)]))
  for (const which of ['old', 'new'] as const) {
    const asked = questions.flatMap(({ pair, candidates }) => {
      const source = pair[which]
      if (source === undefined) return []
      return candidates.filter((type) => isOpen(source, type)).map((type) => ({ pair, type, source }))
    })
    const [first] = asked
    if (first === undefined) continue
    const proofs = asked.map(({ type, source }, i) => `bool_and(${holdsSql(source, type)}) AS p${i}`)
    const from = limit === undefined ? first.source.relation : `(SELECT * FROM ${first.source.relation} LIMIT ${limit})`
    const [row] = await engine.rows(`SELECT ${proofs.join(', ')} FROM ${from}`, run)
    for (const [i, { pair, type }] of asked.entries()) if (row?.[`p${i}`] === false) held.get(pair)?.delete(type)
  }
  return held
}

/** Those without any value on either side: every type would hold them, so they stay text. */
async function empty(pairs: readonly Pair[], engine: Engine, run: RunOptions): Promise<Pair[]> {
  const left = new Set(pairs)
  for (const which of ['old', 'new'] as const) {
    const asked = [...left].flatMap((pair) => (pair[which] === undefined ? [] : [{ pair, source: pair[which] }]))
    const [first] = asked
    if (first === undefined) continue
    const counts = asked.map(({ source }, i) => `count(${source.sql}) > 0 AS n${i}`)
    const [row] = await engine.rows(`SELECT ${counts.join(', ')} FROM ${first.source.relation}`, run)
    for (const [i, { pair }] of asked.entries()) if (row?.[`n${i}`] === true) left.delete(pair)
  }
  return [...left]
}

function holdsSql({ type: from, sql }: Source, type: LakeType): string {
  const fit = fitValue(from, type, sql)
  return fit === undefined ? 'false' : fitsSql(fit, sql)
}

function settled({ old, new: now, chosen }: Pair): SettledColumn {
  const given = [old, now].filter((source) => source !== undefined)
  const ofTyped = given.filter(({ isText }) => !isText).map(({ type }) => type)
  const hasText = given.some(({ isText }) => isText)
  const [first = { kind: 'varchar' as const }, second = first] = ofTyped
  const type: LakeType = chosen ?? (hasText ? { kind: 'varchar' } : (commonType(first, second) ?? { kind: 'varchar' }))
  const asNumbers = type.kind === 'varchar' && given.length === 2 && given.every((source) => isNumber(source.type))
  const sqlOf = (source: Source): string => {
    if (asNumbers) return numberText(source.type, source.sql)
    return source.isText ? textValue(type, source.sql) : typedValue(source.type, type, source.sql)
  }
  return { type, ...(old && { old: sqlOf(old) }), ...(now && { new: sqlOf(now) }) }
}

/** A text that was proved to be a value of the type. */
function textValue(type: LakeType, x: string): string {
  if (type.kind === 'varchar') return x
  const fit = fitValue({ kind: 'varchar' }, type, x)
  // The short way of a timestamp is only for those without an offset: its own proof says for which.
  return type.kind === 'timestamp' && fit !== undefined
    ? fittedSql(fit, x, 'NULL')
    : fitCastSql({ kind: 'varchar' }, type, x)
}

function typedValue(from: LakeType, to: LakeType, x: string): string {
  if (sameType(from, to)) return x
  if (to.kind === 'varchar' && from.kind === 'blob') return `to_base64(${x})`
  return fitCastSql(from, to, x)
}

function isNumber({ kind }: LakeType): boolean {
  return ['tinyint', 'smallint', 'integer', 'bigint', 'float', 'double', 'decimal'].includes(kind)
}

/** One text for one number, whatever its type. */
function numberText(type: LakeType, x: string): string {
  const text = `CAST(${x} AS VARCHAR)`
  if (type.kind === 'decimal') return type.scale === 0 ? text : `rtrim(rtrim(${text}, '0'), '.')`
  if (type.kind !== 'float' && type.kind !== 'double') return text
  return `CASE WHEN ${x} = trunc(${x}) AND abs(${x}) < 1e18 THEN CAST(CAST(${x} AS HUGEINT) AS VARCHAR) ELSE ${text} END`
}
