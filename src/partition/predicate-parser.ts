/**
 * Text → predicate. Columns and their types are given, so that literals take the type of the column beside them; an
 * error says where, and what to write instead.
 *
 *   dt=2026-11-20                                     days need no quotes
 *   dt >= '2026-11-01' and dt < '2026-12-01'
 *   region in ('EU', 'US') and not (hour between 0 and 5) or "odd name" is null
 *
 * and where the options say so
 *
 *   shipped < ordered                                 two columns
 *   incoming.updated_at > current.updated_at          columns of two rows
 */
import { LakeError } from '../errors.js'
import { findColumn, nearMiss, typeName } from '../schema/names.js'
import type { Field, LakeType, Schema } from '../schema/types.js'
import { type ColumnRef, type Comparison, keywords, type Predicate } from './predicate.js'
import { canonicalText, isPartitionType } from './value.js'

/** @throws LakeError invalid, with the place in the text */
export function parsePredicate(text: string, options: PredicateOptions): Predicate {
  return new Parser(text, options).parse()
}

export interface PredicateOptions {
  /** The columns that may be named. */
  columns: Schema
  /** What the text is called in errors: `scope`, `where`. */
  what: string
  /** What to say of a name that is none of `columns`, where there is more to say than that it does not exist. */
  explainUnknown?(name: string): { message: string; fix: string } | undefined
  /** Whether a column may be compared with another one. */
  comparesColumns?: boolean
  /** Whose columns may be named as `incoming.x`; `columns` are then those of bare names, with the source that they mean. */
  sources?: Record<string, Schema>
  /** The source of a bare name. */
  sourceOf?(name: string): string | undefined
}

type Token =
  | { kind: 'name' | 'quoted' | 'text' | 'number' | 'day' | 'symbol'; text: string; at: number }
  | { kind: 'end'; text: ''; at: number }
type Literal = { kind: 'text' | 'number' | 'day' | 'boolean' | 'null' | 'date' | 'timestamp'; text: string; at: number }

