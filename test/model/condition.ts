/**
 * Conditions over rows, with SQL's three values, and their text as users write it. A comparison with null is unknown, and
 * unknown is not true.
 *
 *   { op: 'compare', left: { of: 'incoming', column: 'n' }, comparison: '>', right: { value: 3n } }    incoming.n > 3
 */
import type { Row, Table } from './table.js'
import { cell, typeOf } from './table.js'
import { type ColumnType, compareValues, type Value } from './value.js'

export interface ColumnRef {
  of?: 'incoming' | 'current'
  column: string
}

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>='

export type Condition =
  | { op: 'compare'; left: ColumnRef; comparison: Comparison; right: ColumnRef | { value: Value } }
  | { op: 'in'; left: ColumnRef; values: Value[] }
  | { op: 'between'; left: ColumnRef; low: Value; high: Value }
  | { op: 'null'; left: ColumnRef; negated: boolean }
  | { op: 'true'; left: ColumnRef }
  | { op: 'and' | 'or'; of: Condition[] }
  | { op: 'not'; of: Condition }

/** `current` is absent where no row of the table matches: its columns are null. */
export interface Sides {
  incoming?: Row
  current?: Row
}

/**
 * @param types of the columns
 * @param bare which side a column without one is of
 */
export function isTrue(
  condition: Condition,
  sides: Sides,
  types: Pick<Table, 'columns'>,
  bare: 'incoming' | 'current' = 'current',
): boolean {
  const value = ({ of = bare, column }: ColumnRef) => cell(sides[of] ?? {}, column)
  return evaluate(condition, value, (name) => typeOf(types, name)) === true
}

/** Columns that the condition names, of one side. */
export function columnsIn(condition: Condition, side: 'incoming' | 'current', bare: 'incoming' | 'current'): string[] {
  return refsIn(condition)
    .filter(({ of = bare }) => of === side)
    .map(({ column }) => column)
}

export function conditionText(condition: Condition): string {
  switch (condition.op) {
    case 'compare':
      return `${refText(condition.left)} ${condition.comparison} ${'value' in condition.right ? literal(condition.right.value) : refText(condition.right)}`
    case 'in':
      return `${refText(condition.left)} in (${condition.values.map(literal).join(', ')})`
    case 'between':
      return `${refText(condition.left)} between ${literal(condition.low)} and ${literal(condition.high)}`
    case 'null':
      return `${refText(condition.left)} is ${condition.negated ? 'not ' : ''}null`
    case 'true':
      return refText(condition.left)
    case 'not':
      return `not (${conditionText(condition.of)})`
    default:
      return condition.of.map((part) => `(${conditionText(part)})`).join(` ${condition.op} `)
  }
}

function refsIn(condition: Condition): ColumnRef[] {
  if (condition.op === 'not') return refsIn(condition.of)
  if (!('left' in condition)) return condition.of.flatMap(refsIn)
  return condition.op === 'compare' && 'column' in condition.right
    ? [condition.left, condition.right]
    : [condition.left]
}

function evaluate(
  condition: Condition,
  value: (ref: ColumnRef) => Value,
  type: (name: string) => ColumnType,
): boolean | null {
  const compare = (left: ColumnRef, right: Value) => {
    const own = value(left)
    return own === null || right === null ? null : compareValues(own, right, type(left.column))
  }
  switch (condition.op) {
    case 'compare': {
      const { right } = condition
      const sign = compare(condition.left, 'value' in right ? right.value : value(right))
      return sign === null ? null : holds(sign, condition.comparison)
    }
    case 'in':
      return anyOf(condition.values.map((one) => equals(compare(condition.left, one))))
    case 'between': {
      const [low, high] = [compare(condition.left, condition.low), compare(condition.left, condition.high)]
      return low === null || high === null ? null : low >= 0 && high <= 0
    }
    case 'null':
      return (value(condition.left) === null) !== condition.negated
    case 'true':
      return value(condition.left) as boolean | null
    case 'not':
      return opposite(evaluate(condition.of, value, type))
    case 'or':
      return anyOf(condition.of.map((part) => evaluate(part, value, type)))
    case 'and':
      return opposite(anyOf(condition.of.map((part) => opposite(evaluate(part, value, type)))))
  }
}

function equals(sign: number | null): boolean | null {
  return sign === null ? null : sign === 0
}

function anyOf(results: readonly (boolean | null)[]): boolean | null {
  if (results.includes(true)) return true
  return results.includes(null) ? null : false
}

function opposite(result: boolean | null): boolean | null {
  return result === null ? null : !result
}

function holds(sign: number, comparison: Comparison): boolean {
  if (comparison === '<>') return sign !== 0
  return (
    (sign === 0 && comparison.includes('=')) ||
    (sign < 0 ? comparison.includes('<') : sign > 0 && comparison.includes('>'))
  )
}

function refText({ of, column }: ColumnRef): string {
  const name = /^[a-z_][a-z0-9_]*$/.test(column) ? column : `"${column.replaceAll('"', '""')}"`
  return of === undefined ? name : `${of}.${name}`
}

function literal(value: Value): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
}
