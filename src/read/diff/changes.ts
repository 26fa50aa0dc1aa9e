/**
 * Find the keys whose rows differ, and bring both images of these rows into one file.
 *
 *   by hashes   new  ⟗  keys and hashes of old   ─► changed rows of new, keys of old       (found)
 *               old  ⋉  those keys               ─► changed rows of old                    (fetched)
 *               found ⟕ fetched                  ─► both images                            (changes)
 *   exactly     new  ⟗  old                      ─► both images
 *
 * The smaller side is the one of which only keys and hashes are held (the old one where they are even); rows of the other
 * flow past it. Keys of text are held as their 128-bit hashes, too; where two of them collide, which shows, the join is
 * done again on the keys themselves. Everything spills.
 */
import { join } from 'node:path'
import type { Engine, RunOptions } from '../../engine/port.js'
import { quoteIdent, quotePath } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import { nullKeysSql, refuseNullKeys, refuseRepeatedKeys, repeatedKeysSql } from '../../plan/keys.js'
import { isNested } from '../../schema/names.js'
import type { LakeType, Schema } from '../../schema/types.js'
import { rowHashColumns, rowHashSql } from '../../stage/row-hash.js'
import { copyJoin } from './joined.js'
import { spoolFormat, spoolSql } from './sides.js'

/** @throws LakeError invalid: keys that are null, or occur more than once */
export async function findChanges(work: Work): Promise<Changes> {
  const rows = { old: await countRows('old', work), new: await countRows('new', work) }
  const probe: Which = rows.old <= rows.new ? 'new' : 'old'
  if (work.exact) return await exactly(work, rows, probe)
  const hashesKeys = work.key.some((name) => isLong(typeOf(work.schema, name)))
  return (hashesKeys && (await byHashes(work, rows, probe, true))) || (await byHashes(work, rows, probe, false))
}

export interface Work {
  engine: Engine
  run: RunOptions
  folder: string
  /** Of the relations `lw_old` and `lw_new`. */
  schema: Schema
  key: readonly string[]
  compared: Schema
  exact: boolean
}

export interface Changes {
  /** A Parquet file: `__lw_change` (`i`, `u`, `d`), `n0, n1 …` the row as it is now, `o0, o1 …` as it was, in the schema's order. */
  path: string
  inserted: number
  updated: number
  deleted: number
  rows: RowCounts
}

export type Which = 'old' | 'new'
type RowCounts = Record<Which, number>

export function relationOf(which: Which): string {
  return which === 'old' ? 'lw_old' : 'lw_new'
}

async function byHashes(work: Work, rows: RowCounts, probe: Which, hashesKeys: false): Promise<Changes>
/** @returns undefined where two keys have one hash */
async function byHashes(work: Work, rows: RowCounts, probe: Which, hashesKeys: true): Promise<Changes | undefined>
async function byHashes(work: Work, rows: RowCounts, probe: Which, hashesKeys: boolean): Promise<Changes | undefined> {
  const { engine, run, folder, schema, key, compared } = work
  const build: Which = probe === 'new' ? 'old' : 'new'
  const keys = hashesKeys ? hashedKeys(work) : plainKeys(work)
  const names = keys.map(({ name }) => name)
  const held = keys.map(({ name, sql }) => `${sql} AS ${name}`).join(', ')
  const hashes = rowHashColumns(compared)
  const values = schema.map(({ name }, i) => `p.${quoteIdent(name)} AS c${i}`)
  const marks = ['p.__lw_h1 IS NOT NULL AS __lw_p', 'b.__lw_h1 IS NOT NULL AS __lw_b']
  const on = names.map((name) => `p.${name} = b.${name}`).join(' AND ')
  const found = join(folder, 'found.parquet')
  const joined = await copyJoin(
    engine,
    `SELECT ${[...values, ...marks, ...names.map((name) => `b.${name}`)].join(', ')}
     FROM (SELECT *, ${held}, ${hashes} FROM ${relationOf(probe)}) p
     FULL JOIN (SELECT ${held}, ${hashes} FROM ${relationOf(build)}) b ON ${on}
     WHERE p.__lw_h1 IS DISTINCT FROM b.__lw_h1 OR p.__lw_h2 IS DISTINCT FROM b.__lw_h2`,
    found,
    run,
  )
  const foundRows = `(${spoolSql(found)})`
  const keyColumns = key.map((name) => `c${indexOf(schema, name)}`)
  const ofProbe = { rows: '__lw_p AND NOT __lw_b', of: '__lw_p', key: keyColumns }
  const ofBuild = { rows: '__lw_b AND NOT __lw_p', of: '__lw_b', key: names }
  const alone = probe === 'new' ? { new: ofProbe, old: ofBuild } : { new: ofBuild, old: ofProbe }
  if (!(await areUnique(work, { from: foundRows, alone, joined, rows }))) {
    await refuseKeys(work)
    if (hashesKeys) return undefined
  }
  const fetched = join(folder, 'fetched.parquet')
  await engine.run(`COPY (${fetchSql(work, build, keys, foundRows)}) TO ${quotePath(fetched)} (${spoolFormat})`, run)
  const images = (which: Which): string[] =>
    schema.map((_, i) => `${which === probe ? 'f' : 'g'}.c${i} AS ${which === 'new' ? 'n' : 'o'}${i}`)
  const [inserted, deleted] = probe === 'new' ? ['NOT f.__lw_b', 'NOT f.__lw_p'] : ['NOT f.__lw_p', 'NOT f.__lw_b']
  const change = `CASE WHEN ${inserted} THEN 'i' WHEN ${deleted} THEN 'd' ELSE 'u' END AS __lw_change`
  const path = join(folder, 'changes.parquet')
  await engine.run(
    `COPY (SELECT ${[change, ...images('new'), ...images('old')].join(', ')}
     FROM ${foundRows} f LEFT JOIN (${spoolSql(fetched)}) g ON ${names.map((name) => `f.${name} = g.${name}`).join(' AND ')})
     TO ${quotePath(path)} (${spoolFormat})`,
    run,
  )
  const changes = await counted(path, rows, work)
  const [expected] = await engine.rows(`SELECT count(*) AS n FROM ${foundRows}`, run)
  const isWhole = changes.inserted + changes.updated + changes.deleted === Number(expected?.n)
  if (isWhole && (await keysAgree(path, work))) return changes
  if (hashesKeys) return undefined
  throw new LakeError('corrupt', 'rows of a side were others when they were read again', {
    fix: 'Compare copies that nobody writes to.',
  })
}

