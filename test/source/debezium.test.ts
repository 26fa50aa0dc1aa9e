import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Row } from '../../src/engine/port.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'
import { csv, debezium, files } from '../../src/source/files.js'
import type { LoadInput } from '../../src/source/open.js'
import type { OpenInputContext, ReadingSettings } from '../../src/source/port.js'
import { failure, inOrder, type Read, useReading } from './reading.js'

const suite = useReading()
const fixture = (name: string) => `fixtures/debezium/${name}.ndjson`

function read(
  inputs: LoadInput | LoadInput[],
  reading: ReadingSettings = {},
  more: Partial<OpenInputContext> = {},
): Promise<Read> {
  return suite.read(inputs, { format: 'debezium', ...reading }, { absent: true, ...more })
}

let count = 0
/** Events as lines of a file. */
async function lines(...events: unknown[]): Promise<string> {
  const text = events.map((event) => (typeof event === 'string' ? event : JSON.stringify(event)))
  return await suite.file(`events-${count++}.ndjson`, text.map((line) => `${line}\n`).join(''))
}

function pg(op: string, lsn: number, rows: { before?: unknown; after?: unknown }): Record<string, unknown> {
  return { before: null, after: null, ...rows, source: { lsn, ts_ms: 1767225600000 }, op, ts_ms: 1767225600100 }
}

const tableOf = (columns: Record<string, string>): Schema =>
  Object.entries(columns).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))

const ops = (result: Read) => inOrder(result).map((row) => [row.__lw_op, row.__lw_order])
const absent = (result: Read) => inOrder(result).map((row) => row.__lw_absent)
const only = (row: Row | undefined, ...names: string[]) => names.map((name) => row?.[name])

describe('PostgreSQL', () => {
  test('events with their schema have its types, and what the log did not have is absent', async () => {
    const result = await read(fixture('postgres-schema'))
    expect(result.columns).toEqual([
      'id bigint',
      'kind smallint',
      'note varchar',
      'price decimal(12,2)',
      'ordered_on date',
      'created_at timestamp',
      'paid_at timestamp',
      'opens varchar',
      'is_gift boolean',
      'weight double',
      'attributes varchar',
      'token varchar',
      'photo blob',
      'tags varchar[]',
      'sizes integer[]',
    ])
    const rows = inOrder(result)
    expect(rows[1]).toEqual({
      id: 2n,
      kind: -32768,
      note: null,
      price: '-0.01',
      ordered_on: '1969-12-31',
      created_at: '1969-12-31T23:59:59.999999Z',
      paid_at: '1969-12-31T23:59:59.999999Z',
      opens: '23:59:59.999999',
      is_gift: true,
      weight: -0.1,
      attributes: null,
      token: null,
      photo: null,
      tags: [],
      sizes: null,
      __lw_op: 'u',
      __lw_order: 24023128n,
      __lw_absent: [],
      __lw_seq: 2n,
    })
    expect(rows[2]).toMatchObject({
      id: 2n ** 63n - 1n,
      price: '-9999999999.99',
      ordered_on: '0001-01-01',
      created_at: '9999-12-31T23:59:59.999999Z',
      photo: new Uint8Array(),
      tags: [null],
    })
    expect(only(rows[0], 'note', 'paid_at', 'opens', 'attributes', 'tags')).toEqual([
      'première commande',
      '2025-12-31T23:30:00.500Z',
      '09:30:00',
      '{"color": "blue", "n": 9007199254740993}',
      ['new', 'été'],
    ])
    expect(ops(result)).toEqual([
      ['u', 24023128n],
      ['u', 24023128n],
      ['u', 24023400n],
      ['u', 24023512n],
      ['u', 24023600n],
      ['d', 24023700n],
      ['t', 24023800n],
      ['u', 24023900n],
    ])
    expect(absent(result)[4]).toEqual(['note', 'attributes', 'photo', 'tags', 'sizes'])
    expect(only(rows[4], 'id', 'kind', 'note', 'photo', 'sizes')).toEqual([1n, 5, null, null, null])
    expect(rows[5]?.id).toBe(2n)
    expect(absent(result)[6]).toHaveLength(15)
    expect(result.events).toEqual({ kind: 'lsn', type: 'bigint', ignored: 1 })
  })

  test('events without a schema are typed as JSON; heartbeats, transactions, messages and tombstones are counted', async () => {
    const result = await read(fixture('postgres-plain'))
    expect(result.columns).toEqual(['id bigint', 'name varchar', 'balance varchar', 'born bigint', 'since varchar'])
    expect(ops(result).map(([op]) => op)).toEqual(['u', 'u', 'u', 'u', 'd', 't'])
    expect(inOrder(result).map(({ id }) => id)).toEqual([1n, 9007199254740993n, 1n, 1n, 9007199254740993n, null])
    expect(absent(result).slice(0, 5)).toEqual([[], [], [], ['name'], []])
    expect(result.events).toEqual({ kind: 'lsn', type: 'bigint', ignored: 5 })
  })

  test("without a schema the table's types rule: days are dates, text is proved", async () => {
    const tableSchema = tableOf({
      ID: 'bigint',
      name: 'varchar',
      balance: 'decimal(12,2)',
      born: 'date',
      since: 'timestamp',
      other: 'integer',
    })
    const result = await read(fixture('postgres-plain'), {}, { tableSchema })
    const [first, second] = inOrder(result)
    expect(first).toMatchObject({ ID: 1n, balance: '10.50', born: '1982-07-04', since: '2026-01-01T00:00:00Z' })
    expect(second).toMatchObject({ balance: '-0.01', born: '1969-01-01', since: null, other: null })
    expect(absent(result)[0]).toEqual(['other'])
    expect(absent(result)[3]).toEqual(['name', 'other'])
  })

  test('unwrapped events: metadata is no column, deletes are marked', async () => {
    const result = await read(fixture('postgres-unwrapped'))
    expect(result.columns).toEqual(['id bigint', 'name varchar', 'balance varchar'])
    expect(ops(result)).toEqual([
      ['u', 24023128n],
      ['u', 24023300n],
      ['u', 24023400n],
      ['d', 24023600n],
    ])
    expect(absent(result)).toEqual([[], [], [], []])
    expect(result.events?.ignored).toBe(1)
  })
})

