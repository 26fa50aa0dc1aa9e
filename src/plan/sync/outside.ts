/** New keys of a scope that the table may have elsewhere. */
import { LakeError } from '../../errors.js'
import { matchesPartition, type Predicate, predicateText } from '../../partition/scope.js'
import { quoteIdentifier, quoteText } from '../../schema/quote.js'
import { candidateFiles } from '../candidates.js'
import type { Answer, Ask, PlanContext, ReadSet } from '../port.js'
import { type Changes, changesName, sameKeys } from './names.js'

/**
 * With a scope that the key does not imply, a new key may be one that the table has elsewhere: inserted here, it would be
 * there twice.
 * @returns what was looked at for that, beyond the scope
 */
export function* refuseKeysOutside(ctx: PlanContext, { inserted }: Changes): Generator<Ask, ReadSet, Answer> {
  const { base, key, schema, scope } = ctx
  const nothing: ReadSet = { kind: 'nothing' }
  if (scope === undefined || inserted === 0 || impliedByKey(ctx, columnsOf(scope))) return nothing
  const files = [...(base?.files.values() ?? [])].filter(
    (file) => !matchesPartition(scope, file.partitionValues, schema),
  )
  if (files.length === 0) return { kind: 'everything' }
  const columns = key.map(quoteIdentifier).join(', ')
  const newName = 'lw_new_keys'
  const newKeys = `SELECT ${columns} FROM ${changesName} WHERE __lw_change = 'i'`
  yield { ask: 'relation', name: newName, sql: newKeys, reads: [], kept: 'file' }
  const candidates = yield* candidateFiles(ctx, files, newName)
  if (candidates.files.length === 0) return candidates.reads
  const example = `CAST(json_object(${key.map((name) => `${quoteText(name)}, o.${quoteIdentifier(name)}`).join(', ')}) AS VARCHAR)`
  const answer = yield {
    ask: 'rows',
    sql: `SELECT count(*) AS n, min(${example}, 3) AS examples FROM outside o SEMI JOIN ${newName} n ON ${sameKeys(key)}`,
    reads: [{ alias: 'outside', files: candidates.files, columns: key }],
  }
  const [row] = answer.ask === 'rows' ? answer.rows : []
  if (row === undefined || Number(row.n) === 0) return candidates.reads
  throw new LakeError('invalid', 'keys of the input are in the table outside the scope', {
    key: key.join(', '),
    scope: predicateText(scope),
    rows: Number(row.n),
    examples: Array.isArray(row.examples) ? row.examples.join(', ') : '',
    fix: 'They would be in the table twice. Widen --scope to where they are, so that they can move.',
  })
}

/** Whether rows of one key have one value in each of the columns. */
export function impliedByKey({ key }: PlanContext, columns: readonly string[]): boolean {
  return columns.every((name) => key.includes(name))
}

function columnsOf(predicate: Predicate): string[] {
  switch (predicate.op) {
    case 'true':
    case 'false':
      return []
    case 'and':
    case 'or':
      return predicate.of.flatMap(columnsOf)
    case 'not':
      return columnsOf(predicate.of)
    default:
      return [predicate.column]
  }
}