async function exactly(work: Work, rows: RowCounts, probe: Which): Promise<Changes> {
  const { engine, run, folder, schema, key, compared } = work
  const here = (which: Which): string => `(SELECT *, true AS __lw_here FROM ${relationOf(which)})`
  const images = (alias: 'n' | 'o'): string[] =>
    schema.map(({ name }, i) => `${alias}.${quoteIdent(name)} AS ${alias}${i}`)
  const change = `CASE WHEN o.__lw_here IS NULL THEN 'i' WHEN n.__lw_here IS NULL THEN 'd' ELSE 'u' END AS __lw_change`
  const differ = ['__lw_here', ...compared.map(({ name }) => quoteIdent(name))].map(
    (name) => `n.${name} IS DISTINCT FROM o.${name}`,
  )
  const on = key.map((name) => `n.${quoteIdent(name)} = o.${quoteIdent(name)}`).join(' AND ')
  const sides =
    probe === 'new' ? `${here('new')} n FULL JOIN ${here('old')} o` : `${here('old')} o FULL JOIN ${here('new')} n`
  const path = join(folder, 'changes.parquet')
  const joined = await copyJoin(
    engine,
    `SELECT ${[change, ...images('n'), ...images('o')].join(', ')} FROM ${sides} ON ${on} WHERE ${differ.join(' OR ')}`,
    path,
    run,
  )
  const keyColumns = (alias: string): string[] => key.map((name) => `${alias}${indexOf(schema, name)}`)
  const alone = {
    new: { rows: `__lw_change = 'i'`, of: `__lw_change <> 'd'`, key: keyColumns('n') },
    old: { rows: `__lw_change = 'd'`, of: `__lw_change <> 'i'`, key: keyColumns('o') },
  }
  if (!(await areUnique(work, { from: `(${spoolSql(path)})`, alone, joined, rows }))) await refuseKeys(work)
  return await counted(path, rows, work)
}

interface Joined {
  /** Of the changed rows. */
  from: string
  alone: Record<Which, Alone>
  /** How many rows the join gave; undefined where that is not known. */
  joined: number | undefined
  rows: RowCounts
}

/** Conditions on the changed rows. */
interface Alone {
  /** That it is a row of this side without one of the other. */
  rows: string
  /** That it has a row of this side. */
  of: string
  key: readonly string[]
}

