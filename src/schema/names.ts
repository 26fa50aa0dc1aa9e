/**
 * Types and columns by their names, as users write and read them.
 *
 *   { kind: 'decimal', precision: 12, scale: 2 }   decimal(12,2)
 *   { kind: 'list', element: { kind: 'integer' } } integer[]
 *   numeric(12, 2), int4[], array<int>             are understood, and come back as above
 */
import { LakeError } from '../errors.js'
import { quoteIdentifier } from './quote.js'
import { parseTypeSyntax, type TypeSyntax, TypeSyntaxError } from './type-syntax.js'
import type { Field, LakeType, PrimitiveName, Schema } from './types.js'

/** The name that `show` prints and `--types` takes: `parseType(typeName(t))` is `t`. */
export function typeName(type: LakeType): string {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'list':
      return `${typeName(type.element)}[]`
    case 'struct':
      return `struct(${type.fields.map((field) => `${fieldName(field.name)} ${typeName(field.type)}`).join(', ')})`
    case 'map':
      return `map(${typeName(type.key)}, ${typeName(type.value)})`
    default:
      return type.kind
  }
}

/**
 * @param text a SQL type, by its own name or a synonym
 * @throws LakeError invalid: names the text, what is wrong with it, the near miss and the names there are
 */
export function parseType(text: string): LakeType {
  try {
    return interpret(parseTypeSyntax(text))
  } catch (error) {
    if (error instanceof TypeSyntaxError)
      throw new LakeError('invalid', `\`${text}\` is no type (${error.message} at character ${error.position + 1})`, {
        fix: `Write one of ${validNames}.`,
      })
    if (error instanceof NoSuchType) throw noSuchType(text, error)
    throw error
  }
}

/** The same type throughout, names of struct fields included; whether values may be null does not count. */
export function sameType(a: LakeType, b: LakeType): boolean {
  if (a.kind === 'decimal' && b.kind === 'decimal') return a.precision === b.precision && a.scale === b.scale
  if (a.kind === 'list' && b.kind === 'list') return sameType(a.element, b.element)
  if (a.kind === 'map' && b.kind === 'map') return sameType(a.key, b.key) && sameType(a.value, b.value)
  if (a.kind === 'struct' && b.kind === 'struct')
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((field, i) => {
        const other = b.fields[i]
        return other !== undefined && field.name === other.name && sameType(field.type, other.type)
      })
    )
  return a.kind === b.kind
}

export function isNested(type: LakeType): type is Extract<LakeType, { kind: 'list' | 'struct' | 'map' }> {
  return type.kind === 'list' || type.kind === 'struct' || type.kind === 'map'
}

/** Column names are one and the same if they differ in case only: Delta and DuckDB look them up so. */
export function sameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b)
}

/** For use as a key in maps of columns. */
export function foldName(name: string): string {
  return name.toLowerCase()
}

export function findColumn(schema: Schema, name: string): Field | undefined {
  return schema.find((field) => field.name === name) ?? schema.find((field) => sameName(field.name, name))
}

/**
 * @param names as the source has them, in its order
 * @param where to say in the error, e.g. the file
 * @throws LakeError invalid: an empty, repeated or case-equal name, with its positions (1-based)
 */
export function assertColumnNames(names: readonly string[], where?: { file?: string }): void {
  const seen = new Map<string, number>()
  const fix = 'Name the columns with `--header a,b,c`.'
  for (const [index, name] of names.entries()) {
    const position = index + 1
    if (name.trim() === '') throw new LakeError('invalid', `column ${position} has no name`, { ...where, fix })
    const before = seen.get(foldName(name))
    if (before !== undefined) {
      const first = names[before - 1] ?? ''
      const what =
        first === name
          ? `column name \`${name}\` is repeated, at ${before} and ${position}`
          : `column names \`${first}\` (${before}) and \`${name}\` (${position}) differ in case only`
      throw new LakeError('invalid', what, { ...where, fix })
    }
    seen.set(foldName(name), position)
  }
}

