/**
 * Predicates over columns, as a tree of plain JSON: evaluated here, or said as SQL or as text, always with the same
 * answer. Logic is SQL's, with three values: a comparison with null is neither true nor false.
 *
 *   { op: 'and', of: [ dt >= '2026-11-01', dt < '2026-12-01' ] }
 *   SQL    ("dt" >= CAST('2026-11-01' AS DATE) AND "dt" < CAST('2026-12-01' AS DATE))
 *   text   dt >= '2026-11-01' and dt < '2026-12-01'
 *
 * Values are texts in the canonical form of the column's type (`value.ts`).
 */
import { findColumn, sameType } from '../schema/names.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { LakeType, Schema } from '../schema/types.js'
import { type PartitionTexts, textOf } from './spec.js'
import { compareTexts, partitionValueSql } from './value.js'

export type Predicate = { op: 'true' } | { op: 'false' } | Atom | { op: 'and' | 'or'; of: Predicate[] } | Negation

/** A test of one column, or of two beside each other. */
export type Atom =
  | (ColumnRef & { op: 'compare'; comparison: Comparison; value: string })
  | (ColumnRef & { op: 'in'; values: string[] })
  | (ColumnRef & { op: 'null' })
  | (ColumnRef & { op: 'columns'; comparison: Comparison; other: ColumnRef })

export interface ColumnRef {
  column: string
  type: LakeType
  /** Whose column it is, where a condition speaks of two rows: `incoming`, `current`. */
  source?: string
}

export type Negation = { op: 'not'; of: Predicate }
export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>='

/**
 * Whether the predicate is TRUE (not FALSE, not unknown) of a partition.
 * @param schema the table's, where a column may have been widened since the predicate was read
 */
export function matchesPartition(predicate: Predicate, values: PartitionTexts, schema?: Schema): boolean {
  return evaluate(predicate, (column) => textOf(values, column), schema) === true
}

/** Three-valued: null is unknown. */
export function evaluate(
  predicate: Predicate,
  text: (column: string) => string | null,
  schema?: Schema,
): boolean | null {
  switch (predicate.op) {
    case 'true':
      return true
    case 'false':
      return false
    case 'not': {
      const inner = evaluate(predicate.of, text, schema)
      return inner === null ? null : !inner
    }
    case 'and':
    case 'or': {
      const decisive = predicate.op === 'or'
      const results = predicate.of.map((part) => evaluate(part, text, schema))
      if (results.includes(decisive)) return decisive
      return results.includes(null) ? null : !decisive
    }
    default: {
      const value = text(predicate.column)
      if (predicate.op === 'null') return value === null
      const other = predicate.op === 'columns' ? text(predicate.other.column) : ''
      if (value === null || other === null) return null
      const type = (schema === undefined ? undefined : findColumn(schema, predicate.column)?.type) ?? predicate.type
      if (predicate.op === 'columns') return compareColumns(predicate, value, other)
      if (predicate.op === 'in') return predicate.values.some((one) => compareTexts(value, one, type) === 0)
      return holds(compareTexts(value, predicate.value, type), predicate.comparison)
    }
  }
}

/**
 * DuckDB's SQL, with quoted names and typed literals: TRUE, FALSE or NULL as `evaluate` says. Rows outside a scope are
 * those of which it IS NOT TRUE.
 * @param alias of the relation, unquoted; or the SQL of each column
 */
export function predicateSql(predicate: Predicate, alias?: string | ((column: ColumnRef) => string)): string {
  switch (predicate.op) {
    case 'true':
      return 'true'
    case 'false':
      return 'false'
    case 'not':
      return `(NOT ${predicateSql(predicate.of, alias)})`
    case 'and':
    case 'or':
      return `(${predicate.of.map((part) => predicateSql(part, alias)).join(predicate.op === 'and' ? ' AND ' : ' OR ')})`
    default: {
      const sqlOf = typeof alias === 'function' ? alias : (ref: ColumnRef) => columnSql(ref, alias)
      const column = sqlOf(predicate)
      if (predicate.op === 'null') return `(${column} IS NULL)`
      if (predicate.op === 'columns') return `(${column} ${predicate.comparison} ${sqlOf(predicate.other)})`
      const literal = (text: string) => partitionValueSql(text, predicate.type)
      if (predicate.op === 'in') return `(${column} IN (${predicate.values.map(literal).join(', ')}))`
      return `(${column} ${predicate.comparison} ${literal(predicate.value)})`
    }
  }
}

/** The normal form as text, which reads back to it: predicates spelled differently but alike in structure have one. */
export function predicateText(predicate: Predicate): string {
  return textOfNormal(normalForm(predicate))
}

/**
 * Negations moved to the leaves, nested `and` and `or` flattened, parts sorted and without repetition. Holds in
 * three-valued logic.
 */
