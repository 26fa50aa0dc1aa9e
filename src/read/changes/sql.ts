/**
 * The change feed as one SELECT over views of the files' rows, and the steps before it.
 *
 *   views    lw_recorded   the table's columns, _change_type, _commit_version
 *            lw_inserted lw_deleted lw_before lw_after   the table's columns, _commit_version
 *            lw_commits    version, committed
 *
 *   computed, by key    lw_before o FULL JOIN lw_after n ON the same version and key: what differs
 *   computed, by row    rows that come count +1, rows that go −1; what is left of the sums: less than half as fast, and
 *                       the only way where there is no key, or rows repeat it
 *   net                 the sums of all versions together; then, where a key has one row that goes and one that comes,
 *                       they are an update
 *
 * Each step has one aggregate, join or sort that may have to spill: several in one statement take each other's memory, and
 * it fails at limits that suffice for one after the other.
 */
import { identList, quoteIdent, quoteText } from '../../engine/sql.js'
import type { SourceName } from './sources.js'

export interface ChangeShape {
  /** The table's columns, in order. */
  columns: string[]
  /** Those that name a row; none where the table has no key. */
  key: string[]
  /** Those that make an update: neither key nor load columns. */
  compared: string[]
}

/** What there is, and what is wanted of it. */
export interface ChangeRequest {
  net: boolean
  /** Views that have rows. */
  has: ReadonlySet<SourceName>
  /** No two rows of `lw_before` have one key in one version, and none of `lw_after`: see `repeatedKeySql`. */
  byKey: boolean
}

/** A relation that is to be made, in this order, before what comes after it may name it. */
export interface Step {
  name: string
  sql: string
}

export const changeType = '_change_type'
export const commitVersion = '_commit_version'
const commitTimestamp = '_commit_timestamp'
const changedColumns = '_changed_columns'

/** All changes in order: the table's columns, then those of the feed. */
export function changesSql(shape: ChangeShape, request: ChangeRequest): { steps: Step[]; select: string } {
  const { steps, rows } = request.net ? netSql(shape, request) : eachSql(shape, request)
  const order = [`x.${commitVersion}`, ...shape.key.map((name) => `x.${quoteIdent(name)}`), place]
  const columns = `${identList(shape.columns, 'x')}, x.${changeType}, x.${commitVersion}`
  const select = `SELECT ${columns}, c.committed AS ${commitTimestamp}, x.${changedColumns}
FROM (${rows}) x JOIN lw_commits c ON c.version = x.${commitVersion}
ORDER BY ${order.join(', ')}`
  return { steps, select }
}

/** Whether a key is repeated within one version of the view: one row if so, else none. */
export function repeatedKeySql(shape: ChangeShape, view: 'lw_before' | 'lw_after'): string {
  const key = identList(keyInVersion(shape))
  return `SELECT 1 AS repeated FROM ${view} GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`
}

/** What goes before what comes, the two images of a row side by side. */
const place = `CASE x.${changeType} WHEN 'delete' THEN 0 WHEN 'update_preimage' THEN 1 WHEN 'update_postimage' THEN 2 ELSE 3 END`

interface Composed {
  steps: Step[]
  /** A SELECT of the table's columns, `_change_type`, `_commit_version`, `_changed_columns`. */
  rows: string
}

function eachSql(shape: ChangeShape, { has, byKey }: ChangeRequest): Composed {
  const parts = [alone(shape, 'lw_inserted', 'insert'), alone(shape, 'lw_deleted', 'delete')]
  if (has.has('recorded')) parts.push(recordedSql(shape))
  if (has.has('before')) parts.push(byKey ? comparedSql(shape, shape.compared) : summedSql(shape))
  return { steps: parts.flatMap(({ steps }) => steps), rows: parts.map(({ rows }) => rows).join('\nUNION ALL\n') }
}

