import { describe, expect, test } from 'vitest'
import { parseAt, parseTableUrl } from '../../src/read/version.js'

describe('parseTableUrl', () => {
  test.each([
    ['orders', { url: 'orders' }],
    ['orders@12', { url: 'orders', version: 12 }],
    ['s3://lake/a@b', { url: 's3://lake/a@b' }],
    ['s3://lake/a@1@0', { url: 's3://lake/a@1', version: 0 }],
    ['/data/x@y/orders@007', { url: '/data/x@y/orders', version: 7 }],
    ['orders@', { url: 'orders@' }],
    ['orders@12a', { url: 'orders@12a' }],
    ['orders@12/x', { url: 'orders@12/x' }],
    ['@12', { url: '@12' }],
  ])('%s', (text, expected) => {
    expect(parseTableUrl(text)).toEqual(expected)
  })

  test('a version that no number can hold is refused', () => {
    expect(() => parseTableUrl('orders@99999999999999999999')).toThrow(/no version/)
  })
})

describe('times', () => {
  const noon = Date.UTC(2026, 10, 20, 12)
  test.each([
    ['2026-11-20', noon - 12 * 3_600_000],
    ['2026-11-20T12:00:00Z', noon],
    ['2026-11-20t12:00z', noon],
    ['2026-11-20 12:00', noon],
    ['2026-11-20 14:00:00+02:00', noon],
    ['2026-11-20T12:00:00.123999Z', noon + 123],
  ])('%s, in UTC where no zone is said', (asOf, timeMs) => {
    expect(parseAt({ asOf })).toEqual({ timeMs })
  })

  test.each(['yesterday', '2026-13-01', '20261120', '', 'NaN'])('`%s` is refused', (asOf) => {
    expect(() => parseAt({ asOf })).toThrow(/is no time/)
  })

  test('what cannot be is refused', () => {
    expect(() => parseAt({ asOf: new Date(Number.NaN) })).toThrow(/is no time/)
    expect(() => parseAt({ version: 1, asOf: '2026-11-20' })).toThrow(/may differ/)
    expect(() => parseAt({ version: -1 })).toThrow(/no version/)
    expect(() => parseAt({ version: 1.5 })).toThrow(/no version/)
  })
})