describe('MySQL', () => {
  test('is ordered by file, position and row of the binlog; its types keep every digit', async () => {
    const result = await read(fixture('mysql-schema'))
    expect(result.columns).toEqual([
      'id integer',
      'serial decimal(20,0)',
      'seen_at timestamp',
      'changed_at timestamp',
      'lasts varchar',
      'made integer',
      'state varchar',
      'marks varchar',
      'flags varchar',
      'attributes varchar',
      'ratio float',
    ])
    expect(inOrder(result)[0]).toMatchObject({
      serial: '18446744073709551615',
      seen_at: '2026-01-01T00:00:00.123Z',
      lasts: '-838:59:59',
      made: 2026,
      state: 'new',
      marks: 'a,c',
      flags: '1000000101',
      ratio: Math.fround(0.1),
    })
    expect(only(inOrder(result)[1], 'lasts', 'seen_at')).toEqual(['01:00:00.5', '1969-12-31T23:59:59.999Z'])
    expect(inOrder(result)[2]?.ratio).toBeNaN()
    expect(result.events).toEqual({ kind: 'binlog', type: 'decimal(38,0)', ignored: 1 })
    const orders = ops(result).map(([, order]) => BigInt(order as string))
    expect(orders).toEqual([...orders].sort((a, b) => (a < b ? -1 : 1)))
    expect(orders[0]).toBe(3n * 10n ** 28n + 154n * 10n ** 8n)
    expect(orders[4]).toBe(10n * 10n ** 28n + 2n ** 32n * 10n ** 8n)
  })
})

