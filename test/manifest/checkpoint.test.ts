import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLakeError } from '../../src/errors.js'
import type { Action, Snapshot } from '../../src/manifest/actions.js'
import { applyActions, removeOf } from '../../src/manifest/change.js'
import { checkpointIfDue, writeCheckpoint } from '../../src/manifest/checkpoint.js'
import { schemaString } from '../../src/manifest/encode.js'
import { readSnapshot } from '../../src/manifest/log.js'
import { checkpointKey, lastCheckpointKey, logKey } from '../../src/store/keys.js'
import type { Store } from '../../src/store/port.js'
import { appending, committed, creation, file, memory, metadata, namesOf, replacing, tableOf, text } from './tables.js'

/** What a checkpoint does not keep: whether an add changed data, which says nothing about the table. */
function state({ files, tombstones, txns, ...rest }: Snapshot) {
  const plainFiles = [...files.values()].map((add) => ({ ...add, dataChange: false }))
  const removes = [...(tombstones?.values() ?? [])].map((remove) => ({ ...remove, dataChange: false }))
  const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1)
  return { ...rest, files: plainFiles.sort(byKey), removes: removes.sort(byKey), txns: new Map([...txns].sort()) }
}

/** The snapshot as it comes back when only the checkpoint is left of the log. */
async function throughCheckpoint(snapshot: Snapshot, store = memory()): Promise<Snapshot | undefined> {
  expect(await writeCheckpoint(store, snapshot)).toBe('written')
  return readSnapshot(store)
}

describe('a checkpoint', () => {
  test('equals the replay of the commits it stands for', async () => {
    const dt = fc.option(fc.string({ unit: 'grapheme', minLength: 1 }), { nil: null })
    const name = fc.stringMatching(/^[a-z0-9 é日%=+]{1,8}$/)
    const add = fc
      .record({
        name,
        dt,
        stats: fc.option(fc.json(), { nil: undefined }),
        tags: fc.option(fc.dictionary(fc.stringMatching(/^[a-z.:é]{1,8}$/), fc.string(), { noNullPrototype: true }), {
          nil: undefined,
        }),
      })
      .map(({ name, dt, stats, tags }) => ({
        add: file(name, dt, {
          key: `x/${name}.parquet`,
          sizeBytes: Number.MAX_SAFE_INTEGER,
          ...(stats === undefined ? {} : { stats }),
          ...(tags === undefined ? {} : { tags }),
        }),
      }))
    const remove = fc
      .tuple(name, dt)
      .map(([name, dt]) => ({ remove: removeOf(file(name, dt, { key: `x/${name}.parquet` }), Date.now()) }))
    const txn = fc
      .record({ appId: fc.string({ minLength: 1 }), version: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) })
      .map((value) => ({ txn: { ...value } }))
    const commits = fc.array(fc.array(fc.oneof(add, remove, txn), { maxLength: 8 }), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(commits, async (lists) => {
        let snapshot = applyActions(undefined, { version: 0, actions: creation(), timestamp: Date.now() })
        for (const actions of lists as Action[][])
          snapshot = applyActions(snapshot, {
            version: snapshot.version + 1,
            actions,
            timestamp: snapshot.timestamp + 1,
          })
        const back = await throughCheckpoint(snapshot)
        expect(back && state({ ...back, timestamp: 0 })).toStrictEqual(state({ ...snapshot, timestamp: 0 }))
      }),
      { numRuns: 40 },
    )
  })

  test('holds features, properties, names and field metadata', async () => {
    const rich: Snapshot = {
      version: 10,
      timestamp: Date.now(),
      protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['appendOnly', 'changeDataFeed'] },
      metadata: {
        ...metadata,
        name: 'orders',
        description: 'ü "quoted"',
        configuration: { 'lakewright.key': '["id"]', 'delta.checkpointInterval': '7' },
        schema: [{ ...metadata.schema[0], metadata: { comment: 'n' } } as never, metadata.schema[1] as never],
      },
      files: new Map(),
      txns: new Map(),
    }
    const back = await throughCheckpoint(rich)
    expect(back && { protocol: back.protocol, metadata: back.metadata }).toStrictEqual({
      protocol: rich.protocol,
      metadata: rich.metadata,
    })
  })

  test('leaves out removes that have expired, and keeps the others', async () => {
    const store = memory()
    const now = store.now()
    const [old, young] = [removeOf(file('old'), now - 8 * 86_400_000), removeOf(file('young'), now - 6 * 86_400_000)]
    const actions: Action[] = [...creation(), { remove: old }, { remove: young }]
    const back = await throughCheckpoint(applyActions(undefined, { version: 0, actions, timestamp: now }), store)
    expect([...(back?.tombstones?.keys() ?? [])]).toStrictEqual([young.key])
  })

  test('is written every so many commits, with the hint after it, and never again', async () => {
    const store = memory()
    let base = await tableOf(store, [file('0')])
    const written: number[] = []
    for (let i = 1; i <= 21; i++) {
      base = await committed(store, appending(base, [file(`${i}`)]))
      if (await checkpointIfDue(store, base)) written.push(base.version)
    }
    expect(written).toStrictEqual([10, 20])
    const hint = await store.get(lastCheckpointKey)
    expect(JSON.parse(text(hint?.body ?? new Uint8Array()))).toMatchObject({ version: 20, size: 23, numOfAddFiles: 21 })
    expect(await writeCheckpoint(store, base)).toBe('written')
    expect(await writeCheckpoint(store, base)).toBe('exists')
  })

  test('of an older version does not lower the hint', async () => {
    const store = memory()
    const older = await tableOf(store, [file('0')], [file('1')])
    await writeCheckpoint(store, await committed(store, appending(older, [file('2')])))
    await writeCheckpoint(store, older)
    expect(text((await store.get(lastCheckpointKey))?.body ?? new Uint8Array())).toContain('"version":2')
  })

  test('that is damaged is corrupt, and the error names it', async () => {
    const store = memory()
    const base = await tableOf(store, [file('0')], [file('1')])
    await store.putIfAbsent(checkpointKey(base.version), Buffer.from('PAR1 torn'))
    const error = await readSnapshot(store).catch((e) => e)
    expect(isLakeError(error, 'corrupt')).toBe(true)
    expect(String(error)).toContain(checkpointKey(base.version))
  })
})

