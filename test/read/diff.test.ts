import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { tableFromArrays } from 'apache-arrow'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  csv,
  type DiffSettings,
  type DiffSide,
  diff,
  isLakeError,
  ndjson,
  openTable,
  parquet,
} from '../../src/index.js'

let root: string
let folder: string
let n = 0
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'diff-'))
})
beforeEach(() => {
  folder = join(root, `t${n++}`)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

type Row = Record<string, unknown>

/** Both ways of comparing, which must agree, each with its proof; what they have in common and the rows. */
async function compare(old: () => DiffSide, now: () => DiffSide, settings: DiffSettings = {}) {
  const [byHash, byValue] = [await once(old(), now(), settings), await once(old(), now(), { ...settings, exact: true })]
  expect(byValue).toEqual(byHash)
  return byHash
}

async function once(old: DiffSide, now: DiffSide, settings: DiffSettings) {
  await using changes = await diff(old, now, { key: ['id'], prove: true, ...settings })
  const rows = (await changes.toArray()) as Row[]
  const { algorithm: _, proved, ...summary } = JSON.parse(JSON.stringify(changes))
  expect(proved).toBe(true)
  return { ...summary, rows }
}

const rows =
  (...values: Row[]) =>
  () =>
    values

/** A file of that name in the test's own folder. */
function file(name: string, text: string): () => string {
  const path = join(root, `${n}-${name}`)
  writeFileSync(path, text)
  return () => path
}

const failure = async (work: Promise<unknown>): Promise<{ code: string; message: string; fix: string | undefined }> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isLakeError(error)) throw error ?? new Error('nothing was refused')
  return error
}

describe('what changed', () => {
  test('is inserted, updated with both images and the columns that differ, or deleted', async () => {
    const result = await compare(
      rows({ id: 1, city: 'Rome', n: 1 }, { id: 2, city: 'Oslo', n: 2 }, { id: 3, city: 'Bonn', n: 3 }),
      rows({ id: 4, city: 'Graz', n: 4 }, { id: 1, city: 'Milan', n: 1.5 }, { id: 2, city: 'Oslo', n: 2 }),
    )
    expect(result).toEqual({
      inserted: 1,
      updated: 1,
      deleted: 1,
      unchanged: 1,
      changedColumns: { city: 1, n: 1 },
      schema: { added: [], removed: [] },
      rows: [
        { id: 1n, city: 'Rome', n: 1, _change_type: 'update_preimage', _changed_columns: ['city', 'n'] },
        { id: 1n, city: 'Milan', n: 1.5, _change_type: 'update_postimage', _changed_columns: ['city', 'n'] },
        { id: 3n, city: 'Bonn', n: 3, _change_type: 'delete', _changed_columns: null },
        { id: 4n, city: 'Graz', n: 4, _change_type: 'insert', _changed_columns: null },
      ],
    })
  })

  test('is nothing where a side is compared with itself, or both are empty', async () => {
    const same = rows({ id: 1, a: 'x' }, { id: 2, a: null })
    expect(await compare(same, same)).toMatchObject({ inserted: 0, updated: 0, deleted: 0, unchanged: 2, rows: [] })
    const header = file('empty.csv', 'id,a\n')
    expect(await compare(header, header)).toMatchObject({ unchanged: 0, rows: [] })
  })

  test('is everything where one side is empty', async () => {
    const [none, some] = [file('none.csv', 'id,a\n'), file('some.csv', 'id,a\n1,x\n2,\n')]
    expect(await compare(none, some)).toMatchObject({ inserted: 2, updated: 0, deleted: 0, unchanged: 0 })
    expect(await compare(some, none)).toMatchObject({ inserted: 0, updated: 0, deleted: 2, unchanged: 0 })
  })

  test('does not depend on the order of columns, or the case of their names, which are spelled as on the new side', async () => {
    const result = await compare(rows({ ID: 1, City: 'Rome', n: 1 }), rows({ N: 2, id: 1, CITY: 'Rome' }), {
      key: ['Id'],
    })
    expect(result).toMatchObject({ updated: 1, changedColumns: { N: 1 }, schema: { added: [], removed: [] } })
    expect(Object.keys(result.rows[0])).toEqual(['N', 'id', 'CITY', '_change_type', '_changed_columns'])
  })

  test('counts a column that only one side has where it is not null', async () => {
    const result = await compare(
      rows({ id: 1, gone: 'a', x: 1 }, { id: 2, gone: null, x: 1 }, { id: 3, gone: null, x: 1 }),
      rows({ id: 1, x: 1, come: null }, { id: 2, x: 1, come: 7 }, { id: 3, x: 1, come: null }),
    )
    expect(result).toMatchObject({
      updated: 2,
      unchanged: 1,
      changedColumns: { come: 1, gone: 1 },
      schema: { added: ['come'], removed: ['gone'] },
    })
    expect(Object.keys(result.rows[0]).slice(0, 4)).toEqual(['id', 'x', 'come', 'gone'])
  })

  test('is looked for in the columns that are named, or in all but those', async () => {
    const [old, now] = [rows({ id: 1, a: 1, b: 1, c: 1 }), rows({ id: 1, a: 2, b: 2, c: 1 })]
    expect(await compare(old, now, { columns: ['id', 'A'] })).toMatchObject({ updated: 1, changedColumns: { a: 1 } })
    expect(await compare(old, now, { columns: ['c'] })).toMatchObject({ updated: 0, unchanged: 1 })
    expect(await compare(old, now, { ignore: ['b', 'a'] })).toMatchObject({ updated: 0, unchanged: 1 })
    expect(await compare(old, now, { ignore: ['b'] })).toMatchObject({ updated: 1, changedColumns: { a: 1 } })
  })

  test('is found by composite keys, of any single values', async () => {
    const make = (a: unknown) => ({ id: 1, k: 'é"', day: new Date('2026-11-20T00:00:00Z'), f: Number.NaN, b: true, a })
    const key = ['k', 'day', 'f', 'b']
    expect(await compare(rows(make(1)), rows(make(2), { ...make(1), k: 'e\u0301"' }), { key })).toMatchObject({
      updated: 1,
      inserted: 1,
      deleted: 0,
    })
  })

  test('may be the key alone', async () => {
    expect(await compare(rows({ id: 1 }, { id: 2 }), rows({ id: 2 }, { id: 3 }))).toMatchObject({
      inserted: 1,
      deleted: 1,
      unchanged: 1,
    })
  })
})

