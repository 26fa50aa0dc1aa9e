/**
 * The load's SELECT out of its parts and columns: one branch per part, united by position, every value proved on its way.
 *
 *   SELECT CASE WHEN c0 IS NULL THEN NULL WHEN <c0 is a bigint> THEN CAST(c0 AS BIGINT) ELSE error(…) END AS "id", c1 AS "city"
 *   FROM (SELECT "id" AS c0, "city" AS c1 FROM (SELECT … FROM read_csv(…)))
 *   UNION ALL …
 *
 * Without places and diversion nothing else is in it, so that the engine scans in parallel.
 */
import { quoteIdent, quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { isIndistinctSql, noPartitionValue } from '../partition/value.js'
import { toSql } from '../schema/duckdb.js'
import { misfitSql } from '../schema/misfit.js'
import { typeName } from '../schema/names.js'
import type { Field, LakeType } from '../schema/types.js'
import { type Candidate, type Column, typeNow } from './columns.js'
import { fitsSql, fittedSql, fitValue } from './fit.js'
import type { Part } from './part.js'

export interface Composition {
  parts: readonly Part[]
  columns: readonly Column[]
  divert: boolean
  /** Say which columns a row lacks, and where it stands (`OpenInputContext.absent`). */
  absent: boolean
  /** Where all parts are of change events: the type of their order. */
  orderType?: LakeType
  /** What to call files and streams, by their ordinal. */
  labels: readonly string[]
}

export function composeSelect(composition: Composition, places: boolean): string {
  const { parts, columns, divert, absent } = composition
  if (parts.length === 0) return emptySelect(composition, places)
  const branches = parts.map((part, index) => {
    // What cannot be read again must name the row at once.
    const near = places || !part.replayable
    const values = columns.map(
      (column, c) => `${valueSql(column, index, `c${c}`, part, near)} AS ${quoteIdent(column.name)}`,
    )
    if (places) values.push('__lw_file', '__lw_row')
    if (absent) values.push(...orderSql(composition, part, index))
    const where = divert ? keepSql(columns, index) : undefined
    const from = absent ? orderedSourceSql(part, columns, index, near) : sourceSql(part, columns, index, near)
    return `SELECT ${values.join(', ')} FROM ${from}${where === undefined ? '' : ` WHERE ${where}`}`
  })
  return branches.join('\nUNION ALL ')
}

/** The rows that `composeSelect` leaves out with `divert`: `__lw_file, __lw_row, __lw_reason, __lw_raw`. */
export function composeRejects({ parts, columns }: Composition): string {
  const branches = parts.flatMap((part, index) => {
    const unread = part.rejects === undefined ? [] : [part.rejects]
    const keep = keepSql(columns, index)
    if (keep === undefined) return unread
    const raw = columns.flatMap((column, c) =>
      column.sources[index] === undefined ? [] : [`${quoteText(column.name)}: c${c}`],
    )
    const misfits =
      `SELECT __lw_file, __lw_row, ${reasonSql(columns, index)} AS __lw_reason, CAST(to_json({${raw.join(', ')}}) AS VARCHAR) AS __lw_raw ` +
      `FROM ${sourceSql(part, columns, index, true)} WHERE NOT (${keep})`
    return [misfits, ...unread]
  })
  if (branches.length === 0)
    return `SELECT CAST(NULL AS VARCHAR) AS __lw_file, CAST(NULL AS BIGINT) AS __lw_row, CAST(NULL AS VARCHAR) AS __lw_reason, CAST(NULL AS VARCHAR) AS __lw_raw WHERE false`
  return branches.join('\nUNION ALL ')
}

/**
 * One row that says which candidates hold all values of the part: `p<column>_<candidate>`.
 * @param limit rows to look at; all of them where it is missing
 */
export function composeProfile(
  { columns, divert }: Composition,
  part: Part,
  index: number,
  limit?: number,
): string | undefined {
  const open = columns.flatMap((column, c) => {
    const source = column.sources[index]
    return source === undefined || column.candidates.length < 2 ? [] : [{ column, c, source }]
  })
  if (open.length === 0) return undefined
  const proofs = open.flatMap(({ column, c, source }) =>
    column.candidates.map((candidate, i) => `bool_and(${holdsSql(source, candidate, `c${c}`)}) AS p${c}_${i}`),
  )
  // A stream that can be read once must not be read for constants beside it.
  if (open.every(({ source }) => source.isConstant))
    return `SELECT ${proofs.join(', ')} FROM (SELECT ${open.map(({ c, source }) => `${source.sql} AS c${c}`).join(', ')})`
  const where = divert ? keepSql(columns, index) : undefined
  const from = sourceSql(part, columns, index, false, limit)
  return `SELECT ${proofs.join(', ')} FROM ${from}${where === undefined ? '' : ` WHERE ${where}`}`
}

/** The rows of one part whose value does not fit the type that the column has now: `file, row, value`. */
export function composeMisfits(
  { columns }: Composition,
  column: Column,
  part: Part,
  index: number,
): string | undefined {
  const source = column.sources[index]
  if (source === undefined) return undefined
  const c = columns.indexOf(column)
  const holds = holdsSql(source, column.candidates[column.at] ?? null, `c${c}`)
  if (holds === 'true') return undefined
  return (
    `SELECT __lw_file AS file, __lw_row AS "row", left(CAST(c${c} AS VARCHAR), 100) AS "value" ` +
    `FROM ${sourceSql(part, columns, index, true)} WHERE NOT (${holds})`
  )
}

/** Columns beside the row's own, in the order of `Input.select`. */
export function orderColumns({ orderType }: Pick<Composition, 'orderType'>): Field[] {
  const list: LakeType = { kind: 'list', element: { kind: 'varchar' } }
  const events: [string, LakeType][] = orderType
    ? [
        ['__lw_op', { kind: 'varchar' }],
        ['__lw_order', orderType],
      ]
    : []
  const all: [string, LakeType][] = [...events, ['__lw_absent', list], ['__lw_seq', { kind: 'bigint' }]]
  return all.map(([name, type]) => ({ name, type, nullable: true }))
}

function orderSql(composition: Composition, part: Part, index: number): string[] {
  return orderColumns(composition).map(({ name, type }) => {
    if (name === '__lw_absent') return `${absentSql(composition.columns, part, index)} AS ${name}`
    // A part without any event has no kind of order of its own.
    return name === '__lw_order' ? `CAST(${name} AS ${toSql(type)}) AS ${name}` : name
  })
}

/** Names of the columns that the row lacks. */
function absentSql(columns: readonly Column[], part: Part, index: number): string {
  const constant = columns.filter((column) => column.sources[index] === undefined).map(({ name }) => quoteText(name))
  const none = `CAST([${constant.join(', ')}] AS VARCHAR[])`
  const optional = columns.flatMap(({ name, sources }) => {
    const place = sources[index]?.place
    return place === undefined || !part.ordered().hasKeys ? [] : [{ name, place }]
  })
  if (optional.length === 0) return none
  // Most rows have all of them, and are not looked at name by name.
  const all = part.columns.filter(({ place }) => place !== undefined).length
  const names = optional.map(
    ({ name, place }) => `CASE WHEN substr(__lw_keys, ${place + 1}, 1) <> '1' THEN ${quoteText(name)} END`,
  )
  const some = `list_filter([${[...names, ...constant].join(', ')}], lambda name: name IS NOT NULL)`
  return `CASE WHEN __lw_keys = ${quoteText('1'.repeat(all))} THEN ${none} ELSE ${some} END`
}

function emptySelect(composition: Composition, places: boolean): string {
  const { columns, absent } = composition
  const values = columns.map((column) => `${nullOf(typeNow(column))} AS ${quoteIdent(column.name)}`)
  if (places) values.push('CAST(NULL AS VARCHAR) AS __lw_file', 'CAST(NULL AS BIGINT) AS __lw_row')
  if (absent) values.push(...orderColumns(composition).map(({ name, type }) => `${nullOf(type)} AS ${name}`))
  // Of an empty file not even the columns are known; the table has some.
  if (values.length === 0) values.push('1')
  return `SELECT ${values.join(', ')} WHERE false`
}

export function nullOf(type: LakeType): string {
  return `CAST(NULL AS ${toSql(type)})`
}

function sourceSql(part: Part, columns: readonly Column[], index: number, places: boolean, limit?: number): string {
  const values = sourceValues(columns, index)
  if (places) values.unshift('__lw_file', '__lw_row')
  if (values.length === 0) values.push('1')
  const scan = places ? part.scanWithPlaces : part.scan
  const limited = limit === undefined ? `(${scan})` : `(SELECT * FROM (${scan}) LIMIT ${limit})`
  return `(SELECT ${values.join(', ')} FROM ${limited})`
}

function orderedSourceSql(part: Part, columns: readonly Column[], index: number, places: boolean): string {
  const { scan, scanWithPlaces, hasKeys } = part.ordered()
  const more = [
    ...(places ? ['__lw_file', '__lw_row'] : []),
    ...(part.events ? ['__lw_op', '__lw_order'] : []),
    ...(hasKeys ? ['__lw_keys'] : []),
    '__lw_seq',
  ]
  return `(SELECT ${[...more, ...sourceValues(columns, index)].join(', ')} FROM (${places ? scanWithPlaces : scan}))`
}

function sourceValues(columns: readonly Column[], index: number): string[] {
  return columns.flatMap((column, c) => {
    const source = column.sources[index]
    return source === undefined ? [] : [`${source.sql} AS c${c}`]
  })
}

function valueSql(column: Column, index: number, x: string, part: Part, places: boolean): string {
  const source = column.sources[index]
  const candidate = column.candidates[column.at] ?? null
  if (source === undefined) return nullOf(typeNow(column))
  const place = places ? `{'file': __lw_file, 'row': __lw_row}` : undefined
  const type = candidate === null ? 'null' : typeName(candidate)
  const reason = source.hint === undefined ? {} : { reason: source.hint }
  const misfit = misfitSql({ column: column.name, type, ...reason }, x, place)
  if (candidate === null) return `CASE WHEN ${x} IS NULL THEN CAST(NULL AS VARCHAR) ELSE ${misfit} END`
  const fitted = fitValue(source.type, candidate, x)
  if (fitted === undefined)
    throw new LakeError('invalid', 'the type of the column cannot become the one that is wanted', {
      file: part.label,
      column: column.name,
      type: typeName(source.type),
      wanted: typeName(candidate),
      fix: 'Convert the column with `--derive`, or declare another type.',
    })
  return fittedSql(fitted, x, misfit)
}

function holdsSql(source: { type: LakeType }, candidate: Candidate, x: string): string {
  if (candidate === null) return `${x} IS NULL`
  const fitted = fitValue(source.type, candidate, x)
  return fitted === undefined ? 'false' : fitsSql(fitted, x)
}

/** Whether the row fits the types that are not inferred. */
function keepSql(columns: readonly Column[], index: number): string | undefined {
  const proofs = fixedProofs(columns, index).map(({ holds }) => holds)
  return proofs.length === 0 ? undefined : proofs.join(' AND ')
}

function reasonSql(columns: readonly Column[], index: number): string {
  const reasons = fixedProofs(columns, index).map(({ what, holds, x }) => {
    return `CASE WHEN NOT ${holds} THEN ${quoteText(what)} || left(CAST(${x} AS VARCHAR), 100) END`
  })
  return `concat_ws('; ', ${reasons.join(', ')})`
}

interface Proof {
  holds: string
  x: string
  /** What a value that fails is not. */
  what: string
}

function fixedProofs(columns: readonly Column[], index: number): Proof[] {
  return columns.flatMap((column, c) => {
    const source = column.sources[index]
    if (source === undefined) return []
    const x = `c${c}`
    const proofs: Proof[] = []
    const holds = column.candidates.length === 1 ? holdsSql(source, column.candidates[0] ?? null, x) : 'true'
    if (holds !== 'true') proofs.push({ holds, x, what: `column ${column.name} is no ${typeName(typeNow(column))}: ` })
    if (column.divides && source.type.kind === 'varchar')
      proofs.push({
        holds: `(${x} IS NULL OR NOT ${isIndistinctSql(x)})`,
        x,
        what: `column ${column.name} has ${noPartitionValue}: `,
      })
    return proofs
  })
}