const flipped: Record<Comparison, Comparison> = { '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }
const comparisons: Record<string, Comparison> = {
  ...{ '=': '=', '==': '=', '<>': '<>', '!=': '<>', '<': '<', '<=': '<=', '>': '>', '>=': '>=' },
}
/** Deeper nesting is an accident or an attack; the parser is recursive. */
const deepest = 100

class Parser {
  private readonly tokens: Token[]
  private next = 0
  private depth = 0

  constructor(
    private readonly text: string,
    private readonly options: PredicateOptions,
  ) {
    this.tokens = this.tokenize()
  }

  parse(): Predicate {
    if (this.peek().kind === 'end')
      throw this.error(0, 'it is empty', 'Write a condition such as `dt = 2026-11-20`, or `true` for everything.')
    const predicate = this.or()
    const rest = this.peek()
    if (rest.kind !== 'end')
      throw this.error(rest.at, `\`${rest.text}\` is not expected`, 'Join conditions by `and` or `or`.')
    return predicate
  }

  private or(): Predicate {
    const of = [this.and()]
    while (this.takeWord('or')) of.push(this.and())
    return of.length === 1 ? (of[0] ?? { op: 'false' }) : { op: 'or', of }
  }

  private and(): Predicate {
    const of = [this.not()]
    while (this.takeWord('and')) of.push(this.not())
    return of.length === 1 ? (of[0] ?? { op: 'true' }) : { op: 'and', of }
  }

  private not(): Predicate {
    const { at } = this.peek()
    if (++this.depth > deepest) throw this.error(at, 'it is nested too deeply', 'Write fewer parentheses.')
    try {
      if (this.takeWord('not')) return { op: 'not', of: this.not() }
      if (!this.takeSymbol('(')) return this.condition()
      const inner = this.or()
      this.expectSymbol(')')
      return inner
    } finally {
      this.depth--
    }
  }

  private condition(): Predicate {
    const literal = this.literal()
    if (literal === undefined) return this.columnCondition(this.column())
    const comparison = this.comparison()
    if (comparison !== undefined) return this.compare(this.column(), flipped[comparison], literal)
    if (literal.kind === 'boolean') return { op: literal.text === 'true' ? 'true' : 'false' }
    throw this.error(literal.at, 'a value stands where a condition should', 'Compare a column with it.')
  }

  private columnCondition(ref: ColumnRef): Predicate {
    const comparison = this.comparison()
    if (comparison !== undefined) {
      const literal = this.literal()
      if (literal !== undefined) return this.compare(ref, comparison, literal)
      if (this.isColumnNext()) return this.compareColumns(ref, comparison)
      throw this.noLiteral()
    }
    if (this.takeWord('is')) {
      const negated = this.takeWord('not')
      if (!this.takeWord('null'))
        throw this.error(this.peek().at, '`null` is missing', 'Write `is null` or `is not null`.')
      return negation({ op: 'null', ...ref }, negated)
    }
    const negated = this.takeWord('not')
    if (this.takeWord('in')) {
      this.expectSymbol('(')
      const values = [this.value(ref, this.expectLiteral())]
      while (this.takeSymbol(',')) values.push(this.value(ref, this.expectLiteral()))
      this.expectSymbol(')')
      return negation({ op: 'in', ...ref, values }, negated)
    }
    if (this.takeWord('between')) {
      const low = this.compare(ref, '>=', this.expectLiteral())
      if (!this.takeWord('and')) throw this.error(this.peek().at, '`and` is missing', 'Write `between a and b`.')
      return negation({ op: 'and', of: [low, this.compare(ref, '<=', this.expectLiteral())] }, negated)
    }
    if (ref.type.kind === 'boolean' && !negated) return { op: 'compare', ...ref, comparison: '=', value: 'true' }
    const { at, text } = this.peek()
    const found = text === '' ? 'it ends where' : `\`${text}\` stands where`
    const fix =
      'Conditions are `= <> < <= > >=`, `in (…)`, `between a and b` and `is null`; a boolean column is one by itself, and ' +
      `\`${ref.column}\` is ${typeName(ref.type)}. An input’s column may be declared: \`--types ${ref.column}=boolean\`.`
    throw this.error(at, `${found} a condition on \`${ref.column}\` should follow`, fix)
  }

  private compare(ref: ColumnRef, comparison: Comparison, literal: Literal): Predicate {
    return { op: 'compare', ...ref, comparison, value: this.value(ref, literal) }
  }

  private compareColumns(ref: ColumnRef, comparison: Comparison): Predicate {
    const { at } = this.peek()
    const other = this.column()
    const [kind, otherKind] = [comparableKind(ref.type), comparableKind(other.type)]
    if (kind === undefined || kind !== otherKind)
      throw this.error(
        at,
        `\`${other.column}\` is ${typeName(other.type)} and \`${ref.column}\` is ${typeName(ref.type)}, which cannot be compared`,
        kind !== undefined && otherKind !== undefined ? 'Compare columns of one kind.' : howToWrite(ref.type),
      )
    return { op: 'columns', ...ref, comparison, other }
  }

  private isColumnNext(): boolean {
    const { kind, text } = this.peek()
    if (this.options.comparesColumns !== true) return false
    if (this.tokens[this.next + 1]?.text === '.') return true
    const isName = kind === 'quoted' || (kind === 'name' && !keywords.has(text.toLowerCase()))
    return isName && findColumn(this.options.columns, text) !== undefined
  }

  /** The literal as text of the column's type. */
  private value({ column, type }: ColumnRef, literal: Literal): string {
    if (literal.kind === 'null')
      throw this.error(literal.at, 'a comparison with null is never true', 'Write `is null` or `is not null`.')
    const text = isPartitionType(type) && suits(literal, type) ? canonicalText(plain(literal, type), type) : undefined
    if (text === undefined)
      throw this.error(
        literal.at,
        `\`${literal.text}\` is no ${typeName(type)}, as column \`${column}\` is`,
        howToWrite(type),
      )
    return text
  }

  private column(): ColumnRef {
    const token = this.take()
    if (token.kind === 'end') throw this.error(token.at, 'a column is missing', 'Write a condition on a column.')
    const isName = token.kind === 'quoted' || (token.kind === 'name' && !keywords.has(token.text.toLowerCase()))
    if (!isName)
      throw this.error(
        token.at,
        `\`${token.text}\` stands where a column should`,
        'Put names that are no plain words in double quotes.',
      )
    if (this.peek().kind === 'symbol' && this.peek().text === '.') return this.qualified(token)
    const field = findColumn(this.options.columns, token.text)
    if (field !== undefined) return referTo(field, this.options.sourceOf?.(field.name))
    const explained = this.options.explainUnknown?.(token.text)
    if (explained !== undefined) throw this.error(token.at, explained.message, explained.fix)
    throw this.error(token.at, `column \`${token.text}\` does not exist`, whatThereIs(token.text, this.options.columns))
  }

  /** `incoming.x`, at the point. */
  private qualified({ text, at }: Token): ColumnRef {
    this.next++
    const sources = this.options.sources ?? {}
    const source = Object.keys(sources).find((name) => name === text.toLowerCase())
    const columns = source === undefined ? undefined : sources[source]
    if (source === undefined || columns === undefined) {
      const names = Object.keys(sources).map((name) => `\`${name}.\``)
      const fix =
        names.length > 0 ? `Columns are named after ${names.join(' or ')}.` : 'Put names with a point in double quotes.'
      throw this.error(at, `\`${text}.\` names nothing`, fix)
    }
    const name = this.take()
    if (name.kind !== 'name' && name.kind !== 'quoted')
      throw this.error(name.at, `a column of \`${source}\` is missing`, `Write \`${source}.COLUMN\`.`)
    const field = findColumn(columns, name.text)
    if (field !== undefined) return referTo(field, source)
    throw this.error(name.at, `\`${source}\` has no column \`${name.text}\``, whatThereIs(name.text, columns))
  }

  private expectLiteral(): Literal {
    const literal = this.literal()
    if (literal !== undefined) return literal
    throw this.noLiteral()
  }

  private noLiteral(): LakeError {
    const { at, text, kind } = this.peek()
    if (kind === 'name') return this.error(at, `\`${text}\` is no value`, `Put text in single quotes: '${text}'.`)
    if (kind === 'quoted')
      return this.error(at, `"${text}" is a name, not a value`, `Put text in single quotes: '${text}'.`)
    return this.error(at, 'a value is missing', 'Write a number, or text in single quotes.')
  }

  private literal(): Literal | undefined {
    const token = this.peek()
    if (token.kind === 'text' || token.kind === 'number' || token.kind === 'day') {
      this.next++
      return { kind: token.kind, text: token.text, at: token.at }
    }
    if (token.kind !== 'name') return undefined
    const word = token.text.toLowerCase()
    if (word === 'true' || word === 'false' || word === 'null') {
      this.next++
      return { kind: word === 'null' ? 'null' : 'boolean', text: word, at: token.at }
    }
    const following = this.tokens[this.next + 1]
    if ((word === 'date' || word === 'timestamp' || word === 'timestamptz') && following?.kind === 'text') {
      this.next += 2
      return { kind: word === 'date' ? 'date' : 'timestamp', text: following.text, at: token.at }
    }
    return undefined
  }

  private comparison(): Comparison | undefined {
    const token = this.peek()
    const found = token.kind === 'symbol' ? comparisons[token.text] : undefined
    if (found !== undefined) this.next++
    return found
  }

  private peek(): Token {
    return this.tokens[this.next] ?? { kind: 'end', text: '', at: this.text.length }
  }

  private take(): Token {
    const token = this.peek()
    this.next++
    return token
  }

  private takeWord(word: string): boolean {
    const token = this.peek()
    if (token.kind !== 'name' || token.text.toLowerCase() !== word) return false
    this.next++
    return true
  }

  private takeSymbol(symbol: string): boolean {
    const token = this.peek()
    if (token.kind !== 'symbol' || token.text !== symbol) return false
    this.next++
    return true
  }

  private expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol))
      throw this.error(this.peek().at, `\`${symbol}\` is missing`, `Write \`${symbol}\` here.`)
  }

  private tokenize(): Token[] {
    const tokens: Token[] = []
    const pattern = new RegExp(tokenPattern, 'uy')
    while (pattern.lastIndex < this.text.length) {
      const at = pattern.lastIndex
      const groups = pattern.exec(this.text)?.groups
      if (groups === undefined) throw this.unreadable(at)
      const [kind, text] = Object.entries(groups).find(([, found]) => found !== undefined) ?? ['space', '']
      if (kind === 'text' || kind === 'quoted') {
        const quote = kind === 'text' ? "'" : '"'
        tokens.push({ kind, text: text.slice(1, -1).replaceAll(quote + quote, quote), at })
      } else if (kind === 'name' || kind === 'number' || kind === 'day' || kind === 'symbol')
        tokens.push({ kind, text, at })
    }
    return tokens
  }

  private unreadable(at: number): LakeError {
    const char = this.text[at] ?? ''
    if (char === "'" || char === '"')
      return this.error(at, `the quote ${char} does not close`, `Close it; write ${char}${char} for one inside.`)
    const word = /^[^\s()<>=!,'"]+/.exec(this.text.slice(at))?.[0] ?? char
    return this.error(at, `\`${word}\` cannot be read`, `Put text in single quotes: '${word}'.`)
  }

  /** @param at index of the code unit */
  private error(at: number, message: string, fix: string): LakeError {
    const shown = this.text.replace(/\s/g, ' ')
    const from = Math.max(0, at - 60)
    const excerpt = `${from > 0 ? '…' : ''}${shown.slice(from, at + 40)}${shown.length > at + 40 ? '…' : ''}`
    const caret = ' '.repeat([...shown.slice(from, at)].length + (from > 0 ? 1 : 0))
    return new LakeError(
      'invalid',
      `the ${this.options.what} cannot be read at character ${at + 1}, ${message}\n  ${excerpt}\n  ${caret}^`,
      { fix },
    )
  }
}

