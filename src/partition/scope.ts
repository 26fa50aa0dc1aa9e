/**
 * Scopes: predicates over partition columns that say which partitions a load is about. We parse them; they never reach
 * an engine as the user's text.
 *
 *   'dt >= 2026-11-01 and dt < 2026-12-01'
 *   { dt: '2026-11-20', region: ['EU', null] }
 */
import { LakeError } from '../errors.js'
import { findColumn, typeName } from '../schema/names.js'
import type { Field, Schema } from '../schema/types.js'
import type { Predicate } from './predicate.js'
import { type PredicateOptions, parsePredicate } from './predicate-parser.js'
import { partitionText, type Value } from './value.js'

export { possiblyOverlaps, scopeConstants } from './overlap.js'
export { matchesPartition, normalForm, type Predicate, predicateSql, predicateText } from './predicate.js'
export { parsePredicate } from './predicate-parser.js'

/** @throws LakeError invalid with the place in the text: syntax, a column that does not divide the table, a misfit */
export function parseScope(text: string, schema: Schema, partitionBy: readonly string[]): Predicate {
  return parsePredicate(text, scopeOptions(schema, partitionBy))
}

/** One column's value, any of several (null among them), or null. */
export type ScopeRecord = Record<string, Value | Value[]>

/** All of it must hold. @throws LakeError invalid, as `parseScope` */
export function scopeFromObject(record: ScopeRecord, schema: Schema, partitionBy: readonly string[]): Predicate {
  const options = scopeOptions(schema, partitionBy)
  const parts = Object.entries(record).map(([name, value]) => {
    const field = findColumn(options.columns, name)
    if (field !== undefined) return oneOf(field, Array.isArray(value) ? value : [value])
    const { message, fix } = options.explainUnknown?.(name) ?? { message: `column \`${name}\` does not exist`, fix: '' }
    throw new LakeError('invalid', `the scope cannot be read, ${message}`, { fix })
  })
  const [only] = parts
  if (only === undefined)
    throw new LakeError('invalid', 'the scope is empty', {
      fix: 'Name a partition column and its value, or use `overwrite` for the whole table.',
    })
  return parts.length === 1 ? only : { op: 'and', of: parts }
}

function oneOf({ name: column, type }: Field, values: readonly Value[]): Predicate {
  const texts = values
    .filter((value) => value !== null)
    .map((value) => {
      const text = value === undefined ? undefined : partitionText(value, type)
      if (text === undefined)
        throw new LakeError('invalid', `the scope's value for \`${column}\` is no ${typeName(type)}`, {
          column,
          value: String(value).slice(0, 100),
          fix: `Give a value that is ${typeName(type)} exactly.`,
        })
      return text
    })
  const [first] = texts
  const some: Predicate[] = []
  if (texts.length === 1 && first !== undefined)
    some.push({ op: 'compare', column, type, comparison: '=', value: first })
  else if (texts.length > 1) some.push({ op: 'in', column, type, values: texts })
  if (texts.length < values.length) some.push({ op: 'null', column, type })
  const [only] = some
  if (only === undefined) return { op: 'false' }
  return some.length === 1 ? only : { op: 'or', of: some }
}

function scopeOptions(schema: Schema, partitionBy: readonly string[]): PredicateOptions {
  const columns = partitionBy.flatMap((name) => findColumn(schema, name) ?? [])
  const are =
    columns.length === 0
      ? 'The table has no partition columns; use `overwrite` for the whole table.'
      : `Partition columns are ${columns.map((column) => column.name).join(', ')}.`
  return {
    columns,
    what: 'scope',
    explainUnknown(name) {
      const other = findColumn(schema, name)
      if (other !== undefined) return { message: `column \`${other.name}\` is no partition column`, fix: are }
      // Near misses among the partition columns are the parser's to find.
      return columns.length === 0 ? { message: `column \`${name}\` does not exist`, fix: are } : undefined
    },
  }
}
