/**
 * The rows of a load with a key, one per key: null keys are refused, repeated ones too unless the caller says which of
 * them counts.
 *
 *   rows:      null and repeated keys              SELECT … GROUP BY id HAVING count(*) > 1 OR id IS NULL
 *   with onDuplicate
 *   rows:      null keys, and rows of equal order that differ
 *   relation:  the last (first) row of each key    SELECT … QUALIFY row_number() OVER (…) = 1
 */
import { LakeError } from '../errors.js'
import { findColumn, nearMiss } from '../schema/names.js'
import type { Field, Schema } from '../schema/types.js'
import {
  assertKeyTypes,
  dedupeSql,
  nullKeysSql,
  refuseNullKeys,
  refuseTiedRows,
  refuseWrongKeys,
  tiedRowsSql,
  wrongKeysSql,
} from './keys.js'
import type { Answer, Ask, PlanContext } from './port.js'

export interface UniqueRows {
  /** The relation that has them. */
  name: string
  rows: number
  /** Resolved duplicates that were left out. */
  ignored: number
}

/**
 * @param relation of the load's own rows, `rows` of them: the table's columns and those of `also`
 * @throws LakeError invalid with up to three keys
 */
export function* uniqueRows(
  ctx: PlanContext,
  relation: string,
  rows: number,
  also: Schema = [],
): Generator<Ask, UniqueRows, Answer> {
  const { key } = ctx
  const refusal = { of: 'the input', key }
  const { onDuplicate = 'fail' } = ctx.settings
  assertKeyTypes(ctx.schema, key)
  const orderBy = orderColumns(ctx)
  if (onDuplicate === 'fail') {
    refuseWrongKeys(yield* answered(wrongKeysSql(relation, key)), refusal)
    return { name: relation, rows, ignored: 0 }
  }
  const duplicates = { keep: onDuplicate, orderBy }
  refuseNullKeys(yield* answered(nullKeysSql(relation, key)), refusal)
  const tied = tiedRowsSql(relation, key, duplicates, [...ctx.rowHash.columns, ...ctx.input.extras])
  refuseTiedRows(yield* answered(tied), { ...refusal, orderBy })
  const sql = dedupeSql(relation, key, duplicates, [...ctx.schema, ...also])
  const answer = yield { ask: 'relation', name: uniqueName, sql, kept: 'file' }
  const left = answer.ask === 'relation' ? answer.rows : 0
  return { name: uniqueName, rows: left, ignored: rows - left }
}

const uniqueName = 'lw_unique'

function* answered(sql: string): Generator<Ask, Record<string, unknown>[], Answer> {
  const answer = yield { ask: 'rows', sql }
  return answer.ask === 'rows' ? answer.rows : []
}

/** As the schema spells them. */
function orderColumns({ schema, input, settings: { onDuplicate = 'fail', orderBy = [] } }: PlanContext): string[] {
  if (onDuplicate !== 'fail' && orderBy.length === 0)
    throw new LakeError('invalid', 'nothing says which of several rows with one key is the last', {
      onDuplicate,
      fix: 'Name the columns that order them: --order-by updated_at.',
    })
  const columns = [...schema, ...input.extras]
  return orderBy.map((name) => (findColumn(columns, name) ?? refuseUnknown(columns, name)).name)
}

function refuseUnknown(schema: Schema, name: string): Field {
  const names = schema.map((field) => field.name)
  const near = nearMiss(name, names)
  throw new LakeError('invalid', '--order-by names a column that the load does not have', {
    column: name,
    columns: names.join(', '),
    fix: near ? `Did you mean \`${near}\`?` : 'Use one of the columns listed.',
  })
}
