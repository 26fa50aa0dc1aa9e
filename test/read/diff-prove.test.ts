import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import { findChanges, type Work } from '../../src/read/diff/changes.js'
import { prove } from '../../src/read/diff/prove.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'

let root: string
let engine: Engine
let n = 0
const schema: Schema = Object.entries({ id: 'bigint', a: 'varchar', l: 'double[]', other: 'integer' }).map(
  ([name, type]) => ({ name, type: parseType(type), nullable: true }),
)

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diff-prove-'))
  engine = await openDuckDB({ spillFolder: join(root, 'spill') })
  const old = `(1, 'x', [0.5], 1), (2, NULL, NULL, 1), (3, 'z', [NULL], 1), (4, '', ['-0.0'::DOUBLE], 1)`
  const now = `(1, 'y', [0.5], 1), (2, NULL, NULL, 2), (3, 'z', [], 1), (4, '', [0.0], 1), (5, 'é', NULL, 1)`
  for (const [name, values] of Object.entries({ lw_old: old, lw_new: now }))
    await engine.run(
      `CREATE VIEW ${name} AS SELECT id::BIGINT AS id, a::VARCHAR AS a, l::DOUBLE[] AS l, o::INTEGER AS other FROM (VALUES ${values}) v(id, a, l, o)`,
    )
})
let work: Work
beforeEach(async () => {
  const folder = join(root, `w${n++}`)
  mkdirSync(join(folder, 'changes'), { recursive: true })
  const compared = schema.filter(({ name }) => name === 'a' || name === 'l')
  work = { engine, run: {}, folder, schema, key: ['id'], compared, exact: false, files: { old: [], new: [] } }
  expect(await findChanges(work)).toMatchObject({ inserted: 1, updated: 2, deleted: 0 })
})
afterAll(async () => {
  await engine.close()
  rmSync(root, { recursive: true, force: true })
})

describe.each([{ exact: false }, { exact: true }])('the proof, exact: $exact', ({ exact }) => {
  test('holds for what was found, over what was compared', async () => {
    await prove({ ...work, exact })
  })

  test.each([
    ['a change is missing', `__lw_change <> 'i'`, '*'],
    ['an update is missing', 'n0 IS DISTINCT FROM 1', '*'],
    ['a value is another', 'true', `* REPLACE (CASE WHEN n0 = 1 THEN 'Y' ELSE n1 END AS n1)`],
    ['a value is null', 'true', `* REPLACE (nullif(n1, 'é') AS n1)`],
    ['a list is empty', 'true', `* REPLACE (CASE WHEN o0 = 3 THEN [] ELSE o2 END AS o2)`],
    ['two values are swapped', 'true', `* REPLACE (o1 AS n1, n1 AS o1)`],
    ['a change is there twice', 'true', `*, unnest(CASE WHEN n0 = 5 THEN [1, 2] ELSE [1] END) AS twice`],
  ])('does not hold where %s', async (_, where, columns) => {
    const path = join(work.folder, 'changes', '00000.parquet')
    await engine.run(`CREATE OR REPLACE TABLE tampered AS SELECT ${columns} FROM '${path}' WHERE ${where}`)
    await engine.run(`COPY tampered TO '${path}' (FORMAT parquet)`)
    await expect(prove({ ...work, exact })).rejects.toMatchObject({ code: 'corrupt' })
  })
})
