/**
 * Files put together from pieces hold the rows that a rewrite would give, and say the truth about them: read by the engine
 * and by another Parquet reader.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { readParquet } from 'parquet-wasm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine, Row } from '../../src/engine/port.js'
import { filesRelation } from '../../src/engine/relation.js'
import { literal, quoteIdent } from '../../src/engine/sql.js'
import { encodeStats, parseStats } from '../../src/manifest/stats.js'
import { fieldIds, withFieldIds } from '../../src/schema/field-ids.js'
import type { LakeType, Schema } from '../../src/schema/types.js'
import {
  fingerprintName,
  fingerprintPartsSql,
  fingerprintTag,
  fingerprintTagName,
  sameContent,
} from '../../src/stage/fingerprint.js'
import { areInPlace, checkBytes, checkFingerprints } from '../../src/stage/patch/check.js'
import { planPatches } from '../../src/stage/patch/choose.js'
import { type LocalFile, type Patch, patchFiles, type Rewrite, type Spliced } from '../../src/stage/patch.js'
import type { StagedFile } from '../../src/stage/port.js'
import { fingerprintsOf, type StagingContext, stageRows } from '../../src/stage/stage.js'
import { seeded } from '../property/seed.js'

const field = (name: string, type: LakeType) => ({ name, type, nullable: true })
const schema: Schema = withFieldIds([
  field('id', { kind: 'bigint' }),
  field('part', { kind: 'varchar' }),
  field('price', { kind: 'decimal', precision: 10, scale: 2 }),
  field('wide', { kind: 'decimal', precision: 30, scale: 4 }),
  field('ratio', { kind: 'double' }),
  field('city', { kind: 'varchar' }),
  field('day', { kind: 'date' }),
  field('at', { kind: 'timestamp' }),
  field('small', { kind: 'smallint' }),
  field('ok', { kind: 'boolean' }),
  field('tags', { kind: 'list', element: { kind: 'varchar' } }),
  field('where', {
    kind: 'struct',
    fields: [field('x', { kind: 'integer' }), field('odd, "name"', { kind: 'list', element: { kind: 'double' } })],
  }),
])
/** An old file, with the ids from which on it has one after the other. */
interface OldFile {
  file: LocalFile
  from: number
  rows: number
}

interface Changes {
  gone: number[]
  replaced: [id: number, version: number][]
  moved: number[]
  fresh: number[]
}

const cheap = { perGroup: 0, gain: 100, smallRows: 0, mostSmall: 0 }

/** Values by a number, so that rows are told apart and edges occur. */
function rowSql(n: string, version: string): string {
  const k = `(${n} * 7 + ${version})`
  return `SELECT ${n}::BIGINT AS id, 'p' AS part,
    CASE WHEN ${k} % 11 = 0 THEN NULL ELSE (${k} % 1000 / 7.0)::DECIMAL(10, 2) END AS price,
    (-1.5 * ${k})::DECIMAL(30, 4) AS wide,
    CASE ${version}::INTEGER WHEN 99 THEN 'nan'::DOUBLE ELSE (${k} % 5)::DOUBLE / 3 END AS ratio,
    CASE ${k} % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'Zürich' ELSE 'city ' || ${k} END AS city,
    DATE '2026-01-01' + (${k} % 400)::INTEGER AS day,
    make_timestamptz(1767225600000000 + ${k} * 1001) AS at,
    (${k} % 100 - 50)::SMALLINT AS small, (${k} % 3 = 0) AS ok,
    CASE ${k} % 5 WHEN 0 THEN NULL WHEN 1 THEN [] WHEN 2 THEN [NULL] ELSE ['a', 'b' || ${k}] END AS tags,
    CASE ${k} % 6 WHEN 0 THEN NULL ELSE {'x': (${k} % 9)::INTEGER, 'odd, "name"': [${k} / 2.0, NULL]} END AS "where"`
}

