/**
 * What a load makes of the versions of the keys that it touches, as SQL: a timeline per key of what the table knows and
 * what the load tells, each from its instant up to the next one.
 *
 *   known       version    a version of the table begins
 *               gap        one ends, and none begins
 *               confirmed  what a later full snapshot found still holds there, though the load ends it earlier
 *   told        row        a row of the load took effect
 *               missing    the load, a full snapshot, lacks the key
 *
 *   known        told       before it          then
 *   -            row        the same values    nothing
 *   -, gap       row                           insert, up to the next instant
 *   version      row        (same instant)     replace: the version has the row's values from its beginning
 *   version      missing    (same instant)     remove: it never held
 *   version      any        new, same values   change: it begins where the new one would, which is left out
 *   version      -                             change, where its end is another now
 *   confirmed    -          another state      copy of the version, from there on
 *
 * Only keys that differ, and only numbers and instants, go through the windows.
 */
import type { PlanContext } from '../port.js'
import type { History } from './history.js'
import type { Moment } from './moment.js'
import { eitherKey, instant, keyList, sameKey } from './names.js'

/**
 * @returns a SELECT of the key and
 *
 *   __lw_action, __lw_from, __lw_to   what becomes of a row of the table (`change`, `replace`, `remove`), or is new (`insert`,
 *                                     `copy` of a row of the table), and when it holds then
 *   __lw_file, __lw_row               the row of the table that it is made of
 *   __lw_at                           the row of the load that it is made of
 *   __lw_corrected_at                 the row of the load that corrects its untracked columns
 *   __lw_cut                          it ends earlier than before: the load says so
 *   __lw_followed                     and another version begins there
 *   __lw_shifted                      it begins at another instant than before
 *   __lw_corrected, __lw_by_row       how often it was corrected, and by rows of the load
 */
export function changesSql(ctx: PlanContext, history: History, moment: Moment): string {
  const key = keyList(ctx)
  const w = `(PARTITION BY ${key} ORDER BY __lw_t)`
  const whole = `(PARTITION BY ${key} ORDER BY __lw_t ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)`
  // A late snapshot says nothing about the current version.
  const corrects = moment.late ? 'false' : `__lw_told = 'row' AND (__lw_repeats OR __lw_as_known)`
  const last = (column: string) => `last_value(CASE WHEN ${corrects} THEN ${column} END) OVER ${whole}`
  return `WITH known AS (${knownSql(ctx, moment)}), told AS (${toldSql(ctx, history)}),
  met AS (
    SELECT ${eitherKey(ctx, 'k', 'x')}, coalesce(k.__lw_t, x.__lw_t) AS __lw_t, k.* EXCLUDE (${key}, __lw_t), x.* EXCLUDE (${key}, __lw_t),
      ${[1, 2].map((n) => `CASE x.__lw_told WHEN 'row' THEN x.__lw_x${n} WHEN 'missing' THEN NULL ELSE k.__lw_v${n} END AS __lw_s${n}`).join(', ')}
    FROM known k FULL JOIN told x ON ${sameKey(ctx, 'k', 'x')} AND k.__lw_t = x.__lw_t
  ), before AS (
    SELECT *, lag(__lw_s1) OVER w AS __lw_p1, lag(__lw_s2) OVER w AS __lw_p2 FROM met WINDOW w AS ${w}
  ), judged AS (
    SELECT *,
      CASE WHEN __lw_told = 'row' THEN __lw_known IS NULL AND coalesce(__lw_s1 = __lw_p1 AND __lw_s2 = __lw_p2, false)
        WHEN __lw_known = 'confirmed' THEN __lw_s1 IS NOT DISTINCT FROM __lw_p1 AND __lw_s2 IS NOT DISTINCT FROM __lw_p2
        ELSE false END AS __lw_repeats,
      coalesce(__lw_told = 'row' AND __lw_known = 'version' AND __lw_x1 = __lw_v1 AND __lw_x2 = __lw_v2, false) AS __lw_as_known
    FROM before
  ), corrected AS (
    SELECT *, ${last('__lw_at')} AS __lw_c_at, ${last('__lw_y1')} AS __lw_c1, ${last('__lw_y2')} AS __lw_c2 FROM judged
  ), kept AS (
    SELECT *, lag(__lw_t) OVER w AS __lw_before_t,
      coalesce(lag(__lw_told = 'row' AND __lw_known IS DISTINCT FROM 'version') OVER w, false) AS __lw_after_new,
      coalesce(lag(__lw_told = 'missing' AND __lw_known = 'version') OVER w, false) AS __lw_after_gone,
      coalesce(lead(__lw_known = 'confirmed' AND __lw_s1 IS NOT NULL) OVER w, false) AS __lw_before_copy
    FROM corrected WHERE NOT __lw_repeats WINDOW w AS ${w}
  ), extended AS (
    SELECT *, coalesce(__lw_known = 'version' AND __lw_after_new
      AND __lw_s1 = __lw_p1 AND __lw_s2 = __lw_p2, false) AS __lw_extended
    FROM kept
  ), ahead AS (
    SELECT *, coalesce(lead(__lw_extended) OVER w, false) AS __lw_left_out FROM extended WINDOW w AS ${w}
  ), placed AS (
    SELECT *, CASE WHEN __lw_extended THEN __lw_before_t ELSE __lw_t END AS __lw_start FROM ahead WHERE NOT __lw_left_out
  ), ended AS (
    SELECT *, lead(__lw_start) OVER w AS __lw_until,
      coalesce(lead(__lw_told IS NOT NULL OR __lw_extended) OVER w, false) AS __lw_before_told,
      coalesce(lead(__lw_told = 'row' OR __lw_extended) OVER w, false) AS __lw_before_row
    FROM placed WINDOW w AS ${w}
  ), acted AS (${actedSql})
  SELECT ${key}, __lw_action, __lw_start AS __lw_from, __lw_until AS __lw_to, __lw_file, __lw_row, __lw_at,
    CASE WHEN __lw_corrects THEN __lw_c_at END AS __lw_corrected_at,
    __lw_is_cut AS __lw_cut, __lw_is_cut AND __lw_before_row AS __lw_followed, __lw_is_shifted AS __lw_shifted,
    (__lw_action = 'replace')::INT + __lw_extended::INT + __lw_corrects::INT AS __lw_by_row,
    __lw_by_row + (__lw_action = 'remove')::INT + __lw_moved::INT AS __lw_corrected
  FROM acted WHERE __lw_action IS NOT NULL`
}

