/** The property that names the order of deleted keys, and what a change of it means for other loads. */
import { expect, test } from 'vitest'
import type { Commit, Metadata } from '../../src/manifest/actions.js'
import { type Footprint, judge } from '../../src/manifest/conflict.js'
import { tombstonesOf, tombstonesProperty, tombstonesText } from '../../src/manifest/tombstones.js'
import type { Schema } from '../../src/schema/types.js'

const schema: Schema = [{ name: 'id', type: { kind: 'bigint' }, nullable: true }]
const metadata = (state?: string): Metadata => ({
  id: 't',
  schema,
  partitionBy: [],
  configuration: { 'lakewright.key': '["id"]', ...(state === undefined ? {} : { [tombstonesProperty]: state }) },
})
const footprint = (mode: Footprint['mode'], state?: string, more: Partial<Footprint> = {}): Footprint => ({
  mode,
  reads: { kind: 'everything' },
  removes: new Set(),
  metadata: metadata(state),
  changesTable: false,
  ...more,
})
/** A commit that changes properties alone. */
const theirs = (state?: string, version = 4): Commit => ({
  version,
  timestamp: 0,
  actions: [{ metaData: metadata(state) }],
})

test('what is written is read back', () => {
  const text = tombstonesText({ key: '_tombstones/a-00000.parquet', sizeBytes: 812, rows: 2 }, schema)
  expect(tombstonesOf({ configuration: { [tombstonesProperty]: text } })).toEqual({
    ...{ key: '_tombstones/a-00000.parquet', sizeBytes: 812, rows: 2 },
    columns: [{ name: 'id', type: 'bigint' }],
  })
  expect(tombstonesOf({ configuration: {} })).toBeUndefined()
})

test.each([['{'], ['{"key":"a"}'], ['{"key":"../up.parquet","sizeBytes":1,"rows":1,"columns":[]}'], ['[]']])(
  'the property `%s` is damage',
  (text) => {
    expect(() => tombstonesOf({ configuration: { [tombstonesProperty]: text } })).toThrow(
      expect.objectContaining({ code: 'corrupt' }),
    )
  },
)

test('events are judged by the state of deleted keys: another one means planning again, also where no file changed', () => {
  expect(judge(footprint('cdc', 'a'), theirs('b')).verdict).toBe('replan')
  expect(judge(footprint('cdc', 'a'), theirs()).verdict).toBe('replan')
  expect(judge(footprint('cdc'), theirs('b')).verdict).toBe('replan')
  expect(judge(footprint('cdc', 'a'), theirs('a')).verdict).toBe('rebase')
  // A state of my own was made from the one before.
  expect(judge(footprint('cdc', 'a', { changesTable: true }), theirs('a')).verdict).toBe('replan')
  // Both made the table; mine has a state, theirs none.
  expect(judge(footprint('cdc', 'a', { changesTable: true }), theirs(undefined, 0)).verdict).toBe('replan')
})

test('other loads do not mind it', () => {
  expect(judge(footprint('append', 'a', { reads: { kind: 'nothing' } }), theirs('b')).verdict).toBe('rebase')
  expect(judge(footprint('replace', 'a'), theirs('b')).verdict).toBe('rebase')
  expect(judge(footprint('merge', 'a'), theirs('b')).verdict).toBe('rebase')
})
