import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { csv } from '../../src/source/files.js'
import { column, failure, useReading } from './reading.js'

const suite = useReading()

describe('nothing is sniffed', () => {
  test('codes, postcodes and phone numbers survive as text', async () => {
    const path = await suite.file('codes.csv', 'id,code,plus,big,exp,nan\n1,007,+1,12345678901234567890,1e5,nan\n')
    const { columns, rows } = await suite.read(path)
    expect(columns).toEqual(['id bigint', 'code varchar', 'plus varchar', 'big varchar', 'exp varchar', 'nan varchar'])
    expect(rows).toEqual([{ id: 1n, code: '007', plus: '+1', big: '12345678901234567890', exp: '1e5', nan: 'nan' }])
  })

  test('an unquoted empty value is null, a quoted one the empty string', async () => {
    const path = await suite.file('empty-values.csv', 'id,v\n1,\n2,""\n3,x\n')
    expect(column(await suite.read(path), 'v')).toEqual([null, '', 'x'])
  })

  test('null texts mean null, quoted or not', async () => {
    const path = await suite.file('nulls.csv', 'id,v\n1,NA\n2,"NA"\n3,-\n4,""\n5,7\n')
    const read = await suite.read(path, { nullText: ['NA', '-', ''] })
    expect(read.columns).toEqual(['id bigint', 'v bigint'])
    expect(column(read, 'v')).toEqual([null, null, null, null, 7n])
  })

  test('a header of one column that holds another delimiter is an error that suggests it', async () => {
    for (const [delimiter, shown] of [
      [';', ';'],
      ['|', '|'],
      ['\t', '\\t'],
    ] as const) {
      const path = await suite.file('delimiter.csv', `id${delimiter}v\n1${delimiter}a\n`)
      const error = await failure(suite.read(path))
      expect(error.code).toBe('invalid')
      expect(error.fix).toContain(`--delimiter '${shown}'`)
      expect((await suite.read(path, { delimiter })).rows).toEqual([{ id: 1n, v: 'a' }])
    }
  })

  test('.tsv is separated by tabs', async () => {
    const path = await suite.file('a.tsv', 'id\tv\n1\ta,b\n')
    expect((await suite.read(path)).rows).toEqual([{ id: 1n, v: 'a,b' }])
  })

  test('a byte-order mark is dropped', async () => {
    const path = await suite.file('bom.csv', '\ufeffid,v\n1,a\n')
    expect((await suite.read(path)).rows).toEqual([{ id: 1n, v: 'a' }])
  })

  test('line breaks within quotes stay as they are', async () => {
    const path = await suite.file('breaks.csv', 'id,v\n1,"a\r\nb\nc"\n2,"say ""hi"""\n')
    expect(column(await suite.read(path), 'v')).toEqual(['a\r\nb\nc', 'say "hi"'])
  })

  test('--header names columns that have none, --skip-rows passes over lines, --escape and --quote say how', async () => {
    const path = await suite.file('layout.csv', "made by x\n\n1,'it\\'s'\n")
    const read = await suite.read(path, { header: ['id', 'v'], skipRows: 2, quote: "'", escape: '\\' })
    expect(read.rows).toEqual([{ id: 1n, v: "it's" }])
  })

  test('columns named like the engine’s own are just columns', async () => {
    const path = await suite.file('virtual.csv', 'filename,file_row_number,rowid,"a b;c{}=","q""q"\n1,2,3,4,5\n')
    const { rows } = await suite.read(path)
    expect(rows).toEqual([{ filename: 1n, file_row_number: 2n, rowid: 3n, 'a b;c{}=': 4n, 'q"q': 5n }])
  })
})

describe('refused with the row', () => {
  const wrong: [claim: string, content: string | Uint8Array, message: RegExp][] = [
    ['a row with more values', 'id,v\n1,a\n2,b,c\n', /the row has 3 values, the header 2.*row=`2`/],
    [
      'a row with fewer values, after a value with line breaks',
      'id,v\n1,"a\nb\nc"\n2\n',
      /has 1 values, the header 2.*row=`2`/,
    ],
    ['a quote that does not close', 'id,v\n1,a\n2,"b\n3,c\n', /a quote that does not close.*row=`2`/],
    ['text after a closing quote', 'id,v\n1,a\n2,"b"c\n', /text after a closing quote.*row=`2`/],
    ['bytes that are not UTF-8', Buffer.from('id,v\n1,a\n2,caf\xe9\n', 'latin1'), /the bytes are not UTF-8.*row=`2`/],
    [
      'line breaks that change',
      'id,v\r\n1,a\r\n2,b\n3,c\r\n',
      /the line ends with LF, those before with CRLF.*row=`2`/,
    ],
    ['an empty column name', 'id,,v\n1,2,3\n', /column 2 has no name/],
    ['a repeated column name', 'id,v,id\n1,2,3\n', /column name `id` is repeated/],
    ['column names that differ in case only', 'id,ID\n1,2\n', /differ in case only/],
  ]
  test.each(wrong)('%s', async (_, content, message) => {
    const path = await suite.file('wrong.csv', content)
    const error = await failure(suite.read(path))
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(message)
    expect(error.message).toContain('wrong.csv')
    expect(error.fix).toBeTruthy()
  })

  test('the row is counted behind skipped lines too', async () => {
    const path = await suite.file('skipped.csv', 'x\ny\nid,v\n1,a\n2,b,c\n')
    expect((await failure(suite.read(path, { skipRows: 2 }))).message).toContain('row=`2`')
  })

  test('the file at fault is named among several', async () => {
    const good = await suite.file('good.csv', 'id,v\n1,a\n')
    const bad = await suite.file('bad.csv', 'id,v\n1,a\n2\n')
    expect((await failure(suite.read([good, bad]))).message).toContain('bad.csv')
  })
})

