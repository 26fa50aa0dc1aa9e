import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ChangesOptions, changes } from '../../src/read/changes.js'
import { openLocal } from '../../src/store/local.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'
import {
  type Change,
  changeData,
  feed,
  keyed,
  type Person,
  part,
  parted,
  people,
  reading,
  recorded,
  schema,
} from './people.js'
import { columns, openWorkshop, type Workshop } from './table.js'

let workshop: Workshop
let out: string
beforeAll(async () => {
  workshop = await openWorkshop()
  out = mkdtempSync(join(tmpdir(), 'changes-'))
})
afterAll(async () => {
  await workshop.close()
  rmSync(out, { recursive: true })
})

describe.each([
  ['a local store', () => openLocal(workshop.newFolder())],
  ['a store from which files are fetched', () => openMemory(`memory://changes-${Math.random()}`)],
])('on %s', (_, open) => {
  let store: Store
  beforeEach(() => {
    store = open()
  })

  test('recorded changes are given exactly, in order, with the partition values of the log', async () => {
    const first = part('a', people([1, 'x'], [2, 'y']))
    await workshop.write(store, schema, [first], keyed)
    await workshop.write(store, schema, [part('a', people([2, 'Y'])), part(null, people([3, null]))], {
      ...parted,
      remove: [first.key],
      changeData: [
        changeData('a', recorded(['update_postimage', 2, 'Y'], ['delete', 1, 'x'], ['update_preimage', 2, 'y'])),
        changeData(null, recorded(['insert', 3, null])),
      ],
    })
    const at = (version: number) => `2026-11-2${version}T00:00:00Z`
    const inserted = { _change_type: 'insert', _commit_version: 0n, _commit_timestamp: at(0), _changed_columns: null }
    const later = { _commit_version: 1n, _commit_timestamp: at(1) }
    const all = [
      { id: 1n, name: 'x', region: 'a', ...inserted },
      { id: 2n, name: 'y', region: 'a', ...inserted },
      { id: 1n, name: 'x', region: 'a', _change_type: 'delete', ...later, _changed_columns: null },
      { id: 2n, name: 'y', region: 'a', _change_type: 'update_preimage', ...later, _changed_columns: ['name'] },
      { id: 2n, name: 'Y', region: 'a', _change_type: 'update_postimage', ...later, _changed_columns: ['name'] },
      { id: 3n, name: null, region: null, _change_type: 'insert', ...later, _changed_columns: null },
    ]
    expect(await feed(store, { since: -1 })).toEqual(all)
    expect(await feed(store, { since: -1, until: 0 })).toEqual(all.slice(0, 2))
    expect(await feed(store, { since: 0 })).toEqual(all.slice(2))
    expect(await feed(store, { since: 1 })).toEqual([])
    const result = changes(reading(store), { since: 0 })
    expect(await result.columns()).toEqual([
      { name: 'id', type: 'BIGINT' },
      { name: 'name', type: 'VARCHAR' },
      { name: 'region', type: 'VARCHAR' },
      { name: '_change_type', type: 'VARCHAR' },
      { name: '_commit_version', type: 'BIGINT' },
      { name: '_commit_timestamp', type: 'TIMESTAMP WITH TIME ZONE' },
      { name: '_changed_columns', type: 'VARCHAR[]' },
    ])
    expect(await result.versions()).toEqual({ since: 0, until: 1 })
    await result.close()
  })

  test('where nothing was recorded, what was removed and what was added are compared by key', async () => {
    const [a, b] = [part('a', people([1, 'x'], [2, 'y'], [3, 'z'])), part('b', people([4, 'w']))]
    await workshop.write(store, schema, [a, b], keyed)
    // 1 stays, 2 changes, 3 moves to another partition, 4 goes, 5 comes.
    await workshop.write(
      store,
      schema,
      [part('a', people([1, 'x'], [2, 'Y'])), part('b', people([3, 'z'], [5, null]))],
      { ...parted, remove: [a.key, b.key] },
    )
    expect((await feed(store, { since: 0 })).map(short)).toEqual([
      '1 update_preimage 2 y a [name]',
      '1 update_postimage 2 Y a [name]',
      '1 update_preimage 3 z a [region]',
      '1 update_postimage 3 z b [region]',
      '1 delete 4 w b',
      '1 insert 5 null b',
    ])
  })

  test('without a key, or with a repeated one, identical rows cancel each other', async () => {
    for (const options of [parted, keyed]) {
      store = open()
      const a = part('a', people([1, 'x'], [1, 'x'], [1, 'y'], [2, 'z']))
      await workshop.write(store, schema, [a], options)
      await workshop.write(store, schema, [part('a', people([1, 'x'], [1, 'w'], [1, 'w'], [2, 'Z']))], {
        ...parted,
        remove: [a.key],
      })
      const rows = (await feed(store, { since: 0 })).map(short)
      const ofTwo =
        options === parted
          ? ['1 delete 2 z a', '1 insert 2 Z a']
          : ['1 update_preimage 2 z a [name]', '1 update_postimage 2 Z a [name]']
      expect(rows.sort()).toEqual(
        ['1 delete 1 x a', '1 delete 1 y a', '1 insert 1 w a', '1 insert 1 w a', ...ofTwo].sort(),
      )
    }
  })

  test('commits that only arrange rows, or change only the table itself, are no changes', async () => {
    const a = part('a', people([1, 'x']))
    const before = await workshop.write(store, schema, [a], keyed)
    await workshop.write(store, schema, [part('a', people([1, 'x']))], {
      ...parted,
      remove: [a.key],
      dataChange: false,
    })
    await workshop.write(store, schema, [], { actions: [{ metaData: { ...before.metadata, description: 'new' } }] })
    await workshop.write(store, schema, [part('a', people([2, 'y']))], parted)
    expect((await feed(store, { since: 0 })).map(short)).toEqual(['3 insert 2 y a'])
    expect(await feed(store, { since: 0, until: 2 })).toEqual([])
  })

  test('net is one change per key, or none', async () => {
    const old = part('a', people([1, 'a'], [2, 'b'], [3, 'c'], [4, 'd'], [5, 'e']))
    await workshop.write(store, schema, [old], keyed)
    const step = (...rows: Change[]) =>
      workshop.write(store, schema, [], { ...parted, changeData: [changeData('a', recorded(...rows))] })
    const update = (id: number, from: string, to: string): Change[] => [
      ['update_preimage', id, from],
      ['update_postimage', id, to],
    ]
    await step(
      ...update(1, 'a', 'A'),
      ...update(2, 'b', 'B'),
      ['delete', 3, 'c'],
      ['delete', 4, 'd'],
      ['insert', 6, 'f'],
    )
    await step(
      ...update(1, 'A', 'AA'),
      ...update(2, 'B', 'b'),
      ['insert', 3, 'c'],
      ['insert', 4, 'D'],
      ['delete', 6, 'f'],
    )
    await step(...update(5, 'e', 'E'), ['insert', 7, 'g'])
    await step(['delete', 5, 'E'], ...update(7, 'g', 'G'))
    expect((await feed(store, { since: 0, net: true })).map(short)).toEqual([
      '2 update_preimage 1 a a [name]',
      '2 update_postimage 1 AA a [name]',
      '2 update_preimage 4 d a [name]',
      '2 update_postimage 4 D a [name]',
      '4 delete 5 e a',
      '4 insert 7 G a',
    ])
    expect((await feed(store, { since: 2, until: 3, net: true })).map(short)).toEqual([
      '3 update_preimage 5 e a [name]',
      '3 update_postimage 5 E a [name]',
      '3 insert 7 g a',
    ])
  })

  test('older rows are shown with the columns and types of the newest version asked for', async () => {
    const narrow = columns({ id: 'integer', region: 'varchar' })
    const old = part('a', `SELECT 1::INTEGER AS id`)
    await workshop.write(store, narrow, [old], parted)
    await workshop.write(store, narrow, [part('b', `SELECT 2::INTEGER AS id`)], parted)
    await workshop.write(store, schema, [part('a', people([1, null], [7, 'new']))], {
      ...parted,
      newSchema: true,
      remove: [old.key],
    })
    expect((await feed(store, { since: -1 })).map(short)).toEqual([
      '0 insert 1 null a',
      '1 insert 2 null b',
      '2 insert 7 new a',
    ])
    expect((await changes(reading(store), { since: 0, until: 1 }).toArray())[0]).not.toHaveProperty('name')
  })

  test('types that do not hold the older values are refused, with the versions that can be asked for', async () => {
    const old = part('a', people([1, 'x']))
    await workshop.write(store, schema, [old], parted)
    const other = columns({ id: 'bigint', name: 'bigint', region: 'varchar' })
    await workshop.write(store, other, [part('a', 'SELECT 1::BIGINT AS id, 7::BIGINT AS name')], {
      ...parted,
      newSchema: true,
      remove: [old.key],
    })
    await workshop.write(store, other, [part('a', 'SELECT 2::BIGINT AS id, 8::BIGINT AS name')], parted)
    for (const since of [-1, 0])
      await expect(feed(store, { since })).rejects.toMatchObject({
        code: 'invalid',
        details: { column: 'name', version: 0 },
        fix: expect.stringMatching(/--since 1, .* --until 0/),
      })
    expect((await feed(store, { since: 1 })).map(short)).toEqual(['2 insert 2 8 a'])
    expect((await feed(store, { since: -1, until: 0 })).map(short)).toEqual(['0 insert 1 x a'])
  })

  test('a table that was divided in another way before is read by what each file says', async () => {
    const old = part('a', people([1, 'x'], [2, 'y']))
    const before = await workshop.write(store, schema, [old], keyed)
    const rows = `SELECT 1::BIGINT AS id, 'a' AS region UNION ALL SELECT 2, 'b'`
    await workshop.write(store, schema, [{ key: 'name=x/new.parquet', partitionValues: { name: 'x' }, sql: rows }], {
      partitionBy: ['name'],
      remove: [old.key],
      actions: [{ metaData: { ...before.metadata, partitionBy: ['name'] } }],
    })
    expect((await feed(store, { since: 0 })).map(short)).toEqual([
      '1 update_preimage 2 y a [name,region]',
      '1 update_postimage 2 x b [name,region]',
    ])
  })

  test('a file that a restore brings back has changes in both versions', async () => {
    const a = part('a', people([1, 'x']))
    const first = await workshop.write(store, schema, [a], keyed)
    await workshop.write(store, schema, [], { remove: [a.key] })
    const add = first.files.get(a.key)
    await workshop.write(store, schema, [], { actions: add ? [{ add }] : [] })
    expect((await feed(store, { since: -1 })).map(short)).toEqual([
      '0 insert 1 x a',
      '1 delete 1 x a',
      '2 insert 1 x a',
    ])
    expect((await feed(store, { since: -1, net: true })).map(short)).toEqual(['2 insert 1 x a'])
    expect(await feed(store, { since: 0, net: true })).toEqual([])
  })

  test('load columns are no part of what changed', async () => {
    const loaded = columns({ id: 'bigint', name: 'varchar', _loaded_at: 'timestamp' })
    const at = (hour: number, ...rows: Person[]) =>
      `SELECT *, TIMESTAMPTZ '2026-11-20 0${hour}:00:00Z' AS _loaded_at FROM (${people(...rows)})`
    const configuration = { 'lakewright.loadColumns': 'true' }
    const old = { key: 'old.parquet', sql: at(1, [1, 'x'], [2, 'y']) }
    await workshop.write(store, loaded, [old], { key: ['id'], configuration })
    await workshop.write(store, loaded, [{ key: 'new.parquet', sql: at(2, [1, 'x'], [2, 'Y']) }], { remove: [old.key] })
    const rows = await feed(store, { since: 0 })
    expect(rows.map(({ id, _loaded_at, _changed_columns }) => [id, _loaded_at, _changed_columns])).toEqual([
      [2n, '2026-11-20T01:00:00Z', ['name']],
      [2n, '2026-11-20T02:00:00Z', ['name']],
    ])
  })

  test('versions of a row with history are rows of their own', async () => {
    const history = columns({ id: 'bigint', name: 'varchar', _effective_from: 'bigint', _is_current: 'boolean' })
    const row = (type: string, name: string, from: number, current: boolean) =>
      `SELECT 1::BIGINT AS id, '${name}' AS name, ${from}::BIGINT AS _effective_from, ${current} AS _is_current, '${type}' AS _change_type`
    const options = { key: ['id'], configuration: { 'lakewright.history': 'scd2' } }
    await workshop.write(store, history, [], options)
    let file = 0
    const step = (...rows: string[]) =>
      workshop.write(store, history, [], {
        changeData: [{ key: `_change_data/of-history-${file++}.parquet`, sql: rows.join(' UNION ALL ') }],
      })
    await step(row('insert', 'a', 1, true))
    await step(
      row('update_preimage', 'a', 1, true),
      row('update_postimage', 'a', 1, false),
      row('insert', 'b', 2, true),
    )
    await step(
      row('update_preimage', 'b', 2, true),
      row('update_postimage', 'b', 2, false),
      row('insert', 'c', 3, true),
    )
    const shown = (rows: Record<string, unknown>[]) =>
      rows.map((one) => [one._commit_version, one._change_type, one.name, one._is_current, one._changed_columns])
    expect(shown(await feed(store, { since: 2 }))).toEqual([
      [3n, 'update_preimage', 'b', true, ['_is_current']],
      [3n, 'update_postimage', 'b', false, ['_is_current']],
      [3n, 'insert', 'c', true, null],
    ])
    expect(shown(await feed(store, { since: 1, net: true }))).toEqual([
      [2n, 'update_preimage', 'a', true, ['_is_current']],
      [2n, 'update_postimage', 'a', false, ['_is_current']],
      [3n, 'insert', 'b', false, null],
      [3n, 'insert', 'c', true, null],
    ])
  })

  test('files that vacuum took are told with the version from which changes are still there', async () => {
    const [a, b] = [part('a', people([1, 'x'])), part('a', people([2, 'y']))]
    await workshop.write(store, schema, [a], keyed)
    await workshop.write(store, schema, [b], { remove: [a.key] })
    await workshop.write(store, schema, [part('a', people([3, 'z']))], parted)
    await store.delete([a.key])
    await expect(feed(store, { since: -1 })).rejects.toMatchObject({
      code: 'invalid',
      details: { version: 1, key: a.key },
      fix: expect.stringContaining('--since 1'),
    })
    expect((await feed(store, { since: 1 })).map(short)).toEqual(['2 insert 3 z a'])
    // One that the table still has is no old version's.
    await store.delete([b.key])
    await expect(feed(store, { since: 0 })).rejects.toMatchObject({ code: 'corrupt', details: { key: b.key } })
  })

  test('recorded changes are read from what was recorded, and nothing else is fetched', async () => {
    const old = part('a', people([1, 'x'], [2, 'y']))
    const now = part('a', people([1, 'X'], [2, 'y']))
    await workshop.write(store, schema, [old], keyed)
    await workshop.write(store, schema, [now], {
      ...parted,
      remove: [old.key],
      changeData: [changeData('a', recorded(['update_preimage', 1, 'x'], ['update_postimage', 1, 'X']))],
    })
    await store.delete([old.key, now.key])
    expect((await feed(store, { since: 0 })).map(short)).toEqual([
      '1 update_preimage 1 x a [name]',
      '1 update_postimage 1 X a [name]',
    ])
  })

  test.each<[string, ChangesOptions, RegExp, RegExp]>([
    ['a version that is not there yet', { since: 3 }, /no such version/, /up to 1/],
    ['an end that is not there yet', { since: 0, until: 2 }, /no such version/, /up to 1/],
    ['an end before the beginning', { since: 1, until: 0 }, /end before they begin/, /./],
    ['a negative version', { since: -2 }, /`-2` is no version/, /0, 1, 2/],
    ['no time', { since: 'yesterday' }, /is no time/, /ISO 8601/],
    ['nothing', {} as ChangesOptions, /not said/, /-1/],
  ])('%s is refused', async (_, options, message, fix) => {
    await workshop.write(store, schema, [], keyed)
    await workshop.write(store, schema, [part('a', people([1, 'x']))], parted)
    await expect(feed(store, options)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(message),
      fix: expect.stringMatching(fix),
    })
  })

  test('both ends may be times, also before the table was made', async () => {
    for (const id of [1, 2, 3]) await workshop.write(store, schema, [part('a', people([id, 'x']))], keyed)
    expect((await feed(store, { since: '2026-11-20', until: '2026-11-21T12:00:00Z' })).map(short)).toEqual([
      '1 insert 2 x a',
    ])
    expect((await feed(store, { since: new Date(0), until: 0 })).map(short)).toEqual(['0 insert 1 x a'])
    await expect(feed(store, { since: -1, until: '2000-01-01' })).rejects.toMatchObject({ code: 'invalid' })
  })
})

