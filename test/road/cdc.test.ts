/**
 * `cdc` on every kind of store: events in, late and again, the table as the source has it; the order of deleted keys commits
 * with the data.
 */
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { csv, LakeError, ndjson, openTable, type Table, type TableSettings } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/port.js'
import { feedOf } from './feed.js'
import { localPlace, onePlaceOfEachKind, type Place } from './places.js'

const plain = { opColumn: 'op', orderColumn: 'lsn' } as const
const debezium = (name: string) => join(import.meta.dirname, '../../fixtures/debezium', name)

describe.each(onePlaceOfEachKind)('on $name', ({ make }) => {
  test('events make a table, change it, and are remembered by their order', async () => {
    await using place = await make()
    await using table = await open(place, { key: ['id'], partitionBy: ['day'] })
    const first = await table.cdc(
      [
        { op: 'I', lsn: 10, id: 1, day: 'mon', name: 'Ann' },
        { op: 'i', lsn: 11, id: 2, day: 'tue', name: 'Bob' },
        { op: 'U', lsn: 12, id: 1, day: 'mon', name: 'Anne' },
      ],
      plain,
    )
    expect(first).toMatchObject({
      ...{ status: 'committed', created: true, version: 0, mode: 'cdc' },
      rows: { read: 3, written: 2, inserted: 2, updated: 0, deleted: 0, ignored: 1 },
      columns: [
        { name: 'lsn', type: 'bigint' },
        { name: 'id', type: 'bigint' },
        { name: 'day', type: 'varchar' },
        { name: 'name', type: 'varchar' },
      ],
    })
    // The table remembers the order; the second event moves its row, the third has only a key.
    const second = await table.cdc(
      [
        { op: 'D', lsn: 20, id: 2 },
        { op: 'U', lsn: 21, id: 1, day: 'wed' },
      ],
      { opColumn: 'op' },
    )
    expect(second).toMatchObject({
      rows: { read: 2, inserted: 0, updated: 1, deleted: 1, ignored: 0 },
      partitions: { replaced: ['day=wed'], removed: ['day=mon', 'day=tue'], unchanged: 0 },
    })
    expect(await rowsOf(table)).toEqual([{ lsn: 21, id: 1, day: 'wed', name: 'Anne' }])
    const late = [
      { op: 'U', lsn: 15, id: 2, day: 'tue', name: 'Late' },
      { op: 'U', lsn: 20, id: 2, day: 'tue', name: 'Late' },
    ]
    expect(await table.cdc(late, { opColumn: 'op' })).toMatchObject({
      status: 'unchanged',
      version: 1,
      rows: { ignored: 2 },
    })
    const back = await table.cdc([{ op: 'I', lsn: 30, id: 2, day: 'thu', name: 'Bob' }], { opColumn: 'op' })
    expect(back).toMatchObject({ rows: { inserted: 1 } })
    expect(await rowsOf(table)).toEqual([
      { lsn: 21, id: 1, day: 'wed', name: 'Anne' },
      { lsn: 30, id: 2, day: 'thu', name: 'Bob' },
    ])
    expect((await table.verify({ deep: true })).problems).toEqual([])
  })

  test('any batch delivered again makes no version and reads back the same', async () => {
    await using place = await make()
    await using table = await open(place)
    const batches = [
      [
        { op: 'c', lsn: 1, id: 1, v: 'a' },
        { op: 'c', lsn: 2, id: 2, v: 'b' },
        { op: 'd', lsn: 3, id: 2, v: null },
        { op: 'd', lsn: 4, id: 9, v: null },
      ],
      [
        { op: 't', lsn: 5, id: null, v: null },
        { op: 'c', lsn: 6, id: 3, v: 'c' },
      ],
    ]
    for (const batch of batches) expect(await table.cdc(batch, plain)).toMatchObject({ status: 'committed' })
    const before = await rowsOf(table)
    expect(before).toEqual([{ lsn: 6, id: 3, v: 'c' }])
    for (const batch of [...batches, ...batches])
      expect(await table.cdc(batch, plain)).toMatchObject({
        status: 'unchanged',
        version: 1,
        rows: { ignored: batch.length },
      })
    expect(await rowsOf(table)).toEqual(before)
  })

  test('verify misses the order of deleted keys where it is gone', async () => {
    await using place = await make()
    await using table = await open(place)
    const events = [
      { op: 'c', lsn: 1, id: 1 },
      { op: 'd', lsn: 2, id: 1 },
    ]
    await table.cdc(events, plain)
    expect((await table.verify()).problems).toEqual([])
    const store = await openStore(table.url, place.store)
    const kept: string[] = []
    for await (const { key } of store.list('_tombstones/')) kept.push(key)
    expect(kept).toHaveLength(1)
    await store.delete(kept)
    expect((await table.verify()).problems).toMatchObject([{ code: 'missing', key: kept[0] }])
    await store.close()
  })

  test('two loads of one base that both delete: the second plans again and keeps both tombstones', async () => {
    await using place = await make()
    await using table = await open(place)
    await table.cdc(
      [
        { op: 'c', lsn: 1, id: 1 },
        { op: 'c', lsn: 1, id: 2 },
        { op: 'c', lsn: 1, id: 3 },
      ],
      plain,
    )
    await using other = await open(place)
    async function* events() {
      yield { op: 'd', lsn: 10, id: 1 }
      // Neither of these touches a file.
      await other.cdc([{ op: 'd', lsn: 10, id: 7 }], plain)
      yield { op: 'd', lsn: 10, id: 8 }
    }
    expect(await table.cdc(events(), plain)).toMatchObject({ status: 'committed', version: 2 })
    const late = [1, 7, 8].map((id) => ({ op: 'c', lsn: 9, id }))
    expect(await table.cdc(late, plain)).toMatchObject({ status: 'unchanged', rows: { ignored: 3 } })
  })

  test('a key that another load deletes meanwhile is not brought back by an older event', async () => {
    await using place = await make()
    await using table = await open(place)
    await table.cdc([{ op: 'c', lsn: 1, id: 1 }], plain)
    await using other = await open(place)
    async function* events() {
      yield { op: 'c', lsn: 5, id: 7 }
      // Only the state changes: no file is added or removed.
      await other.cdc([{ op: 'd', lsn: 10, id: 7 }], plain)
    }
    expect(await table.cdc(events(), plain)).toMatchObject({ status: 'unchanged', version: 1, rows: { ignored: 1 } })
    expect(await rowsOf(table)).toEqual([{ lsn: 1, id: 1 }])
  })
})

