/**
 * CSV read by hand, record by record: the header before a scan, and after one the place of what is wrong. DuckDB reads the
 * data itself; this says what DuckDB leaves out (which row has another line break, where a quote opened).
 *
 * As DuckDB reads it: a quote opens only at the start of a field (blanks before it are dropped), lines that are empty are
 * no records where there are two columns or more.
 */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { LakeError } from '../errors.js'

export interface Dialect {
  delimiter: string
  /** Empty: no quoting. */
  quote: string
  escape: string
}

export interface CsvRecord {
  fields: string[]
  /** As it stands in the text, without the line break that ended it. */
  raw: string
  /** Empty at the end of the file. */
  ending: '\n' | '\r\n' | '\r' | ''
  /** What is wrong with its quotes. */
  broken?: 'a quote that does not close' | 'text after a closing quote'
}

/** Records in order, from text that comes in pieces. */
export async function* csvRecords(text: AsyncIterable<string>, dialect: Dialect): AsyncGenerator<CsvRecord> {
  const reader = new RecordReader(dialect)
  for await (const piece of text) {
    reader.add(piece)
    for (let record = reader.next(); record !== undefined; record = reader.next()) yield record
  }
  reader.end()
  for (let record = reader.next(); record !== undefined; record = reader.next()) yield record
}

/**
 * A file after its first lines, one character per byte, without byte-order mark: bytes that are no text come through as they
 * are. `utf8` makes text of it, `byBytes` a dialect that fits.
 */
export async function* fileBytes(path: string, skipLines: number): AsyncGenerator<string> {
  let skip = skipLines
  let isFirst = true
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    let text = (chunk as Buffer).toString('latin1')
    if (isFirst && text.startsWith('\u00ef\u00bb\u00bf')) text = text.slice(3)
    isFirst = false
    for (; skip > 0; skip--) {
      const end = text.indexOf('\n')
      if (end === -1) break
      text = text.slice(end + 1)
    }
    if (skip === 0) yield text
  }
}

export function byBytes(dialect: Dialect): Dialect {
  return { ...dialect, delimiter: Buffer.from(dialect.delimiter).toString('latin1') }
}

/** @returns undefined for bytes that are not UTF-8 */
export function utf8(bytes: string): string | undefined {
  const buffer = Buffer.from(bytes, 'latin1')
  return isUtf8(buffer) ? buffer.toString('utf8') : undefined
}

/** What is wrong with a record of so many columns; delimiters too many at its end are not, since DuckDB takes them. */
export function recordProblem(record: CsvRecord, columns: number, dialect: Dialect): string | undefined {
  const { fields, broken, raw } = record
  if (broken !== undefined) return `the row has ${broken}`
  const extra = fields.length - columns
  if (extra !== 0 && (extra < 0 || !raw.endsWith(dialect.delimiter.repeat(extra))))
    return `the row has ${fields.length} values, the header ${columns}`
  return utf8(raw) === undefined ? 'the bytes are not UTF-8' : undefined
}

export function notUtf8(name: string, row?: number): LakeError {
  return new LakeError('invalid', 'the bytes are not UTF-8', {
    file: name,
    row,
    fix: 'Say what they are, e.g. `--encoding windows-1252`.',
  })
}

export class RecordReader {
  private text = ''
  private at = 0
  private isEnd = false

  constructor(private readonly dialect: Dialect) {}

  add(piece: string): void {
    this.text = this.text.slice(this.at) + piece
    this.at = 0
  }

  end(): void {
    this.isEnd = true
  }

  /** `undefined` where the text so far does not hold a whole record. */
  next(): CsvRecord | undefined {
    const start = this.at
    if (start >= this.text.length) return undefined
    const fields: string[] = []
    let broken: CsvRecord['broken']
    let at = start
    for (;;) {
      const field = this.field(at)
      if (field === undefined) return undefined
      fields.push(field.value)
      broken ??= field.broken
      at = field.end
      if (this.text.startsWith(this.dialect.delimiter, at)) {
        at += this.dialect.delimiter.length
        // What follows the delimiter may still be to come.
        if (at >= this.text.length && !this.isEnd) return undefined
        continue
      }
      break
    }
    const ending = this.ending(at)
    if (ending === undefined) return undefined
    this.at = at + ending.length
    return { fields, raw: this.text.slice(start, at), ending, ...(broken === undefined ? {} : { broken }) }
  }

  /** Go back to where the second line of this record, the last one read, begins. */
  resumeAtSecondLine({ raw, ending }: CsvRecord): void {
    const first = /\r\n|\n|\r/.exec(raw)
    if (first !== null) this.at -= raw.length + ending.length - first.index - first[0].length
  }

  private ending(at: number): CsvRecord['ending'] | undefined {
    const c = this.text[at]
    if (c === undefined) return this.isEnd ? '' : undefined
    if (c === '\n') return '\n'
    if (at + 1 >= this.text.length && !this.isEnd) return undefined
    return this.text[at + 1] === '\n' ? '\r\n' : '\r'
  }

  private field(start: number): { value: string; end: number; broken?: CsvRecord['broken'] } | undefined {
    const { quote } = this.dialect
    let at = start
    while (this.text[at] === ' ') at++
    if (quote !== '' && this.text[at] === quote) return this.quoted(at + 1)
    const end = this.endOfPlain(at)
    return end === undefined ? undefined : { value: this.text.slice(start, end), end }
  }

  /** Where a delimiter or line break comes next, or the text ends. */
  private endOfPlain(start: number): number | undefined {
    const { delimiter } = this.dialect
    const first = delimiter.charCodeAt(0)
    for (let at = start; at < this.text.length; at++) {
      const c = this.text.charCodeAt(at)
      if (c === 10 || c === 13) return at
      if (c === first && (delimiter.length === 1 || this.text.startsWith(delimiter, at))) return at
    }
    return this.isEnd ? this.text.length : undefined
  }

  private quoted(start: number): { value: string; end: number; broken?: CsvRecord['broken'] } | undefined {
    const { quote, escape: escaper } = this.dialect
    let value = ''
    let from = start
    for (let at = start; at < this.text.length; at++) {
      const c = this.text[at]
      if (c !== quote && c !== escaper) continue
      const next = this.text[at + 1]
      if (next === undefined && !this.isEnd) return undefined
      if (c === escaper && (next === quote || (next === escaper && escaper !== quote))) {
        value += this.text.slice(from, at) + next
        at++
        from = at + 1
        continue
      }
      if (c !== quote) continue
      value += this.text.slice(from, at)
      const end = this.endOfPlain(at + 1)
      if (end === undefined) return undefined
      const rest = this.text.slice(at + 1, end).trim()
      return rest === '' ? { value, end } : { value, end, broken: 'text after a closing quote' }
    }
    if (!this.isEnd) return undefined
    return { value: value + this.text.slice(from), end: this.text.length, broken: 'a quote that does not close' }
  }
}
