/**
 * Connect's decimals: a whole number, big-endian in two's complement, without its scale.
 *
 *   decimalText(Buffer.from([0x30, 0x39]), 2)    123.45
 *   decimalText(Buffer.from([0xff]), 0)          -1
 */

/** @param scale digits after the point; negative for zeros before it */
export function decimalText(unscaled: Buffer, scale: number): string {
  return scaled(unscaledValue(unscaled), scale)
}

/** PostgreSQL's go to 16383. */
export function isScale(scale: unknown): scale is number {
  return Number.isInteger(scale) && Math.abs(scale as number) <= 20_000
}

/** How a decimal is written elsewhere: `1.50`, `-1E+3`, `12e-2`, without an exponent. Undefined for what is none. */
export function plainDecimal(text: string): string | undefined {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text) ?? []
  if (whole === '') return undefined
  return scaled(BigInt(`${sign}${whole}${fraction}`), fraction.length - Number(exponent))
}

/** Digits of a decimal's text before and after its point. */
export function digitsOf(text: string): { whole: number; scale: number } {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  return { whole: whole === '0' ? 0 : whole.length, scale: fraction.length }
}

function unscaledValue(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n
  if (bytes.length <= 6) return BigInt(bytes.readIntBE(0, bytes.length))
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
}

function scaled(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale))
  const sign = unscaled < 0n ? '-' : ''
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