test('appends beside loads that delete are not planned again', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await table.cdc([{ op: 'c', lsn: 1, id: 1 }], plain)
  await using other = await open(place)
  async function* rows() {
    yield { lsn: 2, id: 2 }
    await other.cdc([{ op: 'd', lsn: 10, id: 7 }], plain)
  }
  expect(await table.append(rows())).toMatchObject({ version: 2, rows: { read: 1, written: 1 } })
  const late = await table.cdc([{ op: 'c', lsn: 9, id: 7 }], plain)
  expect(late).toMatchObject({ status: 'unchanged', rows: { ignored: 1 } })
})

test('the order of deleted keys that a store lost before the commit goes up again, and the table names the new file', async () => {
  const store = await openStore(`memory://cdc-${randomUUID()}`)
  let lost = 0
  const promote: Store['promote'] = async (staged, options) => {
    if (!staged.key.startsWith('_tombstones/') || lost++ > 0) return await store.promote(staged, options)
    await store.abort(staged)
    throw new LakeError('unavailable', 'a staged file is gone', { key: staged.key, restage: true })
  }
  // Of everything else the store itself is asked.
  const losing = new Proxy(store, {
    get: (target, name) => {
      if (name === 'promote') return promote
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  await using table = await openTable('memory://any', { key: ['id'], components: { store: losing } })
  await table.cdc(
    [
      { op: 'c', lsn: 1, id: 1 },
      { op: 'd', lsn: 5, id: 2 },
    ],
    plain,
  )
  expect(lost).toBe(2)
  await using other = await openTable('memory://any', { key: ['id'], components: { store } })
  expect(await other.cdc([{ op: 'c', lsn: 4, id: 2 }], plain)).toMatchObject({
    status: 'unchanged',
    rows: { ignored: 1 },
  })
})

describe('Debezium', () => {
  const settings = { format: 'debezium' } as const

  test('a snapshot, updates without a large column, a delete and its tombstone, a truncate', async () => {
    await using place = await localPlace()
    const lines = (await readFile(debezium('postgres-plain.ndjson'), 'utf8')).trimEnd().split('\n')
    const untilTruncate = lines.slice(0, -1)
    await using table = await open(place)
    const receipt = await table.cdc(await fileOf(place, untilTruncate), settings)
    // Heartbeat, transaction's begin and end, message, tombstone: read, and no events of rows.
    expect(receipt).toMatchObject({ rows: { read: 10, inserted: 1, updated: 0, deleted: 0, ignored: 9 } })
    const ada = { id: 1, name: 'Ada L.', balance: '12.00', _order: 24023500 }
    expect(await rowsOf(table)).toMatchObject([ada])
    expect(await table.cdc(await fileOf(place, untilTruncate), settings)).toMatchObject({
      status: 'unchanged',
      rows: { ignored: 10 },
    })
    expect(await table.cdc(await fileOf(place, lines.slice(0, 6)), settings)).toMatchObject({ status: 'unchanged' })
    expect(await table.cdc(await fileOf(place, lines.slice(-1)), settings)).toMatchObject({
      rows: { read: 1, deleted: 1, ignored: 1 },
    })
    expect(await rowsOf(table)).toEqual([])
    expect(await table.cdc(await fileOf(place, lines), settings)).toMatchObject({ status: 'unchanged' })
  })

  test('line by line, and all at once, make the same table', async () => {
    await using place = await localPlace()
    for (const name of [
      'postgres-plain.ndjson',
      'postgres-schema.ndjson',
      'postgres-unwrapped.ndjson',
      'mysql-schema.ndjson',
      'kcat.ndjson',
    ]) {
      const lines = (await readFile(debezium(name), 'utf8')).trimEnd().split('\n')
      await using whole = await open(place, { key: ['id'] }, `${name}-whole`)
      await whole.cdc(debezium(name), settings)
      await using pieces = await open(place, { key: ['id'] }, `${name}-pieces`)
      let read = 0
      for (const line of lines) {
        if (line === 'null' && read === 0) continue
        read += (await pieces.cdc(await fileOf(place, [line]), { ...settings, schema: 'evolve' })).rows.read
      }
      expect(read, name).toBe(lines.length)
      const columns = (await whole.snapshot()).columns.map(({ name: column }) => column)
      expect(
        (await rowsOf(pieces)).map((row) => columns.map((column) => row[column])),
        name,
      ).toEqual((await rowsOf(whole)).map((row) => columns.map((column) => row[column])))
    }
  })

  test('orders of two kinds are refused', async () => {
    await using place = await localPlace()
    await using table = await open(place)
    await table.cdc(debezium('postgres-unwrapped.ndjson'), settings)
    const event = { after: { id: 5, name: 'E', balance: '1.00' }, source: { ts_ms: 5 }, op: 'c' }
    await expect(table.cdc(await fileOf(place, [JSON.stringify(event)]), settings)).rejects.toThrow(
      /ordered in another way.*_order \(lsn\).*_order \(ts_ms\)/,
    )
    await expect(table.cdc([{ op: 'c', lsn: 5, id: 1 }], plain)).rejects.toThrow(/ordered in another way/)
  })
})

test('a Snowflake stream: the old half of an update is no delete', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const header = 'ID,NAME,AT,METADATA$ACTION,METADATA$ISUPDATE,METADATA$ROW_ID'
  const stream = (...lines: string[]) => csv(streamOf([header, ...lines].join('\n')))
  const snowflake = { opColumn: 'METADATA$ACTION', orderColumn: 'AT' } as const
  await table.cdc(
    stream('1,Ann,2026-11-20 10:00:00,INSERT,FALSE,r1', '2,Bob,2026-11-20 10:00:00,INSERT,FALSE,r2'),
    snowflake,
  )
  const next = stream(
    '1,Ann,2026-11-20 10:00:00,DELETE,TRUE,r1',
    '1,Anne,2026-11-20 11:00:00,INSERT,TRUE,r1',
    '2,Bob,2026-11-20 10:00:00,DELETE,FALSE,r2',
  )
  expect(await table.cdc(next, snowflake)).toMatchObject({ rows: { read: 3, updated: 1, deleted: 1, ignored: 1 } })
  expect(await rowsOf(table)).toMatchObject([{ ID: 1, NAME: 'Anne' }])
  const again = stream('2,Bob,2026-11-20 10:00:00,DELETE,FALSE,r2', '2,Bob,2026-11-20 10:00:00,INSERT,FALSE,r2')
  expect(await table.cdc(again, snowflake)).toMatchObject({ status: 'unchanged', rows: { ignored: 2 } })
  expect((await table.snapshot()).columns.map(({ name }) => name)).toEqual(['ID', 'NAME', 'AT'])
})

test('rows that lack a property, and lines that lack a column, keep the value; null does not', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await table.cdc(
    [
      { op: 'c', lsn: 1, id: 1, a: 'x', b: 'y' },
      { op: 'c', lsn: 1, id: 2, a: 'x', b: 'y' },
    ],
    plain,
  )
  await table.cdc(
    [
      { op: 'u', lsn: 2, id: 1, a: null },
      { op: 'u', lsn: 2, id: 2, b: 'z' },
    ],
    plain,
  )
  expect(await rowsOf(table)).toEqual([
    { lsn: 2, id: 1, a: null, b: 'y' },
    { lsn: 2, id: 2, a: 'x', b: 'z' },
  ])
  await table.cdc(ndjson(streamOf('{"op":"u","lsn":3,"id":1,"b":null}')), plain)
  await table.cdc(csv(streamOf('op,lsn,id,a\nu,4,2,w')), plain)
  expect(await rowsOf(table)).toEqual([
    { lsn: 3, id: 1, a: null, b: null },
    { lsn: 4, id: 2, a: 'w', b: 'z' },
  ])
})

test('columns are added and widened on the way, the order and the key among them', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const narrow = { ...plain, types: { id: 'integer', lsn: 'integer' } }
  await table.cdc(
    [
      { op: 'c', lsn: 1, id: 1, a: 'x' },
      { op: 'd', lsn: 5, id: 2 },
      { op: 't', lsn: 0, id: null },
    ],
    narrow,
  )
  const wide = { op: 'u', lsn: 2 ** 40, id: 1, b: 1.5 }
  await expect(table.cdc([wide], plain)).rejects.toMatchObject({ code: 'invalid' })
  const late = { op: 'c', lsn: 4, id: 2 }
  const receipt = await table.cdc([wide, late, { op: 'c', lsn: 1, id: 2 ** 41, b: 2 }], { ...plain, schema: 'evolve' })
  expect(receipt).toMatchObject({ rows: { read: 3, inserted: 1, updated: 1, ignored: 1 } })
  expect(await rowsOf(table)).toEqual([
    { lsn: 2 ** 40, id: 1, a: 'x', b: 1.5 },
    { lsn: 1, id: 2 ** 41, a: null, b: 2 },
  ])
  expect(await table.cdc([late], plain)).toMatchObject({ status: 'unchanged' })
  expect((await table.verify({ deep: true })).problems).toEqual([])
})

