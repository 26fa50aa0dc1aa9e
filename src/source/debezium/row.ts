/**
 * A row of an event that came with its schema: every value is held against the schema, and what the engine could not read is
 * written anew. What does not fit is a problem of that line, with the column's name.
 *
 *   decimals                       their digits in quotes: "123.45"
 *   bits                           "1010"
 *   text with more than µs         without the zeros at the end
 *   maps                           [{"k":…,"v":…}]
 *   unavailable values             null, and no key
 */
import { isUtf8 } from 'node:buffer'
import { matches } from '../../schema/grammar.js'
import { JsonProblem, JsonScanner } from '../json-scan.js'
import type { Encoding, Field, Form, RowEncoding } from './connect.js'
import { decimalText, digitsOf, isScale, plainDecimal } from './decimal.js'
import type { Span } from './event.js'
import { isUnavailable } from './unavailable.js'

export class ConnectRowReader extends JsonScanner {
  private readonly byName: Map<string, number>
  private readonly metadata: Set<string>
  /** Names with their quotes, in the schema's order: in which rows have them. */
  private readonly expected: Buffer[]
  private readonly has: boolean[]
  private readonly all: string
  /** What is written anew, by where it stood. */
  private edits: Edit[] = []

  constructor(private readonly encoding: RowEncoding) {
    super()
    const names = encoding.fields.map(({ name }) => name)
    this.byName = new Map(names.map((name, place) => [name, place]))
    this.metadata = new Set(encoding.metadata)
    this.expected = names.map((name) => Buffer.from(JSON.stringify(name)))
    this.has = names.map(() => false)
    this.all = '1'.repeat(names.length)
  }

  /**
   * @returns the row's members without their braces, and which of the fields it has: `1101`
   * @throws JsonProblem
   */
  read({ bytes, start, end }: Span): { members: Buffer; keys: string } {
    this.begin(bytes, start, end)
    this.edits = []
    this.has.fill(false)
    const first = this.at + 1
    this.row()
    if (this.highBytes && !isUtf8(bytes.subarray(start, end))) throw new JsonProblem('the bytes are not UTF-8')
    const keys = this.has.every(Boolean) ? this.all : this.has.map((has) => (has ? '1' : '0')).join('')
    return { members: edited(bytes, first, this.at - 1, this.edits), keys }
  }

  private row(): void {
    this.at++
    this.space()
    if (this.peek() === 0x7d) {
      this.at++
      return
    }
    let place = 0
    do {
      place = this.place(place)
      const field = this.encoding.fields[place]
      if (field === undefined) this.skip()
      else this.member(field, place)
      place++
    } while (this.follows(0x7d, '`,` or `}`'))
  }

  /** Past a name. @param guess the field that comes next in the schema. @returns -1 for metadata */
  private place(guess: number): number {
    const expected = this.expected[guess]
    const { at: start } = this
    const [, end] = this.name()
    if (expected?.length === end - start && this.bytes.compare(expected, 0, end - start, start, end) === 0)
      return this.met(guess)
    const name = JSON.parse(this.bytes.toString('utf8', start, end)) as string
    const place = this.byName.get(name)
    if (place !== undefined) return this.met(place)
    if (this.metadata.has(name)) return -1
    throw new JsonProblem(`\`${name}\` is not in the schema of the event`)
  }

  private met(place: number): number {
    if (this.has[place]) throw new JsonProblem(`the name \`${this.encoding.fields[place]?.name}\` is repeated`)
    this.has[place] = true
    return place
  }

  private member({ name, encoding }: Field, place: number): void {
    const start = this.at
    const c = this.peek()
    // A placeholder may be of another type than the schema says.
    if (c === 0x22 || c === 0x5b || c === 0x7b) {
      this.skip()
      if (isUnavailable(this.bytes, start, this.at)) {
        this.edits.push({ start, end: this.at, text: 'null' })
        this.has[place] = false
        return
      }
      if (c === 0x22 && encoding.form.kind === 'text') return
      this.at = start
    }
    this.value(encoding, name)
  }

