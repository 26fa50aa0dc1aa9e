/**
 * The little languages of flag values. Commas separate, `"…"` keeps a name or value together (a `"` inside is doubled).
 *
 *   --header    a,"b, c",d              ['a', 'b, c', 'd']
 *   --types     a=decimal(12,2),*=text  { a: 'decimal(12,2)', '*': 'text' }    commas inside brackets belong to the type
 *   --rename    old=new,"x=y"=z         { old: 'new', 'x=y': 'z' }
 *   --set       dt=2026-11-20,name=O'Neill
 *   --derive    dt=date(created_at)     the expression is taken as it stands, with its own quotes
 *
 * Every function throws LakeError `invalid` naming the flag.
 */
import { LakeError } from '../errors.js'

export function parseList(flag: string, text: string): string[] {
  return split(flag, text, 'plain').map((piece) => {
    const name = unquote(flag, piece)
    if (name === '') refuse(`${flag}: an empty name in \`${text}\``, `Write names separated by commas: ${flag} a,b,c`)
    return name
  })
}

/** `name=value` pairs; what a value may contain depends on its kind. */
export function parsePairs(flag: string, text: string, values: 'plain' | 'type' | 'expression'): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const piece of split(flag, text, values)) {
    const at = equalsSign(piece)
    if (at < 0) refuse(`${flag}: \`${piece.trim()}\` is no name=value pair`, pairFix[values](flag))
    const name = unquote(flag, piece.slice(0, at))
    const value = values === 'plain' ? unquote(flag, piece.slice(at + 1)) : piece.slice(at + 1).trim()
    if (name === '') refuse(`${flag}: \`${piece.trim()}\` has no name before the =`, pairFix[values](flag))
    if (value === '' && values !== 'plain') {
      refuse(`${flag}: \`${piece.trim()}\` has nothing after the =`, pairFix[values](flag))
    }
    if (pairs.has(name)) refuse(`${flag} names \`${name}\` twice`, 'Keep one of the two.')
    pairs.set(name, value)
  }
  return pairs
}

export function parseWhole(flag: string, text: string, least: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least)) {
    refuse(
      `${flag}: \`${text}\` is no whole number from ${least} on`,
      `Write for example ${flag} ${Math.max(least, 1)}.`,
    )
  }
  return value
}

/** A share of a whole: `0.5`, `50%`. */
export function parseRatio(flag: string, text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text) ?? []
  const value = Number(number) / (percent ? 100 : 1)
  return value >= 0 && value <= 1
    ? value
    : refuse(`${flag}: \`${text}\` is no share from 0 to 1`, `Write for example ${flag} 0.1 or ${flag} 10%.`)
}

/** `134217728`, `128MiB`, `0.5GB` */
export function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?$/i.exec(text)
  if (!match) return refuse(`${flag}: \`${text}\` is no size`, `Write for example ${flag} 128MiB.`)
  const [, amount = '', unit = '', binary] = match
  const power = ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase())
  return Math.round(Number(amount) * (binary ? 1024 : 1000) ** power)
}

/** `\t` and `tab` are what people can type in a shell for a tab. */
export function parseDelimiter(text: string): string {
  return text === '\\t' || text === 'tab' ? '\t' : text
}

/** Where commas may stand without separating: in quotes always, for types in brackets, for expressions in both kinds. */
function split(flag: string, text: string, values: 'plain' | 'type' | 'expression'): string[] {
  const pieces: string[] = []
  let start = 0
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    const opensQuote =
      char === '"' ? values !== 'plain' || startsWord(text, start, at) : char === "'" && values === 'expression'
    if (opensQuote) at = closingQuote(flag, text, at)
    else if (values !== 'plain' && (char === '(' || char === '[')) depth += 1
    else if (values !== 'plain' && (char === ')' || char === ']')) depth -= 1
    else if (char === ',' && depth === 0) {
      pieces.push(text.slice(start, at))
      start = at + 1
    }
    if (depth < 0) refuse(`${flag}: a closing bracket too many in \`${text}\``, 'Check the brackets.')
  }
  if (depth > 0) refuse(`${flag}: a bracket is not closed in \`${text}\``, 'Check the brackets.')
  pieces.push(text.slice(start))
  return pieces
}

/** In plain values a `"` is a quote only at the start of a name or value: `5"` is five inches. */
function startsWord(text: string, start: number, at: number): boolean {
  return /(^|=)\s*$/.test(text.slice(start, at))
}

function closingQuote(flag: string, text: string, open: number): number {
  const quote = text[open]
  for (let at = open + 1; at < text.length; at += 1) {
    if (text[at] !== quote) continue
    if (text[at + 1] !== quote) return at
    at += 1
  }
  return refuse(
    `${flag}: a ${quote} is not closed in \`${text}\``,
    `Close it, or double a ${quote} that belongs to the text.`,
  )
}

/** The first `=` outside the quotes of the name. */
function equalsSign(piece: string): number {
  const quoted = /^\s*"(?:[^"]|"")*"/.exec(piece)
  return piece.indexOf('=', quoted ? quoted[0].length : 0)
}

function unquote(flag: string, piece: string): string {
  const text = piece.trim()
  if (!text.startsWith('"')) return text
  if (!/^"(?:[^"]|"")*"$/.test(text)) {
    refuse(`${flag}: \`${text}\` goes on after its closing "`, 'Quote the whole name or value, or nothing of it.')
  }
  return text.slice(1, -1).replaceAll('""', '"')
}

const pairFix = {
  plain: (flag: string) => `Write pairs separated by commas, and quote what contains one: ${flag} 'a=1,b="x, y"'`,
  type: (flag: string) => `Write pairs of a column and an SQL type: ${flag} "a=decimal(12,2),*=varchar"`,
  expression: (flag: string) => `Write pairs of a column and an expression: ${flag} "dt=date(created_at)"`,
}

function refuse(message: string, fix: string): never {
  throw new LakeError('invalid', message, { fix })
}
