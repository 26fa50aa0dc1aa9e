/**
 * Show that old + changes = new, over the key and the compared columns, from what was read and what is written out.
 *
 *   by hashes   the MD5 of each row's bytes, all combined by xor, and the number of rows: old without what goes, with what
 *               comes, is new. Keys are unique, so no row is there twice and none cancels another. The MD5 is of the
 *               row's sort key, and owes nothing to the hashes by which the rows were compared.
 *   exactly     every row counted up where it is or comes, down where it was or goes: nothing remains
 */
import type { Engine, RunOptions } from '../../engine/port.js'
import { quoteIdent } from '../../engine/sql.js'
import { LakeError } from '../../errors.js'
import type { Schema } from '../../schema/types.js'
import { changesSql } from './changes.js'

/** @throws LakeError corrupt: it is not so */
export async function prove(proof: Proof): Promise<void> {
  const isSo = proof.exact ? await exactly(proof) : await byDigests(proof)
  if (isSo) return
  throw new LakeError('corrupt', 'the old side with the changes is not the new side', {
    fix: 'Compare copies that nobody writes to; if it stays, report it as a bug.',
  })
}

export interface Proof {
  engine: Engine
  run: RunOptions
  schema: Schema
  key: readonly string[]
  compared: Schema
  /** See `changesSql`. */
  folder: string
  exact: boolean
}

async function byDigests(proof: Proof): Promise<boolean> {
  const { engine, run } = proof
  const sets = setsOf(proof)
  const total = { old: nothing, new: nothing }
  for (const { rows, side } of sets) {
    // With a column of any width the key is bytes; a few narrow ones alone would make it an integer.
    const columns = [...[...provenColumns(proof).keys()].map((i) => `v${i}`), `''::BLOB`]
    const sortKey = `create_sort_key(${columns.map((column) => `${column}, 'ASC NULLS LAST'`).join(', ')})`
    const [row] = await engine.rows(
      `SELECT count(*) AS n, CAST(bit_xor(md5_number(${sortKey})) AS VARCHAR) AS x FROM (${rows.sql})`,
      run,
    )
    const digest = { n: Number(row?.n), xor: BigInt(String(row?.x ?? 0)) }
    total[side] = { n: total[side].n + rows.sign * digest.n, xor: total[side].xor ^ digest.xor }
  }
  return total.old.n === total.new.n && total.old.xor === total.new.xor
}

const nothing = { n: 0, xor: 0n }

async function exactly(proof: Proof): Promise<boolean> {
  const counted = setsOf(proof).map(
    ({ rows, side }) => `SELECT *, ${side === 'old' ? rows.sign : -rows.sign} AS __lw_n FROM (${rows.sql})`,
  )
  const columns = [...provenColumns(proof).keys()].map((i) => `v${i}`).join(', ')
  const rest = await proof.engine.rows(
    `SELECT 1 FROM (${counted.join(' UNION ALL ')}) GROUP BY ${columns} HAVING sum(__lw_n) <> 0 LIMIT 1`,
    proof.run,
  )
  return rest.length === 0
}

interface RowSet {
  side: 'old' | 'new'
  rows: { sql: string; sign: 1 | -1 }
}

/** What there is, what goes and what comes; each a SELECT of `v0, v1 …`. */
function setsOf(proof: Proof): RowSet[] {
  const columns = provenColumns(proof)
  const ofSide = (relation: string): string =>
    `SELECT ${columns.map(({ name }, i) => `${quoteIdent(name)} AS v${i}`).join(', ')} FROM ${relation}`
  const ofImages = (alias: 'n' | 'o', without: 'i' | 'd'): string => {
    const values = columns.map((field, i) => `${alias}${proof.schema.indexOf(field)} AS v${i}`)
    return `SELECT ${values.join(', ')} FROM (${changesSql(proof.folder)}) WHERE __lw_change <> '${without}'`
  }
  return [
    { side: 'old', rows: { sql: ofSide('lw_old'), sign: 1 } },
    { side: 'old', rows: { sql: ofImages('o', 'i'), sign: -1 } },
    { side: 'old', rows: { sql: ofImages('n', 'd'), sign: 1 } },
    { side: 'new', rows: { sql: ofSide('lw_new'), sign: 1 } },
  ]
}

function provenColumns({ schema, key, compared }: Proof): Schema {
  return schema.filter((field) => key.includes(field.name) || compared.includes(field))
}
