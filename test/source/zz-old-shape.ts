/**
 * The shape of JSON over all its rows: which names there are, of which kind, and whether numbers fit. One strict pass over the
 * bytes (RFC 8259: no trailing commas, no NaN, no lone surrogates, no name twice), because DuckDB's own reader takes
 * all of these, rounds long fractions and reads `1e400` as a number.
 *
 *   bigint   whole numbers written without fraction and exponent, within 64 bits, not `-0`
 *   double   numbers whose double prints the same digits again: 0.1, 1e21, 2^64; not 9007199254740993, not 1e400
 */
import { isUtf8 } from 'node:buffer'
import { assertColumnNames } from '../../src/schema/names.js'
import type { Field, LakeType } from '../../src/schema/types.js'

export type Kind = 'object' | 'array' | 'string' | 'number' | 'boolean'

export interface Shape {
  /** `undefined` while only null was seen. */
  kind: Kind | undefined
  fields: Map<string, Shape> | undefined
  element: Shape | undefined
  /** First number that is no bigint, no exact double. */
  notBigint: NumberAt | undefined
  notDouble: NumberAt | undefined
  /** Names in the order of the last object, to find the next one's without decoding. */
  order: Member[]
  /** The object that met this name last. */
  met: number
  /** Numbers are kept as text, because a type was asked for that a double would not reach. */
  quoted: boolean
}

interface Member {
  /** The name as it stands in the text, quotes included. */
  bytes: Buffer
  shape: Shape
}

export interface NumberAt {
  row: number
  text: string
}

export function newShape(): Shape {
  return {
    kind: undefined,
    fields: undefined,
    element: undefined,
    notBigint: undefined,
    notDouble: undefined,
    order: [],
    met: 0,
    quoted: false,
  }
}

/** Names without regard to case. */
export interface NameSet {
  isEmpty: boolean
  has(name: string): boolean
}

/** What is wrong with a row. */
export class JsonProblem extends Error {}

/** Merges rows into a shape, one after the other. */
export class ShapeReader {
  /** Byte ranges of the last row's numbers that are to be quoted, as pairs of offsets into its buffer. */
  readonly quotedRanges: number[] = []
  private bytes: Buffer = Buffer.alloc(0)
  private at = 0
  private end = 0
  private row = 0
  private objects = 0
  private highBytes = false

  constructor(
    readonly root: Shape,
    /** Columns whose numbers are kept as text. */
    private readonly quoteNumbersOf: NameSet,
  ) {
    root.kind = 'object'
    root.fields ??= new Map()
  }

  /** @throws JsonProblem */
  read(bytes: Buffer, start: number, end: number, row: number): void {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.row = row
    this.highBytes = false
    this.quotedRanges.length = 0
    this.space()
    if (this.bytes[this.at] !== 0x7b) this.notAnObject()
    this.object(this.root, true)
    this.space()
    if (this.at !== this.end) throw new JsonProblem('something follows the object')
    if (this.highBytes && !isUtf8(bytes.subarray(start, end))) throw new JsonProblem('the bytes are not UTF-8')
  }

  private notAnObject(): never {
    const text = this.bytes.subarray(this.at, this.end).toString('utf8')
    if (/^null\s*$/.test(text))
      throw new JsonProblem('the row is `null` (tombstones of a change stream are for the mode `cdc`)')
    throw new JsonProblem('the row is no JSON object')
  }

  private value(shape: Shape, path: string): void {
    const c = this.at < this.end ? this.bytes[this.at] : -1
    switch (c) {
      case 0x22:
        this.become(shape, 'string', path)
        this.string()
        return
      case 0x7b:
        this.become(shape, 'object', path)
        this.object(shape, false)
        return
      case 0x5b:
        this.become(shape, 'array', path)
        this.array(shape, path)
        return
      case 0x74:
        this.word('true')
        this.become(shape, 'boolean', path)
        return
      case 0x66:
        this.word('false')
        this.become(shape, 'boolean', path)
        return
      case 0x6e:
        this.word('null')
        return
      default:
        this.number(shape, path)
    }
  }

  private become(shape: Shape, kind: Kind, path: string): void {
    if (shape.kind === kind) return
    if (shape.kind !== undefined)
      throw new JsonProblem(`\`${path}\` is ${article[kind]}, and ${article[shape.kind]} in rows before`)
    shape.kind = kind
    if (kind === 'object') shape.fields = new Map()
    if (kind === 'array') shape.element = newShape()
  }