const tokenPattern = [
  '(?<space>\\s+)',
  "(?<text>'(?:[^']|'')*')",
  '(?<quoted>"(?:[^"]|"")+")',
  '(?<day>\\d{4}-\\d{2}-\\d{2}(?:T[\\d:.]+(?:Z|[+-]\\d{2}(?::?\\d{2})?)?)?(?![\\p{L}\\p{N}_.-]))',
  '(?<number>[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?(?![\\p{L}\\p{N}_.-]))',
  '(?<name>[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*)',
  '(?<symbol><>|!=|==|<=|>=|[=<>(),.])',
].join('|')

function referTo({ name: column, type }: Field, source: string | undefined): ColumnRef {
  return { column, type, ...(source === undefined ? {} : { source }) }
}

function whatThereIs(name: string, columns: Schema): string {
  const names = columns.map((column) => column.name)
  const near = nearMiss(name, names)
  return `${near === undefined ? '' : `Did you mean \`${near}\`? `}Columns here are ${names.join(', ')}.`
}

/** Types whose values stand in one order with those of other types of the kind. */
function comparableKind({ kind }: LakeType): 'number' | 'time' | 'varchar' | 'boolean' | undefined {
  if (['tinyint', 'smallint', 'integer', 'bigint', 'decimal', 'float', 'double'].includes(kind)) return 'number'
  if (kind === 'date' || kind === 'timestamp') return 'time'
  return kind === 'varchar' || kind === 'boolean' ? kind : undefined
}

function negation(predicate: Predicate, negated: boolean): Predicate {
  return negated ? { op: 'not', of: predicate } : predicate
}

/** Quoted text suits every type whose grammar it has; what is written bare suits its own. */
function suits(literal: Literal, type: LakeType): boolean {
  switch (literal.kind) {
    case 'number':
      return !['varchar', 'date', 'timestamp', 'boolean'].includes(type.kind)
    case 'day':
      return ['date', 'timestamp', 'varchar'].includes(type.kind)
    case 'date':
    case 'timestamp':
      return type.kind === 'timestamp' || type.kind === literal.kind
    case 'boolean':
      return type.kind === 'boolean'
    default:
      return true
  }
}

/** A number as the grammar of exact types has it: `+5`, `5.0` and `5.` are 5. */
function plain({ kind, text }: Literal, type: LakeType): string {
  if (kind !== 'number' || type.kind === 'float' || type.kind === 'double') return text
  return text
    .replace(/^\+/, '')
    .replace(/\.0*$/, '')
    .replace(/^(-?)\./, '$10.')
    .replace(/^-0$/, '0')
}

function howToWrite(type: LakeType): string {
  switch (type.kind) {
    case 'varchar':
      return "Put text in single quotes: 'text'."
    case 'date':
      return "Write a day as '2026-11-20'."
    case 'timestamp':
      return "Write an instant as '2026-11-20 10:00:00' (UTC) or '2026-11-20T10:00:00+02:00'."
    case 'boolean':
      return 'Write true or false.'
    case 'list':
    case 'struct':
    case 'map':
    case 'blob':
      return 'Such a column can only be tested by `is null` and `is not null`.'
    default:
      return `Write a number that is ${typeName(type)} exactly.`
  }
}
