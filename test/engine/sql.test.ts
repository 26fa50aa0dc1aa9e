import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDuckDB } from '../../src/engine/duckdb.js'
import type { Engine } from '../../src/engine/port.js'
import { identList, type LiteralValue, literal, quoteIdent, quotePath } from '../../src/engine/sql.js'
import { spillFolder } from './spill.js'

let engine: Engine
beforeAll(async () => {
  engine = await openDuckDB({ memory: '500MB', threads: 1, spillFolder: await spillFolder() })
})
afterAll(() => engine.close())

const texts = [
  '',
  "it's",
  '"',
  "''",
  'a\\b',
  'a\nb',
  '日本語 é 😀',
  '$1 $$ $tag$',
  '%s',
  '--x',
  'a\0b',
  '; drop table t',
]

describe('SQL that is composed means what went in', () => {
  test('text', async () => {
    for (const text of texts) expect(await engine.rows(`SELECT ${literal(text)} AS x`)).toEqual([{ x: text }])
  })

  test('names, and lists of them', async () => {
    const names = texts.filter((text) => text !== '' && !text.includes('\0'))
    const columns = names.map((name, i) => `${i} AS ${quoteIdent(name)}`).join(', ')
    const [row] = await engine.rows(`SELECT ${identList(names, 'my "t"')} FROM (SELECT ${columns}) AS "my ""t"""`)
    expect(row).toEqual(Object.fromEntries(names.map((name, i) => [name, i])))
  })

  test('other values keep their type', async () => {
    const cases: [LiteralValue, unknown][] = [
      [1, 1n],
      [-1, -1n],
      [9_223_372_036_854_775_807n, 9_223_372_036_854_775_807n],
      [-9_223_372_036_854_775_808n, -9_223_372_036_854_775_808n],
      [2n ** 100n, 2n ** 100n],
      [0.1, 0.1],
      [-0, -0],
      [1e300, 1e300],
      [Number.NaN, Number.NaN],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      [true, true],
      [null, null],
      [new Date('2026-11-20T10:00:00.120Z'), '2026-11-20T10:00:00.120Z'],
      [Uint8Array.of(0, 39, 255), Uint8Array.of(0, 39, 255)],
      [
        ['a', null],
        ['a', null],
      ],
    ]
    for (const [value, expected] of cases)
      expect((await engine.rows(`SELECT ${literal(value)} AS x`))[0]?.x).toEqual(expected)
  })

  test('U+0000 is refused in names and paths, and so is an empty name', () => {
    for (const make of [() => quoteIdent('a\0'), () => quotePath('/a\0'), () => quoteIdent('')])
      expect(make).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})
