import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { history } from '../../src/maintain/history.js'
import { set } from '../../src/maintain/set.js'
import { readSnapshot } from '../../src/manifest/log.js'
import { systemRuntime } from '../../src/runtime.js'
import { openLocal } from '../../src/store/local.js'
import type { Store } from '../../src/store/port.js'
import { columns, openWorkshop, type Workshop } from '../read/table.js'

let workshop: Workshop
let store: Store
beforeAll(async () => {
  workshop = await openWorkshop()
})
afterAll(() => workshop.close())

const schema = columns({ id: 'bigint', 'a,b': 'varchar', tags: 'varchar[]' })
const parts = [{ key: 'a.parquet', sql: `SELECT 1::BIGINT AS id, 'x' AS "a,b", ['t'] AS tags` }]
beforeEach(async () => {
  store = openLocal(workshop.newFolder())
  await workshop.write(store, schema, parts)
})
const reading = () => ({ store, runtime: systemRuntime, settings: {} })
const properties = async () => (await readSnapshot(store))?.metadata.configuration

describe('set', () => {
  test('what is set is remembered, in one commit, under the names of loads', async () => {
    const result = await set(reading(), {
      'target-file-bytes': '1MiB',
      sortBy: '"a,b", ID',
      loadColumns: 'on',
      key: 'id',
      'checkpoint-interval': '20',
      'delta.logRetentionDuration': '7 days',
    })
    expect(result.version).toBe(1)
    expect(Object.keys(result.settings)).toEqual([
      'targetFileBytes',
      'sortBy',
      'loadColumns',
      'key',
      'checkpointInterval',
      'delta.logRetentionDuration',
    ])
    expect(await properties()).toMatchObject({
      'lakewright.targetFileBytes': '1048576',
      'lakewright.sortBy': '["a,b","id"]',
      'lakewright.loadColumns': 'true',
      'lakewright.key': '["id"]',
      'delta.checkpointInterval': '20',
      'delta.logRetentionDuration': 'interval 7 days',
      'delta.enableExpiredLogCleanup': 'false',
    })
    expect(await history(reading(), { limit: 1 })).toMatchObject([{ version: 1, mode: 'set' }])
    expect((await readSnapshot(store))?.files.size).toBe(1)
  })

  test('the same again commits nothing, an empty value forgets', async () => {
    await set(reading(), { sortBy: 'id' })
    expect((await set(reading(), { sortBy: 'id' })).version).toBe(1)
    expect((await set(reading(), { 'sort-by': '' })).version).toBe(2)
    expect(await properties()).not.toHaveProperty('lakewright.sortBy')
  })

  test('the change feed is turned on with the protocol that it needs, in one commit, and off again', async () => {
    expect(await set(reading(), { 'change-feed': 'on' })).toEqual({ version: 1, settings: { changeFeed: 'on' } })
    const on = await readSnapshot(store)
    expect(on?.metadata.configuration).toMatchObject({ 'delta.enableChangeDataFeed': 'true' })
    const protocol = { minWriterVersion: 7, writerFeatures: ['appendOnly', 'invariants', 'changeDataFeed'] }
    expect(on?.protocol).toEqual({ minReaderVersion: 1, ...protocol })
    expect((await set(reading(), { 'delta.enableChangeDataFeed': 'true' })).version).toBe(1)
    expect((await set(reading(), { changeFeed: 'off' })).version).toBe(2)
    const off = await readSnapshot(store)
    expect(off?.metadata.configuration).toMatchObject({ 'delta.enableChangeDataFeed': 'false' })
    expect(off?.protocol).toEqual({ minReaderVersion: 1, ...protocol })
  })

  test.each([
    [{ minReaderVersion: 1, minWriterVersion: 1 }, 7, ['appendOnly', 'invariants', 'changeDataFeed']],
    [
      { minReaderVersion: 1, minWriterVersion: 3 },
      7,
      ['appendOnly', 'invariants', 'checkConstraints', 'changeDataFeed'],
    ],
    [{ minReaderVersion: 2, minWriterVersion: 5 }, 5, undefined],
    [
      { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['generatedColumns'] },
      7,
      ['generatedColumns', 'changeDataFeed'],
    ],
    [
      { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['v2Checkpoint'], writerFeatures: ['v2Checkpoint'] },
      7,
      ['v2Checkpoint', 'changeDataFeed'],
    ],
  ])('a change feed keeps what the protocol %j asks for', async (protocol, version, features) => {
    await workshop.write(store, schema, [], { actions: [{ protocol }] })
    await set(reading(), { changeFeed: 'on' })
    const after = (await readSnapshot(store))?.protocol
    expect(after).toMatchObject({
      ...protocol,
      minWriterVersion: version,
      ...(features && { writerFeatures: features }),
    })
    expect(after?.writerFeatures).toEqual(features)
  })

  test('the change feed is refused where a column has a name of its own', async () => {
    store = openLocal(workshop.newFolder())
    await workshop.write(store, columns({ id: 'bigint', _Change_Type: 'varchar' }), [])
    await expect(set(reading(), { changeFeed: 'on' })).rejects.toMatchObject({
      code: 'invalid',
      details: { column: '_Change_Type' },
    })
  })

  test('two at the same time are both kept', async () => {
    await Promise.all([set(reading(), { sortBy: 'id' }), set(reading(), { key: 'id' })])
    expect(await properties()).toMatchObject({ 'lakewright.sortBy': '["id"]', 'lakewright.key': '["id"]' })
  })

  test.each([
    [{ sortby2: 'x' }, 'invalid', /no setting `sortby2`/, /Did you mean `sortBy`/],
    [{ partitionBy: 'id' }, 'invalid', /partitioning/, /overwrite/],
    [{ 'partition-by': 'id' }, 'invalid', /partitioning/, /overwrite/],
    [{ sortBy: 'idd' }, 'invalid', /does not have/, /Did you mean `id`/],
    [{ sortBy: 'id,ID' }, 'invalid', /twice/, /./],
    [{ key: 'tags' }, 'invalid', /plain value/, /./],
    [{ key: 'id,' }, 'invalid', /no value of `key`/, /commas/],
    [{ targetFileBytes: 'big' }, 'invalid', /no value/, /256MiB/],
    [{ targetFileBytes: '12' }, 'invalid', /no value/, /1024/],
    [{ checkpointInterval: '0' }, 'invalid', /no value/, /from 1/],
    [{ loadColumns: 'perhaps' }, 'invalid', /no value/, /true/],
    [{ 'change-feed': 'perhaps' }, 'invalid', /no value/, /`on` or `off`/],
    [{ 'delta.setTransactionRetentionDuration': 'interval 1 day' }, 'unsupported', /load ids/, /./],
    [{ 'delta.columnMapping.mode': 'name' }, 'unsupported', /not among/, /delta\.appendOnly/],
    [{}, 'invalid', /no setting is given/, /sortBy/],
  ])('%j is refused, and nothing is committed', async (settings, code, message, fix) => {
    const failure = await set(reading(), settings as Record<string, string>).catch((error) => error)
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) })
    if (String(fix) !== '/./') expect(failure.fix).toMatch(fix)
    expect((await readSnapshot(store))?.version).toBe(0)
  })
})