describe('values', () => {
  test('are equal as numbers, instants and NaN are, at any depth', async () => {
    const old = { id: 1, z: -0.0, q: Number.NaN, t: new Date(5), l: [-0.5 * 0, Number.NaN], s: { a: [null] } }
    const now = { id: 1, z: 0, q: Number.NaN, t: new Date(5), l: [0.5 * 0, Number.NaN], s: { a: [null] } }
    const types = { z: 'double', l: 'double[]', s: 'struct(a integer[])' }
    expect(await compare(rows(old), rows(now), { types })).toMatchObject({ updated: 0, unchanged: 1 })
  })

  test('differ where null is not empty, and lists of null are not null', async () => {
    const types = { t: 'varchar', l: 'integer[]', s: 'struct(a integer)' }
    const values: Row[] = [
      { t: null, l: null, s: null },
      { t: '', l: [], s: { a: null } },
      { t: 'null', l: [null], s: { a: 0 } },
    ]
    for (const [i, old] of values.entries())
      for (const [j, now] of values.entries())
        expect(await once([{ id: 1, ...old }], [{ id: 1, ...now }], { types })).toMatchObject(
          i === j ? { unchanged: 1 } : { updated: 1, changedColumns: { t: 1, l: 1, s: 1 } },
        )
  })

  test('of text on both sides are typed together', async () => {
    const [old, now] = [
      file('old.csv', 'id,price,code,day,at,wide\n1,1.10,007,2026-11-20,2026-11-20T10:00:00Z,9007199254740993\n'),
      file('new.csv', 'id,price,code,day,at,wide\n1,1.1,7,2026-11-20 00:00,2026-11-20 12:00+02:00,0.5\n'),
    ]
    // `007` is no number, so `7` is none either; an integer of 16 digits and a fraction have no type but text.
    const result = await compare(old, now)
    expect(result).toMatchObject({ updated: 1, changedColumns: { code: 1, wide: 1 } })
    expect(result.rows[0]).toMatchObject({
      id: 1n,
      price: 1.1,
      code: '007',
      day: '2026-11-20T00:00:00Z',
      wide: '9007199254740993',
    })
  })

  test('of text take the types of the other side, unless one is no value of it', async () => {
    const typed = rows(
      { id: 1, n: 7, at: new Date('2026-11-20T10:00:00Z'), code: 7 },
      { id: 2, n: 8, at: null, code: 8 },
    )
    const text = file('text.csv', 'id,n,at,code\n1,7.0,2026-11-20 12:00+02:00,007\n2,8,,8\n')
    expect(await compare(typed, text, { types: { n: 'double' } })).toMatchObject({
      changedColumns: { code: 1 },
      updated: 1,
    })
    expect(await compare(text, typed, { types: { n: 'double' } })).toMatchObject({
      changedColumns: { code: 1 },
      updated: 1,
    })
  })

  test('of different types are compared in the one that holds both, else as texts', async () => {
    const now = file(
      'new.ndjson',
      '{"id":1,"a":7,"b":7.0,"c":"7","d":true}\n{"id":2,"a":8,"b":8.5,"c":"x","d":false}\n',
    )
    const old = () =>
      parquetOf(`SELECT * FROM (VALUES
      (1::SMALLINT, 7::DECIMAL(5,2), 7::BIGINT, 7::INTEGER, 'true'), (2, 8.00, 8, 8, 'no')) v(id, a, b, c, d)`)
    const made = await old()
    expect(await compare(() => parquet(made), now)).toMatchObject({ updated: 1, changedColumns: { b: 1, c: 1, d: 1 } })
  })

  test('that are declared text are text', async () => {
    const [old, now] = [file('old.csv', 'id,a\n1,1.10\n2,""\n'), file('new.csv', 'id,a\n1,1.1\n2,\n')]
    expect(await compare(old, now, { types: { '*': 'varchar' } })).toMatchObject({ updated: 2 })
    expect(await compare(old, now, { types: { a: 'varchar' }, nullText: [''] })).toMatchObject({ updated: 1 })
  })

  test('of a column without any are neither equal nor different', async () => {
    const [old, now] = [file('old.csv', 'id,a,b\n1,,\n'), file('new.csv', 'id,a,b\n1,,5\n')]
    const result = await compare(old, now)
    expect(result).toMatchObject({ updated: 1, changedColumns: { b: 1 } })
    expect(result.rows[1]).toMatchObject({ a: null, b: 5n })
  })
})

