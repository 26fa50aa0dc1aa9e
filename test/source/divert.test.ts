import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { useReading } from './reading.js'

const suite = useReading()
const divert = { onReject: 'divert' } as const

describe('rows that do not fit are diverted', () => {
  test('with file, row, reason and the row as it was read', async () => {
    const path = await suite.file('misfits.csv', 'id,n,v\n1,5,a\nx,6,b\n3,y,c\n4,,d\n')
    const { rows, rejects, columns } = await suite.read(path, { types: { id: 'bigint', n: 'integer' } }, divert)
    expect(columns).toEqual(['id bigint', 'n integer', 'v varchar'])
    expect(rows.map(({ id }) => id)).toEqual([1n, 4n])
    expect(rejects).toEqual([
      {
        __lw_file: path,
        __lw_row: 2n,
        __lw_reason: expect.stringMatching(/id.*bigint.*x/),
        __lw_raw: '{"id":"x","n":"6","v":"b"}',
      },
      {
        __lw_file: path,
        __lw_row: 3n,
        __lw_reason: expect.stringMatching(/n.*integer.*y/),
        __lw_raw: '{"id":"3","n":"y","v":"c"}',
      },
    ])
  })

  test('ragged, badly quoted and wrongly encoded rows too, each with its own number', async () => {
    const text = 'id,v\n1,a\n2,b,c\n3,"open\n4,d\nx,e\n5\n6,"f"g\n7,caf\xe9\n8,"h\nh"\n'
    const path = await suite.file('ragged.csv', Buffer.from(text, 'latin1'))
    const { rows, rejects } = await suite.read(path, { types: { id: 'bigint' } }, divert)
    expect(rows).toEqual([
      { id: 1n, v: 'a' },
      { id: 4n, v: 'd' },
      { id: 8n, v: 'h\nh' },
    ])
    const found = rejects
      .map((row) => [Number(row.__lw_row), String(row.__lw_raw)])
      .sort(([a], [b]) => Number(a) - Number(b))
    expect(found).toEqual([
      [2, '"2,b,c"'],
      [3, '"3,\\"open"'],
      [5, '{"id":"x","v":"e"}'],
      [6, '"5"'],
      [7, '"6,\\"f\\"g"'],
      [8, '"7,caf\ufffd"'],
    ])
  })

  test('no row is lost and none comes twice, whatever is wrong with the file', async () => {
    const line = fc.constantFrom('1,a', '2,"b"', 'x,c', '4', '5,d,e', '6,"f"g', '7,', '8,"h h"', '9,"i""i"')
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 30 }), async (lines) => {
        const path = await suite.file('any.csv', `id,v\n${lines.join('\n')}\n`)
        const { rows, rejects } = await suite.read(path, { types: { id: 'bigint' } }, divert)
        const bad = lines.flatMap((text, i) => (/^x|^4$|^5|g$/.test(text) ? [i + 1] : []))
        expect(rejects.map((row) => Number(row.__lw_row)).sort((a, b) => a - b)).toEqual(bad)
        expect(rows).toHaveLength(lines.length - bad.length)
      }),
      { numRuns: 40 },
    )
  })

  test('JSON: broken rows and rows of other kinds', async () => {
    const path = await suite.file(
      'broken.ndjson',
      '{"a":1,"b":"x"}\n{"a":\nnull\n{"a":"y"}\n{"a":2,"b":"2026-11-20"}\n',
    )
    const { rows, rejects } = await suite.read(path, {}, divert)
    expect(rows).toEqual([
      { a: 1n, b: 'x' },
      { a: 2n, b: '2026-11-20' },
    ])
    expect(rejects.map((row) => [row.__lw_row, row.__lw_raw])).toEqual([
      [2n, '"{\\"a\\":"'],
      [3n, 'null'],
      [4n, '{"a":"y"}'],
    ])
    const typed = await suite.read(path, { types: { b: 'date' } }, divert)
    expect(typed.rows).toEqual([{ a: 2n, b: '2026-11-20' }])
    expect(typed.rejects).toHaveLength(4)
  })

  test('what is inferred is inferred from the rows that stay', async () => {
    const path = await suite.file('stay.csv', 'id,v\n1,5\nx,007\n2,6\n')
    for (const sampleRows of [1, 100]) {
      const { columns, rejects } = await suite.read(path, { types: { id: 'bigint' } }, { ...divert, sampleRows })
      expect(columns).toEqual(['id bigint', 'v bigint'])
      expect(rejects).toHaveLength(1)
    }
  })

  test('rows handed over in a stream, against the table’s types', async () => {
    const path = `${suite.folder}/typed.parquet`
    await suite.engine.run(
      `COPY (SELECT i::BIGINT AS n, 'v' AS v FROM (VALUES (1), (5000000000)) t(i)) TO '${path}' (FORMAT parquet)`,
    )
    const tableSchema = [
      { name: 'n', type: { kind: 'integer' } as const, nullable: true },
      { name: 'v', type: { kind: 'varchar' } as const, nullable: true },
    ]
    const { rows, rejects } = await suite.read(path, {}, { ...divert, tableSchema })
    expect(rows).toEqual([{ n: 1, v: 'v' }])
    expect(rejects).toMatchObject([{ __lw_row: 2n, __lw_raw: '{"n":5000000000,"v":"v"}' }])
  })
})
