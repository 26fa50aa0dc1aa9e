/**
 * How values of one type become values of another: always exactly, or only those that a proof lets through.
 *
 *   holds(bigint, integer)                     every integer is a bigint
 *   commonType(integer, decimal(4,2))          decimal(12,2), the narrowest that holds both
 *   fitProofSql(double, bigint, '"n"')         TRUE for 7.0, FALSE for 7.6 and 1e300
 *
 * A date is the instant of its midnight in UTC, as it is in text (`grammar.ts`) and as naive timestamps are UTC; so
 * timestamp holds date. BIGINT and DOUBLE hold neither each other, nor decimals of more than 15 digits.
 */

import { toSql } from './duckdb.js'
import { castSql, proofSql } from './grammar.js'
import { isNested, sameName, sameType } from './names.js'
import type { Field, LakeType } from './types.js'

/** Whether every value of `narrow` is exactly one of `wide`. */
export function holds(wide: LakeType, narrow: LakeType): boolean {
  const common = commonType(wide, narrow)
  return common !== undefined && sameType(common, wide)
}

/**
 * The narrowest type that holds all values of both, if there is one. Structs are merged by field, the first one's order
 * and spelling before the second's.
 */
export function commonType(a: LakeType, b: LakeType): LakeType | undefined {
  if (sameType(a, b)) return a
  if (a.kind === 'list' && b.kind === 'list') {
    const element = commonType(a.element, b.element)
    return element && { ...a, element, ...(b.elementNullable === false ? {} : { elementNullable: true }) }
  }
  if (a.kind === 'map' && b.kind === 'map') {
    const key = commonType(a.key, b.key)
    const value = commonType(a.value, b.value)
    return key && value && { ...a, key, value, ...(b.valueNullable === false ? {} : { valueNullable: true }) }
  }
  if (a.kind === 'struct' && b.kind === 'struct') {
    const fields = mergeFields(a.fields, b.fields)
    return fields && { kind: 'struct', fields }
  }
  if (a.kind === 'date' && b.kind === 'timestamp') return b
  if (a.kind === 'timestamp' && b.kind === 'date') return a
  return commonNumber(a, b)
}

/**
 * TRUE if the value of `from` is exactly one of `to`, for types where that depends on the value; NULL for null.
 * @returns `'true'` where it always is, undefined where the types are not comparable at all
 */
export function fitProofSql(from: LakeType, to: LakeType, columnSql: string): string | undefined {
  const x = columnSql
  if (holds(to, from)) return 'true'
  if (isNested(from) || isNested(to)) return undefined
  if (from.kind === 'varchar') return proofSql(to, x)
  if (to.kind === 'varchar') return from.kind === 'blob' ? undefined : 'true'
  if (from.kind === 'timestamp' && to.kind === 'date') return `(epoch_us(${x}) % 86400000000 = 0)`
  if (!isNumber(from) || !isNumber(to)) return undefined
  return `coalesce(TRY_CAST(TRY_CAST(${x} AS ${toSql(to)}) AS ${toSql(from)}) = ${x}, ${x} IS NULL)`
}

/** The value after its proof, whatever the session's time zone. */
export function fitCastSql(from: LakeType, to: LakeType, columnSql: string): string {
  const x = columnSql
  if (sameType(from, to)) return x
  if (from.kind === 'varchar' && !isNested(to)) return castSql(to, x)
  if (from.kind === 'date' && to.kind === 'timestamp') return `make_timestamptz(epoch_us(CAST(${x} AS TIMESTAMP)))`
  if (from.kind === 'timestamp' && to.kind === 'date') return `CAST(make_timestamp(epoch_us(${x})) AS DATE)`
  if (from.kind === 'timestamp' && to.kind === 'varchar')
    return `strftime(make_timestamp(epoch_us(${x})), '%Y-%m-%dT%H:%M:%S.%fZ')`
  return `CAST(${x} AS ${toSql(to)})`
}

/** By name without case; undefined where two fields of one name have no common type. */
function mergeFields(left: readonly Field[], right: readonly Field[]): Field[] | undefined {
  const merged: Field[] = []
  for (const field of left) {
    const other = right.find(({ name }) => sameName(name, field.name))
    const type = other === undefined ? field.type : commonType(field.type, other.type)
    if (type === undefined) return undefined
    merged.push({ ...field, type, nullable: field.nullable || (other?.nullable ?? true) })
  }
  for (const field of right)
    if (!left.some(({ name }) => sameName(name, field.name))) merged.push({ ...field, nullable: true })
  return merged
}

const integerDigits = { tinyint: 3, smallint: 5, integer: 10, bigint: 19 } as const
const integerOrder = ['tinyint', 'smallint', 'integer', 'bigint'] as const
type IntegerKind = keyof typeof integerDigits

function commonNumber(a: LakeType, b: LakeType): LakeType | undefined {
  if (isInteger(a) && isInteger(b)) return integerOrder.indexOf(a.kind) > integerOrder.indexOf(b.kind) ? a : b
  if (isExact(a) && isExact(b)) {
    const [p, q] = [digitsOf(a), digitsOf(b)]
    const scale = Math.max(p.scale, q.scale)
    const precision = Math.max(p.whole, q.whole) + scale
    return precision <= 38 ? { kind: 'decimal', precision, scale } : undefined
  }
  if (isFloat(a) && isFloat(b)) return { kind: 'double' }
  const [float, other] = isFloat(a) ? [a, b] : isFloat(b) ? [b, a] : []
  if (float === undefined || other === undefined || !isInteger(other) || other.kind === 'bigint') return undefined
  return float.kind === 'float' && other.kind !== 'integer' ? float : { kind: 'double' }
}

function isInteger(type: LakeType): type is { kind: IntegerKind } {
  return type.kind in integerDigits
}

function isExact(type: LakeType): type is { kind: IntegerKind } | Extract<LakeType, { kind: 'decimal' }> {
  return type.kind === 'decimal' || isInteger(type)
}

function isFloat(type: LakeType): type is { kind: 'float' | 'double' } {
  return type.kind === 'float' || type.kind === 'double'
}

export function isNumber(type: LakeType): boolean {
  return isExact(type) || isFloat(type)
}

/** Digits before and after the point. */
function digitsOf(type: { kind: IntegerKind } | Extract<LakeType, { kind: 'decimal' }>): {
  whole: number
  scale: number
} {
  return type.kind === 'decimal'
    ? { whole: type.precision - type.scale, scale: type.scale }
    : { whole: integerDigits[type.kind], scale: 0 }
}
