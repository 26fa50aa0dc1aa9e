/** Random conditions and scopes over the columns of a shape, as the model evaluates them and as users write them. */
import fc from 'fast-check'
import { type ColumnRef, type Comparison, type Condition, conditionText, isTrue } from '../../model/condition.js'
import type { Row } from '../../model/table.js'
import type { Value } from '../../model/value.js'
import type { DomainColumn, Shape } from './shapes.js'

export interface ScopeCase {
  text: string
  holds: (row: Row) => boolean
}

export function scopeOf(shape: Shape): fc.Arbitrary<ScopeCase> {
  const columns = shape.columns.filter(({ name }) => shape.partitionBy.includes(name))
  return conditionOf(columns, 'scope').map((condition) => ({
    text: conditionText(condition),
    holds: (current) => isTrue(condition, { current }, { columns }),
  }))
}

/** Of a scope: bare names, each compared with literals. Of rows: bare names. Of a merge: `incoming.x`, `current.x`. */
export function conditionOf(
  columns: readonly DomainColumn[],
  kind: 'scope' | 'rows' | 'merge',
): fc.Arbitrary<Condition> {
  const atom = fc.constantFrom(...columns).chain((column) => atomOf(column, columns, kind))
  return fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: atom },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constantFrom('and' as const, 'or' as const), of: fc.tuple(atom, atom) }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('not' as const), of: atom }) },
  )
}

function atomOf(
  column: DomainColumn,
  columns: readonly DomainColumn[],
  kind: 'scope' | 'rows' | 'merge',
): fc.Arbitrary<Condition> {
  const left = refOf(column, kind)
  const values = column.values.filter(isLiteral)
  const comparison = fc.constantFrom<Comparison>('=', '<>', '<', '<=', '>', '>=')
  const atoms: fc.Arbitrary<Condition>[] = [
    fc.record({ op: fc.constant('null' as const), left, negated: fc.boolean() }),
  ]
  if (column.type === 'boolean' && kind !== 'scope') atoms.push(fc.record({ op: fc.constant('true' as const), left }))
  if (values.length > 0) {
    const value = fc.constantFrom(...values)
    atoms.push(
      fc.record({ op: fc.constant('compare' as const), left, comparison, right: fc.record({ value }) }),
      fc.record({ op: fc.constant('in' as const), left, values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
      fc.record({ op: fc.constant('between' as const), left, low: value, high: value }),
    )
  }
  // Scopes compare with literals alone.
  if (kind !== 'scope') {
    const alike = columns.filter(({ type }) => type === column.type)
    const right = fc.constantFrom(...alike).chain((other) => refOf(other, kind))
    atoms.push(fc.record({ op: fc.constant('compare' as const), left, comparison, right }))
  }
  return fc.oneof(...atoms)
}

function refOf({ name }: DomainColumn, kind: 'scope' | 'rows' | 'merge'): fc.Arbitrary<ColumnRef> {
  if (kind !== 'merge') return fc.constant({ column: name })
  return fc
    .constantFrom('incoming' as const, 'incoming' as const, 'current' as const)
    .map((of) => ({ of, column: name }))
}

/** There is no way to write the others. */
function isLiteral(value: Value): boolean {
  return value !== null && (typeof value !== 'number' || Number.isFinite(value))
}