describe('sides', () => {
  const before = 'id,city\n1,Rome\n2,Oslo\n3,Bonn\n'
  const after = [
    { id: 1, city: 'Milan' },
    { id: 2, city: 'Oslo' },
    { id: 4, city: 'Graz' },
  ]
  const found = { inserted: 1, updated: 1, deleted: 1, unchanged: 1, changedColumns: { city: 1 } }

  test('are files, globs, folders and streams of bytes', async () => {
    const old = file('before.csv', before)
    file('part-1.ndjson', '{"id":1,"city":"Milan"}\n')
    file('part-2.ndjson', '{"city":"Oslo","id":2}\n{"id":4,"city":"Graz"}\n')
    expect(await compare(old, () => join(root, `${n}-part-*.ndjson`))).toMatchObject(found)
    expect(
      await compare(old, () => [join(root, `${n}-part-1.ndjson`), join(root, `${n}-part-2.ndjson`)]),
    ).toMatchObject(found)
    const stream = () => csv(Readable.from([Buffer.from('id;city\n1;Milan\n2;Oslo\n4;Graz\n')]), { delimiter: ';' })
    expect(await compare(old, stream)).toMatchObject(found)
    const lines = () => ndjson(Readable.from([Buffer.from(after.map((row) => JSON.stringify(row)).join('\n'))]))
    expect(await compare(old, lines)).toMatchObject(found)
  })

  test('are rows, streams of rows, and Arrow tables', async () => {
    const old = file('before.csv', before)
    async function* streamed() {
      yield* after
    }
    expect(await compare(old, () => after)).toMatchObject(found)
    expect(await compare(old, () => streamed())).toMatchObject(found)
    const columns = { id: after.map(({ id }) => BigInt(id)), city: after.map(({ city }) => city) }
    expect(await compare(old, () => tableFromArrays(columns))).toMatchObject(found)
  })

  test('are tables, versions of them, and what a query answers; the key is the one that the table remembers', async () => {
    await using table = await openTable(folder, { partitionBy: ['city'], key: ['id'] })
    await table.append(file('before.csv', before)())
    await table.overwrite(after)
    await using versions = await diff(`${folder}@0`, folder)
    expect(versions).toMatchObject(found)
    expect(
      await compare(
        () => `${folder}@0`,
        () => folder,
      ),
    ).toMatchObject(found)
    expect(
      await compare(
        () => `${folder}@0`,
        () => file('after.csv', 'city,id\nMilan,1\nOslo,2\nGraz,4\n')(),
      ),
    ).toMatchObject(found)
    const query = () => table.query('select id, city from t')
    expect(await compare(() => `${folder}@0`, query)).toMatchObject(found)
    // Of this version only, whatever lies in its folder; settings that change columns hold for tables, too.
    expect(
      await compare(
        () => `${folder}@0`,
        () => folder,
        { rename: { city: 'town' } },
      ),
    ).toMatchObject({
      changedColumns: { town: 1 },
    })
    const error = await failure(diff(`${folder}@0`, file('after.csv', 'nr,city\n1,Rome\n')()))
    expect(error.message).toContain('the new side does not have a column that is needed: column=`id`')
  })

  test('may lie on a store', async () => {
    await using table = await openTable('memory://diff/orders', { key: ['id'] })
    await table.append(file('before.csv', before)())
    await table.overwrite(after)
    const tempFolder = mkdtempSync(join(root, 'temp-'))
    await using changes = await diff('memory://diff/orders@0', 'memory://diff/orders', { tempFolder, prove: true })
    expect(changes).toMatchObject(found)
    expect(await changes.toArray()).toHaveLength(4)
    // What was fetched is gone.
    const [left = ''] = readdirSync(tempFolder)
    expect(readdirSync(join(tempFolder, left))).toEqual(['changes'])
  })

  test('do not compare what loads write about themselves', async () => {
    await using table = await openTable(folder, { key: ['id'] })
    await table.append(file('before.csv', before)(), { addLoadColumns: true })
    await using changes = await diff(folder, file('same.csv', before)())
    expect(changes).toMatchObject({ unchanged: 3, updated: 0, schema: { added: [], removed: [] } })
  })

  test('that are Parquet are read in place, and nothing else is left on this machine', async () => {
    const path = await parquetOf(`SELECT range AS id, 'v' || range AS v FROM range(1000)`)
    const tempFolder = mkdtempSync(join(root, 'temp-'))
    const changes = await diff(parquet(path), parquet(path), { key: ['id'], tempFolder })
    const [left = ''] = readdirSync(tempFolder)
    expect(readdirSync(join(tempFolder, left))).toEqual(['changes'])
    expect(await changes.toArray()).toEqual([])
    await changes.close()
    expect(readdirSync(tempFolder)).toEqual([])
    expect((await failure(changes.toArray())).message).toContain('the diff is closed')
    expect(existsSync(path)).toBe(true)
  })

  test('that cannot be read are refused with their place', async () => {
    const ragged = file('ragged.csv', 'id,a\n1,2\n3\n')
    expect((await failure(diff(ragged(), ragged(), { key: ['id'] }))).message).toContain('ragged.csv')
    const typed = file('typed.csv', 'id,a\n1,x\n')
    const error = await failure(diff(typed(), typed(), { key: ['id'], types: { a: 'integer' } }))
    expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining('column=`a`') })
    expect((await failure(diff(join(root, 'nowhere.csv'), typed(), { key: ['id'] }))).code).toBe('invalid')
  })
})

