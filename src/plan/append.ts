/**
 * `append`: new rows beside the old ones. Nothing is read, so nothing that others commit meanwhile is in its way.
 *
 *   orders.append(rows)   stage: SELECT * FROM input
 *                         verdict: every staged file is added, none removed
 */
import { folderOf, stagedRows } from './partitions.js'
import type { Plan } from './port.js'
import { stageInput } from './port.js'

export const append: Plan = function* (ctx) {
  const files = yield* stageInput(ctx)
  const rows = stagedRows(files)
  return {
    supersede: [],
    add: files,
    reads: { kind: 'nothing' },
    rows: { read: rows, written: rows },
    partitions: { replaced: [...new Set(files.map((file) => folderOf(ctx, file)))].sort(), removed: [], unchanged: 0 },
    dataChange: true,
  }
}
