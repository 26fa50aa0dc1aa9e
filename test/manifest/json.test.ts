import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../src/manifest/json.js'

describe('JSON without loss', () => {
  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740993', 9007199254740993n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['9.223372036854775807e18', 2n ** 63n - 1n],
    ['-9.223372036854775808E+18', -(2n ** 63n)],
    ['999999999999999e3', 999999999999999000n],
    ['1e3', 1000],
    ['1e300', 1e300],
    ['1.5', 1.5],
    ['0.30000000000000004', 0.30000000000000004],
    ['0', 0],
  ])('%s is read exactly', (text, value) => {
    expect(parseJson(text)).toStrictEqual(value)
    expect(parseJson(`{"a":[${text}]}`)).toStrictEqual({ a: [value] })
  })

  test('digits inside of strings stay text', () => {
    const line = '{"a":"9007199254740993","b":9007199254740993,"c":"x: 1e5, 9.1e18"}'
    expect(parseJson(line)).toStrictEqual({ a: '9007199254740993', b: 9007199254740993n, c: 'x: 1e5, 9.1e18' })
  })

  test('fractions that a double would change stay text where that is asked for', () => {
    const line = '{"a":0.1234567890123456789,"b":1.5,"c":12345678901234567890123456789012345678,"d":12345678.12345678}'
    expect(parseJson(line, { fractions: 'text' })).toStrictEqual({
      a: '0.1234567890123456789',
      b: 1.5,
      c: 12345678901234567890123456789012345678n,
      d: '12345678.12345678',
    })
  })

  test('the last of repeated members counts, in lines of either kind', () => {
    expect(parseJson('{"a":1,"a":2}')).toStrictEqual({ a: 2 })
    expect(parseJson('{"a":1,"a":9007199254740993}')).toStrictEqual({ a: 9007199254740993n })
  })

  test('a line that is no JSON is refused, in either kind', () => {
    expect(() => parseJson('{"a":')).toThrow(SyntaxError)
    expect(() => parseJson('{"a":9007199254740993')).toThrow(SyntaxError)
  })

  test('whatever was written is read back the same', () => {
    const leaf = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string(),
      fc.boolean(),
    )
    const value = fc.dictionary(fc.string(), fc.oneof(leaf, fc.array(leaf), fc.constant(null)))
    fc.assert(
      fc.property(value, (given) => {
        expect(stringifyJson(parseJson(stringifyJson(given)))).toBe(stringifyJson(given))
      }),
    )
  })

  test('members that are undefined are left out', () => {
    expect(stringifyJson({ a: undefined, b: 1 })).toBe('{"b":1}')
    expect(stringifyJson({ a: undefined, b: 2n ** 63n })).toBe('{"b":9223372036854775808}')
  })
})