describe('keys', () => {
  const fine = [{ id: 1, r: 'EU', a: 1 }]

  test.each(['old', 'new'])('that are null on the %s side are refused with examples', async (which) => {
    const bad = [...fine, { id: null, r: 'US', a: 1 }, { id: null, r: null, a: 2 }, { id: 3, r: null, a: 2 }]
    for (const key of [['id', 'r'], ['id']])
      for (const exact of [false, true]) {
        const sides: [DiffSide, DiffSide] = which === 'old' ? [bad, fine] : [fine, bad]
        const error = await failure(diff(...sides, { key, exact }))
        expect(error.code).toBe('invalid')
        expect(error.message).toContain(`rows of the ${which} side have no key`)
        expect(error.message).toContain(key.length === 1 ? 'rows=`2`' : 'rows=`3`')
        expect(error.message).toContain(key.length === 1 ? '{"id":null}' : '{"id":null,"r":"US"}')
      }
  })

  test('that are null on both sides are refused', async () => {
    const bad = [...fine, { id: null, r: 'US', a: 1 }]
    for (const key of [['id'], ['r', 'id']])
      expect((await failure(diff(bad, bad, { key }))).message).toContain('rows of the old side have no key')
  })

  // Of old and new each: how often the keys 1 to 3 occur.
  const counts = [
    ['matched, on the old side', [2, 1, 0], [1, 1, 0], 'old'],
    ['matched, on the new side', [1, 1, 0], [2, 1, 0], 'new'],
    ['matched, on both sides alike', [2, 1, 0], [2, 1, 0], 'old'],
    ['only on the old side', [1, 2, 0], [1, 0, 1], 'old'],
    ['only on the new side', [1, 0, 1], [1, 2, 0], 'new'],
    ['where rows of both sides make up for each other', [2, 0, 1], [1, 1, 1], 'old'],
  ] as const

  test.each(counts)('that are repeated are refused with examples: %s', async (_, old, now, which) => {
    const side = (times: readonly number[]): Row[] =>
      times.flatMap((count, i) => Array.from({ length: count }, () => ({ id: i + 1, name: `key ${i + 1}`, a: 'same' })))
    for (const key of [['id'], ['name'], ['name', 'id']])
      for (const exact of [false, true]) {
        const error = await failure(diff(side(old), side(now), { key, exact }))
        expect(error.message).toContain(`keys occur more than once in the ${which} side`)
        expect(error.message).toMatch(/examples=`\{"(id|name)":.*\} 2 times`/)
        expect(error.fix).toContain('--on-duplicate last --order-by')
      }
  })

  test('that are repeated can be resolved by an order', async () => {
    const old = rows({ id: 1, at: 1, v: 'a' }, { id: 1, at: 2, v: 'b' }, { id: 2, at: 1, v: 'x' })
    const now = rows(
      { id: 1, at: 2, v: 'b' },
      { id: 1, at: null, v: 'n' },
      { id: 2, at: 1, v: 'x' },
      { id: 2, at: 1, v: 'x' },
    )
    expect(await compare(old, now, { onDuplicate: 'last', orderBy: ['at'] })).toMatchObject({
      unchanged: 2,
      updated: 0,
    })
    expect(await compare(old, now, { onDuplicate: 'first', orderBy: ['at'] })).toMatchObject({
      unchanged: 1,
      changedColumns: { at: 1, v: 1 },
    })
    const tied = [
      { id: 1, at: 2, v: 'b' },
      { id: 1, at: 2, v: 'c' },
    ]
    const error = await failure(diff(old(), tied, { key: ['id'], onDuplicate: 'last', orderBy: ['at'] }))
    expect(error.message).toContain('rows of the new side with the same key and the same order differ')
  })

  test('must be said, be there, and be of single values', async () => {
    const lists = [{ id: 1, l: [1] }]
    expect((await failure(diff(fine, fine))).message).toContain('nothing says which columns identify a row')
    expect((await failure(diff(fine, fine, { key: ['nr'] }))).message).toContain('column=`nr`')
    expect((await failure(diff(lists, lists, { key: ['l'] }))).message).toContain('cannot be a key')
  })
})

