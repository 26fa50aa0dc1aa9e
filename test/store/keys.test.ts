import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertKey,
  checkpointKey,
  compareKeys,
  dataKey,
  journalKey,
  logKey,
  ownerKey,
  parseLogKey,
  rejectedKey,
  stagingFolder,
} from '../../src/store/keys.js'

describe('keys', () => {
  test('are spelled as the Delta protocol and the design say', () => {
    expect(logKey(12)).toBe('_delta_log/00000000000000000012.json')
    expect(checkpointKey(10)).toBe('_delta_log/00000000000000000010.checkpoint.parquet')
    expect(dataKey('dt=2026-11-20/region=a%2Fb', 'tx', 3)).toBe('dt=2026-11-20/region=a%2Fb/tx-00003.parquet')
    expect(dataKey('', 'tx', 100_000)).toBe('tx-100000.parquet')
    expect(rejectedKey('tx')).toBe('_rejected/tx-00000.parquet')
    // printf '%s' 'nightly:2026-11-20' | sha256sum | cut -c1-32
    expect(stagingFolder('nightly:2026-11-20')).toBe('_staging/bc3ec8fcc8355d0e12935098fe1711de')
    expect(journalKey('_staging/x')).toBe('_staging/x/journal.json')
    expect(ownerKey('_staging/x', 2)).toBe('_staging/x/owner-2.json')
  })

  test('load ids that a file system could confuse get folders of their own, and harmless ones', () => {
    const folders = ['..', '.', 'A', 'a', 'CON', 'con'].map(stagingFolder)
    expect(new Set(folders).size).toBe(folders.length)
    for (const folder of folders) expect(folder).toMatch(/^_staging\/[0-9a-f]{32}$/)
  })

  test('a version that is not one is refused', () => {
    for (const version of [-1, 1.5, Number.NaN, 2 ** 53]) expect(() => logKey(version)).toThrow('not a table version')
  })

  test('log keys are parsed to what made them, and other names are not taken for commits', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (version) => {
        expect(parseLogKey(logKey(version))).toEqual({ kind: 'commit', version })
        expect(parseLogKey(checkpointKey(version))).toEqual({ kind: 'checkpoint', version })
      }),
    )
    const v = '_delta_log/00000000000000000010'
    expect(parseLogKey(`${v}.checkpoint.0000000002.0000000003.parquet`)).toEqual({
      kind: 'checkpoint-part',
      version: 10,
      part: 2,
      parts: 3,
    })
    expect(parseLogKey(`${v}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json`)).toEqual({
      kind: 'checkpoint-v2',
      version: 10,
    })
    for (const other of [
      `${v}.crc`,
      `${v}.json.tmp`,
      `${v}.00000000000000000020.compacted.json`,
      `x/${v}.json`,
      '_delta_log/10.json',
      '_delta_log/99999999999999999999.json',
      '_delta_log/_last_checkpoint',
      '_delta_log/_sidecars/00000000000000000010.json',
    ]) {
      expect(parseLogKey(other), other).toBeUndefined()
    }
  })

  test('no key with a segment that leads elsewhere is let through', () => {
    for (const key of ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/..', '../a', 'a/./b', 'a\0', '\ud800']) {
      expect(() => assertKey(key), JSON.stringify(key)).toThrow('not a key')
      expect(() => assertKey(key, 'corrupt')).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
    for (const key of ['a', '..a/b..', 'a/...', 'a b/%2F', '日本/\u{1F600}']) expect(() => assertKey(key)).not.toThrow()
  })

  test('order is that of the UTF-8 bytes for any text', () => {
    const text = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(text, text, (a, b) => {
        const expected = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
        expect(Math.sign(compareKeys(a, b))).toBe(expected)
      }),
      {
        numRuns: 2_000,
        examples: [
          ['\u{FF5E}', '\u{1F600}'],
          ['a', 'a'],
          ['a', 'aa'],
        ],
      },
    )
  })
})
