import { describe, expect, test } from 'vitest'
import { decimalText, plainDecimal } from '../../src/source/debezium/decimal.js'
import type { ReadingSettings } from '../../src/source/port.js'
import { failure, inOrder, type Read, useReading } from './reading.js'

const suite = useReading()
let count = 0

interface ConnectField {
  type: string
  name?: string
  parameters?: Record<string, string>
  [member: string]: unknown
}

/** Events of one column `x`, with the schema; values are JSON text. */
async function load(field: ConnectField, values: string[], reading: ReadingSettings = {}): Promise<Read> {
  const row = (name: string) => ({ type: 'struct', field: name, fields: [{ ...field, field: 'x' }] })
  const schema = JSON.stringify({ type: 'struct', fields: [row('before'), row('after')] })
  const lines = values.map(
    (value, at) => `{"schema":${schema},"payload":{"op":"c","after":{"x":${value}},"source":{"lsn":${at}}}}`,
  )
  const path = await suite.file(`values-${count++}.ndjson`, lines.join('\n'))
  return await suite.read(path, { format: 'debezium', ...reading }, { absent: true })
}

const column = (read: Read) => inOrder(read).map(({ x }) => x)
const base64 = (...bytes: number[]) => JSON.stringify(Buffer.from(bytes).toString('base64'))
const decimal = (scale: number, precision?: number): ConnectField => ({
  type: 'bytes',
  name: 'org.apache.kafka.connect.data.Decimal',
  parameters: { scale: String(scale), ...(precision ? { 'connect.decimal.precision': String(precision) } : {}) },
})
const time = (name: string, type = 'int64'): ConnectField => ({ type, name: `io.debezium.time.${name}` })
const connect = (name: string, type: string): ConnectField => ({ type, name: `org.apache.kafka.connect.data.${name}` })

const most64 = '9223372036854775807'
const least64 = '-9223372036854775808'