describe('settings', () => {
  const side = [{ id: 1, a: 1 }]

  test.each([
    [{ columns: ['a'], ignore: ['a'] }, '`columns` and `ignore`'],
    [{ onDuplicate: 'last' }, 'needs `orderBy`'],
    [{ orderBy: ['a'] }, '`orderBy` belongs to'],
    [{ columns: ['b'] }, 'column=`b`'],
    [{ ignore: ['id'] }, '`--ignore` names a column of the key'],
    [{ out: 'changes.txt' }, 'does not say how to write'],
    [{ out: 'no/such/folder/changes.csv' }, 'there is no folder'],
    [{ format: 'debezium' }, 'belongs to `cdc`'],
    [{ keys: ['id'] }, 'keys'],
  ] as [DiffSettings, string][])('%j is refused', async (settings, message) => {
    const error = await failure(diff(side, side, { key: ['id'], ...settings }))
    expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining(message) })
  })

  test('a signal ends it, and nothing is left', async () => {
    const tempFolder = mkdtempSync(join(root, 'temp-'))
    const reason = new Error('enough')
    const work = diff(side, side, { key: ['id'], tempFolder, signal: AbortSignal.abort(reason) })
    await expect(work).rejects.toBe(reason)
    expect(readdirSync(tempFolder)).toEqual([])
  })
})

