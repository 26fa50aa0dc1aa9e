/**
 * Compare two relations by the hashes of their rows.
 *
 *   new  ⟗  keys and hashes of old   ─► changed rows of new, keys of old       (found)
 *   old  ⋉  those keys               ─► changed rows of old                    (fetched)
 *   found ⟕ fetched                  ─► both images                            (changes)
 *
 * Of the smaller side only keys and hashes are held (of the old one where they are even), and rows of the other flow past
 * them. Where these alone are more than memory holds, the join spills both sides: then only keys and hashes of the other
 * flow, too, and its rows are fetched like the first one's. Keys of text are held as their 128-bit hashes; where two of
 * them collide, which shows, the join is done again on the keys themselves.
 */
import { join } from 'node:path'
import { quoteIdent, quotePath } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import { isNested } from '../../schema/names.js'
import type { LakeType } from '../../schema/types.js'
import { copyJoin, spoolFormat } from '../../stage/compare/joined.js'
import { memoryLimit } from '../../stage/compare/memory.js'
import { rowHashColumns, rowHashSql } from '../../stage/row-hash.js'
import { changesFolder, changesSql, indexOf, type RowCounts, relationOf, type Which, type Work } from './changes.js'
import { spoolSql } from './sides.js'
import { areUnique, refuseWrongKeys } from './unique.js'

/** @throws LakeError invalid: keys that are null, or occur more than once */
export async function byHashes(work: Work, rows: RowCounts): Promise<void> {
  const isLong = work.key.some((name) => costsMore(work.schema[indexOf(work.schema, name)]?.type))
  if (isLong && (await compareHashes(work, rows, hashedKeys(work)))) return
  if (await compareHashes(work, rows, plainKeys(work))) return
  throw new LakeError('corrupt', 'rows of a side were others when they were read again', {
    fix: 'Compare copies that nobody writes to.',
  })
}

/** The key as it is held. */
interface HeldKey {
  columns: { name: string; sql: string }[]
  isHashed: boolean
}

function plainKeys({ key }: Work): HeldKey {
  return { columns: key.map((name, i) => ({ name: `__lw_k${i}`, sql: quoteIdent(name) })), isHashed: false }
}

/** Null where the key is: such rows have no partner. */
function hashedKeys({ schema, key }: Work): HeldKey {
  const { h1, h2 } = rowHashSql(schema.filter(({ name }) => key.includes(name)))
  const isThere = key.map((name) => `${quoteIdent(name)} IS NOT NULL`).join(' AND ')
  const columns = [
    { name: '__lw_k0', sql: `CASE WHEN ${isThere} THEN ${h1} END` },
    { name: '__lw_k1', sql: h2 },
  ]
  return { columns, isHashed: true }
}

/** Whether holding the value costs more than its hash. */
function costsMore(type: LakeType | undefined): boolean {
  return type !== undefined && (type.kind === 'varchar' || type.kind === 'blob' || isNested(type))
}

/** @returns false where two keys have one hash, or a side is not what it was */
async function compareHashes(work: Work, rows: RowCounts, key: HeldKey): Promise<boolean> {
  const { engine, run, folder } = work
  const [build, probe]: [Which, Which] = rows.old <= rows.new ? ['old', 'new'] : ['new', 'old']
  const heldBytes = rows[build] * (bytesPerEntry + 8 * key.columns.length)
  const isNarrow = heldBytes > (await memoryLimit(engine, run)) / 2
  const flow = { build, probe, key, isNarrow, found: join(folder, 'found.parquet') }

  const joined = await copyJoin(engine, foundSql(work, flow), flow.found, run)
  const from = `(${spoolSql(flow.found)})`
  const names = key.columns.map(({ name }) => name)
  const probeKey = isNarrow ? names.map((name) => `p${name}`) : work.key.map((name) => `c${indexOf(work.schema, name)}`)
  const ofProbe = { rows: '__lw_p AND NOT __lw_b', of: '__lw_p', key: probeKey }
  const ofBuild = { rows: '__lw_b AND NOT __lw_p', of: '__lw_b', key: names.map((name) => `b${name}`) }
  const alone = probe === 'new' ? { new: ofProbe, old: ofBuild } : { new: ofBuild, old: ofProbe }
  if (!(await areUnique(work, { from, alone, joined, rows }))) {
    await refuseWrongKeys(work)
    if (key.isHashed) return false
  }

  const fetched: Partial<Record<Which, string>> = {}
  for (const which of isNarrow ? [build, probe] : [build]) {
    const path = join(folder, `fetched-${which}.parquet`)
    await engine.run(`COPY (${fetchSql(work, flow, which)}) TO ${quotePath(path)} (${spoolFormat})`, run)
    fetched[which] = path
  }
  const path = join(folder, changesFolder, '00000.parquet')
  await engine.run(`COPY (${bothImagesSql(work, flow, fetched)}) TO ${quotePath(path)} (${spoolFormat})`, run)
  return await isWhole(work, flow)
}

