/**
 * What a query takes from the table: per scan of `t` the columns it needs and the filters that DuckDB pushes down to it.
 * Learnt from DuckDB's own plan of the query over an empty relation of the table's shape, so that aliases, views, CTEs and
 * subqueries are its business and not ours.
 *
 *   select sum(v) from t where dt in ('a','b') and n > 5 and lower(s) = 'x'
 *   columns  v, dt, n, s
 *   filters  (dt = 'a' or dt = 'b') and n > 5
 *
 * A filter that is not understood is left out, which can only mean that more is read. The columns of the empty relation
 * have names of ours (`lw3_`), so that no name of the user's can be taken for anything else.
 */
import { disabledOptimizersSql } from '../engine/optimizers.js'
import type { Engine, RunOptions } from '../engine/port.js'
import { quoteIdent, quoteText } from '../engine/sql.js'
import type { Comparison } from '../manifest/stats.js'
import { toSql } from '../schema/duckdb.js'
import type { Field, Schema } from '../schema/types.js'

/** @returns one entry per scan of `t`; none where the query reads no row of it */
export async function findUses(engine: Engine, sql: string, schema: Schema, options: RunOptions = {}): Promise<Use[]> {
  // Both conclude from the relation being empty that there is nothing to read.
  await engine.run(disabledOptimizersSql(['statistics_propagation', 'empty_result_pullup']))
  try {
    const [row] = await engine.rows(`EXPLAIN (FORMAT JSON)\n${sql}`, options)
    const plan: unknown = JSON.parse(String(row?.explain_value ?? '[]'))
    return [...scansOf(plan)].map((scan) => useOf(scan, schema))
  } finally {
    await engine.run(disabledOptimizersSql())
  }
}

export interface Use {
  /** Names of the columns that are read, filters included. */
  columns: string[]
  /** All must hold, each by any of its tests. */
  filters: Test[][]
}

/** What a row must be for the query to see it. */
export type Test =
  | { column: string; op: Exclude<Comparison, 'is null' | 'is not null'>; value: string }
  | { column: string; op: 'is null' | 'is not null' }

/** Makes `t` the empty relation that `findUses` plans on; `CREATE OR REPLACE VIEW t` puts the files in its place. */
export async function defineShape(engine: Engine, schema: Schema): Promise<void> {
  const columns = schema.map((field, i) => `${stubName(i)} ${toSql(field.type)}`)
  const names = schema.map((field, i) => `${stubName(i)} AS ${quoteIdent(field.name)}`)
  await engine.run(`CREATE SCHEMA ${stubSchema}`)
  await engine.run(`CREATE TABLE ${stubSchema}.${stubTable} (${columns.join(', ')})`)
  await engine.run(`CREATE VIEW t AS SELECT ${names.join(', ')} FROM ${stubSchema}.${stubTable}`)
}

/**
 * One moment for the whole query: it is planned twice, and a filter on `now()` must choose the files of the same day
 * that the rows are then compared with.
 */
export async function freezeTime(engine: Engine, nowMs: number): Promise<void> {
  const instant = `CAST(${quoteText(new Date(nowMs).toISOString())} AS TIMESTAMPTZ)`
  const naive = `CAST(${instant} AS TIMESTAMP)`
  const moments = {
    now: instant,
    get_current_timestamp: instant,
    transaction_timestamp: instant,
    current_date: `CAST(${naive} AS DATE)`,
    today: `CAST(${naive} AS DATE)`,
    current_localtimestamp: naive,
    current_localtime: `CAST(${naive} AS TIME)`,
    get_current_time: `CAST(CAST(${naive} AS TIME) AS TIMETZ)`,
  }
  for (const [name, value] of Object.entries(moments)) await engine.run(`CREATE MACRO ${name}() AS ${value}`)
}

const stubSchema = '__lakewright'
const stubTable = 'columns_of_t'
const stubColumn = /\blw(\d+)_/g

function stubName(i: number): string {
  return `lw${i}_`
}

interface Scan {
  projections: string[]
  filters: string[]
}

function* scansOf(node: unknown): Generator<Scan> {
  if (Array.isArray(node)) for (const child of node) yield* scansOf(child)
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return
  const { extra_info: info, children } = node as { extra_info?: Record<string, unknown>; children?: unknown }
  const table = String(info?.Table ?? '')
  if (table.endsWith(`${stubSchema}.${stubTable}`))
    yield { projections: lines(info?.Projections), filters: lines(info?.Filters) }
  yield* scansOf(children ?? [])
}

function lines(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String)
  return value === undefined || value === '' ? [] : [String(value)]
}