/** All versions together. A change is told under the last version that did anything to its key. */
function netSql(shape: ChangeShape, { has, byKey }: ChangeRequest): Composed {
  const columns = identList(shape.columns)
  const signed = (n: string, from: string) => `SELECT ${columns}, ${commitVersion}, ${n} AS __lw_n FROM ${from}`
  const sign = `CASE WHEN ${changeType} IN ('insert', 'update_postimage') THEN 1 ELSE -1 END`
  const events = [signed('1', 'lw_inserted'), signed('-1', 'lw_deleted'), signed(sign, 'lw_recorded')]
  const steps: Step[] = []
  if (has.has('before') && byKey) {
    // Every difference counts here, or else an image after would not be the one before of the next change.
    const others = shape.columns.filter((name) => !shape.key.includes(name))
    const computed = comparedSql(shape, others)
    steps.push(...computed.steps)
    events.push(signed(sign, `(${computed.rows})`))
  } else if (has.has('before')) events.push(signed('1', 'lw_after'), signed('-1', 'lw_before'))
  const last = (test: string) => `max(${commitVersion}) FILTER (WHERE __lw_n ${test} 0)`
  const sums = `SELECT ${columns}, CAST(sum(__lw_n) AS BIGINT) AS __lw_n, max(${commitVersion}) AS __lw_latest,
CASE WHEN sum(__lw_n) > 0 THEN ${last('>')} ELSE ${last('<')} END AS ${commitVersion}
FROM (${events.join('\nUNION ALL\n')}) GROUP BY ${columns}`
  steps.push({ name: 'lw_sums', sql: sums })
  const remaining = '(SELECT * FROM lw_sums WHERE __lw_n <> 0)'
  if (shape.key.length === 0) return { steps, rows: single(shape, remaining) }
  const key = identList(shape.key)
  // Equal rows are gone from the sums: what differs in load columns alone is an update too, or rows and changes would not add up.
  const paired = pairedSql(shape, remaining, shape.key, 'true')
  const latest = `SELECT ${key}, max(__lw_latest) AS __lw_version FROM lw_sums GROUP BY ${key}`
  const dated = `SELECT ${identList(shape.columns, 'o')}, o.${changeType}, n.__lw_version AS ${commitVersion}, o.${changedColumns}
FROM (${paired.rows}) o JOIN (${latest}) n ON ${sameSql(shape.key)}`
  return {
    steps: [...steps, ...paired.steps, { name: 'lw_net', sql: dated }],
    rows: `SELECT * FROM lw_net`,
  }
}

/** Recorded changes are given as they are; only the columns that differ are found out. */
function recordedSql(shape: ChangeShape): Composed {
  const columns = `${identList(shape.columns)}, ${changeType}, ${commitVersion}`
  if (shape.key.length === 0) return { steps: [], rows: `SELECT ${columns}, ${noColumns} FROM lw_recorded` }
  const key = keyInVersion(shape)
  const isUpdate = `${changeType} IN ('update_preimage', 'update_postimage')`
  const one = (type: string) => `count(*) FILTER (WHERE ${changeType} = '${type}') <> 1`
  const repeated = `SELECT ${identList(key)} FROM lw_recorded WHERE ${isUpdate}
GROUP BY ${identList(key)} HAVING ${one('update_preimage')} OR ${one('update_postimage')}`
  const side = (type: string) =>
    `(SELECT * FROM lw_recorded o ANTI JOIN lw_repeated_updates n ON ${sameSql(key)} WHERE o.${changeType} = '${type}')`
  const from = `${side('update_preimage')} o JOIN ${side('update_postimage')} n ON ${sameSql(key)}`
  const images = imagesSql(shape, from, `['update_preimage', 'update_postimage']`, changedSql(shape.compared))
  return {
    steps: [
      { name: 'lw_repeated_updates', sql: repeated },
      { name: 'lw_updates', sql: images },
    ],
    rows: `SELECT ${columns}, ${noColumns} FROM lw_recorded WHERE NOT coalesce(${isUpdate}, false)
UNION ALL
SELECT ${columns}, ${noColumns} FROM lw_recorded o SEMI JOIN lw_repeated_updates n ON ${sameSql(key)} WHERE ${isUpdate}
UNION ALL
SELECT * FROM lw_updates`,
  }
}

/** Rows that a commit removed against those that it added, by key: an update is one in which these columns differ. */
function comparedSql(shape: ChangeShape, compared: string[]): Composed {
  const from = `lw_before o FULL JOIN lw_after n ON ${sameSql(keyInVersion(shape))}`
  return {
    steps: [{ name: 'lw_compared', sql: pairsSql({ ...shape, compared }, from, differSql(compared)) }],
    rows: 'SELECT * FROM lw_compared',
  }
}

/** How many more (or less) of each row there are after a commit than before it. */
function summedSql(shape: ChangeShape): Composed {
  const list = identList([...shape.columns, commitVersion])
  const sums = `SELECT ${list}, CAST(sum(__lw_n) AS BIGINT) AS __lw_n
FROM (SELECT ${list}, 1 AS __lw_n FROM lw_after UNION ALL SELECT ${list}, -1 FROM lw_before)
GROUP BY ${list} HAVING sum(__lw_n) <> 0`
  const step = { name: 'lw_sums', sql: sums }
  if (shape.key.length === 0) return { steps: [step], rows: single(shape, 'lw_sums') }
  const paired = pairedSql(shape, 'lw_sums', keyInVersion(shape), differSql(shape.compared))
  return { steps: [step, ...paired.steps], rows: paired.rows }
}

