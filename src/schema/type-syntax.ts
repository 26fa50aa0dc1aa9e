/**
 * Read the text of a SQL type into a tree, whoever wrote it: users (`decimal(12, 2)`), DuckDB's DESCRIBE
 * (`STRUCT("a b" INTEGER, c VARCHAR[3])`), Spark and Athena (`array<struct<a:int>>`), Trino (`row(a bigint)`). What the
 * names mean is not decided here: see `names.ts` and `duckdb.ts`.
 */

export function parseTypeSyntax(text: string): TypeSyntax {
  const reader = new Reader(text)
  const type = readType(reader)
  reader.end()
  return type
}

export type TypeSyntax =
  /** `name` in lower case, single spaces; `args` as written, without quotes. */
  | { kind: 'plain'; name: string; args: string[] }
  /** `size` where all lists have that one length: `integer[3]`. */
  | { kind: 'list'; element: TypeSyntax; size?: number }
  | { kind: 'struct' | 'union'; fields: { name: string; type: TypeSyntax }[] }
  | { kind: 'map'; key: TypeSyntax; value: TypeSyntax }

/** What is wrong and where; callers turn it into a LakeError that names the whole text. */
export class TypeSyntaxError extends Error {
  readonly position: number
  constructor(message: string, position: number) {
    super(message)
    this.position = position
  }
}

function readType(reader: Reader): TypeSyntax {
  let type = readHead(reader)
  while (reader.take('[')) {
    const size = reader.peek(']') ? undefined : reader.number()
    reader.expect(']')
    type = { kind: 'list', element: type, ...(size === undefined ? {} : { size }) }
  }
  return type
}

function readHead(reader: Reader): TypeSyntax {
  const name = reader.typeWord()
  switch (name) {
    case 'struct':
    case 'row':
      return { kind: 'struct', fields: readFields(reader, reader.open()) }
    case 'union':
      return { kind: 'union', fields: readFields(reader, reader.open()) }
    case 'map': {
      const close = reader.open()
      const key = readType(reader)
      reader.expect(',')
      const value = readType(reader)
      reader.expect(close)
      return { kind: 'map', key, value }
    }
    case 'array':
    case 'list': {
      const close = reader.open()
      const element = readType(reader)
      reader.expect(close)
      return { kind: 'list', element }
    }
    default:
      return readPlain(reader, name)
  }
}

/** Type names may be several words, and their argument may stand between them: `timestamp(6) with time zone`. */
function readPlain(reader: Reader, first: string): TypeSyntax {
  const words = [first]
  const args: string[] = []
  for (;;) {
    const word = reader.followingWord()
    if (word !== undefined) words.push(word)
    else if (args.length === 0 && reader.take('(')) {
      do args.push(reader.argument())
      while (reader.take(','))
      reader.expect(')')
    } else break
  }
  return { kind: 'plain', name: words.join(' '), args }
}

function readFields(reader: Reader, close: ')' | '>'): { name: string; type: TypeSyntax }[] {
  const fields: { name: string; type: TypeSyntax }[] = []
  do {
    const name = reader.identifier()
    reader.take(':')
    fields.push({ name, type: readType(reader) })
  } while (reader.take(','))
  reader.expect(close)
  return fields
}

/** Words that continue the name of a type; any other word after a name is an error. */
const continuations = new Set(['precision', 'varying', 'with', 'without', 'time', 'zone', 'local'])

class Reader {
  private at = 0
  constructor(private readonly text: string) {}

  peek(symbol: string): boolean {
    this.space()
    return this.text.startsWith(symbol, this.at)
  }

  take(symbol: string): boolean {
    if (!this.peek(symbol)) return false
    this.at += symbol.length
    return true
  }

  expect(symbol: string): void {
    if (!this.take(symbol)) throw this.error(`\`${symbol}\` is missing`)
  }

  open(): ')' | '>' {
    if (this.take('<')) return '>'
    this.expect('(')
    return ')'
  }

  end(): void {
    this.space()
    if (this.at < this.text.length) throw this.error(`\`${this.text.slice(this.at)}\` is too much`)
  }

  typeWord(): string {
    // DuckDB prints the type of an untyped NULL with quotes: "NULL".
    if (this.peek('"')) return this.quoted('"').toLowerCase()
    const word = this.match(/[a-z_][a-z0-9_]*/iy)
    if (word === undefined) throw this.error('the name of a type is missing')
    return word.toLowerCase()
  }

  followingWord(): string | undefined {
    const start = this.at
    const word = this.match(/[a-z]+/iy)?.toLowerCase()
    if (word !== undefined && continuations.has(word)) return word
    this.at = start
    return undefined
  }

  identifier(): string {
    if (this.peek('"')) return this.quoted('"')
    if (this.peek('`')) return this.quoted('`')
    const name = this.match(/[^\s"'`,:()<>[\]]+/y)
    if (name === undefined) throw this.error('the name of a field is missing')
    return name
  }

  argument(): string {
    if (this.peek("'")) return this.quoted("'")
    const text = this.match(/[^\s"'`,()<>[\]]+/y)
    if (text === undefined) throw this.error('an argument is missing')
    return text
  }

  number(): number {
    const digits = this.match(/[0-9]+/y)
    if (digits === undefined) throw this.error('a number is missing')
    return Number(digits)
  }

  private quoted(quote: string): string {
    const start = this.at
    let value = ''
    for (let at = start + 1; at < this.text.length; at++) {
      if (this.text[at] !== quote) value += this.text[at]
      else if (this.text[at + 1] === quote) {
        value += quote
        at++
      } else {
        this.at = at + 1
        return value
      }
    }
    throw this.error(`\`${quote}\` does not close`)
  }

  private match(pattern: RegExp): string | undefined {
    this.space()
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found !== undefined) this.at += found.length
    return found
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++
  }

  private error(message: string): TypeSyntaxError {
    return new TypeSyntaxError(message, this.at)
  }
}
