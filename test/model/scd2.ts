/**
 * `scd2`: history by key. A version holds in [_effective_from, _effective_to); one without an end is current. A snapshot
 * of the instant T says per key what held at T:
 *
 *   at T             the snapshot's row    then
 *   no version       is there              new version from T
 *   a version        equal (tracked)       nothing; other columns are corrected in the current version
 *   a version        differs               it ends at T, new version from T; one that began at T is corrected
 *   a version        missing, full         it ends at T; one that began at T goes
 *   a version        missing, partial      nothing
 *
 * Late, T before the newest instant of the table: what is known of later instants stays as it was. The next version begins
 * where it began, unless it is equal and can begin at T; and from the next instant that the table knows of, at which a
 * full snapshot said so, the version that ended at T holds again.
 */
import {
  fromOf,
  holdsAt,
  instantsOf,
  isAfter,
  KeyHistory,
  nextAfter,
  only,
  span,
  type Tally,
  type Telling,
  toOf,
  type Version,
  versionColumns,
  withHistory,
  withoutHistory,
} from './history.js'
import { type Incoming, type IncomingOptions, oneRowPerKey, refuseNullKeys, withColumnsOf } from './incoming.js'
import { TimedHistory } from './scd2-by-column.js'
import { guard } from './sync.js'
import {
  applied,
  byKey,
  cell,
  comparedColumns,
  keyText,
  type Load,
  type Outcome,
  Refused,
  type Row,
  sameRow,
  type Table,
} from './table.js'
import { compareValues } from './value.js'

export interface HistoryOptions extends IncomingOptions {
  track?: string[]
  /** An instant, or the column that says it. Default: the time of the load. */
  effectiveAt?: string | { column: string }
  snapshot?: 'full' | 'partial'
  late?: 'fail' | 'insert'
  maxDeleteRatio?: number
  minRows?: number
}

export function scd2(before: Table, incoming: Incoming, options: HistoryOptions, load: Load): Outcome {
  const column = typeof options.effectiveAt === 'object' ? options.effectiveAt.column : undefined
  const table = withHistory(withColumnsOf(withoutHistory(before), incoming, options))
  const { rows, ignored } = rowsOf(table, incoming, options, column)
  const data = comparedColumns(withoutHistory(table)).filter((name) => name !== column)
  const tally: Tally = { inserted: 0, updated: 0, unchanged: 0, corrected: 0 }
  const telling = { table, tracked: options.track ?? data, data, load, tally }
  const histories =
    column === undefined ? tellInstant(rows, options, telling) : tellByColumn(rows, column, options, telling)
  const changes = histories.flatMap((history) => history.changes())
  guardMissing(table, incoming, options, column === undefined ? timeOf(options, load) : undefined)
  return {
    table: { ...table, rows: applied(table.rows, changes) },
    counts: { read: incoming.rows.length, ...tally, ignored },
    changes,
  }
}

/** One instant for all rows. */
function tellInstant(rows: readonly Row[], options: HistoryOptions, telling: Telling): KeyHistory[] {
  const { table, load } = telling
  const at = timeOf(options, load)
  const later = nextAfter(instantsOf(table.rows), at)
  if (later !== undefined && options.late !== 'insert') throw new Refused('invalid', 'the snapshot is late')
  const statement: Statement = { at, confirmedAt: isFull(options) ? later : undefined, isLate: later !== undefined }
  const given = new Map(rows.map((row) => [keyText(row, table.key), row]))
  const histories = historiesOf(telling, given.keys(), (versions) => new InstantHistory(versions, telling))
  for (const [text, history] of histories) {
    const row = given.get(text)
    if (row) history.tell({ ...statement, row })
    else if (isFull(options)) history.tell(statement)
  }
  return [...histories.values()]
}

/** Each row says when it took effect. */
function tellByColumn(rows: readonly Row[], column: string, options: HistoryOptions, telling: Telling): KeyHistory[] {
  const given = byKey(rows, telling.table.key)
  const inOrder = (group: readonly Row[]) =>
    group
      .map((row) => ({ at: instantOf(cell(row, column)), row }))
      .sort((a, b) => compareValues(a.at, b.at, 'timestamp'))
  const how = { column, full: isFull(options), late: options.late ?? 'fail' }
  const histories = historiesOf(telling, given.keys(), (versions) => new TimedHistory(versions, telling, how))
  for (const [text, history] of histories) history.tell(inOrder(given.get(text) ?? []))
  return [...histories.values()]
}

