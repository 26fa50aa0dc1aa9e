import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pruneFiles } from '../../src/read/prune.js'
import { defineShape, findUses, parseFilters } from '../../src/read/uses.js'
import { openMemory } from '../../src/store/memory.js'
import { columns, openWorkshop, type Workshop } from './table.js'

const schema = columns({
  id: 'bigint',
  'a region': 'varchar',
  dt: 'date',
  at: 'timestamp',
  amount: 'decimal(10,2)',
  v: 'double',
  ok: 'boolean',
  s: 'struct(id bigint)',
})

let workshop: Workshop
beforeAll(async () => {
  workshop = await openWorkshop()
  await defineShape(workshop.engine, schema)
})
afterAll(() => workshop.close())

const uses = (sql: string) => findUses(workshop.engine, sql, schema)

describe('what a query reads', () => {
  test.each([
    ['select id from t', [{ columns: ['id'], filters: [] }]],
    ['select count(*) from t', [{ columns: [], filters: [] }]],
    ['select 1', []],
    ['select * from t where false', []],
    [
      `select id from t where dt = '2026-11-20' and "a region" in ('x', 'it''s') and amount > 1.5`,
      [
        {
          columns: ['id', 'a region', 'dt', 'amount'],
          filters: [
            [
              { column: 'a region', op: '=', value: 'x' },
              { column: 'a region', op: '=', value: `it's` },
            ],
            [{ column: 'dt', op: '=', value: '2026-11-20' }],
            [{ column: 'amount', op: '>', value: '1.50' }],
          ],
        },
      ],
    ],
    [
      'select 1 from t where id between -3 and 9 and dt is null and v is not null and ok',
      [
        {
          columns: ['id', 'dt', 'v', 'ok'],
          filters: [
            [{ column: 'id', op: '>=', value: '-3' }],
            [{ column: 'id', op: '<=', value: '9' }],
            [{ column: 'dt', op: 'is null' }],
            [{ column: 'v', op: 'is not null' }],
            [{ column: 'ok', op: '=', value: 'true' }],
          ],
        },
      ],
    ],
    [
      `select a.id from t a join t b on a.id = b.id where a."a region" = 'x' and b.dt > '2026-01-01'`,
      [
        { columns: ['id', 'a region'], filters: [[{ column: 'a region', op: '=', value: 'x' }]] },
        { columns: ['id', 'dt'], filters: [[{ column: 'dt', op: '>', value: '2026-01-01' }]] },
      ],
    ],
    ['select id from t where s.id = 3', [{ columns: ['id', 's'], filters: [] }]],
    [`select id from t where lower("a region") = 'x' or v = 1`, [{ columns: ['id', 'a region', 'v'], filters: [] }]],
  ])('%s', async (sql, expected) => {
    const found = await uses(sql)
    const sorted = (use: (typeof found)[number]) => ({
      columns: use.columns.toSorted(),
      filters: use.filters.map((tests) => JSON.stringify(tests)).toSorted(),
    })
    expect(found.map(sorted)).toEqual((expected as typeof found).map(sorted))
  })

  test('a text in a filter is a text, whatever stands in it', async () => {
    for (const text of [`x' AND lw0_=5`, 'a\nb', 'optional: lw0_=1', ') OR (', 'ü', '', '::DATE', '\\', `''`]) {
      const [use] = await uses(`select 1 from t where "a region" = '${text.replaceAll(`'`, `''`)}'`)
      expect(use?.filters).toEqual([[{ column: 'a region', op: '=', value: text }]])
    }
  })

  test('a list of a thousand values is not cut short', async () => {
    const list = Array.from({ length: 1000 }, (_, i) => i * 7).join(', ')
    const [use] = await uses(`select 1 from t where id in (${list})`)
    expect(use?.filters[0]).toHaveLength(1000)
    expect(use?.filters[0]?.at(-1)).toEqual({ column: 'id', op: '=', value: '6993' })
  })

  test.each([
    'lw0_>1 AND lw0_<3 OR lw0_=7',
    'lw0_ < lw1_',
    `lw1_='a`,
    'abs(lw0_)=3',
    'lw7_.id=3',
    'CAST(lw0_ AS DOUBLE)>2.5',
    'NOT (lw0_=1)',
    'lw99_=1',
    'lw0_ IS DISTINCT FROM 1',
    'optional: Dynamic Filter (lw0_)',
    '(NOT lw0_)',
  ])('`%s` is left out rather than guessed at', (filter) => {
    expect(parseFilters(filter, schema)).toEqual([])
  })
})

describe('which files may hold it', () => {
  const table = columns({ id: 'integer', region: 'varchar', v: 'double' })
  const files = [
    { region: 'a/b', ids: [1, 10], v: 'range / 2' },
    { region: null, ids: [11, 20], v: 'NULL::DOUBLE' },
    { region: 'c', ids: [21, 30], v: `'nan'::DOUBLE` },
  ]

  const cases: [string, (string | null)[]][] = [
    [`region = 'a/b'`, ['a/b']],
    [`region <> 'a/b'`, ['c']],
    ['region is null', [null]],
    [`region in ('c', 'd') or region is null`, ['c', null]],
    ['id > 15', [null, 'c']],
    ['id = 15 and region is not null', []],
    ['v is null', [null]],
    // A NaN that no statistics tell of would come after all numbers.
    ['v > 100', ['a/b', 'c']],
    ['v < -1', ['c']],
    ['v is not null', ['a/b', 'c']],
    [`id = 5 or region = 'c'`, ['a/b', null, 'c']],
  ]
  test('a file is left out only by proof', async () => {
    const store = openMemory('memory://prune')
    const snapshot = await workshop.write(
      store,
      table,
      files.map(({ region, ids: [first = 0, last = 0], v }) => ({
        key: `${region?.replace('/', '_')}.parquet`,
        partitionValues: { region },
        sql: `SELECT range::INTEGER AS id, ${v} AS v FROM range(${first}, ${last + 1})`,
      })),
      { partitionBy: ['region'] },
    )
    const shop = await openWorkshop()
    await defineShape(shop.engine, table)
    for (const [where, expected] of cases) {
      const found = pruneFiles(snapshot, await findUses(shop.engine, `select 1 from t where ${where}`, table))
      const regions = found.map((file) => file.partitionValues.region)
      // A disjunction over several columns may keep more; it must never keep less.
      for (const region of expected) expect(regions, where).toContain(region)
      if (!where.includes(' or ')) expect(regions, where).toHaveLength(expected.length)
    }
    await shop.close()
  })
})
