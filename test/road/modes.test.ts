/**
 * The whole road, mode by mode, on every kind of store: rows in, commit, read back.
 */
import { describe, expect, test } from 'vitest'
import { type LakeError, openTable, type Receipt, type Table, type TableSettings } from '../../src/index.js'
import { places } from './places.js'

interface Sale {
  dt: string
  region: string | null
  id: number
  amount: number
}
const first: Sale[] = [
  { dt: '2026-11-01', region: 'EU', id: 1, amount: 1.5 },
  { dt: '2026-11-01', region: 'US/East', id: 2, amount: 2 },
  { dt: '2026-11-02', region: null, id: 3, amount: 3 },
  { dt: '2026-11-03', region: 'EU', id: 4, amount: 4.25 },
]
const byDay: TableSettings = { partitionBy: ['dt'] }

describe.each(places)('on $name', ({ make }) => {
  test('append adds rows to those that are there', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    const created = await table.append(first)
    expect(created).toMatchObject({
      status: 'committed',
      created: true,
      version: 0,
      mode: 'append',
      rows: { read: 4, written: 4 },
      partitions: { replaced: ['dt=2026-11-01', 'dt=2026-11-02', 'dt=2026-11-03'], removed: [], unchanged: 0 },
      files: { added: 3, removed: 0 },
      columns: [
        { name: 'dt', type: 'varchar' },
        { name: 'region', type: 'varchar' },
        { name: 'id', type: 'bigint' },
        { name: 'amount', type: 'double' },
      ],
    })
    const more = [{ dt: '2026-11-03', region: 'EU', id: 5, amount: 5 }]
    expect(await table.append(more)).toMatchObject({ created: false, version: 1, rows: { read: 1, written: 1 } })
    expect(await rowsOf(table)).toEqual(sorted([...first, ...more]))
    expect(await rowsOf(table, 0)).toEqual(sorted(first))
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('replace exchanges the partitions that occur in the input and leaves equal ones alone', async () => {
    await using place = await make()
    await using table = await open(place, { partitionBy: ['dt', 'region'] })
    await table.append(first)
    const before = await table.files()
    const late: Sale[] = [
      { dt: '2026-11-01', region: 'US/East', id: 2, amount: 2 },
      { dt: '2026-11-02', region: null, id: 3, amount: 33 },
      { dt: '2026-11-04', region: 'EU', id: 6, amount: 6 },
    ]
    const receipt = await table.replace(late)
    expect(receipt).toMatchObject({
      status: 'committed',
      rows: { read: 3, written: 2, unchanged: 1 },
      partitions: {
        replaced: ['dt=2026-11-02/region=__HIVE_DEFAULT_PARTITION__', 'dt=2026-11-04/region=EU'],
        removed: [],
        unchanged: 1,
      },
      files: { added: 2, removed: 1 },
    })
    expect(await rowsOf(table)).toEqual(sorted([first[0] as Sale, ...late, first[3] as Sale]))
    const untouched = new Set((await table.files()).map(({ key }) => key))
    expect(before.filter(({ key }) => untouched.has(key))).toHaveLength(3)
    expect(before.some(({ key }) => key.startsWith('dt=2026-11-01/region=US%2FEast/'))).toBe(true)
  })

  test('identical content writes nothing and makes no version, whatever the order of rows and columns', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.replace(first)
    const again = first.toReversed().map(({ dt, region, id, amount }) => ({ amount, id, region, dt }))
    const expected = {
      status: 'unchanged',
      version: 0,
      rows: { read: 4, written: 0, unchanged: 4 },
      files: { added: 0, removed: 0 },
    }
    expect(await table.replace(again)).toMatchObject(expected)
    expect(await table.overwrite(again)).toMatchObject(expected)
    expect(await table.history()).toHaveLength(1)
  })

  test('two rows that swap a value are no identical content', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.replace([
      { dt: 'x', id: 1, a: 10, b: 'one' },
      { dt: 'x', id: 2, a: 20, b: 'two' },
    ])
    const swapped = await table.replace([
      { dt: 'x', id: 1, a: 10, b: 'two' },
      { dt: 'x', id: 2, a: 20, b: 'one' },
    ])
    expect(swapped.status).toBe('committed')
    const doubled = await table.replace([
      { dt: 'x', id: 1, a: 10, b: 'two' },
      { dt: 'x', id: 1, a: 10, b: 'two' },
    ])
    expect(doubled.status).toBe('committed')
  })

  test('replace with a scope empties what the input does not fill and refuses rows outside', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(first)
    const scope = "dt >= '2026-11-01' and dt < '2026-11-03'"
    const inside: Sale[] = [{ dt: '2026-11-02', region: 'EU', id: 9, amount: 9 }]
    expect(await table.replace(inside, { scope })).toMatchObject({
      partitions: { replaced: ['dt=2026-11-02'], removed: ['dt=2026-11-01'], unchanged: 0 },
    })
    expect(await rowsOf(table)).toEqual(sorted([...inside, first[3] as Sale]))
    const error = await failure(table.replace(first, { scope }))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain('rows lie outside the scope: rows=`1`')
    expect(error.message).toContain('dt=2026-11-03')
    const types = { dt: 'varchar', region: 'varchar', id: 'bigint', amount: 'double' }
    expect(await table.replace([], { scope: { dt: ['2026-11-02', '2026-11-09'] }, types })).toMatchObject({
      status: 'committed',
      partitions: { replaced: [], removed: ['dt=2026-11-02'] },
    })
    expect(await rowsOf(table)).toEqual([first[3]])
  })

  test('a scope with a constant supplies the column that the input lacks', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(first)
    await table.replace([{ region: 'EU', id: 7, amount: 7 }], { scope: { dt: '2026-11-01' } })
    expect((await rowsOf(table)).filter(({ dt }) => dt === '2026-11-01')).toEqual([
      { dt: '2026-11-01', region: 'EU', id: 7, amount: 7 },
    ])
  })

  test('overwrite leaves exactly the input, and the version before stays readable', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(first)
    const rows: Sale[] = [
      { dt: '2026-11-03', region: 'EU', id: 4, amount: 4.25 },
      { dt: '2026-12-01', region: 'EU', id: 8, amount: 8 },
    ]
    expect(await table.overwrite(rows)).toMatchObject({
      version: 1,
      rows: { read: 2, written: 1, unchanged: 1 },
      partitions: { replaced: ['dt=2026-12-01'], removed: ['dt=2026-11-01', 'dt=2026-11-02'], unchanged: 1 },
    })
    expect(await rowsOf(table)).toEqual(sorted(rows))
    expect(await rowsOf(table, 0)).toEqual(sorted(first))
    const types = { dt: 'varchar', region: 'varchar', id: 'bigint', amount: 'double' }
    expect((await failure(table.overwrite([], { types }))).code).toBe('guard')
    expect(await rowsOf(table)).toEqual(sorted(rows))
    expect(await table.overwrite([], { types, allowEmpty: true })).toMatchObject({
      status: 'committed',
      files: { added: 0, removed: 2 },
    })
    expect(await rowsOf(table)).toEqual([])
  })

  test('overwrite keeps schema and partitioning unless it is told to replace them', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(first)
    expect((await failure(table.overwrite([{ dt: 'x', other: true }]))).code).toBe('invalid')
    await using anew = await open(place, {})
    expect(
      await anew.overwrite([{ region: 'EU', other: true }], { schema: 'replace', partitionBy: ['region'] }),
    ).toMatchObject({
      status: 'committed',
      files: { added: 1, removed: 3 },
    })
    const summary = await anew.snapshot()
    expect(summary.partitionBy).toEqual(['region'])
    expect(summary.columns).toEqual([
      { name: 'region', type: 'varchar' },
      { name: 'other', type: 'boolean' },
    ])
    expect(await rowsOf(anew, 0)).toEqual(sorted(first))
  })

  test('a load id is loaded once: the same content gives the receipt again, other content is refused', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    const load = { loadId: 'nightly:2026-11-20' }
    const receipt = await table.append(first, load)
    const again = await table.append(first.toReversed(), load)
    expect(again).toEqual({ ...receipt, status: 'duplicate', durationMs: again.durationMs, io: again.io })
    expect(await table.history()).toHaveLength(1)
    const error = await failure(table.append(first.slice(1), load))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain('nightly:2026-11-20')
    expect(await rowsOf(table)).toEqual(sorted(first))
  })

  test('a load id is recorded even where nothing changes', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.replace(first)
    expect(await table.replace(first, { loadId: 'again' })).toMatchObject({
      status: 'committed',
      version: 1,
      files: { added: 0, removed: 0 },
    })
    expect(await table.replace(first, { loadId: 'again' })).toMatchObject({ status: 'duplicate', version: 1 })
  })

  test('load columns are added, and are no part of the content', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.replace(first, { addLoadColumns: true, loadId: 'one' })
    const stamped = await table.query('select distinct _load_id as id, _loaded_at is not null as at from t')
    expect(await stamped.toArray()).toEqual([{ id: 'one', at: true }])
    expect(await table.replace(first)).toMatchObject({ status: 'unchanged', version: 0 })
    await table.replace([{ dt: '2026-11-03', region: 'EU', id: 4, amount: 5 }])
    const ids = await table.query("select dt, _load_id = 'one' as old from t order by dt")
    expect(await ids.toArray()).toEqual([
      { dt: '2026-11-01', old: true },
      { dt: '2026-11-01', old: true },
      { dt: '2026-11-02', old: true },
      { dt: '2026-11-03', old: false },
    ])
  })

  test('a dry run says per partition what would happen, and does nothing', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    expect(await table.append(first, { dryRun: true })).toMatchObject({ status: 'planned', created: true, version: -1 })
    expect((await failure(table.snapshot())).code).toBe('invalid')
    await table.append(first)
    const planned = await table.replace([{ ...first[0], amount: 9 }, first[3], { ...first[3], dt: 'new' }] as Sale[], {
      dryRun: true,
    })
    expect(planned).toMatchObject({ status: 'planned', version: 0, partitions: { unchanged: 1 } })
    expect(planned.plan?.toSorted((a, b) => (a.partition < b.partition ? -1 : 1))).toEqual([
      { partition: 'dt=2026-11-01', action: 'replace', rows: { before: 2, after: 1 }, files: { added: 1, removed: 1 } },
      { partition: 'dt=new', action: 'create', rows: { after: 1 }, files: { added: 1, removed: 0 } },
    ])
    expect(await rowsOf(table)).toEqual(sorted(first))
    expect(await table.history()).toHaveLength(1)
  })

  test('new columns and wider types need evolve; old rows read null and keep their values', async () => {
    await using place = await make()
    await using table = await open(place, { partitionBy: ['dt'] })
    await table.append([{ dt: 'a', n: 1 }], { types: { n: 'integer' } })
    await table.append([{ dt: 'b', n: 2 }])
    const refused = await failure(table.append([{ dt: 'c', n: 3, extra: 'x' }]))
    expect(refused.code).toBe('invalid')
    expect(`${refused.message} ${refused.fix}`).toContain('evolve')
    const added = await table.append([{ dt: 'c', n: 3, extra: 'x' }], { schema: 'evolve', types: { n: 'integer' } })
    expect(added).toMatchObject({ rows: { read: 1, written: 1 }, files: { added: 1, removed: 0 } })
    const tooWide = await failure(table.append([{ dt: 'd', n: 2 ** 40 }]))
    expect(tooWide.code).toBe('invalid')
    const wide = await table.append([{ dt: 'd', n: 2 ** 40, extra: null }], { schema: 'evolve' })
    expect(wide.rows).toEqual({ read: 1, written: 1, rewritten: 3 })
    expect((await table.snapshot()).columns).toEqual([
      { name: 'dt', type: 'varchar' },
      { name: 'n', type: 'bigint' },
      { name: 'extra', type: 'varchar' },
    ])
    const rows = await (await table.query('select dt, n, extra from t order by dt')).toArray()
    expect(rows).toEqual([
      { dt: 'a', n: 1n, extra: null },
      { dt: 'b', n: 2n, extra: null },
      { dt: 'c', n: 3n, extra: 'x' },
      { dt: 'd', n: 2n ** 40n, extra: null },
    ])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('columns are matched without regard to order and case, missing ones are null', async () => {
    await using place = await make()
    await using table = await open(place, byDay)
    await table.append(first)
    await table.append([{ AMOUNT: 7, Dt: '2026-11-07', ID: 7 }])
    expect((await rowsOf(table)).find(({ id }) => id === 7)).toEqual({
      dt: '2026-11-07',
      region: null,
      id: 7,
      amount: 7,
    })
    const error = await failure(table.append([{ id: 8, amount: 1 }]))
    expect(error.message).toContain('dt')
  })

  test('what the table remembers is not contradicted', async () => {
    await using place = await make()
    await using table = await open(place, { partitionBy: ['dt'], key: ['id'] })
    await table.append(first)
    expect(await (await open(place, {})).snapshot()).toMatchObject({ partitionBy: ['dt'], key: ['id'] })
    const error = await failure(table.append(first, { partitionBy: ['region'] }))
    expect(error.code).toBe('invalid')
    expect((await failure(table.append(first, { key: ['region'] }))).code).toBe('invalid')
  })
})

function open(place: { url: string; store: object }, settings: TableSettings): Promise<Table> {
  return openTable(`${place.url}/sales`, { ...settings, store: place.store })
}

async function rowsOf(table: Table, version?: number): Promise<Sale[]> {
  const at = version === undefined ? {} : { version }
  const result = await table.query('select dt, region, id::integer as id, amount from t', at)
  return sorted((await result.toArray()) as unknown as Sale[])
}

function sorted(rows: readonly Sale[]): Sale[] {
  return rows.toSorted((a, b) => a.id - b.id || a.amount - b.amount)
}

async function failure(load: Promise<Receipt | unknown>): Promise<LakeError> {
  return await load.then(
    (value) => {
      throw new Error(`expected a failure, got ${JSON.stringify(value)}`)
    },
    (error: LakeError) => error,
  )
}