test('no table is told, and so is a column of its own with a name of the feed', async () => {
  const store = openLocal(workshop.newFolder())
  await expect(feed(store, { since: -1 })).rejects.toThrow(/no table here/)
  await workshop.write(store, columns({ _Commit_Version: 'bigint' }), [])
  await expect(feed(store, { since: -1 })).rejects.toThrow(/cannot have a column of this name.*_Commit_Version/)
})

test('a result is read, written in every format, and asked again with the versions it had', async () => {
  const store = openLocal(workshop.newFolder())
  const old = part('a', people([1, 'x,"y'], [2, 'b']))
  await workshop.write(store, schema, [old], keyed)
  await workshop.write(store, schema, [part('b', people([1, null], [2, 'b']))], { ...parted, remove: [old.key] })
  const result = changes(reading(store), { since: 0 })
  const path = (format: string) => join(out, `changes.${format}`)
  expect(await result.write(path('csv'), 'csv')).toMatchObject({ rows: 4 })
  expect(readFileSync(path('csv'), 'utf8')).toBe(
    [
      'id,name,region,_change_type,_commit_version,_commit_timestamp,_changed_columns',
      '1,"x,""y",a,update_preimage,1,2026-11-21T00:00:00Z,"name,region"',
      '1,,b,update_postimage,1,2026-11-21T00:00:00Z,"name,region"',
      '2,b,a,update_preimage,1,2026-11-21T00:00:00Z,region',
      '2,b,b,update_postimage,1,2026-11-21T00:00:00Z,region',
      '',
    ].join('\n'),
  )
  await result.write(path('ndjson'), 'ndjson')
  const [first] = readFileSync(path('ndjson'), 'utf8').split('\n')
  expect(JSON.parse(first ?? '')).toEqual({
    ...{ id: 1, name: 'x,"y', region: 'a', _change_type: 'update_preimage', _commit_version: 1 },
    ...{ _commit_timestamp: '2026-11-21T00:00:00Z', _changed_columns: ['name', 'region'] },
  })
  for (const format of ['parquet', 'arrow', 'json'] as const)
    expect(await result.write(path(format), format)).toMatchObject({ rows: 4 })
  const written = await workshop.engine.rows(`SELECT * FROM read_parquet('${path('parquet')}')`)
  expect(written).toEqual(await result.toArray())
  await workshop.write(store, schema, [part('c', people([9, 'z']))], parted)
  expect(await result.toArray()).toHaveLength(4)
  expect(await result.versions()).toEqual({ since: 0, until: 1 })
})