describe('order', () => {
  const event = (source: object, more: object = {}) => ({ op: 'c', after: { id: 1 }, source, ...more })
  test.each([
    ['an LSN beyond 2^53', event({ lsn: '2^53' }), 'lsn', 'bigint', 9007199254740993n],
    ['the greatest', event({ lsn: 'most' }), 'lsn', 'bigint', 2n ** 63n - 1n],
    [
      'SQL Server by the change, of which there are several in one commit',
      event({ change_lsn: '00000027:00000758:0005', commit_lsn: '00000027:00000758:0009', event_serial_no: 2 }),
      'change_lsn',
      'decimal(38,0)',
      `${0x27000007580005n * 1000n + 2n}`,
    ],
    [
      "SQL Server's snapshot by the commit",
      event({ change_lsn: 'NULL', commit_lsn: 'ffffffff:ffffffff:ffff', event_serial_no: null }),
      'change_lsn',
      'decimal(38,0)',
      `${(2n ** 80n - 1n) * 1000n}`,
    ],
    ['Oracle', event({ scn: '2122185', ts_ms: 5 }), 'scn', 'bigint', 2122185n],
    ['MongoDB', event({ ts_ms: 1767225600000, ord: 31 }), 'ts_ms.ord', 'decimal(38,0)', '17672256000000000000031'],
    ['others', event({ ts_ms: 1767225600000 }, { ts_ms: 7 }), 'ts_ms', 'bigint', 1767225600000n],
    ['without a source', { op: 'c', before: null, after: { id: 1 }, ts_ms: 7 }, 'envelope_ts_ms', 'bigint', 7n],
    ['unwrapped', { id: 1, __source_ts_ms: 9, __ts_ms: 11 }, 'ts_ms', 'bigint', 9n],
    ['unwrapped, by its own time', { id: 1, __ts_ms: 11 }, 'envelope_ts_ms', 'bigint', 11n],
    ['unwrapped, by a position', { id: 1, __lsn: 5, __source_ts_ms: 9 }, 'lsn', 'bigint', 5n],
    [
      'unwrapped, of MySQL',
      { id: 1, __file: 'b.000002', __pos: 3 },
      'binlog',
      'decimal(38,0)',
      '20000000000000000000300000000',
    ],
    ['unwrapped without metadata', { id: 1 }, undefined, 'bigint', null],
  ])('%s', async (_, document, kind, type, order) => {
    const text = JSON.stringify(document).replace('"2^53"', '9007199254740993').replace('"most"', '9223372036854775807')
    const result = await read(await lines(text))
    expect(result.events).toEqual({ kind, type, ignored: 0 })
    expect(inOrder(result).map((row) => [row.id, row.__lw_order])).toEqual([[1n, order]])
  })

  test('of two kinds in one load is refused with both places', async () => {
    const path = await lines(event({ lsn: 1 }), event({ lsn: null, ts_ms: 2 }))
    const error = await failure(read(path))
    expect(error.message).toMatch(/ordered by different things/)
    expect(error.details).toMatchObject({ file: path, row: 2, order: 'ts_ms', before: `lsn (${path}, row 1)` })
  })

  test('of two kinds in two inputs of one load is refused', async () => {
    const error = await failure(read([await lines(event({ lsn: 1 })), await lines({ id: 2 })]))
    expect(error.details).toMatchObject({ row: 1, order: 'none' })
  })

  test.each([
    ['lsn', { lsn: -1 }],
    ['lsn', { lsn: '9223372036854775808' }],
    ['file', { file: 'binlog', pos: 4 }],
    ['log sequence number', { change_lsn: '00000027:0000075g' }],
  ])('a %s that is none is refused with its row', async (word, source) => {
    const error = await failure(read(await lines(event(source))))
    expect(error.message).toContain(word)
    expect(error.details).toMatchObject({ row: 1 })
  })
})

