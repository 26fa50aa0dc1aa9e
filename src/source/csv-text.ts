/**
 * CSV read by hand, record by record: the header before a scan, and the place of what is wrong after one. DuckDB reads
 * the data itself; this says what DuckDB leaves out (which row has another line break, where a quote opened).
 *
 * As DuckDB reads it: a quote opens only at the start of a field (blanks before it are dropped), lines that are empty are
 * no records where there are two columns or more.
 */
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
  /** The line break that ended it; empty at the end of the file. */
  ending: '\n' | '\r\n' | '\r' | ''
  /** What is wrong with its quotes. */
  broken?: 'a quote that does not close' | 'text after a closing quote'
}

/** Records in order, from the text that comes in pieces. */
export async function* csvRecords(text: AsyncIterable<string>, dialect: Dialect): AsyncGenerator<CsvRecord> {
  const parser = new RecordParser(dialect)
  for await (const piece of text) yield* parser.push(piece)
  yield* parser.end()
}

/**
 * UTF-8 text of a file, without byte-order mark, after the first `skipLines` lines.
 * @throws LakeError invalid for bytes that are not UTF-8
 */
export async function* fileText(file: { path: string; name: string }, skipLines: number): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let skip = skipLines
  let held = ''
  const decode = (bytes?: Buffer): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (cause) {
      throw notUtf8(file.name, cause)
    }
  }
  for await (const bytes of createReadStream(file.path, { highWaterMark: 1 << 16 })) {
    held += decode(bytes as Buffer)
    for (; skip > 0; skip--) {
      const end = held.indexOf('\n')
      if (end === -1) break
      held = held.slice(end + 1)
    }
    if (skip > 0) continue
    yield held
    held = ''
  }
  held += decode()
  if (skip === 0 && held !== '') yield held
}

export function notUtf8(name: string, cause?: unknown, row?: number): LakeError {
  return new LakeError('invalid', 'the bytes are not UTF-8', {
    file: name,
    row,
    fix: 'Say what they are, e.g. `--encoding windows-1252`.',
    cause,
  })
}

class RecordParser {
  private fields: string[] = []
  private field = ''
  private state: 'start' | 'plain' | 'quoted' | 'closed' = 'start'
  private rest = ''
  private broken: CsvRecord['broken']

  constructor(private readonly dialect: Dialect) {}

  push(piece: string): CsvRecord[] {
    // What may be the first half of an escape, a CRLF or a long delimiter waits for the next piece.
    const text = this.rest + piece
    const safe = Math.max(0, text.length - Math.max(2, this.dialect.delimiter.length))
    return this.read(text, safe, false)
  }

  end(): CsvRecord[] {
    const records = this.read(this.rest, this.rest.length, true)
    if (this.state === 'quoted') this.broken ??= 'a quote that does not close'
    if (this.state !== 'start' || this.fields.length > 0) records.push(this.finish(''))
    return records
  }

  private read(text: string, upTo: number, last: boolean): CsvRecord[] {
    const { delimiter, quote, escape } = this.dialect
    const records: CsvRecord[] = []
    let at = 0
    while (at < upTo) {
      const c = text[at] as string
      if (this.state === 'quoted') {
        const next = text[at + 1]
        if (c === escape && next !== undefined && (next === quote || (next === escape && escape !== quote))) {
          this.field += next
          at += 2
        } else if (c === quote) {
          this.state = 'closed'
          at++
        } else {
          this.field += c
          at++
        }
      } else if (text.startsWith(delimiter, at)) {
        this.endField()
        at += delimiter.length
      } else if (c === '\n' || c === '\r') {
        const ending = c === '\r' && text[at + 1] === '\n' ? '\r\n' : c
        records.push(this.finish(ending))
        at += ending.length
      } else if (c === quote && quote !== '' && this.state === 'start' && this.field.trim() === '') {
        this.field = ''
        this.state = 'quoted'
        at++
      } else {
        if (this.state === 'closed' && c !== ' ') this.broken ??= 'text after a closing quote'
        if (this.state === 'start' && c !== ' ') this.state = 'plain'
        if (this.state !== 'closed') this.field += c
        at++
      }
    }
    this.rest = last ? '' : text.slice(at)
    return records
  }

  private endField(): void {
    this.fields.push(this.field)
    this.field = ''
    this.state = 'start'
  }

  private finish(ending: CsvRecord['ending']): CsvRecord {
    this.endField()
    const record: CsvRecord = { fields: this.fields, ending }
    if (this.broken !== undefined) record.broken = this.broken
    this.fields = []
    this.broken = undefined
    return record
  }
}
