/**
 * Which keys the load touches, and all that the timeline needs to know of them.
 *
 *   relation lw_pairs:     the load's rows FULL JOIN the versions that hold at T (partial snapshots: LEFT JOIN), without
 *                          the pairs that are the same
 *   relation lw_versions:  the versions of their keys that matter, checked
 *   relation lw_incoming:  their rows of the load, each with the instant at which it counts
 *
 * With times of the rows' own the load is compared with the current versions; a key with several rows is always touched.
 */
import { LakeError } from '../../errors.js'
import { instantText } from '../../partition/value.js'
import { quoteIdentifier } from '../../schema/quote.js'
import { keyText } from '../keys.js'
import type { Answer, Ask, PlanContext } from '../port.js'
import { brokenHistorySql, refuseBrokenHistory } from './check.js'
import { effective, type History } from './history.js'
import type { Moment } from './moment.js'
import { eitherKey, incomingSql, instant, keyList, rowsOf, sameKey, versionReads, versionsSql } from './names.js'
import type { Rows } from './rows.js'

export interface Touched {
  pairs: number
  /** Versions in effect at T before the load, and those whose key a full snapshot lacks. */
  before: number
  missing: number
}

export function* touchedKeys(
  ctx: PlanContext,
  history: History,
  moment: Moment,
  rows: Rows,
): Generator<Ask, Touched, Answer> {
  const answer = yield {
    ask: 'relation',
    name: 'lw_pairs',
    sql: pairsSql(ctx, history, moment, rows),
    reads: [versionReads(ctx, history, moment.files)],
    kept: 'file',
  }
  const pairs = answer.ask === 'relation' ? answer.rows : 0
  const counts = yield* countPairs(rows)
  if (pairs === 0) return { pairs, ...counts }
  yield* keepVersions(ctx, history, moment)
  const broken = brokenHistorySql(ctx, 'SELECT *, false AS __lw_followed FROM lw_versions')
  refuseBrokenHistory(yield* rowsOf({ ask: 'rows', sql: broken, reads: [] }), 'table')
  yield* keepIncoming(ctx, history, rows)
  return { pairs, ...counts }
}

function pairsSql(ctx: PlanContext, history: History, moment: Moment, rows: Rows): string {
  const [from, to] = [effective.from, effective.to].map(quoteIdentifier)
  const t = instant(moment.firstMicros)
  const holds =
    history.at.kind === 'column'
      ? `${to} IS NULL`
      : `(${to} IS NULL OR ${to} > ${t}) AND (${from} IS NULL OR ${from} <= ${t})`
  const incoming = rows.repeated
    ? `SELECT i.*, r.__lw_repeated IS NOT NULL AS __lw_repeated FROM (${incomingSql(ctx, history, rows.name)}) i ` +
      `LEFT JOIN (SELECT *, true AS __lw_repeated FROM lw_repeated) r ON ${sameKey(ctx, 'i', 'r')}`
    : incomingSql(ctx, history, rows.name)
  return (
    `SELECT ${eitherKey(ctx, 'x', 'o')}, x.* EXCLUDE (${keyList(ctx)}), o.* EXCLUDE (${keyList(ctx)}) ` +
    `FROM (${incoming}) x ${history.full ? 'FULL' : 'LEFT'} JOIN (${versionsSql(ctx, history, holds)}) o ` +
    `ON ${sameKey(ctx, 'x', 'o')} WHERE NOT coalesce(${settledSql(history, moment, rows)}, false)`
  )
}

/** Null where one of the two is missing. */
function settledSql({ at, late }: History, moment: Moment, rows: Rows): string {
  const same = 'x.__lw_x1 = o.__lw_v1 AND x.__lw_x2 = o.__lw_v2'
  const sameOthers = 'x.__lw_y1 = o.__lw_w1 AND x.__lw_y2 = o.__lw_w2'
  if (at.kind === 'instant') return moment.late ? same : `${same} AND ${sameOthers}`
  // What is current is no news, whatever its time; put in order, it may have begun earlier.
  const inTime = late === 'insert' ? 'x.__lw_at >= o.__lw_from' : 'true'
  const settled = `${same} AND CASE WHEN x.__lw_at < o.__lw_from THEN ${inTime} ELSE ${sameOthers} END`
  return rows.repeated ? `NOT x.__lw_repeated AND ${settled}` : settled
}

function* countPairs({ kept }: Rows): Generator<Ask, Omit<Touched, 'pairs'>, Answer> {
  const [row] = yield* rowsOf({
    ask: 'rows',
    sql: `SELECT count(*) FILTER (__lw_x1 IS NOT NULL) AS told, count(*) FILTER (__lw_x1 IS NULL) AS missing,
      (SELECT count(*) FROM (SELECT DISTINCT __lw_file, __lw_row FROM lw_pairs WHERE __lw_file IS NOT NULL)) AS met FROM lw_pairs`,
    reads: [],
  })
  // A row that is not among the pairs is one with its version.
  return { before: kept - Number(row?.told ?? 0) + Number(row?.met ?? 0), missing: Number(row?.missing ?? 0) }
}

