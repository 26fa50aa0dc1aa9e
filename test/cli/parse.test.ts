import { describe, expect, it } from 'vitest'
import { parseBytes, parseDelimiter, parseList, parsePairs, parseWhole } from '../../src/cli/parse.js'
import { parseAssignments } from '../../src/cli/set.js'
import { isLakeError } from '../../src/errors.js'

const types = (text: string) => Object.fromEntries(parsePairs('--types', text, 'type'))
const set = (text: string) => Object.fromEntries(parsePairs('--set', text, 'plain'))
const derive = (text: string) => Object.fromEntries(parsePairs('--derive', text, 'expression'))

describe('a list of names', () => {
  it.each([
    ['a', ['a']],
    ['a,b, c ', ['a', 'b', 'c']],
    ['"a,b",c', ['a,b', 'c']],
    ['"say ""hi""",x', ['say "hi"', 'x']],
    ['5" pipe,d', ['5" pipe', 'd']],
    ['total (net),città', ['total (net)', 'città']],
  ])('%s', (text, names) => {
    expect(parseList('--header', text)).toEqual(names)
  })

  it.each(['', 'a,,b', 'a,', '"a', '"a"b'])('refuses %j, naming the flag and a fix', (text) => {
    expectInvalid(() => parseList('--header', text), '--header')
  })
})

describe('types', () => {
  it('keep the commas inside brackets', () => {
    expect(types('a=decimal(12,2),*=varchar')).toEqual({ a: 'decimal(12,2)', '*': 'varchar' })
  })

  it('keep brackets in brackets and quoted names', () => {
    expect(types('"a,b"=struct(x int, "y,z" varchar(3)) , m = map(int, int)')).toEqual({
      'a,b': 'struct(x int, "y,z" varchar(3))',
      m: 'map(int, int)',
    })
  })

  it.each(['a', 'a=', '=int', 'a=decimal(12', 'a=int)', 'a=int,a=varchar', ''])('refuses %j', (text) => {
    expectInvalid(() => types(text), '--types')
  })

  it('take a column called __proto__ for a column', () => {
    expect([...parsePairs('--types', '__proto__=int', 'type')]).toEqual([['__proto__', 'int']])
  })
})

describe('constants', () => {
  it.each([
    ['dt=2026-11-20', { dt: '2026-11-20' }],
    ["name=O'Neill,x=1", { name: "O'Neill", x: '1' }],
    ['a="x, y",b=c=d', { a: 'x, y', b: 'c=d' }],
    ['a=,b=""', { a: '', b: '' }],
    ['a=(', { a: '(' }],
    ['"k=v"=1', { 'k=v': '1' }],
  ])('%s', (text, expected) => {
    expect(set(text)).toEqual(expected)
  })

  it('tells how to quote a value with a comma', () => {
    expectInvalid(() => set('a=x, y'), 'quote')
  })
})

describe('expressions', () => {
  it.each([
    ['dt=date(created_at)', { dt: 'date(created_at)' }],
    ["x=concat(a, ',', b),y=a || ','", { x: "concat(a, ',', b)", y: "a || ','" }],
    ['late=a >= 3', { late: 'a >= 3' }],
    ["q='it''s, so'", { q: "'it''s, so'" }],
    ['c="a,b" + 1,d=[1, 2][1]', { c: '"a,b" + 1', d: '[1, 2][1]' }],
    ["p=')'", { p: "')'" }],
  ])('%s', (text, expected) => {
    expect(derive(text)).toEqual(expected)
  })

  it.each(["a='x", 'a=f(x', 'a=f)x('])('refuses %j', (text) => {
    expectInvalid(() => derive(text), '--derive')
  })
})

describe('numbers and characters', () => {
  it.each([
    ['1000', 1000],
    ['128MiB', 128 * 1024 * 1024],
    ['0.5GB', 500_000_000],
    ['64 kb', 64_000],
  ])('%s is %i bytes', (text, expected) => {
    expect(parseBytes('--target-file-bytes', text)).toBe(expected)
  })

  it.each(['', 'MB', '-1', '1e9', '1 2'])('%j is no size', (text) => {
    expectInvalid(() => parseBytes('--target-file-bytes', text), '--target-file-bytes')
  })

  it('a whole number is digits, from the least on', () => {
    expect(parseWhole('--threads', '4', 1)).toBe(4)
    for (const text of ['0', '-1', '1.5', '1e3', '', 'x', '0x10']) {
      expectInvalid(() => parseWhole('--threads', text, 1), '--threads')
    }
  })

  it('a tab can be typed', () => {
    expect(['\\t', 'tab', '\t', ';'].map(parseDelimiter)).toEqual(['\t', '\t', '\t', ';'])
  })
})

describe('settings of a table', () => {
  it('are split at the first =', () => {
    expect(parseAssignments(['key=id,region', 'a=b=c', 'empty='])).toEqual({ key: 'id,region', a: 'b=c', empty: '' })
  })

  it.each([[['key']], [['=x']], [['a=1', 'a=2']]])('refuses %j', (texts) => {
    expectInvalid(() => parseAssignments(texts), texts[0]?.[0] ?? '')
  })
})

function expectInvalid(work: () => unknown, mention: string): void {
  let caught: unknown
  try {
    work()
  } catch (error) {
    caught = error
  }
  if (!isLakeError(caught, 'invalid')) throw new Error(`not refused as invalid: ${String(caught)}`)
  expect(`${caught.message} ${caught.fix}`).toContain(mention)
  expect(caught.fix).toBeTruthy()
}
