import { describe, expect, test } from 'vitest'
import { isLakeError } from '../../src/errors.js'
import type { Protocol, Snapshot } from '../../src/manifest/actions.js'
import { createTable, keyOf, newMetadata, plainProtocol } from '../../src/manifest/create.js'
import {
  assertAdvances,
  assertLoadId,
  findLoad,
  findProgress,
  loadAppId,
  progressAppId,
  undoneAppId,
} from '../../src/manifest/progress.js'
import { assertReadable, assertWritable } from '../../src/manifest/protocol.js'
import { file, metadata, schema } from './tables.js'

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return isLakeError(error) ? error.code : error
  }
  return undefined
}

function table(
  protocol: Partial<Protocol>,
  more: { configuration?: Record<string, string>; field?: Record<string, unknown>; deletionVector?: boolean } = {},
): Snapshot {
  const first = schema[0]
  if (first === undefined) throw new Error('a schema has columns')
  const fields = more.field === undefined ? schema : [{ ...first, metadata: more.field }, ...schema.slice(1)]
  const one = file('1', 'a', more.deletionVector ? { deletionVector: { storageType: 'u' } } : {})
  return {
    version: 1,
    timestamp: 1,
    protocol: { minReaderVersion: 1, minWriterVersion: 2, ...protocol },
    metadata: { ...metadata, schema: fields, configuration: more.configuration ?? {} },
    files: new Map([[one.key, one]]),
    txns: new Map(),
  }
}
const features = (...names: string[]) => ({
  minReaderVersion: 3,
  minWriterVersion: 7,
  readerFeatures: names,
  writerFeatures: names,
})
const writerFeatures = (...names: string[]) => ({ minWriterVersion: 7, writerFeatures: names })
const can = (snapshot: Snapshot) =>
  [
    codeOf(() => assertReadable(snapshot)) ?? 'reads',
    codeOf(() => assertWritable(snapshot, 'append')) ?? 'writes',
  ].join(' ')

describe('what tables may ask of us', () => {
  test.each([
    ['reader 1, writer 2', table({}), 'reads writes'],
    ['writer 4 with nothing used', table({ minWriterVersion: 4 }), 'reads writes'],
    ['writer 6 with nothing used', table({ minReaderVersion: 2, minWriterVersion: 6 }), 'reads writes'],
    [
      'the change feed',
      table(writerFeatures('appendOnly', 'invariants', 'changeDataFeed'), {
        configuration: { 'delta.enableChangeDataFeed': 'true' },
      }),
      'reads writes',
    ],
    ['reader 4', table({ minReaderVersion: 4 }), 'unsupported unsupported'],
    ['writer 8', table({ minWriterVersion: 8 }), 'reads unsupported'],
    [
      'column mapping by name',
      table({ minReaderVersion: 2, minWriterVersion: 5 }, { configuration: { 'delta.columnMapping.mode': 'name' } }),
      'unsupported unsupported',
    ],
    [
      'column mapping none',
      table(features('columnMapping'), { configuration: { 'delta.columnMapping.mode': 'none' } }),
      'reads writes',
    ],
    ['deletion vectors that no file has', table(features('deletionVectors')), 'reads writes'],
    [
      'a file with a deletion vector',
      table(features('deletionVectors'), { deletionVector: true }),
      'unsupported unsupported',
    ],
    ['an unknown reader feature', table(features('catalogManaged')), 'unsupported unsupported'],
    ['an unknown writer feature', table(writerFeatures('fromTheFuture')), 'reads unsupported'],
    ['row tracking', table(writerFeatures('rowTracking', 'domainMetadata')), 'reads unsupported'],
    ['v2 checkpoints', table(features('v2Checkpoint')), 'reads writes'],
    ['timestamps without a zone that no column has', table(features('timestampNtz')), 'reads writes'],
    [
      'a widened column',
      table(features('typeWidening'), { field: { 'delta.typeChanges': [] } }),
      'unsupported unsupported',
    ],
    ['an invariant', table({}, { field: { 'delta.invariants': '{}' } }), 'reads unsupported'],
    [
      'a CHECK constraint',
      table({ minWriterVersion: 3 }, { configuration: { 'delta.constraints.positive': 'id > 0' } }),
      'reads unsupported',
    ],
    [
      'a generated column',
      table({ minWriterVersion: 4 }, { field: { 'delta.generationExpression': 'x' } }),
      'reads unsupported',
    ],
    [
      'an identity column',
      table({ minWriterVersion: 6 }, { field: { 'delta.identity.start': 1 } }),
      'reads unsupported',
    ],
    [
      'in-commit timestamps that are on',
      table(writerFeatures('inCommitTimestamp'), { configuration: { 'delta.enableInCommitTimestamps': 'true' } }),
      'reads unsupported',
    ],
    ['in-commit timestamps that are off', table(writerFeatures('inCommitTimestamp')), 'reads writes'],
  ])('%s', (_, snapshot, expected) => {
    expect(can(snapshot)).toBe(expected)
  })

  test('the error names the features', () => {
    expect(() =>
      assertWritable(table(writerFeatures('rowTracking', 'appendOnly', 'domainMetadata')), 'append'),
    ).toThrow(/rowTracking, domainMetadata/)
  })

  test('an append-only table takes appends and compactions, and nothing that removes rows', () => {
    const only = table({}, { configuration: { 'delta.appendOnly': 'true' } })
    const modes = ['append', 'compact', 'replace', 'overwrite', 'merge', 'delete', 'restore']
    expect(modes.map((mode) => codeOf(() => assertWritable(only, mode)))).toStrictEqual([
      undefined,
      undefined,
      ...Array(5).fill('invalid'),
    ])
  })
})