/** The candidate that a mistyped word most likely meant, if any comes near. */
export function nearMiss(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

const synonyms: Record<PrimitiveName, string[]> = {
  boolean: ['bool', 'logical'],
  tinyint: ['int1', 'byte'],
  smallint: ['int2', 'short', 'int16'],
  integer: ['int', 'int4', 'signed', 'int32'],
  bigint: ['int8', 'long', 'int64'],
  float: ['float4', 'real'],
  double: ['float8', 'double precision'],
  varchar: ['text', 'string', 'char', 'character', 'bpchar', 'character varying', 'nvarchar', 'utf8'],
  blob: ['bytea', 'binary', 'varbinary', 'bytes'],
  date: ['date32'],
  timestamp: [
    'timestamptz',
    'timestamp with time zone',
    'timestamp without time zone',
    'timestamp with local time zone',
    'timestamp_ltz',
    'datetime',
  ],
}

const primitiveByName = new Map<string, PrimitiveName>(
  Object.entries(synonyms).flatMap(([kind, names]) => [kind, ...names].map((name) => [name, kind as PrimitiveName])),
)

const validNames = [...Object.keys(synonyms), 'decimal(p,s)', 'type[]', 'struct(name type, …)', 'map(key, value)'].join(
  ', ',
)

class NoSuchType extends Error {
  constructor(
    readonly typeWord: string,
    readonly reason?: string,
  ) {
    super(typeWord)
  }
}

function interpret(syntax: TypeSyntax): LakeType {
  switch (syntax.kind) {
    case 'list':
      return { kind: 'list', element: interpret(syntax.element) }
    case 'map':
      return { kind: 'map', key: interpret(syntax.key), value: interpret(syntax.value) }
    case 'struct':
      assertColumnNames(syntax.fields.map((field) => field.name))
      return {
        kind: 'struct',
        fields: syntax.fields.map((field) => ({ name: field.name, type: interpret(field.type), nullable: true })),
      }
    case 'union':
      throw new NoSuchType('union')
    case 'plain':
      return interpretPlain(syntax.name, syntax.args)
  }
}

function interpretPlain(name: string, args: string[]): LakeType {
  if (name === 'decimal' || name === 'numeric' || name === 'dec') return decimalOf(name, args)
  if (name === 'float' && args.length === 1) return { kind: Number(args[0]) > 24 ? 'double' : 'float' }
  const kind = primitiveByName.get(name)
  if (kind === undefined) throw new NoSuchType(name)
  if (args.length > 0 && kind !== 'varchar') {
    // timestamp(6) is what we store; any other precision would promise something else.
    if (kind !== 'timestamp' || args.length > 1 || args[0] !== '6') throw new NoSuchType(name, 'takes no argument')
  }
  if (kind === 'varchar' && args.length > 0)
    throw new NoSuchType(name, 'takes no length: a table keeps text of any length, and none is cut')
  return { kind }
}

function decimalOf(name: string, args: string[]): LakeType {
  // Delta's default differs from DuckDB's, so neither is guessed.
  if (args.length === 0) throw new NoSuchType(name, 'needs precision and scale, e.g. decimal(12,2)')
  const [precision, scale = 0] = args.map(Number)
  const fits =
    args.length <= 2 &&
    precision !== undefined &&
    Number.isInteger(precision) &&
    Number.isInteger(scale) &&
    precision >= 1 &&
    precision <= 38 &&
    scale >= 0 &&
    scale <= precision
  if (!fits) throw new NoSuchType(name, 'takes a precision of 1 to 38 and a scale of 0 up to it')
  return { kind: 'decimal', precision, scale }
}

function noSuchType(text: string, { typeWord, reason }: NoSuchType): LakeError {
  if (reason !== undefined)
    return new LakeError('invalid', `\`${text}\` is no type: \`${typeWord}\` ${reason}`, {
      fix: `Write one of ${validNames}.`,
    })
  const near = nearMiss(typeWord, [...primitiveByName.keys(), 'decimal', 'numeric', 'struct', 'map'])
  const hint = near === undefined ? '' : `Did you mean \`${near}\`? `
  return new LakeError('invalid', `\`${text}\` is no type: \`${typeWord}\` is not known`, {
    fix: `${hint}Types are ${validNames}.`,
  })
}

function fieldName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/i.test(name) ? name : quoteIdentifier(name)
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