function historiesOf<H>(
  { table }: Telling,
  given: Iterable<string>,
  make: (rows: readonly Row[]) => H,
): Map<string, H> {
  const versions = byKey(table.rows, table.key)
  const keys = new Set([...versions.keys(), ...given])
  return new Map([...keys].map((text) => [text, make(versions.get(text) ?? [])]))
}

/** What was true at T of one key. */
interface Statement {
  at: string
  /** Absent where a full snapshot does not have the key. */
  row?: Row
  /** The next instant at which a full snapshot confirmed what the table says. */
  confirmedAt: string | undefined
  isLate: boolean
}

class InstantHistory extends KeyHistory {
  tell(what: Statement): void {
    const version = this.versions.find(({ row }) => row !== undefined && holdsAt(row, what.at))
    if (version?.row === undefined) this.tellOfNone(what)
    else if (what.row && this.isSame(version.row, what.row)) this.tellOfEqual(what.row, what, version, version.row)
    else this.tellOfOther(what, version, version.row)
  }

  private tellOfNone({ at, row, confirmedAt }: Statement): void {
    if (row === undefined) return
    const following = this.firstAfter(at)?.row
    this.begin(row, at, earliest(confirmedAt, following && fromOf(following)))
  }

  private tellOfEqual(row: Row, { isLate }: Statement, version: Version, held: Row): void {
    const corrected = { ...held, ...only(row, this.telling.data) }
    if (isLate || sameRow(held, corrected, this.telling.data)) this.telling.tally.unchanged++
    else this.correct(version, corrected)
  }

  private tellOfOther({ at, row, confirmedAt }: Statement, version: Version, held: Row): void {
    const end = toOf(held)
    const reopens = confirmedAt !== undefined && (end === null || isAfter(end, confirmedAt)) ? confirmedAt : null
    const beganHere = fromOf(held) === at
    if (!beganHere) this.close(version, at)
    else if (row) this.correct(version, { ...held, ...only(row, this.telling.data), ...span(at, reopens ?? end) })
    else if (reopens === null) this.remove(version)
    else this.correct(version, { ...held, ...span(reopens, end) })
    if (!beganHere && row) this.begin(row, at, reopens ?? end)
    if (reopens !== null && (row || !beganHere)) this.add({ ...held, ...span(reopens, end) })
  }

  /** A new version, or the following one from here on, where it is equal and nothing lies between. */
  private begin(row: Row, from: string, to: string | null): void {
    const following = this.firstAfter(from)
    const later = following?.row
    if (following && later && fromOf(later) === to && this.isSame(later, row))
      this.correct(following, { ...later, _effective_from: from })
    else this.add({ ...only(row, versionColumns(this.telling.table)), ...span(from, to) })
  }

  private firstAfter(at: string): Version | undefined {
    return this.versions
      .filter(({ row }) => row !== undefined && isAfter(fromOf(row), at))
      .sort((a, b) => compareValues(fromOf(a.row ?? {}), fromOf(b.row ?? {}), 'timestamp'))[0]
  }
}

/** Of the versions that held at T, or are current, those whose key a full snapshot lacks. */
function guardMissing(table: Table, incoming: Incoming, options: HistoryOptions, at: string | undefined): void {
  const given = new Set(incoming.rows.map((row) => keyText(row, table.key)))
  const inEffect = table.rows.filter((row) => (at === undefined ? toOf(row) === null : holdsAt(row, at)))
  const missing = inEffect.filter((row) => !given.has(keyText(row, table.key)))
  guard(options, {
    read: incoming.rows.length,
    updated: 0,
    deleted: missing.length,
    rowsBefore: isFull(options) ? inEffect.length : 0,
  })
}

function rowsOf(
  table: Table,
  incoming: Incoming,
  options: HistoryOptions,
  column: string | undefined,
): { rows: Row[]; ignored: number } {
  refuseNullKeys(table, incoming)
  if (column === undefined) return oneRowPerKey(table, incoming, options)
  if (incoming.rows.some((row) => cell(row, column) === null)) throw new Refused('invalid', 'a time is null')
  return oneRowPerKey(table, incoming, options, [column])
}

function isFull({ snapshot = 'full' }: HistoryOptions): boolean {
  return snapshot === 'full'
}

function timeOf({ effectiveAt }: HistoryOptions, load: Load): string {
  return typeof effectiveAt === 'string' ? effectiveAt : load.at
}

/** A date is its midnight. */
function instantOf(time: Row[string]): string {
  const text = String(time)
  return text.includes('T') ? text : `${text}T00:00:00Z`
}

function earliest(a: string | undefined, b: string | undefined): string | null {
  if (a === undefined || b === undefined) return a ?? b ?? null
  return isAfter(a, b) ? b : a
}
