/**
 * A `COPY` of what a full outer join gives, and how many rows that join gave before anything was filtered: the number
 * that shows whether a key occurs twice, without grouping the keys of either side.
 *
 *   rows of the join = pairs + rows of one side alone
 *   each key once on both sides   ⇔   pairs = rows of old − old alone = rows of new − new alone, and no key twice
 *                                     among those alone
 *
 * DuckDB counts the rows of each operator when a statement is run by EXPLAIN ANALYZE.
 */
import { disabledOptimizersSql } from '../../engine/optimizers.js'
import type { Engine, RunOptions } from '../../engine/port.js'
import { quotePath } from '../../engine/sql.js'

/** Read again soon and thrown away: cheap to write matters more than small. */
export const spoolFormat = 'FORMAT parquet, COMPRESSION lz4_raw'

/** @returns undefined where the plan does not have exactly one such join: then nothing is known */
export async function copyJoin(
  engine: Engine,
  select: string,
  path: string,
  run: RunOptions,
): Promise<number | undefined> {
  // The right side is what is held in memory; DuckDB would go by its estimates.
  await engine.run(disabledOptimizersSql(['build_side_probe_side']))
  try {
    const statement = `COPY (${select}) TO ${quotePath(path)} (${spoolFormat})`
    const [row] = await engine.rows(`EXPLAIN (ANALYZE, FORMAT json) ${statement}`, run)
    const joins = [...fullJoins(JSON.parse(String(row?.explain_value)) as Operator)]
    return joins.length === 1 ? joins[0]?.operator_cardinality : undefined
  } finally {
    await engine.run(disabledOptimizersSql()).catch(() => {})
  }
}

/** The same of several joins whose rows are disjoint: how many they gave together. */
export async function copyJoins(
  engine: Engine,
  joins: readonly { select: string; path: string }[],
  run: RunOptions,
): Promise<number | undefined> {
  let rows: number | undefined = 0
  for (const { select, path } of joins) {
    const given = await copyJoin(engine, select, path, run)
    rows = given === undefined || rows === undefined ? undefined : rows + given
  }
  return rows
}

interface Operator {
  operator_name?: string
  operator_cardinality?: number
  extra_info?: Record<string, unknown>
  children?: Operator[]
}

function* fullJoins(operator: Operator): Generator<Operator> {
  if (operator.operator_name?.trim() === 'HASH_JOIN' && operator.extra_info?.['Join Type'] === 'FULL') yield operator
  for (const child of operator.children ?? []) yield* fullJoins(child)
}
