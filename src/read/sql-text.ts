/**
 * What is said about a user's SQL without understanding it: where its statements end, and where parameters stand.
 *
 *   select 1 -- note;        one statement, `select 1`
 *   select * from t where a = $1 and b = ? and c = $name
 */

import { type LiteralValue, literal } from '../engine/sql.js'
import { LakeError } from '../errors.js'

/** Values by position (`?`, `$1`) or by name (`$name`). */
export type QueryParams = readonly LiteralValue[] | Readonly<Record<string, LiteralValue>>

/**
 * The text of the one statement, without the semicolons and comments after it.
 * @throws LakeError invalid: none, or more than one
 */
export function oneStatement(sql: string): string {
  let end = 0
  let ended = false
  for (const { kind, text, at } of tokens(sql)) {
    if (kind === 'comment' || /^\s*$/.test(text)) continue
    if (kind === 'semicolon') ended = end > 0
    else if (ended) throw notOneSelect('there is more than one statement')
    else end = at + text.trimEnd().length
  }
  if (end === 0) throw notOneSelect('there is no statement')
  return sql.slice(0, end)
}

/** @throws LakeError invalid: a parameter without a value, a value without a parameter */
export function bindParams(sql: string, params: QueryParams | undefined): string {
  if (params === undefined) return sql
  const values = new Map(Object.entries(params))
  const used = new Set<string>()
  let position = 0
  const bound = [...tokens(sql)].map(({ kind, text }) => {
    if (kind !== 'parameter') return text
    const name =
      text === '?' ? String(position++) : Array.isArray(params) ? String(Number(text.slice(1)) - 1) : text.slice(1)
    const value = values.get(name)
    if (value === undefined)
      throw new LakeError('invalid', `the SQL has the parameter \`${text}\`, and no value is given for it`, {
        fix: 'Pass one value per parameter in `params`; null for none.',
      })
    used.add(name)
    return `(${literal(value)})`
  })
  const unused = [...values.keys()].filter((name) => !used.has(name))
  if (unused.length > 0)
    throw new LakeError('invalid', 'values are given that no parameter of the SQL takes', {
      params: unused,
      fix: 'Write `?`, `$1` or `$name` in the SQL where the value belongs.',
    })
  return bound.join('')
}

/** Whether a word stands in it outside of texts, quoted names and comments. */
export function hasWord(sql: string, word: RegExp): boolean {
  return [...tokens(sql)].some(({ kind, text }) => kind === 'plain' && word.test(text))
}

export function notOneSelect(why: string): LakeError {
  return new LakeError('invalid', `a query is one SELECT: ${why}`, {
    fix: 'Write one statement that begins with SELECT, WITH, FROM or VALUES. The table is the view `t`.',
  })
}

interface Token {
  kind: 'plain' | 'quoted' | 'comment' | 'semicolon' | 'parameter'
  text: string
  at: number
}

/** DuckDB's lexical rules, those of PostgreSQL. An open quote reaches to the end: the engine will say so. */
const token = new RegExp(
  [
    String.raw`(?<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
    String.raw`(?<quoted>[eE]'(?:[^'\\]|\\[\s\S]|'')*'?|'(?:[^']|'')*'?|"(?:[^"]|"")*"?|\$(?<tag>[A-Za-z_]\w*)?\$[\s\S]*?(?:\$\k<tag>\$|$))`,
    `(?<semicolon>;)`,
    String.raw`(?<parameter>\?|\$\w+)`,
    String.raw`(?<plain>[\p{L}_][\p{L}\p{N}_$]*|[\s\S])`,
  ].join('|'),
  'gu',
)

function* tokens(sql: string): Generator<Token> {
  for (const match of sql.matchAll(token)) {
    const groups = match.groups ?? {}
    const kind = (['comment', 'quoted', 'semicolon', 'parameter'] as const).find((name) => groups[name] !== undefined)
    yield { kind: kind ?? 'plain', text: match[0], at: match.index }
  }
}
