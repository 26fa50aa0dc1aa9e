/**
 * Delta's plain protocol keeps one type per column, so a load that widens a column also rewrites the files that are left
 * standing and hold it, in the same commit.
 *
 *   verdict of the mode's own plan   then   stage: SELECT * FROM kept
 */

import type { AddFile } from '../manifest/actions.js'
import { parseStats } from '../manifest/stats.js'
import { stagedRows } from './partitions.js'
import type { Plan } from './port.js'

export function withWidening(plan: Plan, widened: string[]): Plan {
  if (widened.length === 0) return plan
  return function* (ctx) {
    const rewritesOthers = [...(ctx.base?.files.values() ?? [])].some((file) => holds(file, widened))
    const verdict = yield* plan({ ...ctx, rewritesOthers })
    const superseded = new Set(verdict.supersede.map(({ key }) => key))
    const kept = [...(ctx.base?.files.values() ?? [])].filter(
      (file) => !superseded.has(file.key) && holds(file, widened),
    )
    if (kept.length === 0) return { ...verdict, reads: { kind: 'everything' } }
    const columns = ctx.schema.map(({ name }) => name)
    const answer = yield { ask: 'stage', sql: 'SELECT * FROM kept', reads: [{ alias: 'kept', files: kept, columns }] }
    const rewritten = answer.ask === 'stage' ? answer.files : []
    return {
      ...verdict,
      supersede: [...verdict.supersede, ...kept],
      add: [...verdict.add, ...rewritten],
      reads: { kind: 'everything' },
      rows: { ...verdict.rows, rewritten: stagedRows(rewritten) },
    }
  }
}

/** False only where statistics prove that the file has no value in any of the columns. */
function holds(file: AddFile, columns: string[]): boolean {
  const stats = file.stats === undefined ? undefined : parseStats(file.stats)
  if (stats === undefined) return true
  return columns.some((name) => stats.nullCount[name] !== stats.numRecords)
}
