/**
 * What types JavaScript values have, from a sample of rows.
 *
 *   safe integer, bigint       bigint
 *   other number               double, also for integers beside it, as long as they are exact
 *   string, boolean            varchar, boolean
 *   Date                       timestamp
 *   Uint8Array                 blob
 *   array, plain object, Map   list, struct, map
 *   null, undefined            nothing; a column of only these is varchar
 *
 * Kinds that do not go together are refused with the rows where they were seen, never turned into text.
 */
import { LakeError } from '../../errors.js'
import { assertColumnNames } from '../../schema/names.js'
import type { Field, LakeType } from '../../schema/types.js'

export class Guess {
  private readonly firstRow = new Map<Kind, number>()
  private element: Guess | undefined
  private key: Guess | undefined
  private readonly fields = new Map<string, Guess>()
  /** A bigint that no double is equal to. */
  private inexactRow: number | undefined
  private hugeRow: number | undefined

  observe(value: unknown, row: number): void {
    const kind = kindOf(value)
    if (kind === 'nothing') return
    if (!this.firstRow.has(kind)) this.firstRow.set(kind, row)
    if (typeof value === 'bigint') this.observeBigint(value, row)
    else if (Array.isArray(value)) {
      this.element ??= new Guess()
      for (const item of value) this.element.observe(item, row)
    } else if (value instanceof Map) {
      this.key ??= new Guess()
      this.element ??= new Guess()
      for (const [key, item] of value) {
        this.key.observe(key, row)
        this.element.observe(item, row)
      }
    } else if (kind === 'object') this.observeFields(value as Record<string, unknown>, row)
  }

  /** @throws LakeError invalid: the kinds, and the rows where they were first seen */
  decide(path: string): LakeType {
    const kinds = [...this.firstRow.keys()]
    const [kind] = kinds
    if (kind === undefined) return { kind: 'varchar' }
    if (kinds.every((other) => numbers.has(other))) return this.decideNumber(path, kinds)
    const unknown = kinds.find((other) => !(other in plainTypes) && !nested.has(other))
    if (unknown !== undefined || kinds.length > 1) throw this.refuse(path, kinds)
    if (kind === 'list') return { kind: 'list', element: (this.element ?? new Guess()).decide(`${path}[]`) }
    if (kind === 'map') {
      const key = (this.key ?? new Guess()).decide(`${path}.key`)
      return { kind: 'map', key, value: (this.element ?? new Guess()).decide(`${path}.value`) }
    }
    if (kind === 'object') return { kind: 'struct', fields: this.decideFields(path) }
    return plainTypes[kind as keyof typeof plainTypes]
  }

  private observeBigint(value: bigint, row: number): void {
    if (BigInt.asIntN(64, value) !== value) this.hugeRow ??= row
    if (BigInt(Number(value)) !== value) this.inexactRow ??= row
  }

  private observeFields(value: Record<string, unknown>, row: number): void {
    for (const name of Object.keys(value)) {
      let field = this.fields.get(name)
      if (field === undefined) {
        field = new Guess()
        this.fields.set(name, field)
      }
      field.observe(value[name], row)
    }
  }

  private decideNumber(path: string, kinds: Kind[]): LakeType {
    if (kinds.includes('number')) {
      if (this.inexactRow === undefined) return { kind: 'double' }
      throw new LakeError('invalid', `column \`${path}\` holds fractions, and integers that no double is equal to`, {
        column: path,
        row: this.inexactRow,
        fix: `Give its type with \`types\`, e.g. { types: { '${path}': 'decimal(38,6)' } }.`,
      })
    }
    if (this.hugeRow === undefined) return { kind: 'bigint' }
    throw new LakeError('invalid', `column \`${path}\` holds an integer beyond 64 bits`, {
      column: path,
      row: this.hugeRow,
      fix: `Give its type with \`types\`, e.g. { types: { '${path}': 'decimal(38,0)' } }.`,
    })
  }

  private decideFields(path: string): Field[] {
    const names = [...this.fields.keys()]
    if (names.length === 0)
      throw new LakeError('invalid', `column \`${path}\` holds objects without fields`, {
        column: path,
        row: this.firstRow.get('object'),
        fix: `Give its type with \`types\`, e.g. { types: { '${path}': 'struct(a bigint)' } }.`,
      })
    assertColumnNames(names)
    return [...this.fields].map(([name, guess]) => ({ name, type: guess.decide(`${path}.${name}`), nullable: true }))
  }

  private refuse(path: string, kinds: Kind[]): LakeError {
    const seen = kinds.map((kind) => `${kind} (row ${this.firstRow.get(kind)})`).join(' and ')
    return new LakeError('invalid', `column \`${path}\` holds ${seen}`, {
      column: path,
      row: this.firstRow.get(kinds[1] ?? kinds[0] ?? 'nothing'),
      fix: `Give its type with \`types\`, e.g. { types: { '${path}': 'varchar' } }, or make its values alike.`,
    })
  }
}

/** What a value is, in words; `other` has no type of ours. */
export type Kind =
  | 'nothing'
  | 'integer'
  | 'number'
  | 'bigint'
  | 'text'
  | 'boolean'
  | 'Date'
  | 'bytes'
  | 'list'
  | 'map'
  | 'object'
  | 'other'

export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'undefined':
      return 'nothing'
    case 'number':
      return Number.isSafeInteger(value) ? 'integer' : 'number'
    case 'bigint':
      return 'bigint'
    case 'string':
      return 'text'
    case 'boolean':
      return 'boolean'
    case 'object':
      return value === null ? 'nothing' : kindOfObject(value)
    default:
      return 'other'
  }
}

/** For messages: the kind, and what the value is beyond it. */
export function describeValue(value: unknown): string {
  const kind = kindOf(value)
  if (kind === 'text') return `text, \`${excerpt(String(value))}\``
  if (kind === 'integer' || kind === 'number' || kind === 'bigint' || kind === 'boolean')
    return `${kind} \`${excerpt(String(value))}\``
  if (kind !== 'other') return kind
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`
  return `an instance of ${excerpt(String(value.constructor?.name ?? 'a class'))}`
}

function excerpt(text: string): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text
}

function kindOfObject(value: object): Kind {
  if (value instanceof Date) return 'Date'
  if (value instanceof Uint8Array) return 'bytes'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Map) return 'map'
  return isPlainObject(value) ? 'object' : 'other'
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Objects of another realm have another Object.prototype, whose own prototype is null like ours.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

const numbers = new Set<Kind>(['integer', 'number', 'bigint'])
const nested = new Set<Kind>(['list', 'map', 'object'])
const plainTypes = {
  text: { kind: 'varchar' },
  boolean: { kind: 'boolean' },
  Date: { kind: 'timestamp' },
  bytes: { kind: 'blob' },
} as const satisfies Partial<Record<Kind, LakeType>>
