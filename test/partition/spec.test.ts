/** How a table may be divided, and what its partitions are called. */
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import { parsePartitionBy, partitionId, partitionPath, resolvePartitionBy } from '../../src/partition/spec.js'
import { parseType } from '../../src/schema/names.js'
import type { Schema } from '../../src/schema/types.js'

const schema: Schema = Object.entries({
  id: 'bigint',
  dt: 'date',
  'a,"b': 'varchar',
  tags: 'varchar[]',
  raw: 'blob',
  x: 'double',
}).map(([name, type]) => ({ name, type: parseType(type), nullable: true }))
const refusal = (run: () => unknown): LakeError => {
  try {
    run()
  } catch (error) {
    if (error instanceof LakeError) return error
    throw error
  }
  throw new Error('was not refused')
}

test('a list of columns is read, names with commas and quotes in double quotes', () => {
  expect(parsePartitionBy('dt')).toEqual(['dt'])
  expect(parsePartitionBy(' dt , region')).toEqual(['dt', 'region'])
  expect(parsePartitionBy('"a,""b",dt')).toEqual(['a,"b', 'dt'])
  expect(parsePartitionBy('sp ace, é')).toEqual(['sp ace', 'é'])
  for (const text of ['', ' ', 'dt,', ',dt', 'dt,,x', '"', '""', 'a"b', '"a" b'])
    expect([text, refusal(() => parsePartitionBy(text)).code]).toEqual([text, 'invalid'])
})

test('columns are resolved to the schema’s spelling', () => {
  expect(resolvePartitionBy(['DT', 'a,"B'], schema)).toEqual(['dt', 'a,"b'])
  expect(resolvePartitionBy([], schema)).toEqual([])
  expect(resolvePartitionBy(['x'], schema)).toEqual(['x'])
})

test('a column that cannot divide a table is refused, with what to do', () => {
  expect(refusal(() => resolvePartitionBy(['dtt'], schema)).fix).toContain('`dt`')
  expect(refusal(() => resolvePartitionBy(['tags'], schema)).message).toContain('varchar[]')
  expect(refusal(() => resolvePartitionBy(['raw'], schema)).message).toContain('blob')
  expect(refusal(() => resolvePartitionBy(['dt', 'Dt'], schema)).message).toContain('twice')
  expect(refusal(() => resolvePartitionBy(['id', 'dt'], schema.slice(0, 2))).message).toContain('every column')
})

test('a partition is called by its folders, in the order of the columns', () => {
  const values = { dt: '2026-11-20', region: 'US/East' }
  expect(partitionPath(values, ['dt', 'region'])).toBe('dt=2026-11-20/region=US%2FEast')
  expect(partitionPath(values, ['region', 'dt'])).toBe('region=US%2FEast/dt=2026-11-20')
  expect(partitionPath({ dt: null }, ['dt'])).toBe('dt=__HIVE_DEFAULT_PARTITION__')
  expect(partitionPath({ 'a/b': '..' }, ['a/b'])).toBe('a%2Fb=..')
  expect(partitionPath({}, [])).toBe('')
})

test('ids tell null from text, and with a schema know another writer’s spelling of the same value', () => {
  expect(partitionId({ a: null }, ['a'])).not.toBe(partitionId({ a: 'null' }, ['a']))
  // By the protocol the empty text is null.
  expect(partitionId({ a: '' }, ['a'])).toBe(partitionId({ a: null }, ['a']))
  expect(partitionId({}, ['constructor'])).toBe(partitionId({ constructor: null }, ['constructor']))
  const at: Schema = [{ name: 'at', type: { kind: 'timestamp' }, nullable: true }]
  expect(partitionId({ at: '2026-11-20T10:00:00.000000Z' }, ['at'], at)).toBe(
    partitionId({ at: '2026-11-20 10:00:00' }, ['at'], at),
  )
})
