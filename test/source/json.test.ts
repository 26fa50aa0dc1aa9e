import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { json, ndjson } from '../../src/source/files.js'
import { column, failure, useReading } from './reading.js'

const suite = useReading()

describe('values', () => {
  test('text stays text, big integers stay whole, nested values stay nested', async () => {
    const path = await suite.file(
      'values.ndjson',
      '{"id":1,"n":9007199254740993,"s":"007","d":"2026-11-20","o":{"x":1,"y":[1.5,null]},"b":true}\n' +
        '{"id":2,"n":-9223372036854775808,"o":null,"late":"é\\u00e9\\n"}\n',
    )
    const { columns, rows } = await suite.read(path)
    expect(columns).toEqual([
      'id bigint',
      'n bigint',
      's varchar',
      'd varchar',
      'o struct(x bigint, y double[])',
      'b boolean',
      'late varchar',
    ])
    expect(rows).toEqual([
      { id: 1n, n: 9007199254740993n, s: '007', d: '2026-11-20', o: { x: 1n, y: [1.5, null] }, b: true, late: null },
      { id: 2n, n: -9223372036854775808n, s: null, d: null, o: null, b: null, late: 'éé\n' },
    ])
  })

  test('numbers are bigint if all fit, else double if each is exact', async () => {
    const path = await suite.file(
      'numbers.ndjson',
      '{"id":1,"a":1,"b":18446744073709551616,"c":0.1,"d":-0}\n{"id":2,"a":-3,"b":1e21,"c":1.10,"d":0}\n{"id":3,"c":0.30000000000000004}\n',
    )
    const read = await suite.read(path)
    expect(read.columns).toEqual(['id bigint', 'a bigint', 'b double', 'c double', 'd double'])
    expect(column(read, 'b')).toEqual([2 ** 64, 1e21, null])
    expect(column(read, 'c')).toEqual([0.1, 1.1, 0.30000000000000004])
  })

  test.each([
    ['1e400', '{"a":1}\n{"a":1e400}\n'],
    ['9007199254740993', '{"a":0.5}\n{"a":9007199254740993}\n'],
    ['0.12345678901234567890', '{"a":1}\n{"a":0.12345678901234567890}\n'],
    ['1e-400', '{"a":1}\n{"a":1e-400}\n'],
  ])('%s among numbers that it does not fit is refused with its row', async (value, text) => {
    const error = await failure(suite.read(await suite.file('inexact.ndjson', text)))
    expect(error.message).toMatch(/fit neither bigint nor, exactly, double/)
    expect(error.details).toMatchObject({ column: 'a', row: 2, value })
    expect(error.fix).toContain('--types')
  })

  test('a declared decimal or varchar keeps every digit', async () => {
    const path = await suite.file(
      'digits.ndjson',
      '{"a":0.12345678901234567890,"b":1.10}\n{"a":-12,"b":9007199254740993}\n',
    )
    const { columns, rows } = await suite.read(path, { types: { a: 'decimal(38,20)', b: 'varchar' } })
    expect(columns).toEqual(['a decimal(38,20)', 'b varchar'])
    expect(rows).toEqual([
      { a: '0.12345678901234567890', b: '1.10' },
      { a: '-12.00000000000000000000', b: '9007199254740993' },
    ])
  })

  test('a declared type reads the text by the grammar', async () => {
    const path = await suite.file('declared.ndjson', '{"at":"2026-11-20T10:00:00+02:00","n":"42"}\n')
    const { rows } = await suite.read(path, { types: { at: 'timestamp', n: 'bigint' } })
    expect(rows).toEqual([{ at: '2026-11-20T08:00:00Z', n: 42n }])
    const error = await failure(suite.read(path, { types: { n: 'date' } }))
    expect(error.details).toMatchObject({ column: 'n', row: 1, value: '42' })
  })

  test('the empty list, the empty text and rows without a name are what they are', async () => {
    const path = await suite.file('edges.ndjson', '{"a":[],"b":""}\n{}\n\n{"a":["x"],"b":null}\n')
    const { columns, rows } = await suite.read(path)
    expect(columns).toEqual(['a varchar[]', 'b varchar'])
    expect(rows).toEqual([
      { a: [], b: '' },
      { a: null, b: null },
      { a: ['x'], b: null },
    ])
  })
})