  private object(shape: Shape, isRoot: boolean): void {
    const { bytes } = this
    const serial = ++this.objects
    this.at++
    this.space()
    if (bytes[this.at] === 0x7d) {
      this.at++
      return
    }
    for (let index = 0; ; index++) {
      if (bytes[this.at] !== 0x22 || this.at >= this.end) throw new JsonProblem(this.broken('a name in quotes'))
      const member = this.member(shape, index)
      const { shape: value } = member
      if (value.met === serial) throw new JsonProblem(`the name \`${nameOf(member)}\` is repeated`)
      value.met = serial
      this.space()
      if (bytes[this.at] !== 0x3a) throw new JsonProblem(this.broken('`:`'))
      this.at++
      this.space()
      if (isRoot && value.kind === undefined) value.quoted = this.quoteNumbersOf.has(nameOf(member))
      this.memberValue(member)
      this.space()
      const c = this.at < this.end ? bytes[this.at] : -1
      if (c !== 0x7d && c !== 0x2c) throw new JsonProblem(this.broken('`,` or `}`'))
      this.at++
      if (c === 0x7d) return
      this.space()
    }
  }

  /** Kinds are compared before a path is put together: it is needed only in messages. */
  private memberValue(member: Member): void {
    try {
      this.value(member.shape, '')
    } catch (error) {
      if (error instanceof JsonProblem) error.message = error.message.replace('``', `\`${nameOf(member)}\``)
      throw error
    }
  }

  /** The name at hand; the order of the last object guesses it. */
  private member(shape: Shape, index: number): Member {
    const guess = shape.order[index]
    const start = this.at
    if (guess !== undefined) {
      const { bytes } = guess
      const { length } = bytes
      let same = start + length <= this.end
      for (let i = 0; same && i < length; i++) same = this.bytes[start + i] === bytes[i]
      if (same) {
        this.at = start + length
        return guess
      }
    }
    this.string()
    const bytes = Buffer.from(this.bytes.subarray(start, this.at))
    const name = nameOf({ bytes })
    const fields = shape.fields as Map<string, Shape>
    let value = fields.get(name)
    if (value === undefined) {
      value = newShape()
      fields.set(name, value)
    }
    const member = { bytes, shape: value }
    shape.order[index] = member
    return member
  }

  private array(shape: Shape, path: string): void {
    const element = shape.element as Shape
    this.at++
    this.space()
    if (this.bytes[this.at] === 0x5d) {
      this.at++
      return
    }
    for (;;) {
      this.value(element, path)
      this.space()
      const c = this.at < this.end ? this.bytes[this.at] : -1
      if (c !== 0x5d && c !== 0x2c) throw new JsonProblem(this.broken('`,` or `]`'))
      this.at++
      if (c === 0x5d) return
      this.space()
    }
  }

  private string(): void {
    const { bytes, end } = this
    let at = this.at + 1
    for (;;) {
      if (at >= end) throw new JsonProblem('a string does not end')
      const c = bytes[at] as number
      if (c >= 0x23 && c < 0x80 && c !== 0x5c) {
        at++
        continue
      }
      if (c === 0x22) break
      if (c === 0x5c) at = this.escape(at)
      else if (c < 0x20) throw new JsonProblem('a control character stands unescaped in a string')
      else {
        if (c >= 0x80) this.highBytes = true
        at++
      }
    }
    this.at = at + 1
  }

  private escape(at: number): number {
    const c = this.bytes[at + 1] as number
    if (c !== 0x75) {
      // " \ / b f n r t
      if (c === 0x22 || c === 0x5c || c === 0x2f || c === 0x62 || c === 0x66 || c === 0x6e || c === 0x72 || c === 0x74)
        return at + 2
      throw new JsonProblem('an escape in a string is not known')
    }
    const code = this.hex(at)
    if (code >= 0xd800 && code <= 0xdfff) {
      const pair = code <= 0xdbff && this.bytes[at + 6] === 0x5c && this.bytes[at + 7] === 0x75 ? this.hex(at + 6) : 0
      if (pair < 0xdc00 || pair > 0xdfff) throw new JsonProblem('half a surrogate pair stands in a string')
      return at + 12
    }
    return at + 6
  }

  private hex(at: number): number {
    const digits = at + 6 <= this.end ? this.bytes.toString('latin1', at + 2, at + 6) : ''
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new JsonProblem('an escape in a string is not known')
    return Number.parseInt(digits, 16)
  }