describe('values with a schema', () => {
  test.each<[string, ConnectField, string, [string, unknown][]]>([
    [
      'int8',
      { type: 'int8' },
      'tinyint',
      [
        ['-128', -128],
        ['127', 127],
      ],
    ],
    ['int16', { type: 'int16' }, 'smallint', [['-32768', -32768]]],
    [
      'int32',
      { type: 'int32' },
      'integer',
      [
        ['-2147483648', -(2 ** 31)],
        ['2147483647', 2 ** 31 - 1],
      ],
    ],
    [
      'int64',
      { type: 'int64' },
      'bigint',
      [
        [most64, 2n ** 63n - 1n],
        [least64, -(2n ** 63n)],
        ['9007199254740993', 9007199254740993n],
      ],
    ],
    [
      'float32',
      { type: 'float32' },
      'float',
      [
        ['1.1', Math.fround(1.1)],
        ['"-Infinity"', Number.NEGATIVE_INFINITY],
      ],
    ],
    [
      'double',
      { type: 'double' },
      'double',
      [
        ['1', 1],
        ['1.7976931348623157e308', Number.MAX_VALUE],
        ['"NaN"', Number.NaN],
      ],
    ],
    ['boolean', { type: 'boolean' }, 'boolean', [['true', true]]],
    ['string', { type: 'string' }, 'varchar', [['"007 \\u00e9\\n"', '007 é\n']]],
    [
      'bytes',
      { type: 'bytes' },
      'blob',
      [
        [base64(0, 255), Uint8Array.of(0, 255)],
        ['""', new Uint8Array()],
      ],
    ],
    [
      'decimal',
      decimal(2, 12),
      'decimal(12,2)',
      [
        [base64(0x30, 0x39), '123.45'],
        [base64(0xff), '-0.01'],
        [base64(0x00), '0.00'],
        ['1.5', '1.5'.padEnd(4, '0')],
        ['-1E+3', '-1000.00'],
      ],
    ],
    [
      'decimal of 38 digits',
      decimal(0, 38),
      'decimal(38,0)',
      [[base64(...hex('4b3b4ca85a86c47a098a223fffffffff')), '9'.repeat(38)]],
    ],
    [
      'decimal of as many below zero',
      decimal(0, 38),
      'decimal(38,0)',
      [[base64(...hex('b4c4b357a5793b85f675ddc000000001')), `-${'9'.repeat(38)}`]],
    ],
    ['decimal without precision', decimal(3), 'decimal(38,3)', [[base64(0x01), '0.001']]],
    ['decimal of zeros before the point', decimal(-2, 3), 'decimal(5,0)', [[base64(0x07), '700']]],
    ['decimal beyond 38 digits', decimal(30, 65), 'varchar', [[base64(0x01), `0.${'1'.padStart(30, '0')}`]]],
    [
      'decimal of any scale',
      { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal', fields: [] },
      'varchar',
      [
        [`{"scale":3,"value":${base64(0xfb, 0x2e)}}`, '-1.234'],
        [`{"value":${base64(0x05)},"scale":0}`, '5'],
      ],
    ],
    [
      'Date',
      time('Date', 'int32'),
      'date',
      [
        ['0', '1970-01-01'],
        ['-719162', '0001-01-01'],
        ['2932896', '9999-12-31'],
      ],
    ],
    ["Connect's Date", connect('Date', 'int32'), 'date', [['-1', '1969-12-31']]],
    ['IsoDate', time('IsoDate', 'string'), 'date', [['"2017-06-03Z"', '2017-06-03']]],
    [
      'Timestamp',
      time('Timestamp'),
      'timestamp',
      [
        ['-1', '1969-12-31T23:59:59.999Z'],
        ['253402300799999', '9999-12-31T23:59:59.999Z'],
        ['-62135596800000', '0001-01-01T00:00:00Z'],
      ],
    ],
    [
      "Connect's Timestamp",
      connect('Timestamp', 'int64'),
      'timestamp',
      [['1767225600123', '2026-01-01T00:00:00.123Z']],
    ],
    [
      'MicroTimestamp',
      time('MicroTimestamp'),
      'timestamp',
      [
        ['1767225600123456', '2026-01-01T00:00:00.123456Z'],
        ['-1', '1969-12-31T23:59:59.999999Z'],
      ],
    ],
    [
      'NanoTimestamp',
      time('NanoTimestamp'),
      'timestamp',
      [
        ['1767225600123456000', '2026-01-01T00:00:00.123456Z'],
        ['-1000', '1969-12-31T23:59:59.999999Z'],
      ],
    ],
    [
      'ZonedTimestamp',
      time('ZonedTimestamp', 'string'),
      'timestamp',
      [
        ['"2026-01-01T00:30:00+02:00"', '2025-12-31T22:30:00Z'],
        ['"2026-01-01T00:00:00.123456000Z"', '2026-01-01T00:00:00.123456Z'],
      ],
    ],
    [
      'Time',
      time('Time', 'int32'),
      'varchar',
      [
        ['0', '00:00:00'],
        ['86399999', '23:59:59.999'],
        ['86400000', '24:00:00'],
      ],
    ],
    ["Connect's Time", connect('Time', 'int32'), 'varchar', [['34200500', '09:30:00.5']]],
    [
      'MicroTime',
      time('MicroTime'),
      'varchar',
      [
        ['-3020399000000', '-838:59:59'],
        ['36000000001', '10:00:00.000001'],
      ],
    ],
    ['NanoTime', time('NanoTime'), 'varchar', [['36000123456789', '10:00:00.123456789']]],
    ['ZonedTime', time('ZonedTime', 'string'), 'varchar', [['"10:00:00Z"', '10:00:00Z']]],
    ['Year', time('Year', 'int32'), 'integer', [['2026', 2026]]],
    ['MicroDuration', time('MicroDuration'), 'bigint', [['-5', -5n]]],
    ['Json', { type: 'string', name: 'io.debezium.data.Json' }, 'varchar', [['"{\\"a\\": 1.0}"', '{"a": 1.0}']]],
    [
      'Bits',
      { type: 'bytes', name: 'io.debezium.data.Bits', parameters: { length: '10' } },
      'varchar',
      [
        [base64(0x05, 0x02), '1000000101'],
        [base64(0x01), '0000000001'],
      ],
    ],
    [
      'bits of any length',
      { type: 'bytes', name: 'io.debezium.data.Bits', parameters: { length: '2147483647' } },
      'varchar',
      [[base64(0x05), '00000101']],
    ],
    [
      'lists of decimals',
      { type: 'array', items: { ...decimal(1, 5) } },
      'decimal(5,1)[]',
      [[`[${base64(0x0f)},null]`, ['1.5', null]]],
    ],
    [
      'lists of lists of times',
      { type: 'array', items: { type: 'array', items: time('Date', 'int32') } },
      'date[][]',
      [['[[0],[],null]', [['1970-01-01'], [], null]]],
    ],
    [
      'structs',
      {
        type: 'struct',
        fields: [
          { ...time('MicroTimestamp'), field: 'at' },
          { type: 'bytes', field: 'wkb' },
        ],
      },
      'struct("at" timestamp, wkb blob)',
      [[`{"at":0,"wkb":${base64(9)}}`, { at: '1970-01-01T00:00:00Z', wkb: Uint8Array.of(9) }]],
    ],
    [
      'maps by text',
      { type: 'map', keys: { type: 'string' }, values: decimal(0, 5) },
      'map(varchar, decimal(5,0))',
      [
        [
          `{ "a" : ${base64(1)} , "b":null}`,
          [
            { key: 'a', value: '1' },
            { key: 'b', value: null },
          ],
        ],
        ['{}', []],
      ],
    ],
    [
      'maps by numbers',
      { type: 'map', keys: { type: 'int32' }, values: { type: 'string' } },
      'map(integer, varchar)',
      [
        [
          '[[1, "x"] , [2,null]]',
          [
            { key: 1, value: 'x' },
            { key: 2, value: null },
          ],
        ],
      ],
    ],
  ])('%s', async (_, field, type, values) => {
    const read = await load(field, [...values.map(([text]) => text), 'null'])
    expect(read.columns).toEqual([`x ${type.replace('"at"', 'at')}`])
    expect(column(read)).toEqual([...values.map(([, value]) => value), null])
    expect(inOrder(read).every(({ __lw_absent }) => (__lw_absent as string[]).length === 0)).toBe(true)
  })

  test.each<[string, ConnectField, string, RegExp]>([
    ['int8', { type: 'int8' }, '128', /`x` is no integer/],
    ['int64', { type: 'int64' }, '9223372036854775808', /`x` is no integer/],
    ['int32', { type: 'int32' }, '1.0', /`x` is no integer/],
    ['int32', { type: 'int32' }, '"1"', /`x` is no integer/],
    ['double', { type: 'double' }, '"1.5"', /`x` is no double/],
    ['boolean', { type: 'boolean' }, '1', /`x` is no boolean/],
    ['string', { type: 'string' }, '1', /`x` is no varchar/],
    ['bytes', { type: 'bytes' }, '"a*"', /`x` is no blob/],
    ['a decimal of too many digits', decimal(0, 2), base64(0x64), /`x` is no decimal/],
    ['a decimal in words', decimal(0, 2), '"x!"', /`x` is no decimal/],
    ['NanoTimestamp', time('NanoTimestamp'), '1767225600123456789', /nanoseconds would be lost/],
    ['MicroTimestamp', time('MicroTimestamp'), '253402300800000000', /`x` is no integer/],
    ['infinity', time('MicroTimestamp'), '9223372036825200000', /`x` is no integer/],
    ['ZonedTimestamp', time('ZonedTimestamp', 'string'), '"2026-01-01T00:00:00.123456789Z"', /`x` is no timestamp/],
    ['ZonedTimestamp', time('ZonedTimestamp', 'string'), '"2026-01-01T00:00:00"', /`x` is no timestamp/],
    ['a list', { type: 'array', items: { type: 'int32' } }, '[1,"a"]', /`x\[\]` is no integer/],
    ['a list', { type: 'array', items: { type: 'int32' } }, '1', /list `x`/],
    ['a struct', { type: 'struct', fields: [{ type: 'int32', field: 'a' }] }, '{"b":1}', /`x.b` is not in the schema/],
  ])('%s that it is not is refused with its row', async (_, field, value, message) => {
    const error = await failure(load(field, ['null', value]))
    expect(error.message).toMatch(message)
    expect(error.details).toMatchObject({ row: 2 })
  })

  test('keep all digits as text, where text is wanted', async () => {
    const huge = base64(0x7f, ...new Array(30).fill(0xff))
    const read = await load(decimal(2), [huge], { types: { x: 'varchar' } })
    expect(column(read)).toEqual([`${2n ** 247n - 1n}`.replace(/(\d\d)$/, '.$1')])
  })

  test('become what is declared, if they fit', async () => {
    const variable = { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal', fields: [] }
    const read = await load(variable, [`{"scale":1,"value":${base64(0x0f)}}`], { types: { x: 'decimal(5,2)' } })
    expect(column(read)).toEqual(['1.50'])
    const error = await failure(
      load(variable, [`{"scale":3,"value":${base64(0x0f)}}`], { types: { x: 'decimal(5,2)' } }),
    )
    expect(error.details).toMatchObject({ row: 1, value: '0.015' })
  })

  test('of two schemas in one file are united, and keep their order', async () => {
    const of = (type: string, more: object[] = []) =>
      JSON.stringify({
        type: 'struct',
        fields: [{ type: 'struct', field: 'after', fields: [{ type, field: 'x' }, ...more] }],
      })
    const line = (schema: string, after: string, lsn: number) =>
      `{"schema":${schema},"payload":{"op":"c","after":${after},"source":{"lsn":${lsn}}}}`
    const wide = of('int64', [{ type: 'string', field: 'y' }])
    const path = await suite.file(
      'two.ndjson',
      [
        line(of('int32'), '{"x":1}', 1),
        line(wide, '{"x":2,"y":"new"}', 2),
        line(of('int32'), '{"x":3}', 3),
        line(wide, '{"y":null,"x":4}', 4),
      ].join('\n'),
    )
    const read = await suite.read(path, { format: 'debezium' }, { absent: true })
    expect(read.columns).toEqual(['x bigint', 'y varchar'])
    expect(inOrder(read).map((row) => [row.x, row.y, row.__lw_absent])).toEqual([
      [1n, null, ['y']],
      [2n, 'new', []],
      [3n, null, ['y']],
      [4n, null, []],
    ])
  })

  test('an unwrapped row with its schema has neither metadata nor its types', async () => {
    const fields = [
      { type: 'int64', field: 'id' },
      { ...time('Date', 'int32'), field: 'on' },
      { type: 'string', field: '__deleted' },
      { type: 'int64', field: '__source_lsn' },
    ]
    const path = await suite.file(
      'flat.ndjson',
      JSON.stringify({
        schema: { type: 'struct', fields },
        payload: { id: 1, on: -1, __deleted: 'true', __source_lsn: 5 },
      }),
    )
    const read = await suite.read(path, { format: 'debezium' }, { absent: true })
    expect(inOrder(read)).toEqual([
      { id: 1n, on: '1969-12-31', __lw_op: 'd', __lw_order: 5n, __lw_absent: [], __lw_seq: 1n },
    ])
  })

  test('the key of a delete may come with a schema of its own', async () => {
    const fields = [{ type: 'int32', field: 'id' }]
    const key = { schema: { type: 'struct', fields }, payload: { id: 7 } }
    const after = { type: 'struct', field: 'after', fields: [...fields, { type: 'string', field: 'name' }] }
    const schema = { type: 'struct', fields: [after] }
    const event = (op: string, row: unknown, lsn: number) => ({ op, before: null, after: row, source: { lsn } })
    const path = await suite.file(
      'key.ndjson',
      [
        { key, value: { schema, payload: event('c', { id: 7, name: 'x' }, 1) } },
        { key, value: { schema, payload: event('d', null, 2) } },
        { key, value: null },
      ]
        .map((line) => JSON.stringify(line))
        .join('\n'),
    )
    const read = await suite.read(path, { format: 'debezium' }, { absent: true })
    expect(read.columns).toEqual(['id integer', 'name varchar'])
    expect(inOrder(read).map((row) => [row.__lw_op, row.id, row.__lw_absent])).toEqual([
      ['u', 7, []],
      ['d', 7, ['name']],
    ])
    expect(read.events?.ignored).toBe(1)
  })
})

describe('decimals', () => {
  test.each([
    ['', 0, '0'],
    ['80', 0, '-128'],
    ['0080', 1, '12.8'],
    ['ff00', 4, '-0.0256'],
    ['ffffffffffff', 0, '-1'],
    ['7fffffffffffffff', 0, '9223372036854775807'],
    ['8000000000000000', 2, '-92233720368547758.08'],
  ])('%s with scale %i is %s', (bytes, scale, text) => {
    expect(decimalText(Buffer.from(bytes, 'hex'), scale)).toBe(text)
  })

  test.each([
    ['1.50', '1.50'],
    ['-0.5', '-0.5'],
    ['12e-3', '0.012'],
    ['1.2E+3', '1200'],
    ['-7', '-7'],
    ['x', undefined],
  ])('%s is plainly %s', (text, plain) => {
    expect(plainDecimal(text)).toBe(plain)
  })
})

function hex(text: string): number[] {
  return [...Buffer.from(text, 'hex')]
}