/**
 * What remains of sums as changes: a key with one row that goes and one that comes is an update where they
 * differ, else nothing.
 * @param sums the table's columns, `_commit_version` and `__lw_n`
 * @param key what the two rows of an update have in common
 * @param differ whether `o` and `n` do
 */
function pairedSql(shape: ChangeShape, sums: string, key: readonly string[], differ: string): Composed {
  const several = (test: string) => `sum(abs(__lw_n)) FILTER (WHERE __lw_n ${test} 0) > 1`
  const repeated = `SELECT ${identList(key)} FROM ${sums} GROUP BY ${identList(key)} HAVING ${several('>')} OR ${several('<')}`
  const side = (test: string) =>
    `(SELECT * FROM ${sums} o ANTI JOIN lw_repeated n ON ${sameSql(key)} WHERE o.__lw_n ${test} 0)`
  const pairs = pairsSql(shape, `${side('<')} o FULL JOIN ${side('>')} n ON ${sameSql(key)}`, differ)
  return {
    steps: [
      { name: 'lw_repeated', sql: repeated },
      { name: 'lw_pairs', sql: pairs },
    ],
    rows: `SELECT * FROM lw_pairs
UNION ALL
${single(shape, `${sums} o SEMI JOIN lw_repeated n ON ${sameSql(key)}`)}`,
  }
}

/** @param from rows that go, `o`, and rows that come, `n`, side by side where they are one */
function pairsSql(shape: ChangeShape, from: string, differ: string): string {
  const types = `CASE WHEN n.${commitVersion} IS NULL THEN ['delete'] WHEN o.${commitVersion} IS NULL THEN ['insert']
WHEN ${differ} THEN ['update_preimage', 'update_postimage'] ELSE CAST([] AS VARCHAR[]) END`
  const lonely = `o.${commitVersion} IS NULL OR n.${commitVersion} IS NULL`
  return imagesSql(shape, from, types, `CASE WHEN ${lonely} THEN NULL ELSE ${changedSql(shape.compared)} END`)
}

/** A pair of rows `o` and `n` as one row for each of the types: of the old one, or of the new one. */
function imagesSql({ columns }: ChangeShape, from: string, types: string, changed: string): string {
  const pairs = columns.map((name, i) => `o.${quoteIdent(name)} AS o${i}, n.${quoteIdent(name)} AS n${i}`)
  const isOld = `${changeType} IN ('delete', 'update_preimage')`
  const images = columns.map((name, i) => `CASE WHEN ${isOld} THEN o${i} ELSE n${i} END AS ${quoteIdent(name)}`)
  return `SELECT ${images.join(', ')}, ${changeType}, ${commitVersion}, ${changedColumns}
FROM (SELECT ${pairs.join(', ')}, coalesce(n.${commitVersion}, o.${commitVersion}) AS ${commitVersion},
${changed} AS ${changedColumns}, unnest(${types}) AS ${changeType} FROM ${from})`
}

/** Rows each of which is a change of its own, as often as its sum says. */
function single({ columns }: ChangeShape, from: string): string {
  return `SELECT ${identList(columns)}, CASE WHEN __lw_n > 0 THEN 'insert' ELSE 'delete' END AS ${changeType},
${commitVersion}, ${noColumns} FROM (SELECT *, unnest(range(abs(__lw_n))) FROM ${from})`
}

function alone({ columns }: ChangeShape, view: string, type: string): Composed {
  return {
    steps: [],
    rows: `SELECT ${identList(columns)}, '${type}' AS ${changeType}, ${commitVersion}, ${noColumns} FROM ${view}`,
  }
}

function keyInVersion({ key }: ChangeShape): string[] {
  return [commitVersion, ...key]
}

function sameSql(columns: readonly string[]): string {
  return columns.map((name) => `o.${quoteIdent(name)} IS NOT DISTINCT FROM n.${quoteIdent(name)}`).join(' AND ')
}

function differSql(columns: readonly string[]): string {
  if (columns.length === 0) return 'false'
  return columns.map((name) => `o.${quoteIdent(name)} IS DISTINCT FROM n.${quoteIdent(name)}`).join(' OR ')
}

function changedSql(columns: readonly string[]): string {
  if (columns.length === 0) return 'CAST([] AS VARCHAR[])'
  const names = columns.map((name) => `CASE WHEN ${differSql([name])} THEN ${quoteText(name)} END`)
  return `list_filter([${names.join(', ')}], lambda __lw_name: __lw_name IS NOT NULL)`
}

const noColumns = `CAST(NULL AS VARCHAR[]) AS ${changedColumns}`