describe('how events come', () => {
  const after = { id: 1, name: 'Ada' }
  const expected = [
    ['u', 10n],
    ['d', 11n],
  ]
  const events = [pg('c', 10, { after }), pg('d', 11, { before: { id: 1, name: null } }), null]
  const texts = events.map((event) => JSON.stringify(event))

  test.each([
    ['NDJSON', 'a.ndjson', `${texts.join('\n')}\n`],
    ['NDJSON with blank lines and CRLF', 'b.json', `${texts.join('\r\n\r\n')}\r\n`],
    ['an array', 'c.json', JSON.stringify(events)],
    ['an array over many lines', 'd.json', JSON.stringify(events, null, 2)],
    ['documents over many lines', 'e.json', events.map((event) => JSON.stringify(event, null, 2)).join('\n')],
    ['with a byte-order mark', 'f.txt', `\uFEFF${texts.join('\n')}`],
    ['schema and payload', 'g.txt', events.map((event) => JSON.stringify({ schema: null, payload: event })).join('\n')],
    ['a payload alone', 'h.txt', events.map((event) => JSON.stringify({ payload: event })).join('\n')],
    ['with keys', 'i.txt', events.map((event) => JSON.stringify({ key: { id: 1 }, value: event })).join('\n')],
    [
      'with keys of a schema',
      'j.txt',
      events.map((value) => JSON.stringify({ key: { schema: null, payload: { id: 1 } }, value })).join('\n'),
    ],
    [
      'as text in text',
      'k.txt',
      texts.map((value) => JSON.stringify({ key: '{"id":1}', value, partition: 0, offset: 1 })).join('\n'),
    ],
  ])('%s', async (_, name, text) => {
    const result = await read(await suite.file(name, text))
    expect(ops(result)).toEqual(expected)
    expect(result.columns).toEqual(['id bigint', 'name varchar'])
    expect(result.events?.ignored).toBe(1)
  })

  test('records as kcat prints them; a delete takes its row from the key', async () => {
    const result = await read(fixture('kcat'))
    expect(inOrder(result).map((row) => [row.__lw_op, row.id, row.name, row.__lw_absent])).toEqual([
      ['u', 1n, 'Ada "the first"', []],
      ['u', 1n, 'Ada L.', []],
      ['d', 1n, null, ['name']],
    ])
    expect(result.events?.ignored).toBe(1)
  })

  test('compressed, and through standard input', async () => {
    const plain = await readFile(fixture('postgres-plain'))
    const path = await suite.file('events.json.gz', gzipSync(plain))
    const direct = await read(fixture('postgres-plain'))
    for (const input of [path, debezium(Readable.from([gzipSync(plain)])), createReadStream(path)])
      expect(inOrder(await read(input as LoadInput))).toEqual(inOrder(direct))
  })

  test('several files are in the order given, those of a glob by name; folders above them are no columns', async () => {
    const { mkdir } = await import('node:fs/promises')
    await mkdir(`${suite.folder}/topic/partition=0`, { recursive: true })
    for (const n of [3, 1, 2])
      await suite.file(`topic/partition=0/${n}.json`, JSON.stringify(pg('c', n, { after: { id: n } })))
    const last = await lines(pg('c', 9, { after: { id: 9 } }))
    const result = await read([last, `${suite.folder}/topic/*/*.json`])
    expect(result.columns).toEqual(['id bigint'])
    expect(inOrder(result).map(({ id }) => id)).toEqual([9n, 1n, 2n, 3n])
    expect(new Set(inOrder(result).map(({ __lw_seq }) => __lw_seq)).size).toBe(4)
  })

  test('as objects of a program: bigints stay whole, bytes are read as text', async () => {
    async function* rows() {
      yield { op: 'c', after: { id: 2n ** 62n + 1n, at: undefined }, source: { lsn: 2n ** 53n + 1n } }
      yield { key: Buffer.from('{"id":7}'), value: Buffer.from('{"op":"d","before":null,"source":{"lsn":9}}') }
      yield '{"op":"u",\n"after":{"id":8},"source":{"lsn":10}}'
      yield { key: Buffer.from('{"id":7}'), value: null }
      yield null
    }
    const result = await read(rows())
    expect(inOrder(result).map((row) => [row.__lw_op, row.id, row.__lw_order])).toEqual([
      ['u', 2n ** 62n + 1n, 2n ** 53n + 1n],
      ['d', 7n, 9n],
      ['u', 8n, 10n],
    ])
    expect(result.events?.ignored).toBe(2)
  })

  test('an integer that a number cannot hold is refused in an object', async () => {
    const error = await failure(read([[{ op: 'c', after: { id: 2 ** 53 }, source: { lsn: 1 } }]]))
    expect(error.details).toMatchObject({ row: 1, column: 'after.id' })
    expect(error.fix).toContain('bigint')
  })

  test('--format in a source of its own', async () => {
    const path = await lines(...events)
    for (const source of [debezium(path), files(path, { format: 'debezium' })])
      expect(ops(await suite.read(source, {}, { absent: true }))).toEqual(expected)
  })
})

