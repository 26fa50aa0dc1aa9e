/**
 * Cut a stream of bytes into JSON documents, piece by piece, without looking into them further than needed.
 *
 *   ndjson  one per line; empty lines are none
 *   json    the elements of one array, or documents one after the other (a single object, too)
 */
import { JsonProblem } from './json-scan.js'

export interface JsonDocument {
  bytes: Buffer
  start: number
  end: number
}

export async function* jsonDocuments(
  source: AsyncIterable<Buffer>,
  format: 'json' | 'ndjson',
): AsyncGenerator<Iterable<JsonDocument>> {
  const cutter = format === 'ndjson' ? new LineCutter() : new ElementCutter()
  let first = true
  for await (const chunk of source) {
    yield cutter.push(first ? withoutMark(chunk) : chunk)
    first = false
  }
  yield cutter.end()
}

function withoutMark(chunk: Buffer): Buffer {
  return chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? chunk.subarray(3) : chunk
}

class LineCutter {
  private rest: Buffer[] = [];

  *push(chunk: Buffer): Generator<JsonDocument> {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      if (this.rest.length === 0) yield* document(chunk, start, end)
      else yield* this.take(chunk.subarray(start, end))
      start = end + 1
    }
    if (start < chunk.length) this.rest.push(chunk.subarray(start))
  }

  *end(): Generator<JsonDocument> {
    if (this.rest.length > 0) yield* this.take(Buffer.alloc(0))
  }

  private *take(last: Buffer): Generator<JsonDocument> {
    const whole = Buffer.concat([...this.rest, last])
    this.rest = []
    yield* document(whole, 0, whole.length)
  }
}

function* document(bytes: Buffer, start: number, end: number): Generator<JsonDocument> {
  let from = start
  while (from < end && isSpace(bytes[from])) from++
  if (from < end) yield { bytes, start: from, end }
}

class ElementCutter {
  private rest: Buffer[] = []
  private depth = 0
  private inString = false
  private escaped = false
  private inElement = false
  private array: 'unknown' | 'none' | 'open' | 'closed' = 'unknown'
  private expects: 'element' | 'first' | 'comma' = 'first';

  *push(chunk: Buffer): Generator<JsonDocument> {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const c = chunk[at] as number
      if (!this.inElement) {
        if (isSpace(c) || !this.begin(c)) continue
        start = at
      }
      if (this.inString) {
        if (this.escaped) this.escaped = false
        else if (c === 0x5c) this.escaped = true
        else if (c === 0x22) this.inString = false
        continue
      }
      if (c === 0x22) this.inString = true
      else if (c === 0x7b || c === 0x5b) this.depth++
      else if (c === 0x7d || c === 0x5d) {
        // `]` after a bare value (`[1]`) ends the list, not a list within it.
        if (this.depth === 0) {
          yield* this.take(chunk, start, at)
          at--
          continue
        }
        this.depth--
        if (this.depth === 0) yield* this.take(chunk, start, at + 1)
      } else if (this.depth === 0 && (c === 0x2c || isSpace(c))) {
        yield* this.take(chunk, start, at)
        at--
      }
    }
    if (this.inElement && start < chunk.length) this.rest.push(chunk.subarray(start))
  }

  *end(): Generator<JsonDocument> {
    if (this.inElement) yield* this.take(Buffer.alloc(0), 0, 0)
    else if (this.array === 'open') throw new JsonProblem('the JSON is cut short, `]` is missing')
  }

  /** @returns whether the byte begins an element */
  private begin(c: number): boolean {
    if (this.array === 'unknown') {
      this.array = c === 0x5b ? 'open' : 'none'
      if (this.array === 'open') return false
    }
    if (this.array === 'closed') throw new JsonProblem('something follows the array')
    if (this.array === 'open') {
      if (c === 0x5d && this.expects !== 'element') {
        this.array = 'closed'
        return false
      }
      if (c === 0x2c && this.expects === 'comma') {
        this.expects = 'element'
        return false
      }
      if (this.expects === 'comma' || c === 0x2c || c === 0x5d)
        throw new JsonProblem('the JSON is broken, an element of the array is missing')
      this.expects = 'comma'
    }
    this.inElement = true
    return true
  }

  private *take(chunk: Buffer, start: number, end: number): Generator<JsonDocument> {
    const whole =
      this.rest.length === 0 ? chunk.subarray(start, end) : Buffer.concat([...this.rest, chunk.subarray(0, end)])
    this.rest = []
    this.inElement = false
    this.depth = 0
    this.inString = false
    yield { bytes: whole, start: 0, end: whole.length }
  }
}

function isSpace(c: number | undefined): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09
}
