/**
 * Versions of keys, as the modes of `scd2` find and leave them. A version holds in [_effective_from, _effective_to); one
 * without an end is current.
 */
import {
  byKey,
  cell,
  comparedColumns,
  type Load,
  type Outcome,
  type Row,
  type RowChange,
  rowText,
  sameRow,
  stampInserted,
  stampUpdated,
  type Table,
} from './table.js'
import { compareValues } from './value.js'

export const effectiveColumns = [
  { name: '_effective_from', type: 'timestamp' },
  { name: '_effective_to', type: 'timestamp' },
  { name: '_is_current', type: 'boolean' },
] as const

export type Tally = Required<Pick<Outcome['counts'], 'inserted' | 'updated' | 'unchanged' | 'corrected'>>

/** What all versions of a load have in common. */
export interface Telling {
  table: Table
  /** Columns in which a difference makes a new version, and all that a version holds beside its key and its time. */
  tracked: readonly string[]
  data: readonly string[]
  load: Load
  tally: Tally
}

/** `was` is absent where the load makes the version, `row` where it goes. */
export interface Version {
  was?: Row
  row?: Row
}

/** The versions of one key. */
export class KeyHistory {
  protected readonly versions: Version[]

  constructor(
    rows: readonly Row[],
    protected readonly telling: Telling,
  ) {
    this.versions = rows.map((row) => ({ was: row, row }))
  }

  rows(): Row[] {
    return this.versions.flatMap(({ row }) => (row ? [row] : []))
  }

  changes(): RowChange[] {
    return this.versions.flatMap(changeOf)
  }

  /** The row is the load's. */
  protected add(row: Row): Version {
    const version = { row: stampInserted(this.telling.table, row, this.telling.load) }
    this.versions.push(version)
    this.telling.tally.inserted++
    return version
  }

  protected close(version: Version, to: string): void {
    const old = version.row ?? {}
    version.row = stampUpdated(this.telling.table, old, { ...old, ...span(fromOf(old), to) }, this.telling.load)
    this.telling.tally.updated++
  }

  protected correct(version: Version, row: Row): void {
    version.row = stampUpdated(this.telling.table, version.row ?? {}, row, this.telling.load)
    this.telling.tally.corrected++
  }

  protected remove(version: Version): void {
    delete version.row
    this.telling.tally.corrected++
  }

  protected isSame(a: Row, b: Row): boolean {
    return sameRow(a, b, this.telling.tracked)
  }
}

/** What a table with history promises; the text says what is wrong. */
export function historyProblems({ rows, key }: Pick<Table, 'rows' | 'key'>): string[] {
  const problems: string[] = []
  for (const [text, group] of byKey(rows, key)) {
    const sorted = group.toSorted((a, b) => compareValues(fromOf(a), fromOf(b), 'timestamp'))
    for (const [index, row] of sorted.entries()) {
      const [to, following] = [toOf(row), sorted[index + 1]]
      if (to !== null && !isAfter(to, fromOf(row))) problems.push(`${text}: a version that ends before it begins`)
      if ((to === null) !== cell(row, '_is_current')) problems.push(`${text}: _is_current is not to the point`)
      if (following && (to === null || isAfter(to, fromOf(following)))) problems.push(`${text}: versions overlap`)
    }
  }
  return problems
}

export function withoutHistory(table: Table): Table {
  const own = effectiveColumns.map(({ name }): string => name)
  return { ...table, columns: table.columns.filter(({ name }) => !own.includes(name)) }
}

export function withHistory(table: Table): Table {
  return { ...table, columns: [...table.columns, ...effectiveColumns] }
}

/** All columns of a new version: its key, and what it holds. */
export function versionColumns(table: Table): string[] {
  return [...table.key, ...comparedColumns(withoutHistory(table))]
}

export function holdsAt(row: Row, at: string): boolean {
  const to = toOf(row)
  return !isAfter(fromOf(row), at) && (to === null || isAfter(to, at))
}

export function span(from: string, to: string | null): Row {
  return { _effective_from: from, _effective_to: to, _is_current: to === null }
}

export function instantsOf(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => [fromOf(row), toOf(row)]).filter((one) => one !== null)
}

/** The first of the instants after this one. */
export function nextAfter(instants: readonly string[], at: string): string | undefined {
  return instants.filter((one) => isAfter(one, at)).sort((a, b) => compareValues(a, b, 'timestamp'))[0]
}

export function isAfter(a: string, b: string): boolean {
  return compareValues(a, b, 'timestamp') > 0
}

export function fromOf(row: Row): string {
  return String(cell(row, '_effective_from'))
}

export function toOf(row: Row): string | null {
  const to = cell(row, '_effective_to')
  return to === null ? null : String(to)
}

export function only(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, cell(row, name)]))
}

function changeOf({ was, row }: Version): RowChange[] {
  if (was === undefined) return row === undefined ? [] : [{ kind: 'insert', row }]
  if (row === undefined) return [{ kind: 'delete', row: was }]
  return rowText(was) === rowText(row) ? [] : [{ kind: 'update', before: was, after: row }]
}