/** In the usual case the pairs have them all: one instant for all that no version reaches beyond. */
function* keepVersions(ctx: PlanContext, history: History, moment: Moment): Generator<Ask, void, Answer> {
  const columns = '__lw_from, __lw_to, __lw_current, __lw_v1, __lw_v2, __lw_w1, __lw_w2, __lw_file, __lw_row'
  const name = 'lw_versions'
  if (history.at.kind === 'instant' && !moment.late) {
    const sql = `SELECT ${keyList(ctx)}, ${columns} FROM lw_pairs WHERE __lw_file IS NOT NULL`
    yield { ask: 'relation', name, sql, reads: [], kept: 'file' }
    return
  }
  const to = quoteIdentifier(effective.to)
  const versions = versionsSql(ctx, history, `${to} IS NULL OR ${to} > ${instant(moment.firstMicros)}`)
  yield {
    ask: 'relation',
    name,
    sql: `SELECT * FROM (${versions}) o SEMI JOIN lw_pairs p ON ${sameKey(ctx, 'o', 'p')}`,
    reads: [versionReads(ctx, history, moment.files)],
    kept: 'file',
  }
}

function* keepIncoming(ctx: PlanContext, history: History, rows: Rows): Generator<Ask, void, Answer> {
  const ownTimes = history.at.kind === 'column'
  const values = '__lw_x1, __lw_x2, __lw_y1, __lw_y2'
  const sql = ownTimes
    ? ownTimesSql(ctx, history, rows)
    : `SELECT ${keyList(ctx)}, __lw_at, __lw_at AS __lw_t, ${values} FROM lw_pairs WHERE __lw_x1 IS NOT NULL`
  yield { ask: 'relation', name: 'lw_incoming', sql, reads: [], kept: 'file' }
  if (ownTimes && history.late === 'fail') yield* refuseLateRows(ctx)
}

/**
 * Rows with times of their own. `__lw_late` where one is from before the newest instant of its key, unless it
 *
 *   is the key's newest row and equals what is current    left out: no news
 *   is the key's newest row, and nothing is current       counts when the load began: a full snapshot shows that the key,
 *                                                         which an earlier one lacked, is back
 *   equals the version of its instant, and others follow  delivered again
 */
function ownTimesSql(ctx: PlanContext, history: History, rows: Rows): string {
  const now = instant(history.nowMicros)
  const back = history.full
    ? `__lw_newest AND NOT __lw_has_current AND __lw_at < __lw_last AND ${now} >= __lw_last`
    : 'false'
  const noNews = history.late === 'fail' ? '__lw_newest AND __lw_is_current AND __lw_at < __lw_last' : 'false'
  return `
    WITH x AS (
      SELECT i.*, i.__lw_at = max(i.__lw_at) OVER (PARTITION BY ${keyList(ctx, 'i')}) AS __lw_newest
      FROM (${incomingSql(ctx, history, rows.name)}) i SEMI JOIN lw_pairs p ON ${sameKey(ctx, 'i', 'p')}
    ), l AS (
      SELECT ${keyList(ctx)}, max(greatest(__lw_from, __lw_to)) AS __lw_last, bool_or(__lw_to IS NULL) AS __lw_has_current
      FROM lw_versions GROUP BY ${keyList(ctx)}
    ), met AS (
      SELECT x.*, l.__lw_last, coalesce(l.__lw_has_current, false) AS __lw_has_current,
        coalesce(x.__lw_x1 = c.__lw_v1 AND x.__lw_x2 = c.__lw_v2, false) AS __lw_is_current,
        coalesce(x.__lw_x1 = v.__lw_v1 AND x.__lw_x2 = v.__lw_v2, false) AS __lw_is_known
      FROM x LEFT JOIN l ON ${sameKey(ctx, 'x', 'l')}
      LEFT JOIN (SELECT * FROM lw_versions WHERE __lw_to IS NULL) c ON ${sameKey(ctx, 'x', 'c')}
      LEFT JOIN lw_versions v ON ${sameKey(ctx, 'x', 'v')} AND v.__lw_from <= x.__lw_at AND coalesce(v.__lw_to > x.__lw_at, true)
    )
    SELECT ${keyList(ctx)}, __lw_at, CASE WHEN ${back} THEN ${now} ELSE __lw_at END AS __lw_t,
      __lw_x1, __lw_x2, __lw_y1, __lw_y2, __lw_last,
      coalesce(__lw_t < __lw_last AND NOT (__lw_is_known AND NOT __lw_newest), false) AS __lw_late
    FROM met WHERE NOT coalesce(${noNews}, false)`
}

function* refuseLateRows(ctx: PlanContext): Generator<Ask, void, Answer> {
  const [row] = yield* rowsOf({
    ask: 'rows',
    sql: `SELECT count(*) AS n, min(${keyText(ctx.key)}, 3) AS examples, epoch_us(max(__lw_last)) AS newest
      FROM lw_incoming WHERE __lw_late`,
    reads: [],
  })
  if (Number(row?.n ?? 0) === 0) return
  throw new LakeError('invalid', 'rows are from before the newest version of their key', {
    rows: Number(row?.n),
    examples: Array.isArray(row?.examples) ? row.examples.join(', ') : '',
    newest: typeof row?.newest === 'bigint' ? instantText(row.newest) : undefined,
    fix: 'Say --late insert to put them in order; nothing was loaded.',
  })
}