export function normalForm(predicate: Predicate, negated = false): Predicate {
  switch (predicate.op) {
    case 'true':
    case 'false':
      return { op: (predicate.op === 'true') === negated ? 'false' : 'true' }
    case 'not':
      return normalForm(predicate.of, !negated)
    case 'and':
    case 'or':
      return joined(
        (predicate.op === 'and') === negated ? 'or' : 'and',
        predicate.of.map((part) => normalForm(part, negated)),
      )
    case 'compare':
    case 'columns':
      return negated ? { ...predicate, comparison: opposite[predicate.comparison] } : predicate
    case 'null':
      return negated ? { op: 'not', of: predicate } : predicate
    case 'in': {
      const sorted = predicate.values.toSorted((a, b) => compareTexts(a, b, predicate.type))
      const values = sorted.filter(
        (text, i) => i === 0 || compareTexts(text, sorted[i - 1] ?? '', predicate.type) !== 0,
      )
      const { op: _, values: __, ...ref } = predicate
      const [only] = values
      if (values.length === 1 && only !== undefined)
        return { op: 'compare', ...ref, comparison: negated ? '<>' : '=', value: only }
      const atom: Predicate = { op: 'in', ...ref, values }
      return negated ? { op: 'not', of: atom } : atom
    }
  }
}

/** Words that a name must be quoted beside. */
export const keywords: ReadonlySet<string> = new Set([
  ...['and', 'or', 'not', 'in', 'between', 'is', 'null', 'true', 'false', 'like'],
])

/** What holds where the comparison does not, but for nulls. */
export const opposite: Record<Comparison, Comparison> = {
  '=': '<>',
  '<>': '=',
  '<': '>=',
  '>=': '<',
  '>': '<=',
  '<=': '>',
}
const order: Comparison[] = ['=', '>=', '>', '<=', '<', '<>']

function holds(sign: number, comparison: Comparison): boolean {
  switch (comparison) {
    case '=':
      return sign === 0
    case '<>':
      return sign !== 0
    case '<':
      return sign < 0
    case '<=':
      return sign <= 0
    case '>':
      return sign > 0
    case '>=':
      return sign >= 0
  }
}

function columnSql({ column, source }: ColumnRef, alias: string | undefined): string {
  const relation = source ?? alias
  return `${relation === undefined ? '' : `${quoteIdentifier(relation)}.`}${quoteIdentifier(column)}`
}

/** Of values of two types nothing is known here. */
function compareColumns(
  { type, comparison, other }: Extract<Atom, { op: 'columns' }>,
  value: string,
  otherValue: string,
): boolean | null {
  return sameType(type, other.type) ? holds(compareTexts(value, otherValue, type), comparison) : null
}

function joined(op: 'and' | 'or', parts: Predicate[]): Predicate {
  const flat = parts.flatMap((part) => (part.op === op ? part.of : [part]))
  const [neutral, decisive] = op === 'and' ? (['true', 'false'] as const) : (['false', 'true'] as const)
  if (flat.some((part) => part.op === decisive)) return { op: decisive }
  const byText = new Map(flat.filter((part) => part.op !== neutral).map((part) => [textOfNormal(part), part]))
  const of = [...byText]
    .sort(([a, p], [b, q]) => compareRank(rank(p), rank(q)) || compareRank([a], [b]))
    .map(([, p]) => p)
  const [only] = of
  if (only === undefined) return { op: neutral }
  return of.length === 1 ? only : { op, of }
}

/** By column, then as one would write it: lower bound, upper bound, the rest; groups last. */
function rank(part: Predicate): [string, number] {
  const leaf = part.op === 'not' ? part.of : part
  if (!('column' in leaf)) return ['\u{10ffff}', 0]
  return [leaf.column, leaf.op === 'compare' ? order.indexOf(leaf.comparison) : order.length]
}

function compareRank<T extends (string | number)[]>(a: T, b: T): number {
  for (const [i, left] of a.entries()) {
    const right = b[i]
    if (right !== undefined && left !== right) return left < right ? -1 : 1
  }
  return 0
}

function textOfNormal(predicate: Predicate): string {
  switch (predicate.op) {
    case 'true':
    case 'false':
      return predicate.op
    case 'and':
    case 'or':
      return predicate.of
        .map((part) => (part.op === 'and' || part.op === 'or' ? `(${textOfNormal(part)})` : textOfNormal(part)))
        .join(` ${predicate.op} `)
    case 'not':
      return atomText(predicate.of, 'not ')
    default:
      return atomText(predicate, '')
  }
}

function atomText(atom: Predicate, not: '' | 'not '): string {
  if (atom.op === 'null') return `${refText(atom)} is ${not}null`
  if (atom.op === 'in')
    return `${refText(atom)} ${not}in (${atom.values.map((value) => literalText(value, atom.type)).join(', ')})`
  if (atom.op === 'compare') return `${refText(atom)} ${atom.comparison} ${literalText(atom.value, atom.type)}`
  if (atom.op === 'columns') return `${refText(atom)} ${atom.comparison} ${refText(atom.other)}`
  return `not (${textOfNormal(atom)})`
}

function refText({ column, source }: ColumnRef): string {
  return `${source === undefined ? '' : `${nameText(source)}.`}${nameText(column)}`
}

function nameText(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !keywords.has(name.toLowerCase()) ? name : quoteIdentifier(name)
}

function literalText(text: string, type: LakeType): string {
  return type.kind === 'varchar' || type.kind === 'date' || type.kind === 'timestamp'
    ? `'${text.replaceAll("'", "''")}'`
    : text
}