describe('a checkpoint of another writer', () => {
  const maps = "map {'dt': 'b'}"
  const rows = (adds: string) => `
    SELECT * FROM (
      SELECT {'minReaderVersion': 1, 'minWriterVersion': 2} AS protocol, NULL AS "metaData", NULL AS "add", NULL AS txn
      UNION ALL BY NAME
      SELECT {'id': 'table-id', 'format': {'provider': 'parquet', 'options': MAP {}::MAP(VARCHAR, VARCHAR)},
        'schemaString': '${schemaString(metadata)}', 'partitionColumns': ['dt'], 'configuration': map {'a': 'b'}} AS "metaData"
      UNION ALL BY NAME
      SELECT {'appId': 'theirs', 'version': 9223372036854775807::BIGINT} AS txn
      UNION ALL BY NAME
      ${adds})`
  const add = `SELECT {'stats_parsed': {'numRecords': 3, 'minValues': {'id': 1}}, 'partitionValues_parsed': {'dt': 'b'},
      'dataChange': false, 'size': 10::BIGINT, 'path': 'dt=b/x%20y.parquet', 'partitionValues': ${maps},
      'modificationTime': 5::BIGINT, 'stats': '{"numRecords":3}'} AS "add"`

  async function written(query: string, options: string): Promise<Uint8Array> {
    const folder = mkdtempSync(join(tmpdir(), 'lakewright-checkpoint-'))
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    try {
      await connection.run(`COPY (${query}) TO '${folder}/c.parquet' (FORMAT parquet, ${options})`)
      return readFileSync(`${folder}/c.parquet`)
    } finally {
      connection.closeSync()
      rmSync(folder, { recursive: true })
    }
  }

  async function expectTheirs(store: Store): Promise<void> {
    const snapshot = await readSnapshot(store)
    expect(snapshot?.version).toBe(3)
    expect(snapshot?.txns.get('theirs')?.version).toBe(2n ** 63n - 1n)
    expect([...(snapshot?.files.values() ?? [])]).toStrictEqual([
      {
        key: 'dt=b/x y.parquet',
        partitionValues: { dt: 'b' },
        sizeBytes: 10,
        modificationTime: 5,
        dataChange: false,
        stats: '{"numRecords":3}',
      },
    ])
  }

  test.each(['snappy', 'zstd', 'gzip', 'uncompressed'])(
    'in other columns, another order and %s is read',
    async (codec) => {
      const store = memory()
      await store.putIfAbsent(checkpointKey(3), await written(rows(add), `COMPRESSION ${codec}`))
      await expectTheirs(store)
    },
  )

  test('in several parts is read when all are there, and passed over while one is missing', async () => {
    const store = memory()
    const [p1, p2] = ['0000000001', '0000000002'].map(
      (part) => `_delta_log/00000000000000000003.checkpoint.${part}.0000000002.parquet`,
    )
    await store.putIfAbsent(p1 ?? '', await written(rows('SELECT NULL AS "add"'), 'COMPRESSION snappy'))
    expect(isLakeError(await readSnapshot(store).catch((e) => e), 'corrupt')).toBe(true)
    await store.putIfAbsent(p2 ?? '', await written(add, 'COMPRESSION snappy'))
    await expectTheirs(store)
  })

  test.each(['parquet', 'json'])('in the V2 layout (%s) is read with its sidecars', async (format) => {
    const store = memory()
    const name = `_delta_log/00000000000000000003.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.${format}`
    const sidecar = `SELECT {'path': 'side.parquet', 'sizeInBytes': 1::BIGINT, 'modificationTime': 1::BIGINT} AS sidecar`
    const lines: string[] = [
      JSON.stringify({ checkpointMetadata: { version: 3 } }),
      JSON.stringify({
        protocol: {
          minReaderVersion: 3,
          minWriterVersion: 7,
          readerFeatures: ['v2Checkpoint'],
          writerFeatures: ['v2Checkpoint'],
        },
      }),
      JSON.stringify({
        metaData: { id: 'i', schemaString: schemaString(metadata), partitionColumns: ['dt'], configuration: {} },
      }),
      '{"txn":{"appId":"theirs","version":9223372036854775807}}',
      JSON.stringify({ sidecar: { path: 'side.parquet', sizeInBytes: 1, modificationTime: 1 } }),
    ]
    const body = format === 'json' ? Buffer.from(lines.join('\n')) : await written(rows(sidecar), 'COMPRESSION snappy')
    await store.putIfAbsent(name, body)
    await store.putIfAbsent('_delta_log/_sidecars/side.parquet', await written(add, 'COMPRESSION snappy'))
    await expectTheirs(store)
  })
})

