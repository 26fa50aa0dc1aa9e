/** `overwrite`: the table becomes exactly the input's rows. One without rows is held back, unless the caller means it. */
import { type Incoming, type IncomingOptions, withColumnsOf } from './incoming.js'
import { exchange } from './replace.js'
import { type Load, type Outcome, Refused, type Table } from './table.js'

export function overwrite(
  before: Table,
  incoming: Incoming,
  options: IncomingOptions & { allowEmpty?: boolean },
  load: Load,
): Outcome {
  const table = withColumnsOf(before, incoming, options)
  if (incoming.rows.length === 0 && before.rows.length > 0 && !options.allowEmpty)
    throw new Refused('guard', 'an overwrite without rows')
  return exchange(before, table, incoming.rows, load, () => true)
}