  private value(encoding: Encoding, path: string): void {
    if (this.peek() === 0x6e) {
      this.word('null')
      return
    }
    const { form } = encoding
    if (form.kind === 'list') this.list(form.element, path)
    else if (form.kind === 'struct') this.struct(form.fields, path)
    else if (form.kind === 'map') this.map(form, path)
    else if (form.kind === 'variable-decimal') this.variableDecimal(path)
    else this.scalar(encoding, form, path)
  }

  private scalar(encoding: Encoding, form: Scalar, path: string): void {
    const { bytes, at: start } = this
    const isText = this.peek() === 0x22
    const isNested = this.peek() === 0x5b || this.peek() === 0x7b
    this.skip()
    if (form.kind === 'text' && isText) return
    const token = bytes.toString('latin1', start, this.at)
    const written = isNested ? undefined : isText ? ofText(form, token.slice(1, -1)) : ofBare(form, token)
    if (written === undefined) throw this.misfit(encoding, token, path)
    if (written !== asItIs) this.edits.push({ start, end: this.at, text: written })
  }

  private misfit({ type, form }: Encoding, token: string, path: string): JsonProblem {
    const kind = form.kind === 'integer' || form.kind === 'decimal' ? form.kind : type.kind
    const nanos = form.kind === 'integer' && form.multipleOf !== undefined && /^-?\d+$/.test(token)
    const why = nanos ? ' (nanoseconds would be lost)' : ''
    return new JsonProblem(`\`${path}\` is no ${kind} of its schema${why}: \`${token.slice(0, 60)}\``)
  }

  private list(element: Encoding, path: string): void {
    this.expect(0x5b, `the list \`${path}\``)
    if (this.peek() === 0x5d) {
      this.at++
      return
    }
    do this.value(element, `${path}[]`)
    while (this.follows(0x5d, '`,` or `]`'))
  }

  private struct(fields: readonly Field[], path: string): void {
    this.expect(0x7b, `the object \`${path}\``)
    if (this.peek() === 0x7d) {
      this.at++
      return
    }
    do {
      const [start, end] = this.name()
      const name = JSON.parse(this.bytes.toString('utf8', start, end)) as string
      const field = fields.find((one) => one.name === name)
      if (field === undefined) throw new JsonProblem(`\`${path}.${name}\` is not in the schema of the event`)
      this.value(field.encoding, `${path}.${name}`)
    } while (this.follows(0x7d, '`,` or `}`'))
  }

  /** `{"a":1}`, or `[[7,1]]` where keys are no text. */
  private map({ key, value }: Extract<Form, { kind: 'map' }>, path: string): void {
    const isObject = this.peek() === 0x7b
    const close = isObject ? 0x7d : 0x5d
    this.replaced('[', () => this.expect(isObject ? 0x7b : 0x5b, `the map \`${path}\``))
    if (this.peek() === close) {
      this.replaced(']', () => this.at++)
      return
    }
    for (let isOpen = true; isOpen; ) {
      this.replaced('{"k":', () => isObject || this.expect(0x5b, `an entry of \`${path}\``))
      this.value(isObject ? nameOf : key, `${path}.key`)
      this.space()
      this.replaced(',"v":', () => this.expect(isObject ? 0x3a : 0x2c, 'the value of an entry'))
      this.value(value, `${path}.value`)
      this.space()
      this.replaced('}', () => isObject || this.expect(0x5d, '`]`'))
      const start = this.at
      isOpen = this.follows(close, 'the end of a map')
      this.edits.push({ start, end: this.at, text: isOpen ? ',' : ']' })
    }
  }

  private replaced(text: string, pass: () => unknown): void {
    const start = this.at
    pass()
    this.edits.push({ start, end: this.at, text })
  }

  /** `{"scale":2,"value":"MDk="}` */
  private variableDecimal(path: string): void {
    const start = this.at
    this.skip()
    const given = JSON.parse(this.bytes.toString('utf8', start, this.at)) as { scale?: unknown; value?: unknown }
    const { scale, value } = given
    if (!isScale(scale) || typeof value !== 'string' || !isBase64(value))
      throw new JsonProblem(`\`${path}\` is no decimal of its schema, with a scale and a value`)
    this.edits.push({ start, end: this.at, text: `"${decimalText(Buffer.from(value, 'base64'), scale)}"` })
  }
}