  private number(shape: Shape, path: string): void {
    const { bytes, end } = this
    const start = this.at
    let at = start
    let plain = true
    for (; at < end; at++) {
      const c = bytes[at] as number
      if (c >= 0x30 && c <= 0x39) continue
      if (c === 0x2d && at === start) continue
      if (c === 0x2e || c === 0x65 || c === 0x45 || c === 0x2b || c === 0x2d) plain = false
      else break
    }
    if (at === start) throw new JsonProblem(this.broken('a value'))
    const length = at - start
    const first = bytes[start] === 0x2d ? start + 1 : start
    // Up to 15 digits without sign, fraction and leading zero: fits both, and is most of what there is.
    const short = plain && length <= 15 && at > first && (bytes[first] !== 0x30 || (length === 1 && first === start))
    if (!short) this.longNumber(shape, bytes.toString('latin1', start, at))
    this.at = at
    if (shape.quoted) {
      this.become(shape, 'string', path)
      this.quotedRanges.push(start, at)
    } else this.become(shape, 'number', path)
  }

  private longNumber(shape: Shape, text: string): void {
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text))
      throw new JsonProblem('a number is not written as JSON wants it')
    if (shape.quoted) return
    if (shape.notBigint === undefined && !isBigint(text)) shape.notBigint = { row: this.row, text }
    if (shape.notDouble === undefined && !isExactDouble(text)) shape.notDouble = { row: this.row, text }
  }

  private word(word: string): void {
    const found = this.bytes.toString('latin1', this.at, Math.min(this.end, this.at + word.length))
    if (found !== word) throw new JsonProblem(this.broken('a value'))
    this.at += word.length
  }

  private space(): void {
    const { bytes, end } = this
    for (; this.at < end; this.at++) {
      const c = bytes[this.at]
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return
    }
  }

  private broken(expected: string): string {
    return this.at >= this.end
      ? `the JSON is cut short, ${expected} is missing`
      : `the JSON is broken, ${expected} is missing`
  }
}

function nameOf({ bytes }: Pick<Member, 'bytes'>): string {
  return JSON.parse(bytes.toString('utf8')) as string
}

/** @throws NumberProblem for numbers that fit neither type */
export function typeOfShape(shape: Shape, path: string): LakeType {
  switch (shape.kind) {
    case undefined:
    case 'string':
      return { kind: 'varchar' }
    case 'boolean':
      return { kind: 'boolean' }
    case 'number':
      if (shape.notBigint === undefined) return { kind: 'bigint' }
      if (shape.notDouble === undefined) return { kind: 'double' }
      throw new NumberProblem(path, shape.notBigint, shape.notDouble)
    case 'array':
      return { kind: 'list', element: typeOfShape(shape.element ?? newShape(), `${path}[]`) }
    case 'object':
      return { kind: 'struct', fields: fieldsOfShape(shape, path) }
  }
}

export function fieldsOfShape(shape: Shape, path: string): Field[] {
  const fields = [...(shape.fields ?? [])]
  assertColumnNames(fields.map(([name]) => name))
  return fields.map(([name, member]) => ({
    name,
    type: typeOfShape(member, path === '' ? name : `${path}.${name}`),
    nullable: true,
  }))
}

export class NumberProblem extends Error {
  constructor(
    readonly path: string,
    readonly notBigint: NumberAt,
    readonly notDouble: NumberAt,
  ) {
    super(`numbers of \`${path}\` fit neither bigint nor double`)
  }
}

const article: Record<Kind, string> = {
  object: 'an object',
  array: 'an array',
  string: 'text',
  number: 'a number',
  boolean: 'a boolean',
}

function isBigint(text: string): boolean {
  if (!/^-?\d{1,19}$/.test(text) || text === '-0') return false
  return BigInt.asIntN(64, BigInt(text)) === BigInt(text)
}

function isExactDouble(text: string): boolean {
  // 15 digits always come back.
  if (text.length <= 15 && !/[eE]/.test(text)) return true
  const value = Number(text)
  if (!Number.isFinite(value)) return false
  if (digitsOf(String(value)) === digitsOf(text)) return true
  // A whole number that a double holds prints with zeros instead of its last digits from 2^70 or so on.
  return /^-?\d{1,40}$/.test(text) && BigInt(value) === BigInt(text)
}

/** The digits that count: `0.10e5` and `10000` have the same. Nearest double and same digits mean the same number. */
function digitsOf(text: string): string {
  return text
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '')
    .replace(/0+$/, '')
}
