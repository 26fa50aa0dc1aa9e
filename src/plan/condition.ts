/**
 * Conditions of `merge`, over a row that comes and the row of the same key that is there.
 *
 *   deleteWhen    incoming.is_deleted                             a bare name is the incoming row's
 *   whenMatched   incoming.updated_at > current.updated_at        a bare name must be one of the two rows' alone
 *
 * Parsed by us, as scopes are, and said in SQL with quoted names and typed literals. Null is not true.
 */

import type { ColumnRef } from '../partition/predicate.js'
import { type Predicate, parsePredicate, predicateSql } from '../partition/scope.js'
import { toSql } from '../schema/duckdb.js'
import { findColumn, foldName } from '../schema/names.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { Field, Schema } from '../schema/types.js'

/** What the rows have, each by the name that conditions call it. */
export interface ConditionRows {
  incoming: Schema
  current: Schema
}

const flags = { deleteWhen: 'condition of --delete-when', whenMatched: 'condition of --when-matched' }

/** @throws LakeError invalid, with the place in the text */
export function parseCondition(text: string, setting: keyof typeof flags, rows: ConditionRows): Predicate {
  const both = (name: string) =>
    findColumn(rows.incoming, name) !== undefined && findColumn(rows.current, name) !== undefined
  const only = ({ name }: Field) => !both(name)
  const bare =
    setting === 'deleteWhen'
      ? [...rows.incoming, ...rows.current.filter(only)]
      : [...rows.incoming.filter(only), ...rows.current.filter(only)]
  return parsePredicate(text, {
    columns: bare,
    what: flags[setting],
    comparesColumns: true,
    sources: { incoming: rows.incoming, current: rows.current },
    sourceOf: (name) => (findColumn(rows.incoming, name) === undefined ? 'current' : 'incoming'),
    explainUnknown: (name) =>
      both(name)
        ? { message: `both rows have a column \`${name}\``, fix: `Write \`incoming.${name}\` or \`current.${name}\`.` }
        : undefined,
  })
}

/** Folded names of the columns that a condition looks at in one of the rows. */
export function columnsIn(condition: Predicate, source: keyof ConditionRows): Set<string> {
  return new Set(
    refsIn(condition)
      .filter((ref) => ref.source === source)
      .map(({ column }) => foldName(column)),
  )
}

/**
 * True or false, over relations with the aliases `incoming` and `current`.
 * @param withoutCurrent where there is no such row: all of its columns are null
 */
export function conditionSql(condition: Predicate, { withoutCurrent = false } = {}): string {
  const column = ({ source = 'incoming', column: name, type }: ColumnRef) =>
    withoutCurrent && source === 'current'
      ? `CAST(NULL AS ${toSql(type)})`
      : `${quoteIdentifier(source)}.${quoteIdentifier(name)}`
  return `coalesce(${predicateSql(condition, column)}, false)`
}

/** Names of all columns that a predicate looks at, as the schema spells them. */
export function namesIn(predicate: Predicate): Set<string> {
  return new Set(refsIn(predicate).map(({ column }) => column))
}

function refsIn(condition: Predicate): ColumnRef[] {
  switch (condition.op) {
    case 'true':
    case 'false':
      return []
    case 'not':
      return refsIn(condition.of)
    case 'and':
    case 'or':
      return condition.of.flatMap(refsIn)
    case 'columns':
      return [condition, condition.other]
    default:
      return [condition]
  }
}