describe('a patched file', () => {
  let engine: Engine
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lakewright-patch-'))
    engine = await openDuckDB({ spillFolder: folder, threads: 2 })
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true, force: true })
  })

  function context(): StagingContext {
    let n = 0
    const columns = schema.filter(({ name }) => name !== 'part')
    return {
      ...{ engine, schema, partitionBy: ['part'], sortBy: [], targetFileBytes: 2 ** 27, spoolFolder: folder },
      ...{ txnId: 'txn', replayable: true, nextNumber: () => n++ },
      fingerprint: { of: fingerprintName(engine.id, columns), columns },
    }
  }

  /** Old files of `groups` row groups with `size` rows each, ids from 0. */
  async function oldFile(from: number, groups: number, size: number, ctx: StagingContext): Promise<LocalFile> {
    const data = schema.filter(({ name }) => name !== 'part')
    const rows = `SELECT s.* EXCLUDE (part) FROM range(${from}, ${from + groups * size}) t(n), LATERAL (${rowSql('t.n', '0')}) s ORDER BY s.id`
    const copied = await engine.copy(rows, {
      ...{
        folder: await mkdtemp(join(folder, 'old-')),
        name: 'old',
        partitionBy: [],
        inOrder: true,
        rowGroupRows: size,
      },
      fieldIds: fieldIds(data),
    })
    const [file] = copied
    if (file === undefined) throw new Error('nothing was written')
    const fingerprint = (await fingerprintsOf([file], ctx)).get(file.path)
    return {
      ...{ key: `part=p/f${from}.parquet`, path: file.path, partitionValues: { part: 'p' }, sizeBytes: file.sizeBytes },
      ...{ modificationTime: 0, dataChange: true },
      stats: encodeStats(file.rows, data, file.columns),
      ...(fingerprint ? { tags: { [fingerprintTagName]: fingerprintTag(fingerprint) } } : {}),
    }
  }

  /** The changes as the relations that a plan makes; ids that no file has are left out. */
  async function changesOf(files: OldFile[], { gone, replaced, moved, fresh }: Changes): Promise<void> {
    const list = (values: readonly number[]) => `[${values.join(', ')}]::BIGINT[]`
    const places = files.map(({ file, from, rows }) => `(${literal(file.key)}, ${from}, ${from + rows})`)
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE places AS SELECT k, lo::BIGINT AS lo, hi::BIGINT AS hi FROM (VALUES ${places.join(', ')}) v(k, lo, hi)`,
    )
    const changed = [...gone, ...replaced.map(([id]) => id), ...moved]
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE removed AS SELECT k AS __lw_file, id - lo AS __lw_row
       FROM (SELECT unnest(${list(changed)}) AS id) JOIN places ON id >= lo AND id < hi`,
    )
    const rows = (ids: readonly number[], versions: readonly number[]) =>
      `(SELECT unnest(${list(ids)}) AS n, unnest(${list(versions)}) AS version) t, LATERAL (${rowSql('t.n', 't.version')}) s`
    const nowhere = 'NULL::VARCHAR AS __lw_file, NULL::BIGINT AS __lw_row'
    const versions = replaced.map(([, version]) => version)
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE added AS
       SELECT s.*, k AS __lw_file, s.id - lo AS __lw_row FROM ${rows(
         replaced.map(([id]) => id),
         versions,
       )} JOIN places ON s.id >= lo AND s.id < hi
       UNION ALL SELECT s.*, ${nowhere} FROM ${rows(fresh, Array(fresh.length).fill(3))}
       UNION ALL SELECT s.* REPLACE ('q' AS part), ${nowhere} FROM ${rows(moved, Array(moved.length).fill(4))}`,
    )
  }

  /** What a plan may know of the rows that go, from the rows themselves. */
  async function sayWhatIsKnown(files: LocalFile[], ctx: StagingContext): Promise<void> {
    const old = filesRelation({ files, schema, partitionBy: ['part'], provenance: true })
    const { sum, xor } = fingerprintPartsSql(ctx.fingerprint.columns, 'o')
    const place = (alias: string) => `o.__lw_file = ${alias}.__lw_file AND o.__lw_row = ${alias}.__lw_row`
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE removed AS SELECT r.*, ${sum} AS __lw_sum, ${xor} AS __lw_xor FROM removed r JOIN (${old}) o ON ${place('r')}`,
    )
    const bits = schema
      .filter(({ name }) => name !== 'part')
      .map(
        ({ name }, i) =>
          `CASE WHEN o.${quoteIdent(name)} IS DISTINCT FROM a.${quoteIdent(name)} THEN ${2 ** i} ELSE 0 END`,
      )
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE added AS SELECT a.*, (${bits.join(' + ')})::UBIGINT AS __lw_changed FROM added a LEFT JOIN (${old}) o ON ${place('a')}`,
    )
  }

  async function expectTruth(staged: StagedFile[], ctx: StagingContext): Promise<void> {
    const columns = schema.filter(({ name }) => name !== 'part')
    for (const { file, rows, stats, fingerprint } of staged) {
      const read = (await fingerprintsOf([file], ctx)).get(file.path)
      expect(read && sameContent(read, fingerprint)).toBe(true)
      const relation = `(SELECT * FROM read_parquet('${file.path}'))`
      const [bounds] = await engine.rows(
        `SELECT count(*) AS n, ${columns.map(({ name }, i) => `count(*) FILTER (${quoteIdent(name)} IS NULL) AS n${i}`).join(', ')},
          min(id) AS low, max(id) AS high, min(day) AS first, max(day) AS last, min(price) AS cheapest, max(city) AS city,
          bool_or(isnan(ratio)) AS nan FROM ${relation}`,
      )
      const said = parseStats(stats)
      expect(said?.numRecords).toBe(rows)
      expect(Number(bounds?.n)).toBe(rows)
      for (const [i, { name, type }] of columns.entries())
        if (type.kind !== 'list' && type.kind !== 'struct')
          expect([name, said?.nullCount[name]]).toEqual([name, Number(bounds?.[`n${i}`])])
      expect([said?.minValues.id, said?.maxValues.id].map(Number)).toEqual([bounds?.low, bounds?.high].map(Number))
      expect([said?.minValues.day, said?.maxValues.day]).toEqual([
        bounds?.first ?? undefined,
        bounds?.last ?? undefined,
      ])
      if (bounds?.cheapest !== null) expect(Number(said?.minValues.price)).toBe(Number(bounds?.cheapest))
      expect(said?.maxValues.city).toEqual(bounds?.city ?? undefined)
      if (bounds?.nan) expect(said?.maxValues.ratio).toBeUndefined()
    }
  }

  async function contentOf(files: { path: string; partitionValues: Record<string, string | null> }[]): Promise<Row[]> {
    const relation = filesRelation({
      files: files.map((file) => ({ ...file, key: file.path })),
      schema,
      partitionBy: ['part'],
    })
    return await engine.rows(`SELECT to_json(x)::VARCHAR AS row FROM (${relation}) x ORDER BY ALL`)
  }

  const size = 2048
  const most = 6 * size
  const ids = (maxLength: number) => fc.uniqueArray(fc.nat(most - 1), { maxLength })
  /** Many rows side by side, so that whole row groups go. */
  const stretch = fc
    .tuple(fc.nat(most - 1), fc.constantFrom(0, 1, 3000))
    .map(([from, length]) => Array.from({ length }, (_, i) => from + i))
  const change = fc.record({
    groups: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 2 })),
    gone: fc.tuple(ids(6), stretch).map(([some, many]) => [...some, ...many]),
    replaced: fc.uniqueArray(fc.tuple(fc.nat(most - 1), fc.constantFrom(0, 1, 2, 99)), { maxLength: 12 }),
    moved: ids(2),
    fresh: fc.uniqueArray(fc.integer({ min: 100_000, max: 100_010 }), { maxLength: 3 }),
    ...{ tagged: fc.boolean(), known: fc.boolean() },
  })

  test('holds the rows, statistics and fingerprint that encoding it anew would give', async () => {
    await fc.assert(
      fc.asyncProperty(change, async ({ groups, gone, replaced, moved, fresh, tagged, known }) => {
        const ctx = context()
        const old: OldFile[] = []
        for (const count of groups.filter((one) => one > 0)) {
          const from = old.reduce((sum, { rows }) => sum + rows, 0)
          const { tags, ...file } = await oldFile(from, count, size, ctx)
          old.push({ file: tagged && tags ? { ...file, tags } : file, from, rows: count * size })
        }
        const files = old.map(({ file }) => file)
        const end = old.reduce((sum, { rows }) => sum + rows, 0)
        const used = new Set<number>()
        const once = (id: number) => id < end && !used.has(id) && used.add(id) !== undefined
        await changesOf(old, {
          gone: gone.filter(once),
          replaced: replaced.filter(([id]) => once(id)),
          moved: moved.filter(once),
          fresh,
        })
        if (known) await sayWhatIsKnown(files, ctx)
        const touched = new Set(
          (await engine.rows('SELECT DISTINCT __lw_file FROM removed')).map((row) => row.__lw_file),
        )
        const rewrite: Rewrite = {
          files: files.filter(({ key }) => touched.has(key)),
          removed: 'removed',
          known: false,
          added: 'added',
        }
        if (rewrite.files.length === 0) return
        const patches = await planPatches(rewrite, ctx, cheap)
        expect(patches).toHaveLength(rewrite.files.length)
        const restSql = `SELECT COLUMNS(c -> NOT starts_with(c, '__lw_')) FROM added WHERE __lw_file IS NULL`
        const rest = await stageRows(restSql, ctx)
        const staged = await patchFiles(patches, rest, rewrite, ctx)
        await expectTruth(staged, ctx)
        const kept = filesRelation({ files: rewrite.files, schema, partitionBy: ['part'], provenance: true })
        const names = schema.map(({ name }) => quoteIdent(name)).join(', ')
        const whole = `SELECT ${names} FROM (${kept}) ANTI JOIN removed USING (__lw_file, __lw_row) UNION ALL SELECT ${names} FROM added`
        const expected = await stageRows(whole, ctx)
        const paths = (list: StagedFile[]) =>
          list.map(({ file, partitionValues }) => ({ path: file.path, partitionValues }))
        expect(await contentOf(paths(staged))).toEqual(await contentOf(paths(expected)))
        // Another reader finds the same values in the same rows.
        for (const { file, rows } of staged) {
          const table = tableFromIPC(readParquet(readFileSync(file.path)).intoIPCStream())
          expect(table.numRows).toBe(rows)
          const ours = await engine.rows(
            `SELECT id, city, day::VARCHAR AS day FROM read_parquet('${file.path}', file_row_number = true) ORDER BY file_row_number`,
          )
          expect([...(table.getChild('id') ?? [])]).toEqual(ours.map(({ id }) => id))
          expect([...(table.getChild('city') ?? [])]).toEqual(ours.map(({ city }) => city))
        }
      }),
      seeded({ numRuns: Number(process.env.LAKEWRIGHT_PROPERTY_RUNS ?? 15) }),
    )
  })

  test('loses rows where none comes', async () => {
    const ctx = context()
    const { tags, ...untagged } = await oldFile(0, 2, size, ctx)
    for (const file of [untagged, { ...untagged, ...(tags ? { tags } : {}) }]) {
      await changesOf([{ file, from: 0, rows: 2 * size }], { gone: [3, size + 1], replaced: [], moved: [], fresh: [] })
      const rewrite: Rewrite = { files: [file], removed: 'removed', added: undefined, known: false }
      const staged = await patchFiles(await planPatches(rewrite, ctx, cheap), [], rewrite, ctx)
      expect(staged.map(({ rows }) => rows)).toEqual([2 * size - 2])
      await expectTruth(staged, ctx)
    }
  })

  describe('what does not fit together is noticed', () => {
    const refused = expect.objectContaining({ code: 'corrupt' })

    /** Two files of two and three row groups, with a changed row in each. */
    async function patched(known: boolean): Promise<{ rewrite: Rewrite; patches: Patch[]; ctx: StagingContext }> {
      const ctx = context()
      const old = [
        { file: await oldFile(0, 2, size, ctx), from: 0, rows: 2 * size },
        { file: await oldFile(2 * size, 3, size, ctx), from: 2 * size, rows: 3 * size },
      ]
      const replaced: [number, number][] = [
        [5, 1],
        [3 * size, 2],
      ]
      await changesOf(old, { gone: [], replaced, moved: [], fresh: [] })
      const files = old.map(({ file }) => file)
      if (known) await sayWhatIsKnown(files, ctx)
      const rewrite: Rewrite = { files, removed: 'removed', added: 'added', known }
      return { rewrite, patches: await planPatches(rewrite, ctx, cheap), ctx }
    }

    test('chunks of another row group, or in another order', async () => {
      const { patches } = await patched(false)
      const [{ old, parquet } = expect.unreachable()] = patches
      await expect(checkBytes(old.path, parquet.rowGroups, old)).resolves.toBeUndefined()
      await expect(checkBytes(old.path, parquet.rowGroups.toReversed(), old)).rejects.toEqual(refused)
      await expect(checkBytes(old.path, parquet.rowGroups.slice(1), old)).rejects.toEqual(refused)
    })

    test('a row that is still the old one', async () => {
      const { rewrite, patches, ctx } = await patched(false)
      const staged = await patchFiles(patches, [], rewrite, ctx)
      const files = patches.map((patch): Spliced => {
        const made = staged.find(({ rows }) => rows === patch.parquet.rowGroups.length * size)
        return { patch, staged: made ?? expect.unreachable(), isDerived: true }
      })
      for (const right of files) expect(await areInPlace(right, ctx)).toBe(true)
      await expect(checkFingerprints(files, ctx)).resolves.toBeUndefined()
      for (const right of files) {
        const { staged: made, patch } = right
        const wrong = { ...right, staged: { ...made, file: { ...made.file, path: patch.old.path } } }
        expect(await areInPlace(wrong, ctx)).toBe(false)
        await expect(checkFingerprints([wrong], ctx)).rejects.toEqual(refused)
      }
    })

    test('a fingerprint that was worked out from something else', async () => {
      const { rewrite, patches, ctx } = await patched(true)
      await expect(patchFiles(patches, [], rewrite, ctx)).resolves.toHaveLength(2)
      await engine.run('UPDATE removed SET __lw_sum = __lw_sum - 1')
      const again = await planPatches(rewrite, ctx, cheap)
      await expect(patchFiles(again, [], rewrite, ctx)).rejects.toEqual(refused)
    })
  })
})