test('a table of 100,000 files is checkpointed and opened in a second or so', async () => {
  const files = new Map(
    Array.from({ length: 100_000 }, (_, i) => {
      const add = file(`part-${i}-80a083e8-7026-4e79`, `2026-11-${i % 30}`, {
        stats: `{"numRecords":${i},"minValues":{"id":${i}},"maxValues":{"id":${i + 1}},"nullCount":{"id":0}}`,
      })
      return [add.key, add]
    }),
  )
  const snapshot: Snapshot = {
    version: 10,
    timestamp: Date.now(),
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
    metadata,
    files,
    txns: new Map(),
  }
  const store = memory()
  const [writeMs] = await cpuMs(() => writeCheckpoint(store, snapshot))
  const [readMs, back] = await cpuMs(() => readSnapshot(store))
  expect(back?.files.size).toBe(100_000)
  // Of processor time, and several times what it takes: fails when the work per file multiplies, not when a neighbour is busy.
  expect(writeMs).toBeLessThan(5_000)
  expect(readMs).toBeLessThan(3_000)
})

async function cpuMs<T>(run: () => Promise<T>): Promise<[number, T]> {
  const before = process.cpuUsage()
  const result = await run()
  const { user, system } = process.cpuUsage(before)
  return [(user + system) / 1000, result]
}

test('a replace after a checkpoint removes files that only the checkpoint knows', async () => {
  const store = memory()
  const base = await tableOf(store, [file('1')], [file('2', 'b')])
  await writeCheckpoint(store, base)
  await store.delete([logKey(0)])
  const opened = await readSnapshot(store)
  if (opened === undefined) throw new Error('the table is there')
  expect(namesOf(await committed(store, replacing(opened, ['a'], [])))).toStrictEqual(['dt=b/2.parquet'])
})
