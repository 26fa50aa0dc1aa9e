/**
 * `--derive "dt=date(created_at)"`: columns worked out from the others. An expression is one scalar over the row's columns:
 * no subqueries, no aggregates or windows, no files, no clock, no chance, so that the same rows give the same content.
 *
 * DuckDB parses it (`json_serialize_sql`); what we judge is the tree, never the text.
 */
import type { Engine, Row } from '../engine/port.js'
import { quoteIdent } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { fromSql } from '../schema/duckdb.js'
import { foldName } from '../schema/names.js'
import { quoteText } from '../schema/quote.js'
import type { LakeType } from '../schema/types.js'
import { noSuchColumn } from './columns.js'

/**
 * @param from a SELECT of the columns that the expressions may use; it is not run
 * @throws LakeError invalid
 */
export async function planDerived(
  derive: Record<string, string>,
  from: string,
  known: readonly string[],
  engine: Engine,
): Promise<Derived[]> {
  const derived: Derived[] = []
  for (const [name, expression] of Object.entries(derive)) {
    if (known.some((one) => foldName(one) === foldName(name)))
      throw new LakeError('invalid', '`--derive` names a column that the input has already', {
        column: name,
        fix: 'Give the derived column another name, or rename the other one with `--rename`.',
      })
    const uses = await assertScalar(name, expression, known, engine)
    const sql = `(${expression}\n)`
    const sqlType = await typeOf(name, expression, `SELECT ${sql} AS ${quoteIdent(name)} FROM (${from})`, engine)
    const { type, cast } = fromSql(sqlType, name)
    derived.push({ name, type, sql: cast?.(sql) ?? sql, uses })
  }
  return derived
}

export interface Derived {
  name: string
  type: LakeType
  sql: string
  /** Columns in it, as `known` spells them. */
  uses: string[]
}

async function typeOf(name: string, expression: string, select: string, engine: Engine): Promise<string> {
  try {
    return (await engine.describe(select))[0]?.sqlType ?? 'VARCHAR'
  } catch (cause) {
    throw wrong(name, expression, firstLine(cause), cause)
  }
}

/** @returns the columns it uses */
async function assertScalar(
  name: string,
  expression: string,
  known: readonly string[],
  engine: Engine,
): Promise<string[]> {
  // In parentheses, as it is used: and without, for `a, b` in parentheses is a struct.
  const tree = await parse(`SELECT (${expression}\n)`, engine)
  for (const one of [tree, await parse(`SELECT ${expression}\n`, engine)]) {
    if (one.error === true) throw wrong(name, expression, one.error_message ?? 'it does not parse')
    const problem = notScalar(one)
    if (problem !== undefined) throw wrong(name, expression, problem)
  }
  const expressionTree = tree.statements?.[0]?.node.select_list?.[0]
  const columns = new Set(known.map(foldName))
  const used = new Set<string>()
  await judge(expressionTree, { name, expression, known, columns, engine, lambdas: new Set(), used })
  return known.filter((column) => used.has(foldName(column)))
}

interface ParsedSql {
  error?: boolean
  error_message?: string
  statements?: { node: SelectNode }[]
}
interface SelectNode {
  type: string
  select_list?: Tree[]
  from_table?: { type: string }
  [clause: string]: unknown
}
type Tree = {
  class?: string
  type?: string
  function_name?: string
  column_names?: string[]
  [member: string]: unknown
}

async function parse(sql: string, engine: Engine): Promise<ParsedSql> {
  const [row] = await engine.rows(`SELECT CAST(json_serialize_sql(${quoteText(sql)}) AS VARCHAR) AS tree`)
  return JSON.parse(String(row?.tree)) as ParsedSql
}

function notScalar({ statements = [] }: ParsedSql): string | undefined {
  const node = statements[0]?.node
  if (statements.length !== 1 || node?.type !== 'SELECT_NODE') return 'it is more than one expression'
  if (node.select_list?.length !== 1) return 'it is more than one expression'
  const clauses = ['where_clause', 'having', 'qualify', 'sample'].some((clause) => node[clause] != null)
  const grouped = (node.group_expressions as unknown[] | undefined)?.length ?? 0
  if (node.from_table?.type !== 'EMPTY' || clauses || grouped > 0) return 'it is more than one expression'
  return undefined
}

interface Judging {
  name: string
  expression: string
  known: readonly string[]
  columns: ReadonlySet<string>
  engine: Engine
  lambdas: ReadonlySet<string>
  /** Folded names met so far. */
  used: Set<string>
}