describe('history', () => {
  test('is newest first, ours with ids and counts, and others’ by their operation', async () => {
    const rows = { read: 5, written: 5 }
    const commit = (commitInfo: object) => workshop.write(store, schema, [], { commitInfo })
    await commit({ lakewright: { mode: 'append', loadId: 'nightly:1', receipt: { rows } } })
    await commit({ operation: 'WRITE', operationParameters: { mode: 'Overwrite', predicate: '[]' } })
    await commit({ operation: 'WRITE', operationParameters: { mode: 'Overwrite', predicate: `["(dt = '2026')"]` } })
    await commit({ operation: 'WRITE', operationParameters: { mode: 'Append' } })
    await commit({ operation: 'OPTIMIZE' })
    await commit({ operation: 'ADD COLUMNS' })
    await commit({ lakewright: { mode: 'append', receipt: 'nonsense' } })
    const commits = await history(reading())
    expect(commits.map(({ version }) => version)).toEqual([7, 6, 5, 4, 3, 2, 1, 0])
    expect(commits.map(({ mode }) => mode)).toEqual([
      'append',
      'add columns',
      'compact',
      'append',
      'replace',
      'overwrite',
      'append',
      'write',
    ])
    expect(commits[6]).toEqual({
      version: 1,
      time: '2026-11-21T00:00:00.000Z',
      mode: 'append',
      loadId: 'nightly:1',
      rows,
    })
    expect(commits[0]).not.toHaveProperty('rows')
    expect(await history(reading(), { limit: 2 })).toHaveLength(2)
  })

  test('of no table is refused', async () => {
    const nothing = { ...reading(), store: openLocal(workshop.newFolder()) }
    await expect(history(nothing)).rejects.toMatchObject({ code: 'invalid' })
  })
})