test('values of every kind are compared as values', async () => {
  const all = columns({
    id: 'bigint',
    zero: 'double',
    nan: 'double',
    list: 'integer[]',
    map: 'map(varchar, integer)',
    deep: 'struct(a integer[], b varchar)',
    at: 'timestamp',
    price: 'decimal(10,2)',
    bytes: 'blob',
  })
  const same = `'nan'::DOUBLE AS nan, [1, NULL] AS list, MAP {'k': NULL::INTEGER} AS map, {'a': [1], 'b': NULL::VARCHAR} AS deep,
    TIMESTAMPTZ '2026-11-20 00:00:00Z' AS at, 1.10::DECIMAL(10,2) AS price, '\\x00'::BLOB AS bytes`
  const other = `NULL::DOUBLE AS nan, []::INTEGER[] AS list, MAP {'k': 1} AS map, {'a': [NULL], 'b': NULL::VARCHAR} AS deep,
    TIMESTAMPTZ '2026-11-20 00:00:01Z' AS at, 1.1::DECIMAL(10,2) AS price, ''::BLOB AS bytes`
  for (const key of [['id'], []]) {
    const store = openLocal(workshop.newFolder())
    const old = {
      key: 'old.parquet',
      sql: `SELECT 1::BIGINT AS id, -0.0::DOUBLE AS zero, ${same} UNION ALL SELECT 2, 0.0, ${same}`,
    }
    const now = {
      key: 'new.parquet',
      sql: `SELECT 1::BIGINT AS id, 0.0::DOUBLE AS zero, ${same} UNION ALL SELECT 2, -0.0, ${other}`,
    }
    await workshop.write(store, all, [old], { key })
    await workshop.write(store, all, [now], { remove: [old.key] })
    const rows = await feed(store, { since: 0 })
    expect(rows.map(({ id, _change_type }) => `${id} ${_change_type}`).sort()).toEqual(
      key.length > 0 ? ['2 update_postimage', '2 update_preimage'] : ['2 delete', '2 insert'],
    )
    if (key.length > 0) expect(rows[0]?._changed_columns).toEqual(['nan', 'list', 'map', 'deep', 'at', 'bytes'])
    expect((await feed(store, { since: 0, net: true })).map(({ _changed_columns: _, ...row }) => row)).toEqual(
      rows.map(({ _changed_columns: _, ...row }) => row),
    )
  }
})