describe('what is ignored, and what is not', () => {
  test('schema changes and heartbeats in a schema are ignored', async () => {
    const result = await read(
      await lines(
        { source: { lsn: 1 }, ts_ms: 1, databaseName: 'shop', schemaName: null, ddl: 'DROP TABLE x', tableChanges: [] },
        { schema: { type: 'struct', fields: [{ type: 'int64', field: 'ts_ms' }] }, payload: { ts_ms: 1 } },
        pg('c', 2, { after: { id: 1 } }),
      ),
    )
    expect(result.columns).toEqual(['id bigint'])
    expect(result.events?.ignored).toBe(2)
  })

  test('columns that are named like parts of an envelope are columns', async () => {
    const rows = [
      { id: 1, op: 'add', key: 'a', value: 'b', source: 'web', payload: 'x', schema: { a: 1 }, topic: 't', __mine: 1 },
    ]
    const result = await read(await lines(...rows))
    expect(result.columns).toEqual([
      'id bigint',
      'op varchar',
      'key varchar',
      'value varchar',
      'source varchar',
      'payload varchar',
      'schema struct(a bigint)',
      'topic varchar',
      '__mine bigint',
    ])
  })

  test('a table of keys and values is not taken for records', async () => {
    const result = await read(await lines({ key: 'a', value: 'b' }, { key: 'c', value: null }))
    expect(inOrder(result).map(({ key, value }) => [key, value])).toEqual([
      ['a', 'b'],
      ['c', null],
    ])
  })

  test('an empty file and one of tombstones alone have no rows, whatever the table is', async () => {
    const tableSchema = tableOf({ id: 'bigint', name: 'varchar' })
    const empty = await suite.file('empty.ndjson', '')
    const result = await read([empty, await lines(null, null)], {}, { tableSchema, required: ['id'] })
    expect(result.rows).toEqual([])
    expect(result.columns).toEqual(['id bigint', 'name varchar'])
    expect(result.events).toEqual({ kind: undefined, type: 'bigint', ignored: 2 })
    expect((await failure(read(empty))).message).toMatch(/no rows and no columns/)
  })

  test('a truncate alone needs no key column', async () => {
    const tableSchema = tableOf({ id: 'bigint' })
    const result = await read(await lines({ op: 't', source: { lsn: 4 } }), {}, { tableSchema, required: ['id'] })
    expect(inOrder(result)).toEqual([{ id: null, __lw_op: 't', __lw_order: 4n, __lw_absent: ['id'], __lw_seq: 1n }])
  })

  test('rows that nothing marks as deleted beside tombstones are refused: the deletes would be lost', async () => {
    const error = await failure(read(await lines({ id: 1, __source_lsn: 1 }, null)))
    expect(error.message).toMatch(/tombstones alone/)
    expect(error.fix).toContain('rewrite')
  })
})

describe('absent columns', () => {
  test('are those that an event does not have, beside those that others have', async () => {
    const result = await read(
      await lines(
        pg('c', 1, { after: { id: 1, a: null } }),
        pg('u', 2, { after: { id: 1, b: 2 } }),
        pg('u', 3, { after: { id: 1, a: 'x', b: null } }),
      ),
    )
    expect(absent(result)).toEqual([['b'], ['a'], []])
  })

  test('are found under the names that they are loaded by', async () => {
    const path = await lines(pg('c', 1, { after: { id: 1, Old: 1 } }), pg('u', 2, { after: { id: 1 } }))
    const tableSchema = tableOf({ id: 'bigint', NEW: 'bigint', extra: 'date' })
    const result = await read(path, { rename: { Old: 'new' }, set: { extra: '2026-01-01' } }, { tableSchema })
    expect(absent(result)).toEqual([[], ['NEW']])
  })

  test.each([
    ['text', '"__debezium_unavailable_value"'],
    ['bytes', '"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="'],
    ['a list of text', '[ "__debezium_unavailable_value" ]'],
    ['a list of integers', `[\n${[...Buffer.from('__debezium_unavailable_value')].join(',\n')}]`],
    ['a map', '{"__debezium_unavailable_value":"__debezium_unavailable_value"}'],
  ])('a placeholder of %s is no value, without a schema too', async (_, value) => {
    const text = `{"op":"u","after":{"x":${value},"id":1},"source":{"lsn":1}}`.replaceAll('\n', ' ')
    const result = await read(await lines(text, pg('c', 2, { after: { id: 2, x: null } })))
    expect(absent(result)).toEqual([['x'], []])
    expect(inOrder(result).map(({ id, x }) => [id, x])).toEqual([
      [1n, null],
      [2n, null],
    ])
  })

  test('text that only contains the placeholder is a value', async () => {
    const x = 'not __debezium_unavailable_value'
    const result = await read(await lines(pg('c', 1, { after: { id: 1, x } })))
    expect(inOrder(result)[0]).toMatchObject({ x, __lw_absent: [] })
  })
})