/** Bytes that are written anew. */
export interface Edit {
  start: number
  end: number
  text: string
}

type Scalar = Exclude<Form, { kind: 'list' | 'struct' | 'map' | 'variable-decimal' }>

const nameOf: Encoding = { type: { kind: 'varchar' }, form: { kind: 'text' }, read: 'VARCHAR' }

/** The value need not be written anew. */
const asItIs = Symbol('as it is')
type Written = string | typeof asItIs | undefined

/** @returns undefined where the text is no value of the form */
function ofText(form: Scalar, text: string): Written {
  switch (form.kind) {
    case 'float':
      return text === 'NaN' || text === 'Infinity' || text === '-Infinity' ? asItIs : undefined
    case 'base64':
      return isBase64(text) ? asItIs : undefined
    case 'decimal':
      return isBase64(text) ? fitting(decimalText(Buffer.from(text, 'base64'), form.scale), form) : undefined
    case 'bits':
      return isBase64(text) ? `"${bitsText(Buffer.from(text, 'base64'), form.length)}"` : undefined
    case 'zoned':
      return zonedText(text)
    case 'date':
      return matches({ kind: 'date' }, text.replace(/Z$/, '')) ? `"${text.slice(0, 10)}"` : undefined
    default:
      return undefined
  }
}

/** Of numbers and booleans. */
function ofBare(form: Scalar, token: string): Written {
  switch (form.kind) {
    case 'integer':
      return isWithin(form, token) ? asItIs : undefined
    case 'float':
      return /^[-\d]/.test(token) ? asItIs : undefined
    case 'boolean':
      return token === 'true' || token === 'false' ? asItIs : undefined
    case 'decimal': {
      const plain = plainDecimal(token)
      return plain === undefined ? undefined : fitting(plain, form)
    }
    default:
      return undefined
  }
}

function isWithin({ least, most, multipleOf, short }: Extract<Form, { kind: 'integer' }>, token: string): boolean {
  if (!/^-?\d{1,19}$/.test(token)) return false
  if (token.length <= short && multipleOf === undefined) return true
  const value = BigInt(token)
  return value >= least && value <= most && (multipleOf === undefined || value % multipleOf === 0n)
}

/** In quotes, if a decimal of this precision holds it. */
function fitting(text: string, { scale, precision }: Extract<Form, { kind: 'decimal' }>): string | undefined {
  const digits = digitsOf(text)
  const after = Math.max(scale, 0)
  const fits = precision === undefined || (digits.whole <= precision - after && digits.scale <= after)
  return fits ? `"${text}"` : undefined
}

/** Bits from the lowest byte on, as their digits from the highest. */
function bitsText(bytes: Buffer, length: number | undefined): string {
  const digits = [...bytes].reverse().map((byte) => byte.toString(2).padStart(8, '0'))
  const all = digits.join('')
  return length === undefined ? all : all.padStart(length, '0').slice(-length)
}

/** Fractions may have nine digits; those beyond the sixth must be zeros. */
function zonedText(text: string): Written {
  const trimmed = text.replace(/(\.\d{6})0{1,3}(?=[Z+-])/, '$1')
  if (!/(?:Z|[+-]\d\d:?\d\d)$/.test(trimmed) || !matches({ kind: 'timestamp' }, trimmed)) return undefined
  return trimmed === text ? asItIs : `"${trimmed}"`
}

function isBase64(text: string): boolean {
  return matches({ kind: 'blob' }, text)
}

/** The bytes from `start` to `end` with the edits made, which are in their order. */
export function edited(bytes: Buffer, start: number, end: number, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return bytes.subarray(start, end)
  const pieces: Buffer[] = []
  let from = start
  for (const edit of edits) {
    pieces.push(bytes.subarray(from, edit.start), Buffer.from(edit.text))
    from = edit.end
  }
  return Buffer.concat([...pieces, bytes.subarray(from, end)])
}
