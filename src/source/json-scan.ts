/**
 * Strict JSON over bytes (RFC 8259), token by token: what `json-shape.ts` learns shapes with and `debezium/` reads events
 * with. Nothing is decoded here; offsets are all there is.
 */

/** What is wrong with a row. */
export class JsonProblem extends Error {
  constructor(
    message: string,
    readonly fix?: string,
  ) {
    super(message)
  }
}

export class JsonScanner {
  protected bytes: Buffer = Buffer.alloc(0)
  protected at = 0
  protected end = 0
  /** Whether a string since the last `begin` had bytes beyond ASCII. */
  protected highBytes = false

  protected begin(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.highBytes = false
    this.space()
  }

  /** Past one value of any kind. @throws JsonProblem */
  protected skip(): void {
    const c = this.peek()
    switch (c) {
      case 0x22:
        this.string()
        return
      case 0x7b:
        this.skipObject()
        return
      case 0x5b:
        this.skipArray()
        return
      case 0x74:
        this.word('true')
        return
      case 0x66:
        this.word('false')
        return
      case 0x6e:
        this.word('null')
        return
      default:
        this.skipNumber()
    }
  }

  /** The byte at hand; -1 at the end. */
  protected peek(): number {
    return this.at < this.end ? (this.bytes[this.at] as number) : -1
  }

  /** Past `c`, and the blanks after it. */
  protected expect(c: number, what: string): void {
    if (this.peek() !== c) throw new JsonProblem(this.broken(what))
    this.at++
    this.space()
  }

  /** After a member or an element: whether another one follows; past the comma or the end. */
  protected follows(close: number, what: string): boolean {
    this.space()
    const c = this.peek()
    if (c !== close && c !== 0x2c) throw new JsonProblem(this.broken(what))
    this.at++
    if (c === close) return false
    this.space()
    return true
  }

  /** Past a name and its colon. @returns where the name began, quotes included, and ended */
  protected name(): [number, number] {
    if (this.peek() !== 0x22) throw new JsonProblem(this.broken('a name in quotes'))
    const start = this.at
    this.string()
    const end = this.at
    this.space()
    this.expect(0x3a, '`:`')
    return [start, end]
  }

  protected string(): void {
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

  protected skipNumber(): void {
    const { bytes, at: start } = this
    let isPlain = true
    for (; this.at < this.end; this.at++) {
      const c = bytes[this.at] as number
      if (c >= 0x30 && c <= 0x39) continue
      if (c !== 0x2d && c !== 0x2b && c !== 0x2e && c !== 0x65 && c !== 0x45) break
      isPlain = false
    }
    if (this.at === start) throw new JsonProblem(this.broken('a value'))
    if (!isPlain || bytes[start] === 0x30) assertNumber(bytes.toString('latin1', start, this.at))
  }

  protected word(word: string): void {
    const found = this.bytes.toString('latin1', this.at, Math.min(this.end, this.at + word.length))
    if (found !== word) throw new JsonProblem(this.broken('a value'))
    this.at += word.length
  }

  protected space(): void {
    const { bytes, end } = this
    for (; this.at < end; this.at++) {
      const c = bytes[this.at]
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return
    }
  }

  protected broken(expected: string): string {
    return this.at >= this.end
      ? `the JSON is cut short, ${expected} is missing`
      : `the JSON is broken, ${expected} is missing`
  }

  private skipObject(): void {
    this.at++
    this.space()
    if (this.peek() === 0x7d) {
      this.at++
      return
    }
    do {
      this.name()
      this.skip()
    } while (this.follows(0x7d, '`,` or `}`'))
  }

  private skipArray(): void {
    this.at++
    this.space()
    if (this.peek() === 0x5d) {
      this.at++
      return
    }
    do this.skip()
    while (this.follows(0x5d, '`,` or `]`'))
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
}

export function assertNumber(text: string): void {
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text))
    throw new JsonProblem('a number is not written as JSON wants it')
}