describe('a new table', () => {
  test('is plain, keeps its log, and remembers its key', () => {
    const table = { schema, partitionBy: ['dt'], key: ['id', 'a "b"'] }
    expect(createTable(table, { uuid: () => 'u' }, 5)).toStrictEqual([
      { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
      {
        metaData: {
          id: 'u',
          schema,
          partitionBy: ['dt'],
          configuration: { 'delta.enableExpiredLogCleanup': 'false', 'lakewright.key': '["id","a \\"b\\""]' },
          createdTime: 5,
        },
      },
    ])
    expect(keyOf(newMetadata(table, 'u', 5))).toStrictEqual(['id', 'a "b"'])
    expect(keyOf({ configuration: {} })).toStrictEqual([])
    expect(codeOf(() => keyOf({ configuration: { 'lakewright.key': 'id' } }))).toBe('corrupt')
  })

  test('with a change feed has the writer version that others accept', () => {
    expect(plainProtocol(true)).toStrictEqual(writerFeatures7())
    expect(newMetadata({ schema, partitionBy: [], key: [], changeFeed: true }, 'u', 5).configuration).toMatchObject({
      'delta.enableChangeDataFeed': 'true',
    })
  })
})

describe('names of progress', () => {
  const txns = (...entries: [string, bigint][]) =>
    new Map(entries.map(([appId, version]) => [appId, { appId, version }]))
  const name = { id: 'a:b', algorithm: 'sha256', digest: 'd' }

  test('a load id may hold colons and is found by all of it', () => {
    const map = txns([loadAppId(name), 4n])
    expect(findLoad(map, 'a:b')).toStrictEqual({ ...name, version: 4 })
    expect(findLoad(map, 'b')).toBeUndefined()
  })

  test('a load id that a restore undid is not found, a later one is', () => {
    const undone = undoneAppId(6)
    expect(findLoad(txns([loadAppId(name), 5n], [undone, 4n]), 'a:b')).toBeUndefined()
    expect(findLoad(txns([loadAppId(name), 6n], [undone, 4n]), 'a:b')).toBeUndefined()
    expect(findLoad(txns([loadAppId(name), 4n], [undone, 4n]), 'a:b')?.version).toBe(4)
    expect(findLoad(txns([loadAppId(name), 7n], [undone, 4n]), 'a:b')?.version).toBe(7)
  })

  test.each(['', 'a b', 'ü', 'a/b', 'x'.repeat(201)])('%j is no load id', (id) => {
    expect(codeOf(() => assertLoadId(id))).toBe('invalid')
  })

  test.each(['..', 'CON', 'A', 'n:2026-11-20', 'x'.repeat(200)])('%j is a load id', (id) => {
    expect(codeOf(() => assertLoadId(id))).toBeUndefined()
  })

  test('the newest generation of a progress name counts, by number', () => {
    const [old, young] = [progressAppId('p:1', 'n', 9), progressAppId('p:1', 'n', 10)]
    expect(findProgress(txns([young, 3n], [old, 99n], [progressAppId('p', '1:n', 11), 1n]), 'p:1', 'n')).toStrictEqual({
      appId: young,
      generation: 10,
      version: 3n,
    })
    expect(findProgress(txns(), 'p', 'n')).toBeUndefined()
  })

  test('a value never decreases and has 64 bits', () => {
    const map = txns(['a', 5n])
    const advance = (version: bigint) => codeOf(() => assertAdvances(map, { appId: 'a', version }))
    expect([advance(5n), advance(2n ** 63n - 1n), advance(4n), advance(2n ** 63n)]).toStrictEqual([
      undefined,
      undefined,
      'invalid',
      'invalid',
    ])
  })
})

function writerFeatures7(): Protocol {
  return { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['appendOnly', 'invariants', 'changeDataFeed'] }
}
