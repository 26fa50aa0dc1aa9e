/**
 * What a history promises, as one query: each version ends after it begins, no two of a key overlap, so that at most one is
 * current, `_is_current` says which, and one that a load replaced ends exactly where its successor begins.
 */
import { LakeError } from '../../errors.js'
import { keyText } from '../keys.js'
import type { PlanContext } from '../port.js'
import { keyList } from './names.js'

/**
 * @param versions a SELECT of the key, `__lw_from`, `__lw_to`, `__lw_current`, `__lw_followed`
 * @returns a SELECT of `problem`, `n` and up to three `examples`: no row where all is well
 */
export function brokenHistorySql(ctx: PlanContext, versions: string): string {
  const problem = `CASE
      WHEN __lw_from IS NULL THEN 'a version has no beginning'
      WHEN coalesce(__lw_to <= __lw_from, false) THEN 'a version ends before it begins'
      WHEN (__lw_to IS NULL) IS DISTINCT FROM __lw_current THEN '_is_current contradicts _effective_to'
      WHEN __lw_to IS NULL AND __lw_next IS NOT NULL THEN 'a version is current that others follow'
      WHEN coalesce(__lw_next < __lw_to, false) THEN 'versions overlap'
      WHEN __lw_followed AND __lw_next IS DISTINCT FROM __lw_to THEN 'a version ends before the next one begins' END`
  const followed = `SELECT *, lead(__lw_from) OVER (PARTITION BY ${keyList(ctx)} ORDER BY __lw_from) AS __lw_next FROM (${versions})`
  return (
    `SELECT problem, count(*) AS n, min(${keyText(ctx.key)}, 3) AS examples ` +
    `FROM (SELECT *, ${problem} AS problem FROM (${followed})) WHERE problem IS NOT NULL GROUP BY problem ORDER BY problem`
  )
}

/** @param of the table as it was, or what this load would have made of it */
export function refuseBrokenHistory(rows: readonly Record<string, unknown>[], of: 'table' | 'load'): void {
  const [row] = rows
  if (row === undefined) return
  const places = {
    problem: String(row.problem),
    versions: Number(row.n),
    keys: Array.isArray(row.examples) ? row.examples.join(', ') : '',
  }
  if (of === 'load') throw new LakeError('corrupt', 'a bug: the load would have broken the history of a key', places)
  throw new LakeError('corrupt', 'the history of a key is broken in the table', {
    ...places,
    fix: 'Remove the wrong versions with `delete --where`, or restore a sound version of the table; nothing was loaded.',
  })
}
