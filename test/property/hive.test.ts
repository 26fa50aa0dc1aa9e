/** Hive folders: what is written comes back, and exactly the listed characters are escaped. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeHive, hiveSegment, parseHivePath, unescapeHive } from '../../src/partition/hive.js'
import { assertPartitionValue, longestFolderBytes, partitionId, partitionPath } from '../../src/partition/spec.js'
import { seeded } from './seed.js'

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'%/="#\'*:?\\{}[]^ +&.é日'),
    fc.constantFrom('%2F', '%25', '%zz', '%'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 30,
})
const column = fc.string({ unit: fc.constantFrom(...'abcd =/%é"'), minLength: 1, maxLength: 8 })

test('a text comes back from its folder', () => {
  fc.assert(
    fc.property(text, (value) => {
      expect(unescapeHive(escapeHive(value))).toBe(value)
    }),
    seeded({ numRuns: 5000 }),
  )
})

test('exactly the characters of Hive’s list are escaped, as upper-case %XX', () => {
  const listed = new Set('"#%\'*/:=?\\{[]^')
  for (let code = 1; code < 0x3000; code++) {
    const char = String.fromCharCode(code)
    const expected = code < 0x20 || code === 0x7f || listed.has(char)
    expect(escapeHive(char)).toBe(expected ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : char)
  }
})

test('two partitions have one folder only if they are the same, and so with ids', () => {
  const values = fc.record({ a: fc.option(text.filter((t) => t !== '')), b: fc.option(text.filter((t) => t !== '')) })
  const proper = (v: { a: string | null; b: string | null }) =>
    ![v.a, v.b].some((t) => t !== null && /^__hive_default_partition__$/i.test(t))
  fc.assert(
    fc.property(values.filter(proper), values.filter(proper), (p, q) => {
      const same = p.a === q.a && p.b === q.b
      expect(partitionPath(p, ['a', 'b']) === partitionPath(q, ['a', 'b'])).toBe(same)
      expect(partitionId(p, ['a', 'b']) === partitionId(q, ['a', 'b'])).toBe(same)
    }),
    seeded({ numRuns: 3000 }),
  )
})

test('the values of a path come back from it, when somebody loads from our folders', () => {
  const record = fc.dictionary(column, fc.option(text.filter((t) => t !== '__HIVE_DEFAULT_PARTITION__')), {
    maxKeys: 4,
  })
  fc.assert(
    fc.property(record, (values) => {
      const own = Object.fromEntries(Object.entries(values))
      const path = `/data/${Object.entries(own)
        .map(([name, value]) => `${hiveSegment(name, value)}/`)
        .join('')}f=1.csv`
      expect(parseHivePath(path)).toEqual(own)
    }),
    seeded({ numRuns: 2000 }),
  )
})

test('folders of other writers are understood: bytes of UTF-8, spaces, lower case', () => {
  expect(parseHivePath('in/r=%C3%A9%20%c3%bc/d=a%2fb/x.parquet')).toEqual({ r: 'é ü', d: 'a/b' })
  expect(parseHivePath('in/r=50%/d=%FF/x.parquet')).toEqual({ r: '50%', d: '%FF' })
  expect(parseHivePath('x=1.csv')).toEqual({})
  expect(() => parseHivePath('a=1/A/a=2/f')).toThrow('two values')
})

test('a value is refused exactly when readers cannot tell it from null or no folder can be named so', () => {
  for (const value of [
    '',
    'NULL',
    'null',
    'Null',
    '__HIVE_DEFAULT_PARTITION__',
    '__hive_default_partition__',
    'a\0',
    '\ud800',
  ])
    expect(() => assertPartitionValue('region', value), value).toThrow('region')
  for (const value of [
    null,
    'n',
    'nul',
    ' ',
    '..',
    '.',
    '\t',
    '\n',
    '\u0001',
    'é',
    'NULL ',
    '__HIVE_DEFAULT_PARTITION_',
  ])
    expect(() => assertPartitionValue('region', value), String(value)).not.toThrow()
})

test('a folder name of 255 bytes is the longest, counted after escaping', () => {
  const room = longestFolderBytes - 'region='.length
  expect(() => assertPartitionValue('region', 'x'.repeat(room))).not.toThrow()
  expect(() => assertPartitionValue('region', 'x'.repeat(room + 1))).toThrow('256 bytes')
  expect(() => assertPartitionValue('region', '/'.repeat(82))).not.toThrow()
  expect(() => assertPartitionValue('region', '/'.repeat(83))).toThrow('256 bytes')
  expect(() => assertPartitionValue('region', '日'.repeat(83))).toThrow('256 bytes')
})
