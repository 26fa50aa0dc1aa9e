import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLakeError } from '../../src/errors.js'
import type { Action, Metadata } from '../../src/manifest/actions.js'
import { removeOf } from '../../src/manifest/change.js'
import { encodeCommit } from '../../src/manifest/encode.js'
import { parseCommit } from '../../src/manifest/parse.js'
import { decodePath, encodePath } from '../../src/manifest/paths.js'
import { fromDeltaSchema, toDeltaSchema } from '../../src/schema/delta.js'
import type { Schema } from '../../src/schema/types.js'
import { creation, file, metadata, text } from './tables.js'

const parse = (lines: string) => parseCommit(Buffer.from(lines), '_delta_log/x.json')
const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return isLakeError(error) ? error.code : error
  }
  return 'nothing'
}

describe('a commit file', () => {
  const actions: Action[] = [
    {
      commitInfo: {
        timestamp: 1700000000000,
        operation: 'WRITE',
        txnId: 'abc',
        lakewright: { mode: 'append', loadId: 'n:1' },
      },
    },
    ...creation(),
    {
      add: file('é ü', 'US%2FEast', {
        partitionValues: { dt: 'US/East' },
        stats: '{"numRecords":1}',
        tags: { fp: '1' },
      }),
    },
    { remove: removeOf(file('old'), 1700000000000) },
    { txn: { appId: 'lakewright.progress:p:n:0', version: 2n ** 63n - 1n, lastUpdated: 1700000000000 } },
    { cdc: { key: '_change_data/c.parquet', partitionValues: { dt: null }, sizeBytes: 3 } },
  ]

  test('is the same bytes for the same actions', () => {
    expect(text(encodeCommit(actions))).toBe(
      [
        '{"commitInfo":{"timestamp":1700000000000,"operation":"WRITE","txnId":"abc","lakewright":{"mode":"append","loadId":"n:1"}}}',
        '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}',
        '{"metaData":{"id":"table-id","format":{"provider":"parquet","options":{}},"schemaString":"{\\"type\\":\\"struct\\",\\"fields\\":[{\\"name\\":\\"id\\",\\"type\\":\\"long\\",\\"nullable\\":true,\\"metadata\\":{}},{\\"name\\":\\"dt\\",\\"type\\":\\"string\\",\\"nullable\\":true,\\"metadata\\":{}}]}","partitionColumns":["dt"],"configuration":{"delta.enableExpiredLogCleanup":"false","lakewright.key":"[\\"id\\"]"},"createdTime":1700000000000}}',
        '{"add":{"path":"dt=US%252FEast/%C3%A9%20%C3%BC.parquet","partitionValues":{"dt":"US/East"},"size":10,"modificationTime":1,"dataChange":true,"stats":"{\\"numRecords\\":1}","tags":{"fp":"1"}}}',
        '{"remove":{"path":"dt=a/old.parquet","deletionTimestamp":1700000000000,"dataChange":true,"extendedFileMetadata":true,"partitionValues":{"dt":"a"},"size":10}}',
        '{"txn":{"appId":"lakewright.progress:p:n:0","version":9223372036854775807,"lastUpdated":1700000000000}}',
        '{"cdc":{"path":"_change_data/c.parquet","partitionValues":{"dt":null},"size":3,"dataChange":false}}',
        '',
      ].join('\n'),
    )
  })

  test('comes back as it was written', () => {
    expect(parseCommit(encodeCommit(actions), 'x')).toStrictEqual(actions)
  })

  test('of another writer: nulls are absent, unknown actions and members are ignored, those of commitInfo are kept', () => {
    const found = parse(
      [
        '{"commitInfo":{"timestamp":1,"operationMetrics":{"numFiles":2},"readVersion":3,"lakewright":"theirs"}}',
        '{"domainMetadata":{"domain":"x","configuration":"","removed":false}}',
        '{"add":{"path":"f.parquet","partitionValues":{"dt":""},"size":1,"modificationTime":2,"dataChange":true,"stats":null,"tags":null,"baseRowId":7}}',
        '',
      ].join('\n'),
    )
    expect(found).toStrictEqual([
      { commitInfo: { timestamp: 1, readVersion: 3 } },
      { add: { key: 'f.parquet', partitionValues: { dt: null }, sizeBytes: 1, modificationTime: 2, dataChange: true } },
    ])
  })

  test.each([
    ['a torn line', '{"add":{"path":"f.parq'],
    ['an add without its size', '{"add":{"path":"f","partitionValues":{},"modificationTime":2,"dataChange":true}}'],
    ['a txn beyond 64 bits', '{"txn":{"appId":"a","version":9223372036854775808}}'],
    ['a txn with a fraction', '{"txn":{"appId":"a","version":1.5}}'],
    ['a schema that is none', '{"metaData":{"id":"i","schemaString":"{}","partitionColumns":[],"configuration":{}}}'],
    [
      'a partition column that does not exist',
      '{"metaData":{"id":"i","schemaString":"{\\"type\\":\\"struct\\",\\"fields\\":[]}","partitionColumns":["x"],"configuration":{}}}',
    ],
  ])('with %s is corrupt, and the error names the line', (_, line) => {
    const run = () => parse(`{"commitInfo":{}}\n${line}`)
    expect(codeOf(run)).toBe('corrupt')
    expect(run).toThrow(/line=`2`/)
  })
})