function useOf({ projections, filters }: Scan, schema: Schema): Use {
  const named = [...projections, ...filters].flatMap((text) => [...text.matchAll(stubColumn)])
  const columns = [...new Set(named.map(([, i]) => schema[Number(i)]?.name))].filter((name) => name !== undefined)
  // A text with a line break was cut into two entries.
  return { columns, filters: parseFilters(filters.join('\n'), schema) }
}

/**
 * @param text one entry per column, each on its line: tests joined by AND, or by OR, `optional: ` before it
 */
export function parseFilters(text: string, schema: Schema): Test[][] {
  const tokens = tokensOf(text)
  if (tokens === undefined) return []
  const clauses: Test[][] = []
  for (const entry of split(tokens, '\n')) {
    while (entry[0] === 'optional:') entry.shift()
    const alternatives = split(entry, 'OR')
    if (alternatives.length === 1) {
      const tests = split(entry, 'AND').map((part) => parseTest(part, schema))
      clauses.push(...tests.filter((test) => test !== undefined))
      continue
    }
    // Where both stand side by side their precedence is not said.
    const tests = alternatives.map((part) => (split(part, 'AND').length === 1 ? parseTest(part, schema) : undefined))
    if (tests.every((test) => test !== undefined)) clauses.push(tests.flat())
  }
  return clauses
}

/** @returns undefined for what is not understood */
function parseTest(tokens: string[], schema: Schema): Test[] | undefined {
  const inner = withoutParentheses(tokens)
  const [first = '', second, ...rest] = inner
  if (first === 'NOT') {
    const column = rest.length === 0 ? columnOf(withoutParentheses([second ?? ''])[0] ?? '', schema) : undefined
    return column?.type.kind === 'boolean' ? [{ column: column.name, op: '=', value: 'false' }] : undefined
  }
  const field = columnOf(first, schema)
  if (field === undefined) return undefined
  const column = field.name
  if (second === undefined) return field.type.kind === 'boolean' ? [{ column, op: '=', value: 'true' }] : undefined
  if (second === 'IS') {
    const what = rest.join(' ')
    return what === 'NULL'
      ? [{ column, op: 'is null' }]
      : what === 'NOT NULL'
        ? [{ column, op: 'is not null' }]
        : undefined
  }
  if (second === 'IN') {
    const values = split(withoutParentheses(rest), ',').map(parseLiteral)
    return values.every((value) => value !== undefined)
      ? values.map((value) => ({ column, op: '=' as const, value }))
      : undefined
  }
  const op = comparisons.get(second)
  const value = parseLiteral(rest)
  return op === undefined || value === undefined ? undefined : [{ column, op, value }]
}

const comparisons = new Map<string, Exclude<Comparison, 'is null' | 'is not null'>>([
  ['=', '='],
  ['!=', '<>'],
  ['<>', '<>'],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
])

function columnOf(token: string, schema: Schema): Field | undefined {
  const [, i] = /^lw(\d+)_$/.exec(token) ?? []
  return i === undefined ? undefined : schema[Number(i)]
}

/** `'text'`, `'text'::TYPE`, a number, true, false. The type is the column's, or there would be a cast around the column. */
function parseLiteral([literal = '', cast, ...type]: string[]): string | undefined {
  if (literal.startsWith(`'`)) {
    const typed = cast === '::' && type.every((token) => /^[A-Z]+$/.test(token))
    return cast === undefined || typed ? literal.slice(1, -1).replaceAll(`''`, `'`) : undefined
  }
  if (cast !== undefined) return undefined
  return /^(-?\d+(\.\d+)?([eE][-+]?\d+)?|true|false)$/.test(literal) ? literal : undefined
}

const filterToken =
  /[^\S\n]+|(?<token>\n|optional:|'(?:[^']|'')*'|::|<=|>=|!=|<>|[=<>(),]|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])|[A-Za-z_][\w.]*|[^\s])/gy

/** @returns undefined where a text does not end */
function tokensOf(text: string): string[] | undefined {
  const tokens: string[] = []
  for (const { groups } of text.matchAll(filterToken)) if (groups?.token !== undefined) tokens.push(groups.token)
  return tokens.some((token) => token === `'`) ? undefined : tokens
}

/** At this level of parentheses only. */
function split(tokens: readonly string[], separator: string): string[][] {
  const parts: string[][] = [[]]
  let depth = 0
  for (const token of tokens) {
    if (token === '(') depth++
    if (token === ')') depth--
    if (token === separator && depth === 0) parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts
}

/** `( a = 1 )` → `a = 1`, only where the first one closes at the end. */
function withoutParentheses(tokens: string[]): string[] {
  if (tokens[0] !== '(' || tokens.at(-1) !== ')') return tokens
  let depth = 0
  for (const [i, token] of tokens.entries()) {
    if (token === '(') depth++
    if (token === ')') depth--
    if (depth === 0 && i < tokens.length - 1) return tokens
  }
  return withoutParentheses(tokens.slice(1, -1))
}
