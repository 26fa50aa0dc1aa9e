/**
 * Compose DuckDB SQL from names and values that may hold anything. Text is quoted by `schema/quote.ts`; here is what
 * statements are made of.
 *
 *   quoteIdent('a"b')                      "a""b"
 *   literal(12n)                           12::BIGINT
 *   literal(0.1)                           '0.1'::DOUBLE
 *   literal(new Date(0))                   '1970-01-01T00:00:00.000Z'::TIMESTAMPTZ
 *   identList(['a', 'b'])                  "a", "b"
 *
 * U+0000 is refused in names and file paths, where no expression can stand; in text values it is composed with `chr(0)`.
 */
import { LakeError } from '../errors.js'
import { quoteIdentifier, quoteText } from '../schema/quote.js'

export { quoteText }

export function quoteIdent(name: string): string {
  if (name === '') throw new LakeError('invalid', 'a name in SQL is empty', { fix: 'Give the column a name.' })
  return quoteIdentifier(refuseNul(name, 'name'))
}

/** A path as `COPY … TO` and settings take it: a plain literal, never an expression. */
export function quotePath(path: string): string {
  return quoteText(refuseNul(path, 'path'))
}

/** A path inside `read_parquet(…)`, where `*?[` would otherwise be read as a pattern. */
export function quoteGlobFree(path: string): string {
  return quotePath(path.replaceAll(/[*?[\]]/g, (special) => `[${special}]`))
}

export type LiteralValue = string | number | bigint | boolean | Date | Uint8Array | null | LiteralValue[]

/** A value with its type: numbers are DOUBLE unless they are safe integers, which are BIGINT. */
export function literal(value: LiteralValue): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string') return quoteText(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'bigint') return integerLiteral(value)
  if (typeof value === 'number') {
    const isInteger = Number.isSafeInteger(value) && !Object.is(value, -0)
    return isInteger ? integerLiteral(BigInt(value)) : `'${Object.is(value, -0) ? '-0.0' : value}'::DOUBLE`
  }
  if (value instanceof Uint8Array) return `from_hex('${Buffer.from(value).toString('hex')}')`
  if (value instanceof Date) return `'${value.toISOString()}'::TIMESTAMPTZ`
  return listLiteral(value)
}

/** `[a, b]` */
export function listLiteral(values: readonly LiteralValue[]): string {
  return `[${values.map((value) => literal(value)).join(', ')}]`
}

/** `"a", "b"`, each after `alias.` where one is given. */
export function identList(names: readonly string[], alias?: string): string {
  const prefix = alias === undefined ? '' : `${quoteIdent(alias)}.`
  return names.map((name) => prefix + quoteIdent(name)).join(', ')
}

function integerLiteral(value: bigint): string {
  // A bare -9223372036854775808 is parsed as minus a HUGEINT.
  const fits = BigInt.asIntN(64, value) === value
  return `'${value}'::${fits ? 'BIGINT' : 'HUGEINT'}`
}

function refuseNul(text: string, what: string): string {
  if (!text.includes('\0')) return text
  throw new LakeError('invalid', `a ${what} holds the character U+0000`, {
    [what]: text.replaceAll('\0', '\\0'),
    fix: `Take the character out of the ${what}.`,
  })
}