describe('lines that are no events', () => {
  test.each([
    ['broken', '{"op":"c","after":{"id":1}', /cut short/],
    ['broken within a member that is not looked at', '{"op":"c","after":{"id":1},"transaction":[1,]}', /broken/],
    ['a number', '17', /no event/],
    ['a list', '[1]', /no event|array/],
    ['an unknown operation', pg('x', 1, { after: { id: 1 } }), /operation `x` is none of c, r, u, d, t, m/],
    ['an unknown operation, unwrapped', { id: 1, __op: 'z' }, /operation `z`/],
    ['without the row', pg('c', 1, {}), /`after` is missing/],
    ['a document of MongoDB', pg('c', 1, { after: '{"_id":1}' }), /MongoDB/],
    ['a delete without key', pg('d', 1, {}), /does not say which row/],
    ['a name twice', '{"op":"c","op":"u","after":{"id":1}}', /`op` is repeated/],
    ['a name twice in the row', '{"op":"c","after":{"id":1,"id":2},"source":{"lsn":1}}', /`id` is repeated/],
    ['a record whose value is no JSON', { topic: 't', partition: 0, offset: 1, key: null, payload: 'hi' }, /no JSON/],
    ['a schema that is none', { schema: { type: 'string' }, payload: { id: 1 } }, /no schema of Kafka Connect/],
  ])('%s: refused with file and row, or diverted', async (_, line, message) => {
    const path = await lines(pg('c', 1, { after: { id: 7 } }), line, pg('c', 3, { after: { id: 8 } }))
    const error = await failure(read(path))
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(message)
    expect(error.details).toMatchObject({ file: path, row: 2 })
    const diverted = await read(path, {}, { onReject: 'divert' })
    expect(inOrder(diverted).map(({ id }) => id)).toEqual([7n, 8n])
    expect(diverted.rejects).toHaveLength(1)
    expect(diverted.rejects[0]).toMatchObject({ __lw_file: path, __lw_row: 2n })
    expect(diverted.rejects[0]?.__lw_reason).toMatch(message)
  })

  test('a value that does not fit the table is named with file and row, also when diverted', async () => {
    const path = await lines(pg('c', 1, { after: { id: 1, n: '1.5' } }), pg('c', 2, { after: { id: 2, n: 'MTIz' } }))
    const tableSchema = tableOf({ id: 'bigint', n: 'decimal(5,1)' })
    const error = await failure(read(path, {}, { tableSchema }))
    expect(error.message).toMatch(/decimal.handling.mode/)
    expect(error.details).toMatchObject({ file: path, row: 2, column: 'n', value: 'MTIz' })
    const diverted = await read(path, {}, { tableSchema, onReject: 'divert' })
    expect(diverted.rejects).toMatchObject([{ __lw_file: path, __lw_row: 2n }])
    expect(inOrder(diverted).map(({ id }) => id)).toEqual([1n])
  })

  test('numbers that fit neither type are refused as in JSON, and kept where a decimal is wanted', async () => {
    const path = await lines('{"op":"c","after":{"id":1,"n":0.12345678901234567890},"source":{"lsn":1}}')
    expect((await failure(read(path))).message).toMatch(/fit neither bigint nor, exactly, double/)
    const result = await read(path, { types: { n: 'decimal(38,20)' } })
    expect(inOrder(result)[0]?.n).toBe('0.12345678901234567890')
  })

  test('a number for a timestamp is not guessed at without a schema', async () => {
    const path = await lines(pg('c', 1, { after: { id: 1, at: 1767225600000 } }))
    const error = await failure(read(path, { types: { at: 'timestamp' } }))
    expect(error.message).toMatch(/ms, µs or ns/)
    expect(error.fix).toContain('schemas.enable')
    const named = { rename: { at: 'at_ms' }, derive: { at: 'make_timestamp(at_ms * 1000)' } }
    expect(inOrder(await read(path, named))[0]?.at).toBe('2026-01-01T00:00:00Z')
  })
})

describe('refused as a whole', () => {
  test('events among other inputs', async () => {
    const error = await failure(
      suite.read([debezium(await lines({ id: 1 })), csv(await suite.file('x.csv', 'id\n1\n'))], {}, { absent: true }),
    )
    expect(error.message).toMatch(/some are Debezium events/)
  })

  test('events in a mode that does not apply them', async () => {
    const error = await failure(suite.read(await lines({ id: 1 }), { format: 'debezium' }))
    expect(error.fix).toContain('cdc')
  })
})
