/**
 * JSON without losing 64-bit integers.
 *
 *   text                          value
 *   9007199254740991              9007199254740991     (number)
 *   9223372036854775807           9223372036854775807n (bigint: `JSON.parse` would make …808)
 *   9.223372036854775807e18       9223372036854775807n
 *   1.5, 1e300                    1.5, 1e300           (number)
 *   0.1234567890123456789         number, or with `fractions: 'text'` the text itself, where a number would lose digits
 *
 * Most lines hold no such number: they go through `JSON.parse`, which is ten times faster. The test for that may say
 * "slow" for digits inside a string, which costs time and nothing else; it never says "fast" for a number that loses.
 */
import { parse as parseSlowly, stringify as stringifySlowly } from 'lossless-json'

export function parseJson(text: string, options: ParseJsonOptions = {}): unknown {
  const fractionsAsText = options.fractions === 'text'
  if (!(fractionsAsText ? anyLongNumber : longInteger).test(text)) return JSON.parse(text)
  return parseSlowly(text, null, {
    parseNumber: fractionsAsText
      ? (digits) => toNumber(digits) ?? digits
      : (digits) => toNumber(digits) ?? Number(digits),
    // What JSON.parse does.
    onDuplicateKey: ({ newValue }) => newValue,
  })
}

/** One line of JSON; bigint becomes an integer, members that are undefined are left out. */
export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    const text = stringifySlowly(value)
    if (text === undefined) throw error
    return text
  }
}

export interface ParseJsonOptions {
  /** What becomes of a number with a fraction and more digits than a double holds. Default: a double. */
  fractions?: 'double' | 'text'
}

/** An integer of 16 digits or more, or a number in exponent form where a value may stand. */
const longInteger = /\d{16}|[[:,]\s*-?\d+(?:\.\d+)?[eE]|^\s*-?\d+(?:\.\d+)?[eE]/
/** The same, and fractions of 16 digits or more. */
const anyLongNumber = /[\d.]{17}|\d{16}|[[:,]\s*-?\d+(?:\.\d+)?[eE]|^\s*-?\d+(?:\.\d+)?[eE]/

/** The exact value as a number, else as a bigint; undefined for a fraction that a double would change. */
function toNumber(text: string): number | bigint | undefined {
  if (/^-?\d+$/.test(text)) return fromInteger(text)
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const exponent = Number(exponentText)
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '')
  const significant = digits.replace(/0+$/, '')
  const zeros = exponent - fraction.length + (digits.length - significant.length)
  // 64-bit integers have at most 20 digits; anything larger is a double that happens to be integral.
  if (significant !== '' && zeros >= 0 && significant.length + zeros <= 20)
    return fromInteger(`${sign}${significant}${'0'.repeat(zeros)}`)
  return significant.length <= 15 || exponentText !== '0' ? Number(text) : undefined
}

function fromInteger(text: string): number | bigint {
  const value = Number(text)
  // -0 is a number of its own, and bigint has none.
  return Number.isSafeInteger(value) ? value : BigInt(text)
}