test('deletes that mark are remembered, and change rows in the feed', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const soft = { ...plain, softDelete: 'is_gone' } as const
  await table.cdc(
    [
      { op: 'c', lsn: 1, id: 1, v: 'a' },
      { op: 'c', lsn: 1, id: 2, v: 'b' },
    ],
    soft,
  )
  expect(await table.cdc([{ op: 'd', lsn: 2, id: 1 }], plain)).toMatchObject({ rows: { deleted: 1 } })
  expect(await rowsOf(table)).toEqual([
    { lsn: 2, id: 1, v: 'a', is_gone: true },
    { lsn: 1, id: 2, v: 'b', is_gone: false },
  ])
  expect(await feedOf(place, 1)).toMatchObject([
    { id: 1n, lsn: 1n, v: 'a', is_gone: false, _change_type: 'update_preimage' },
    { id: 1n, lsn: 2n, v: 'a', is_gone: true, _change_type: 'update_postimage' },
  ])
  expect(await table.cdc([{ op: 'u', lsn: 3, id: 1, v: 'c' }], plain)).toMatchObject({ rows: { updated: 1 } })
  expect((await rowsOf(table))[0]).toEqual({ lsn: 3, id: 1, v: 'c', is_gone: false })
  expect(await table.cdc([], plain)).toMatchObject({ status: 'unchanged', rows: { read: 0 } })
  await expect(table.cdc([{ lsn: 9, id: 1 }], plain)).rejects.toThrow(
    /an event has no operation|input does not have: column=`op`/,
  )
  await expect(table.cdc([], { ...plain, softDelete: 'other' })).rejects.toThrow(/treats deleted rows in another way/)
  await using hard = await open(place, { key: ['id'] }, 'hard')
  await hard.cdc([{ op: 'c', lsn: 1, id: 1 }], plain)
  await expect(hard.cdc([{ op: 'd', lsn: 2, id: 1 }], soft)).rejects.toThrow(
    /treats deleted rows in another way.*\(removed\)/,
  )
})