const actedSql = `
    SELECT *,
      CASE WHEN __lw_told = 'row' AND NOT __lw_as_known THEN CASE WHEN __lw_known = 'version' THEN 'replace' ELSE 'insert' END
        WHEN __lw_told = 'missing' THEN CASE WHEN __lw_known = 'version' AND NOT __lw_before_copy THEN 'remove' END
        WHEN __lw_s1 IS NULL THEN NULL
        WHEN __lw_known = 'confirmed' THEN CASE WHEN __lw_moved THEN 'change' ELSE 'copy' END
        WHEN __lw_corrects OR __lw_start <> __lw_from OR __lw_until IS DISTINCT FROM __lw_to THEN 'change' END AS __lw_action,
      coalesce(__lw_known = 'version' AND __lw_s1 IS NOT NULL AND __lw_until IS DISTINCT FROM __lw_to AND __lw_before_told, false) AS __lw_is_cut,
      coalesce(__lw_start <> __lw_from, false) AS __lw_is_shifted
    FROM (
      SELECT *, coalesce(__lw_known = 'confirmed' AND __lw_s1 IS NOT NULL AND __lw_after_gone, false) AS __lw_moved,
        CASE WHEN __lw_until IS NULL AND __lw_s1 IS NOT NULL AND __lw_c_at IS NOT NULL
          THEN CASE WHEN __lw_told = 'row' AND NOT __lw_as_known THEN __lw_y1 <> __lw_c1 OR __lw_y2 <> __lw_c2
            ELSE __lw_w1 <> __lw_c1 OR __lw_w2 <> __lw_c2 END
          ELSE false END AS __lw_corrects
      FROM ended
    )`

/** What the table knows of the touched keys, from `lw_versions`. */
function knownSql(ctx: PlanContext, { nextMicros }: Moment): string {
  const columns = '__lw_v1, __lw_v2, __lw_w1, __lw_w2, __lw_from, __lw_to, __lw_file, __lw_row'
  const none = columns
    .split(', ')
    .map((name) => `NULL AS ${name}`)
    .join(', ')
  const versions = `SELECT ${keyList(ctx)}, __lw_from AS __lw_t, 'version' AS __lw_known, ${columns} FROM lw_versions`
  const gaps =
    `SELECT ${keyList(ctx, 'v')}, v.__lw_to AS __lw_t, 'gap' AS __lw_known, ${none} FROM lw_versions v ` +
    `ANTI JOIN lw_versions n ON ${sameKey(ctx, 'v', 'n')} AND v.__lw_to = n.__lw_from WHERE v.__lw_to IS NOT NULL`
  if (nextMicros === undefined) return `${versions} UNION ALL ${gaps}`
  const next = instant(nextMicros)
  const over = columns
    .split(', ')
    .map((name) => `v.${name}`)
    .join(', ')
  const confirmed =
    `SELECT ${keyList(ctx, 'p')}, ${next} AS __lw_t, 'confirmed' AS __lw_known, ${over} FROM lw_pairs p ` +
    `ANTI JOIN lw_versions b ON ${sameKey(ctx, 'p', 'b')} AND CASE WHEN b.__lw_from = ${next} THEN true ELSE coalesce(b.__lw_to = ${next}, false) END ` +
    `LEFT JOIN lw_versions v ON ${sameKey(ctx, 'p', 'v')} AND v.__lw_from < ${next} AND coalesce(v.__lw_to > ${next}, true)`
  return `${versions} UNION ALL ${gaps} UNION ALL ${confirmed}`
}

/** What the load tells, from `lw_incoming` and `lw_pairs`. */
function toldSql(ctx: PlanContext, { at, nowMicros }: History): string {
  const values = ['x1', 'x2', 'y1', 'y2'].map((name) => `__lw_${name}`)
  const rows = `SELECT ${keyList(ctx)}, __lw_t, 'row' AS __lw_told, __lw_at, ${values.join(', ')} FROM lw_incoming`
  const now = instant(at.kind === 'instant' ? at.micros : nowMicros)
  const none = ['__lw_at', ...values].map((name) => `NULL AS ${name}`).join(', ')
  return (
    `${rows} UNION ALL SELECT ${keyList(ctx)}, greatest(${now}, __lw_from) AS __lw_t, 'missing' AS __lw_told, ${none} ` +
    'FROM lw_pairs WHERE __lw_x1 IS NULL'
  )
}