describe('the changed rows', () => {
  const old = [
    { id: 1, city: 'Rome', n: 1 },
    { id: 2, city: 'a,b', n: 2 },
  ]
  const now = [
    { id: 1, city: 'Milan', n: 2 },
    { id: 3, city: '', n: 3 },
  ]

  test('are written as CSV, with the names of columns joined by a comma', async () => {
    const out = join(root, 'changes.csv')
    await using changes = await diff(old, now, { key: ['id'], out })
    expect(readFileSync(out, 'utf8')).toBe(
      'id,city,n,_change_type,_changed_columns\n' +
        '1,Rome,1,update_preimage,"city,n"\n' +
        '1,Milan,2,update_postimage,"city,n"\n' +
        '2,"a,b",2,delete,\n' +
        '3,"",3,insert,\n',
    )
    expect(changes.inserted).toBe(1)
  })

  test('are written as NDJSON and Parquet', async () => {
    await using changes = await diff(old, now, { key: ['id'] })
    const [lines, file] = [join(root, 'changes.ndjson'), join(root, 'changes.parquet')]
    expect(await changes.write(lines)).toMatchObject({ rows: 4 })
    expect(await changes.write(file)).toMatchObject({ rows: 4 })
    expect(JSON.parse(readFileSync(lines, 'utf8').split('\n')[0] ?? '')).toEqual({
      id: 1,
      city: 'Rome',
      n: 1,
      _change_type: 'update_preimage',
      _changed_columns: ['city', 'n'],
    })
    expect(await changes.columns()).toEqual([
      { name: 'id', type: 'BIGINT' },
      { name: 'city', type: 'VARCHAR' },
      { name: 'n', type: 'BIGINT' },
      { name: '_change_type', type: 'VARCHAR' },
      { name: '_changed_columns', type: 'VARCHAR[]' },
    ])
    await using same = await diff(parquet(file), ndjson(lines), { key: ['id', '_change_type'] })
    expect(same).toMatchObject({ unchanged: 4, updated: 0 })
  })

  test('have columns of their own, whose names rows may not have', async () => {
    const taken = [{ id: 1, _change_type: 'x' }]
    expect(await diff(taken, taken, { key: ['id'] })).toMatchObject({ unchanged: 1 })
    const error = await failure(diff(taken, taken, { key: ['id'], out: join(root, 'taken.csv') }))
    expect(error.message).toContain('column=`_change_type`')
  })
})

/** A Parquet file of a query. */
async function parquetOf(sql: string): Promise<string> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const path = join(root, `made-${n++}.parquet`)
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  return path
}