test('the order column is the remembered one, and neither text nor a part of the key', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const event = { op: 'c', lsn: 1, id: 1, other: 1, text: 'a' }
  await expect(table.cdc([event], { opColumn: 'op' })).rejects.toThrow(/nothing says in which order/)
  await expect(table.cdc([event], { opColumn: 'op', orderColumn: 'text' })).rejects.toThrow(/by a column of this type/)
  await expect(table.cdc([event], { opColumn: 'op', orderColumn: 'id' })).rejects.toThrow(/names a column of the key/)
  await table.cdc([event], plain)
  await expect(table.cdc([event], { opColumn: 'op', orderColumn: 'other' })).rejects.toThrow(/ordered in another way/)
  expect(await table.cdc([{ ...event, lsn: 2 }], { opColumn: 'op', orderColumn: 'LSN' })).toMatchObject({
    rows: { updated: 1 },
  })
})

test('an event without an order, and one without a key, are refused with their place', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const good = { op: 'c', lsn: 1, id: 1 }
  await expect(table.cdc([good, { ...good, lsn: null }], plain)).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(/no order/),
  })
  await expect(table.cdc([good, { ...good, id: null }], plain)).rejects.toThrow(/rows of the input have no key/)
  await expect(table.cdc([good, { ...good, op: 'X' }], plain)).rejects.toThrow(/operation of the event is not known/)
  await expect(table.cdc([good, { lsn: 2, id: 2 }], plain)).rejects.toThrow(/an event has no operation/)
  await expect(table.snapshot()).rejects.toThrow()
})