describe('compressed and encoded', () => {
  const text = `id,v\n${Array.from({ length: 50_000 }, (_, i) => `${i},${(i * 7919) % 1_000_003}`).join('\n')}\n`

  test('gzip is read, members one after the other too', async () => {
    const two = Buffer.concat([gzipSync(text.slice(0, 5000)), gzipSync(text.slice(5000))])
    const { rows } = await suite.read(await suite.file('two.csv.gz', two))
    expect(rows).toHaveLength(50_000)
  })

  test('a gzip file that is cut short or damaged is an error, wherever', async () => {
    const whole = gzipSync(text)
    const flipped = Buffer.from(whole)
    flipped[whole.length - 6] = (flipped[whole.length - 6] ?? 0) ^ 1
    for (const bytes of [...[2, 4, 8, 9, 20_000].map((cut) => whole.subarray(0, -cut)), flipped]) {
      const error = await failure(suite.read(await suite.file('cut.csv.gz', bytes)))
      expect(error.message).toMatch(/gzip file is cut short or damaged.*cut\.csv\.gz/)
    }
  })

  test('a zstd file is read, and one that is cut short at any byte is an error', async () => {
    const plain = await suite.file('z.csv', text)
    const packed = `${suite.folder}/z.csv.zst`
    await suite.engine.run(`COPY (FROM read_csv('${plain}')) TO '${packed}' (FORMAT csv, COMPRESSION zstd)`)
    expect((await suite.read(packed)).rows).toHaveLength(50_000)
    const { readFile } = await import('node:fs/promises')
    const whole = await readFile(packed)
    for (const cut of [1, 2, 3, 4, 100, 10_000, whole.length >> 1, whole.length - 3, whole.length]) {
      const error = await failure(suite.read(await suite.file('cut.csv.zst', whole.subarray(0, whole.length - cut))))
      expect(error.message).toMatch(/zstd file is cut short or damaged/)
    }
  })

  test('other encodings are read when they are said, and refused when bytes are not theirs', async () => {
    const latin = await suite.file('latin.csv', Buffer.from('id,v\n1,caf\xe9 \x80\n', 'latin1'))
    expect((await suite.read(latin, { encoding: 'windows-1252' })).rows).toEqual([{ id: 1n, v: 'café €' }])
    const utf16 = await suite.file('utf16.csv', Buffer.from('\ufeffid,v\n1,日本\n', 'utf16le'))
    expect((await suite.read(utf16, { encoding: 'utf-16le' })).rows).toEqual([{ id: 1n, v: '日本' }])
    const odd = await suite.file('odd.csv', Buffer.from('id,v\n1,\xff\xff\n', 'latin1'))
    expect((await failure(suite.read(odd, { encoding: 'shift_jis' }))).message).toMatch(
      /not text of this encoding.*afterLine/,
    )
    expect((await failure(suite.read(odd, { encoding: 'klingon' }))).message).toMatch(/encoding is not known/)
  })
})

describe('several files', () => {
  test('are united by name, whatever their order and case; a missing column is null', async () => {
    const a = await suite.file('u1.csv', 'id,City\n1,Rome\n')
    const b = await suite.file('u2.csv', 'extra,CITY,ID\nx,Paris,2\n')
    const { columns, rows } = await suite.read([a, b])
    expect(columns).toEqual(['id bigint', 'City varchar', 'extra varchar'])
    expect(rows).toEqual([
      { id: 1n, City: 'Rome', extra: null },
      { id: 2n, City: 'Paris', extra: 'x' },
    ])
  })

  test('an empty file and one with only a header have no rows', async () => {
    const empty = await suite.file('nothing.csv', '')
    const header = await suite.file('header.csv', 'id,v\n')
    const { columns, rows } = await suite.read([empty, header])
    expect({ columns, rows }).toEqual({ columns: ['id varchar', 'v varchar'], rows: [] })
    expect((await failure(suite.read(empty))).message).toMatch(/no rows and no columns/)
  })

  test('each may have its own delimiter', async () => {
    const a = await suite.file('d1.csv', 'id,v\n1,a\n')
    const b = await suite.file('d2.txt', 'id;v\n2;b\n')
    const { rows } = await suite.read([a, csv(b, { delimiter: ';' })])
    expect(rows).toEqual([
      { id: 1n, v: 'a' },
      { id: 2n, v: 'b' },
    ])
  })

  test('a name with pattern characters is that file alone', async () => {
    await suite.file('p1.csv', 'id\n99\n')
    const path = await suite.file('p[1].csv', 'id\n1\n')
    expect((await suite.read(path)).rows).toEqual([{ id: 1n }])
  })
})

describe('read in parallel', () => {
  test('a large file whose quoted values look like rows is read as it is, and a bad row in it is found', async () => {
    const lines: string[] = []
    for (let i = 0; i < 400_000; i++) lines.push(`${i},"a${'\n1,"",x'.repeat(i % 37)}\r\n,b",""`)
    const path = await suite.file('looks-like-rows.csv', `id,v,w\n${lines.join('\n')}\n`)
    const context = { derive: { n: 'length(v)' }, types: { id: 'integer' } }
    const { rows } = await suite.read(path, context)
    expect(rows).toHaveLength(400_000)
    expect(rows.every(({ id, n }) => Number(n) === 5 + 6 * (Number(id) % 37))).toBe(true)
    const bad = await suite.file('bad-row.csv', `id,v,w\n${lines.join('\n')}\n1,2\n`)
    expect((await failure(suite.read(bad, context))).details).toMatchObject({ row: 400_001 })
  })
})