/** Whether every key is there, and once, on each side; see `joined.ts`. False also where that is not known. */
async function areUnique({ engine, run }: Work, { from, alone, joined, rows }: Joined): Promise<boolean> {
  if (joined === undefined) return false
  const sides = [alone.old, alone.new]
  const counts = sides.flatMap((side, i) => [
    `count(*) FILTER (WHERE ${side.rows}) AS alone${i}`,
    `count(*) FILTER (WHERE ${side.of} AND (${side.key.map((name) => `${name} IS NULL`).join(' OR ')})) AS nulls${i}`,
  ])
  const [row = {}] = await engine.rows(`SELECT ${counts.join(', ')} FROM ${from}`, run)
  const { alone0, alone1, nulls0, nulls1 } = row
  if (Number(nulls0) + Number(nulls1) > 0) return false
  const pairs = joined - Number(alone0) - Number(alone1)
  if (pairs !== rows.old - Number(alone0) || pairs !== rows.new - Number(alone1)) return false
  for (const side of sides) {
    const key = side.key.join(', ')
    const repeated = await engine.rows(
      `SELECT 1 FROM ${from} WHERE ${side.rows} GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`,
      run,
    )
    if (repeated.length > 0) return false
  }
  return true
}

/** @throws LakeError invalid, naming the side */
async function refuseKeys({ engine, run, key }: Work): Promise<void> {
  for (const which of ['old', 'new'] as const) {
    const refusal = { of: `the ${which} side`, key }
    refuseNullKeys(await engine.rows(nullKeysSql(relationOf(which), key), run), refusal)
    refuseRepeatedKeys(await engine.rows(repeatedKeysSql(relationOf(which), key), run), refusal)
  }
}

interface KeyColumn {
  name: string
  sql: string
}

function plainKeys({ key }: Work): KeyColumn[] {
  return key.map((name, i) => ({ name: `__lw_k${i}`, sql: quoteIdent(name) }))
}

/** Null where the key is: such rows have no partner. */
function hashedKeys({ schema, key }: Work): KeyColumn[] {
  const { h1, h2 } = rowHashSql(schema.filter(({ name }) => key.includes(name)))
  const isThere = key.map((name) => `${quoteIdent(name)} IS NOT NULL`).join(' AND ')
  return [
    { name: '__lw_k0', sql: `CASE WHEN ${isThere} THEN ${h1} END` },
    { name: '__lw_k1', sql: h2 },
  ]
}

/** The rows of the side that was held, as `c0, c1 …` with its keys: of the second half of a hash only for rows with the first. */
function fetchSql({ schema }: Work, build: Which, keys: readonly KeyColumn[], found: string): string {
  const [first, ...others] = keys
  if (first === undefined) return ''
  const wanted = `SELECT ${first.name} FROM ${found} WHERE __lw_b`
  const rows = `SELECT *, ${first.sql} AS ${first.name} FROM ${relationOf(build)}`
  const values = schema.map(({ name }, i) => `${quoteIdent(name)} AS c${i}`)
  const more = others.map(({ name, sql }) => `${sql} AS ${name}`)
  return `SELECT ${[...values, first.name, ...more].join(', ')} FROM (${rows}) r SEMI JOIN (${wanted}) w ON r.${first.name} = w.${first.name}`
}

async function counted(path: string, rows: RowCounts, { engine, run }: Work): Promise<Changes> {
  const found = await engine.rows(`SELECT __lw_change, count(*) AS n FROM (${spoolSql(path)}) GROUP BY 1`, run)
  const of = (change: string): number => Number(found.find((row) => row.__lw_change === change)?.n ?? 0)
  return { path, inserted: of('i'), updated: of('u'), deleted: of('d'), rows }
}

/** Both images of an update have one key: else two keys have one hash. */
async function keysAgree(path: string, { engine, run, schema, key }: Work): Promise<boolean> {
  const differ = key.map((name) => indexOf(schema, name)).map((i) => `n${i} IS DISTINCT FROM o${i}`)
  const wrong = await engine.rows(
    `SELECT 1 FROM (${spoolSql(path)}) WHERE __lw_change = 'u' AND (${differ.join(' OR ')}) LIMIT 1`,
    run,
  )
  return wrong.length === 0
}

async function countRows(which: Which, { engine, run }: Work): Promise<number> {
  const [row] = await engine.rows(`SELECT count(*) AS n FROM ${relationOf(which)}`, run)
  return Number(row?.n)
}

function indexOf(schema: Schema, name: string): number {
  return schema.findIndex((field) => field.name === name)
}

function typeOf(schema: Schema, name: string): LakeType {
  return schema[indexOf(schema, name)]?.type ?? { kind: 'varchar' }
}

/** Whether holding the value costs more than its hash. */
function isLong(type: LakeType): boolean {
  return type.kind === 'varchar' || type.kind === 'blob' || isNested(type)
}