test('tombstones expire by the clock of the loads', async () => {
  let now = Date.parse('2026-11-20T10:00:00Z')
  await using place = await localPlace()
  await using table = await open(place, { key: ['id'], components: { runtime: { now: () => now } } })
  await table.cdc(
    [
      { op: 'c', lsn: 1, id: 1 },
      { op: 'd', lsn: 5, id: 2 },
    ],
    plain,
  )
  const late = [{ op: 'c', lsn: 4, id: 2 }]
  now += 29 * 86_400_000
  expect(await table.cdc(late, plain)).toMatchObject({ status: 'unchanged' })
  now += 2 * 86_400_000
  expect(await table.cdc(late, { ...plain, tombstoneRetention: '90d' })).toMatchObject({ status: 'unchanged' })
  expect(await table.cdc(late, plain)).toMatchObject({ rows: { inserted: 1 } })
})

test('a load id is known again, and with other events refused', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  const events = [
    { op: 'c', lsn: 1, id: 1, v: 'a' },
    { op: 'd', lsn: 2, id: 2, v: null },
  ]
  const load = { ...plain, loadId: 'batch-1' }
  await table.cdc(events, load)
  expect(await table.cdc(events.toReversed(), load)).toMatchObject({ status: 'duplicate', version: 0 })
  await expect(table.cdc([{ op: 'd', lsn: 1, id: 1, v: 'a' }, ...events.slice(1)], load)).rejects.toThrow(
    /with other content/,
  )
})

test('overwrite begins anew: the order of deleted keys is forgotten; other modes leave it', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await table.cdc(
    [
      { op: 'c', lsn: 1, id: 1 },
      { op: 'd', lsn: 5, id: 2 },
    ],
    plain,
  )
  const late = [{ op: 'c', lsn: 4, id: 2 }]
  await table.append([{ lsn: 1, id: 3 }])
  await table.merge([{ lsn: 2, id: 3 }])
  expect(await table.cdc(late, plain)).toMatchObject({ status: 'unchanged' })
  await table.overwrite([{ lsn: 1, id: 1 }])
  expect(await table.cdc(late, plain)).toMatchObject({ rows: { inserted: 1 } })
})

test('a dry run says what would happen, and leaves the table', async () => {
  await using place = await localPlace()
  await using table = await open(place)
  await table.cdc([{ op: 'c', lsn: 1, id: 1 }], plain)
  const dry = await table.cdc([{ op: 'd', lsn: 2, id: 1 }], { ...plain, dryRun: true })
  expect(dry).toMatchObject({ status: 'planned', rows: { deleted: 1 } })
  expect(await rowsOf(table)).toEqual([{ lsn: 1, id: 1 }])
})

async function open(place: Place, settings: TableSettings = { key: ['id'] }, name = 't'): Promise<Table> {
  return await openTable(`${place.url}/${name}`, { store: place.store, ...settings })
}

/** Sorted by id; integers as numbers. */
async function rowsOf(table: Table): Promise<Record<string, unknown>[]> {
  const rows = await table.query('select * from t order by all').toArray()
  const plainRows = rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
    ),
  )
  return plainRows.sort((a, b) => Number(a.id ?? a.ID) - Number(b.id ?? b.ID))
}

async function fileOf(place: Place, lines: string[]): Promise<string> {
  const path = join(place.url, 'events.ndjson')
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

function streamOf(text: string): Readable {
  return Readable.from([Buffer.from(`${text}\n`)])
}