const scalarClasses = new Set([
  'COLUMN_REF',
  'CONSTANT',
  'CAST',
  'FUNCTION',
  'COMPARISON',
  'CONJUNCTION',
  'OPERATOR',
  'CASE',
  'BETWEEN',
  'LAMBDA',
  'COLLATE',
])

async function judge(tree: unknown, ctx: Judging): Promise<void> {
  if (Array.isArray(tree)) {
    for (const item of tree) await judge(item, ctx)
    return
  }
  if (typeof tree !== 'object' || tree === null) return
  const node = tree as Tree
  let inner = ctx
  if (typeof node.class === 'string' && typeof node.type === 'string') {
    if (!scalarClasses.has(node.class))
      throw wrong(ctx.name, ctx.expression, `${described(node.class)} may not stand in it`)
    if (node.class === 'COLUMN_REF') return assertColumn(node.column_names ?? [], ctx)
    if (node.class === 'CONSTANT') return
    if (node.class === 'FUNCTION') await assertFunction(node.function_name ?? '', ctx)
    if (node.class === 'LAMBDA') inner = withParameters(node, ctx)
  }
  for (const member of Object.values(node)) await judge(member, inner)
}

function described(nodeClass: string): string {
  if (nodeClass === 'SUBQUERY') return 'a subquery'
  if (nodeClass === 'WINDOW') return 'a window function'
  return nodeClass === 'STAR' ? '`*`' : `a ${nodeClass.toLowerCase()} expression`
}

function withParameters(node: Tree, ctx: Judging): Judging {
  const names: string[] = []
  const collect = (tree: unknown): void => {
    if (Array.isArray(tree)) tree.forEach(collect)
    else if (typeof tree === 'object' && tree !== null) {
      const one = tree as Tree
      if (one.class === 'COLUMN_REF') names.push(...(one.column_names ?? []))
      else Object.values(one).forEach(collect)
    }
  }
  collect(node.lhs)
  return { ...ctx, lambdas: new Set([...ctx.lambdas, ...names.map(foldName)]) }
}

function assertColumn(names: string[], ctx: Judging): void {
  const first = names[0] ?? ''
  if (ctx.lambdas.has(foldName(first))) return
  if (ctx.columns.has(foldName(first))) {
    ctx.used.add(foldName(first))
    return
  }
  throw noSuchColumn(`\`--derive "${ctx.name}=${ctx.expression}"\` uses a column that the input does not have`, first, [
    ...ctx.known,
  ])
}

/** Of what DuckDB calls consistent, these look beyond the row. */
const looksElsewhere = new Set([
  'current_setting',
  'getvariable',
  'getenv',
  'version',
  'error',
  'write_log',
  'in_search_path',
])

async function assertFunction(functionName: string, ctx: Judging): Promise<void> {
  const name = functionName.toLowerCase()
  const refuse = (why: string): LakeError => wrong(ctx.name, ctx.expression, `\`${functionName}\` ${why}`)
  if (looksElsewhere.has(name)) throw refuse('depends on more than the row')
  const found = await ctx.engine.rows(
    `SELECT function_type AS kind, stability, macro_definition AS definition, parameters FROM duckdb_functions() WHERE function_name = ${quoteText(name)}`,
  )
  const scalar = found.filter(({ kind }) => kind === 'scalar')
  if (scalar.some(({ stability }) => stability === 'CONSISTENT')) return
  if (scalar.length > 0) throw refuse('does not give the same value every time')
  const macro = found.find(({ kind }) => kind === 'macro')
  if (macro !== undefined) return assertMacro(macro, refuse, ctx)
  if (found.length === 0) throw refuse('is no function')
  throw refuse('is no function of one row')
}

/** DuckDB's own macros are expressions over their parameters: judge these. */
async function assertMacro(macro: Row, refuse: (why: string) => LakeError, ctx: Judging): Promise<void> {
  const tree = await parse(`SELECT (${String(macro.definition)}\n)`, ctx.engine)
  if (tree.error === true || notScalar(tree) !== undefined) throw refuse('is no function of one row')
  const parameters = new Set((macro.parameters as string[]).map(foldName))
  try {
    await judge(tree.statements?.[0]?.node.select_list?.[0], {
      ...ctx,
      columns: parameters,
      lambdas: new Set(),
      used: new Set(),
    })
  } catch (cause) {
    if (cause instanceof LakeError) throw refuse('depends on more than the row')
    throw cause
  }
}

function wrong(name: string, expression: string, why: string, cause?: unknown): LakeError {
  return new LakeError('invalid', `\`--derive\` takes one expression over the row's columns: ${why}`, {
    column: name,
    expression: expression.slice(0, 200),
    fix: 'Write an expression such as `date(created_at)` or `upper("at")`, with names that SQL knows in double quotes.',
    cause,
  })
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}