describe('paths in the log', () => {
  test('are escaped once more over the Hive-escaped folder, and everything unusual with them', () => {
    expect(encodePath("region=a%2Fb/x y+é'(1)~.parquet")).toBe('region=a%252Fb/x%20y%2B%C3%A9%27%281%29~.parquet')
    expect(encodePath('dt=2026-11-20/a_b-1.parquet')).toBe('dt=2026-11-20/a_b-1.parquet')
  })

  test('come back as the key they were made from, whatever its characters', () => {
    const segment = fc
      .string({ unit: 'binary', minLength: 1 })
      .filter((s) => !/[/\0]/.test(s) && s !== '.' && s !== '..')
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 3 }), (parts) => {
        const path = encodePath(parts.join('/'))
        expect(path).toMatch(/^[A-Za-z0-9\-._~/=%]+$/)
        expect(decodePath(path)).toBe(parts.join('/'))
      }),
    )
  })

  test.each(['s3://other/f.parquet', 'file:/f.parquet', '/f.parquet', '/../f'])(
    '%s lies outside: unsupported',
    (path) => {
      expect(codeOf(() => decodePath(path))).toBe('unsupported')
    },
  )

  test.each(['../f', 'a/../../f', 'a/%2E%2E/f', 'a%2F..%2F..%2Ff', '', 'a//b', 'a/%00', '%E0%A4%A', 'a/%FF'])(
    '%s leaves the root or is no path: corrupt',
    (path) => {
      expect(codeOf(() => decodePath(path))).toBe('corrupt')
    },
  )
})

describe("Delta's schema", () => {
  const all: Schema = [
    { name: 'a', type: { kind: 'tinyint' }, nullable: true, metadata: { comment: 'x', n: 1 } },
    { name: 'b', type: { kind: 'decimal', precision: 38, scale: 18 }, nullable: false },
    {
      name: 'c',
      type: {
        kind: 'list',
        element: { kind: 'struct', fields: [{ name: 'x y', type: { kind: 'blob' }, nullable: true }] },
      },
      nullable: true,
    },
    {
      name: 'd',
      type: { kind: 'map', key: { kind: 'varchar' }, value: { kind: 'timestamp' }, valueNullable: false },
      nullable: true,
    },
    ...(['boolean', 'smallint', 'integer', 'bigint', 'float', 'double', 'date'] as const).map((kind) => ({
      name: kind,
      type: { kind },
      nullable: true,
    })),
  ]

  test('holds every type of ours, and gives it back', () => {
    expect(fromDeltaSchema(JSON.parse(JSON.stringify(toDeltaSchema(all))))).toStrictEqual(all)
  })

  test.each(['timestamp_ntz', 'variant', 'void', 'interval day'])(
    'with %s is unsupported, and the error names the column',
    (type) => {
      const schema = {
        type: 'struct',
        fields: [
          {
            name: 's',
            type: { type: 'struct', fields: [{ name: 'deep', type, nullable: true, metadata: {} }] },
            nullable: true,
            metadata: {},
          },
        ],
      }
      expect(codeOf(() => fromDeltaSchema(schema))).toBe('unsupported')
      expect(() => fromDeltaSchema(schema)).toThrow(/s\.deep/)
    },
  )

  test('with two columns of one name, whatever their case, is corrupt', () => {
    const field = (name: string) => ({ name, type: 'long', nullable: true, metadata: {} })
    expect(codeOf(() => fromDeltaSchema({ type: 'struct', fields: [field('a'), field('A')] }))).toBe('corrupt')
  })

  test('keeps what it does not understand of the metadata through a restated metaData', () => {
    const restated: Metadata = { ...metadata, schema: all, partitionBy: [], name: 'n', description: 'd' }
    expect(parseCommit(encodeCommit([{ metaData: restated }]), 'x')).toStrictEqual([{ metaData: restated }])
  })
})