test('a null in the key, and columns that need quotes, are names like others', async () => {
  const odd = columns({ 'the "key"': 'varchar', "it's": 'integer', n: 'integer', o: 'integer' })
  const row = (key: string, value: number) =>
    `SELECT ${key}::VARCHAR AS "the ""key""", ${value} AS "it's", 1 AS n, 2 AS o`
  const store = openLocal(workshop.newFolder())
  const old = { key: 'old.parquet', sql: `${row('NULL', 1)} UNION ALL ${row("'a'", 1)}` }
  await workshop.write(store, odd, [old], { key: ['the "key"'] })
  await workshop.write(store, odd, [{ key: 'new.parquet', sql: `${row('NULL', 2)} UNION ALL ${row("'a'", 1)}` }], {
    remove: [old.key],
  })
  const rows = await feed(store, { since: 0 })
  expect(rows.map((one) => [one['the "key"'], one["it's"], one._changed_columns])).toEqual([
    [null, 1, ["it's"]],
    [null, 2, ["it's"]],
  ])
})

test('more changes than the memory holds are sorted and joined on disk', async () => {
  const wide = columns({ id: 'bigint', text: 'varchar' })
  const store = openLocal(workshop.newFolder())
  const rows = (changed: number) =>
    `SELECT range AS id, md5((range + CASE WHEN range % 3 = 0 THEN ${changed} ELSE 0 END)::VARCHAR) || repeat('x', 60) AS text FROM range(1200000)`
  await workshop.write(store, wide, [{ key: 'old.parquet', sql: rows(0) }], { key: ['id'] })
  await workshop.write(store, wide, [{ key: 'new.parquet', sql: rows(1) }], { remove: ['old.parquet'] })
  const path = join(out, 'large.parquet')
  const use = { memory: '300MB', threads: 1 }
  expect(await changes(reading(store), { since: -1, ...use }).write(path, 'parquet')).toMatchObject({ rows: 2_000_000 })
  expect(await changes(reading(store), { since: 0, net: true, ...use }).write(path, 'parquet')).toMatchObject({
    rows: 800_000,
  })
  let last = -1n
  let count = 0
  let inOrder = true
  for await (const batch of changes(reading(store), { since: 0, ...use }).batches())
    for (const row of batch) {
      count++
      inOrder &&= (row.id as bigint) >= last
      last = row.id as bigint
    }
  expect({ count, inOrder }).toEqual({ count: 800_000, inOrder: true })
}, 240_000)

function short(row: Record<string, unknown>): string {
  const changed = row._changed_columns as string[] | null
  const what = [row._commit_version, row._change_type, row.id, row.name, row.region].map(String).join(' ')
  return changed === null ? what : `${what} [${changed.join(',')}]`
}