/** Of a hash table's: hash, pointer and row of two hashes. */
const bytesPerEntry = 56

interface Flow {
  /** The side that is held, and the one that flows past it. */
  build: Which
  probe: Which
  key: HeldKey
  /** Only keys of the rows that flow. */
  isNarrow: boolean
  /** A Parquet file of rows that differ: `c0, c1 …` or, if narrow, `p__lw_k0 …` of the one, `b__lw_k0 …` of the other, and which of them there are. */
  found: string
}

function foundSql({ schema, compared }: Work, { build, probe, key: { columns }, isNarrow }: Flow): string {
  const keys = columns.map(({ name, sql }) => `${sql} AS ${name}`).join(', ')
  const hashed = `${keys}, ${rowHashColumns(compared)}`
  const names = columns.map(({ name }) => name)
  const values = isNarrow
    ? names.map((name) => `p.${name} AS p${name}`)
    : schema.map(({ name }, i) => `p.${quoteIdent(name)} AS c${i}`)
  const marks = ['p.__lw_h1 IS NOT NULL AS __lw_p', 'b.__lw_h1 IS NOT NULL AS __lw_b']
  return `SELECT ${[...values, ...marks, ...names.map((name) => `b.${name} AS b${name}`)].join(', ')}
    FROM (SELECT ${isNarrow ? '' : '*, '}${hashed} FROM ${relationOf(probe)}) p
    FULL JOIN (SELECT ${hashed} FROM ${relationOf(build)}) b ON ${names.map((name) => `p.${name} = b.${name}`).join(' AND ')}
    WHERE p.__lw_h1 IS DISTINCT FROM b.__lw_h1 OR p.__lw_h2 IS DISTINCT FROM b.__lw_h2`
}

/** Rows of a side that differ, as `c0, c1 …` with their keys: of the second half of a hash only for rows with the first. */
function fetchSql({ schema }: Work, { build, key, found }: Flow, which: Which): string {
  const [first, ...others] = key.columns
  if (first === undefined) return ''
  const mark = which === build ? 'b' : 'p'
  const wanted = `SELECT ${mark}${first.name} AS k FROM (${spoolSql(found)}) WHERE __lw_${mark}`
  const rows = `SELECT *, ${first.sql} AS ${first.name} FROM ${relationOf(which)}`
  const values = schema.map(({ name }, i) => `${quoteIdent(name)} AS c${i}`)
  const keys = [first.name, ...others.map(({ name, sql }) => `${sql} AS ${name}`)]
  return `SELECT ${[...values, ...keys].join(', ')} FROM (${rows}) r SEMI JOIN (${wanted}) w ON r.${first.name} = w.k`
}

function bothImagesSql(
  { schema }: Work,
  { build, probe, key, found }: Flow,
  fetched: Partial<Record<Which, string>>,
): string {
  const [inserted, deleted] = probe === 'new' ? ['NOT f.__lw_b', 'NOT f.__lw_p'] : ['NOT f.__lw_p', 'NOT f.__lw_b']
  const change = `CASE WHEN ${inserted} THEN 'i' WHEN ${deleted} THEN 'd' ELSE 'u' END AS __lw_change`
  const images = (which: Which): string[] => {
    const from = fetched[which] === undefined ? 'f' : which
    return schema.map((_, i) => `"${from}".c${i} AS ${which === 'new' ? 'n' : 'o'}${i}`)
  }
  const joins = [build, probe].flatMap((which) => {
    const path = fetched[which]
    if (path === undefined) return []
    const mark = which === build ? 'b' : 'p'
    const same = key.columns.map(({ name }) => `f.${mark}${name} = "${which}".${name}`)
    return [`LEFT JOIN (${spoolSql(path)}) "${which}" ON ${same.join(' AND ')}`]
  })
  return `SELECT ${[change, ...images('new'), ...images('old')].join(', ')} FROM (${spoolSql(found)}) f ${joins.join(' ')}`
}

/** One row for each that differs, and both images of an update with one key: else two keys have one hash. */
async function isWhole({ engine, run, folder, schema, key }: Work, { found }: Flow): Promise<boolean> {
  const [count] = await engine.rows(
    `SELECT (SELECT count(*) FROM (${spoolSql(found)})) = (SELECT count(*) FROM (${changesSql(folder)})) AS is_whole`,
    run,
  )
  const differ = key.map((name) => indexOf(schema, name)).map((i) => `n${i} IS DISTINCT FROM o${i}`)
  const wrong = await engine.rows(
    `SELECT 1 FROM (${changesSql(folder)}) WHERE __lw_change = 'u' AND (${differ.join(' OR ')}) LIMIT 1`,
    run,
  )
  return count?.is_whole === true && wrong.length === 0
}