describe('refused with the row', () => {
  test.each([
    ['mixed kinds', '{"a":1}\n{"a":"x"}\n', /`a` is text, and a number in rows before/],
    ['mixed kinds within a list', '{"a":[1]}\n{"a":[{"b":1}]}\n', /is an object, and a number/],
    ['a tombstone', '{"a":1}\nnull\n', /the row is `null` \(tombstones.*cdc/],
    ['a row that is no object', '{"a":1}\n[1]\n', /no JSON object/],
    ['a trailing comma', '{"a":1}\n{"a":2,}\n', /the JSON is broken/],
    ['NaN', '{"a":1}\n{"a":NaN}\n', /the JSON is broken, a value is missing/],
    ['a leading zero', '{"a":1}\n{"a":01}\n', /a number is not written as JSON wants it/],
    ['two rows on one line', '{"a":1}\n{"a":2}{"a":3}\n', /something follows the object/],
    ['a repeated name', '{"a":1}\n{"a":1,"a":2}\n', /the name `a` is repeated/],
    ['a line that is cut', '{"a":1}\n{"a":', /cut short/],
    ['half a surrogate pair', '{"a":"x"}\n{"a":"\\ud83d"}\n', /half a surrogate pair/],
    ['a raw control character', '{"a":"x"}\n{"a":"\t"}\n', /control character/],
    ['bytes that are not UTF-8', Buffer.from('{"a":"x"}\n{"a":"\xff"}\n', 'latin1'), /not UTF-8/],
  ])('%s', async (_, text, message) => {
    const error = await failure(suite.read(await suite.file('wrong.ndjson', text)))
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(message)
    expect(error.details.row).toBe(2)
  })

  test('names that differ in case only, and empty names', async () => {
    expect((await failure(suite.read(await suite.file('case.ndjson', '{"a":1}\n{"A":2}\n')))).message).toMatch(
      /differ in case only/,
    )
    expect((await failure(suite.read(await suite.file('empty.ndjson', '{"":1}\n')))).message).toMatch(/has no name/)
  })
})

describe('layouts', () => {
  const rows = [
    { a: 1n, b: '[{"},' },
    { a: 2n, b: null },
    { a: 3n, b: 'x' },
  ]

  test.each([
    ['an array over several lines', '[\n {"a":1,\n "b":"[{\\"},"},\n {"a":2, "b":null} ,{"a":3,"b":"x"}\n]\n'],
    ['objects one after the other', '{"a":1,"b":"[{\\"},"}\n{"a":2}{"a":3,\n"b":"x"}'],
  ])('.json: %s', async (_, text) => {
    expect((await suite.read(await suite.file('layout.json', text))).rows).toEqual(rows)
  })

  test('an array that is cut or broken is refused', async () => {
    for (const text of ['[{"a":1}', '[{"a":1},]', '[{"a":1} {"a":2}]', '[{"a":1}] x', '[,{"a":1}]', '[{"a":1}'])
      expect((await failure(suite.read(await suite.file('broken.json', text)))).code).toBe('invalid')
  })

  test('rows longer than a chunk of the file, and a chunk’s end anywhere, are read', async () => {
    const long = 'é'.repeat(1_500_000)
    const text = Array.from({ length: 40_000 }, (_, i) => `{"id":${i},"v":"${i === 3 ? long : `v${i}`}"}`)
    for (const path of [
      await suite.file('long.ndjson', text.join('\n')),
      await suite.file('long.json', `[${text.join(',')}]`),
    ]) {
      const [row] = (await suite.read(path, { derive: { n: 'length(v)' } })).rows.filter(({ id }) => id === 3n)
      expect(row?.n).toBe(1_500_000n)
    }
  })

  test('gzip, zstd, byte-order marks and endings that do not say the format', async () => {
    const text = '\ufeff{"a":1,"b":"[{\\"},"}\n{"a":2}\n{"a":3,"b":"x"}\n'
    expect((await suite.read(await suite.file('g.jsonl.gz', gzipSync(text)))).rows).toEqual(rows)
    expect((await suite.read(ndjson(await suite.file('rows.log', text)))).rows).toEqual(rows)
    expect((await suite.read(json(await suite.file('rows2.log', text)))).rows).toEqual(rows)
    expect((await failure(suite.read(`${suite.folder}/rows.log`))).fix).toContain('--format')
    const packed = `${suite.folder}/z.ndjson.zst`
    await suite.engine.run(
      `COPY (SELECT 1 AS a, '[{"},' AS b UNION ALL SELECT 2, NULL UNION ALL SELECT 3, 'x') TO '${packed}' (FORMAT json, COMPRESSION zstd)`,
    )
    expect((await suite.read(packed)).rows).toEqual(rows)
  })
})
