/**
 * `scd2` where each row says in a column when it took effect. The rows of a key are put into its time all at once:
 *
 *   at T                        the row                     then
 *   a version begins            equal (tracked)             nothing
 *   a version begins            differs                     the version is corrected
 *   a version ended, none yet   any                         new version from T, up to the next instant of the key
 *   what holds just before T    equal                       nothing
 *   what holds just before T    differs, or nothing held    new version from T, up to the next instant of the key; a version
 *                                                           of the table that follows at once and is equal begins at T instead
 *
 * A row is late where T is before the newest instant of its key, and is refused then (`late: 'fail'`), but for the newest
 * row of the key where it is the current version, and for an older one that is the version at T. With full snapshots a key
 * that is missing is closed when the load began, and comes back at that time where its own is earlier.
 */
import {
  fromOf,
  holdsAt,
  instantsOf,
  isAfter,
  KeyHistory,
  only,
  span,
  type Telling,
  toOf,
  type Version,
  versionColumns,
} from './history.js'
import { Refused, type Row, sameRow } from './table.js'
import { compareValues, greatest } from './value.js'

export interface TimedRow {
  at: string
  row: Row
}

/** From here on the key is as a version says, or as a row of the load; or it is not there. */
interface Instant {
  at: string
  version?: Version
  row?: Row
}

export class TimedHistory extends KeyHistory {
  constructor(
    rows: readonly Row[],
    telling: Telling,
    private readonly how: { column: string; full: boolean; late: 'fail' | 'insert' },
  ) {
    super(rows, telling)
  }

  /** @param rows of the key, in order of time; none where it is missing */
  tell(rows: readonly TimedRow[]): void {
    const newest = rows.at(-1)
    if (newest === undefined) this.tellMissing()
    else this.tellRows(rows, newest)
  }

  private tellRows(rows: readonly TimedRow[], newest: TimedRow): void {
    const timeline = this.timeline()
    const placed = rows.flatMap((one) => this.timed(one, one === newest))
    const outcomes = placed.map((one) => this.place(one, timeline))
    this.telling.tally.unchanged += rows.length - placed.length
    const settled = timeline.sort(inOrder)
    this.settle(settled)
    const last = placed.at(-1)
    const isLate = last?.row !== newest.row || isAfter(settled.at(-1)?.at ?? last.at, last.at)
    if (!isLate && outcomes.at(-1) === 'same') this.correctUntracked(newest.row)
  }

  private tellMissing(): void {
    const current = this.current()
    const { at } = this.telling.load
    if (!this.how.full || current?.row === undefined) return
    if (isAfter(at, fromOf(current.row))) this.close(current, at)
    else this.remove(current)
  }

  /** The row with the time at which it is placed; none where nothing is to be done. */
  private timed({ at, row }: TimedRow, isNewest: boolean): TimedRow[] {
    const last = greatest(instantsOf(this.rows()), 'timestamp')
    if (typeof last !== 'string' || !isAfter(last, at)) return [{ at, row }]
    const current = this.current()?.row
    const { at: began } = this.telling.load
    if (isNewest && this.how.full && current === undefined && !isAfter(last, began)) return [{ at: began, row }]
    if (this.how.late === 'insert') return [{ at, row }]
    const held = isNewest ? current : this.rows().find((one) => holdsAt(one, at))
    if (held && this.isSame(held, row)) return []
    throw new Refused('invalid', 'a row is late')
  }

  private timeline(): Instant[] {
    const begin = this.versions.flatMap((version) => (version.row ? [{ at: fromOf(version.row), version }] : []))
    const ends = this.rows().flatMap((row) => toOf(row) ?? [])
    return [...begin, ...ends.filter((at) => !begin.some((one) => one.at === at)).map((at) => ({ at }))]
  }

  private place({ at, row }: TimedRow, timeline: Instant[]): 'placed' | 'same' {
    const here = timeline.find((one) => one.at === at)
    const before = timeline
      .filter((one) => isAfter(at, one.at))
      .sort(inOrder)
      .at(-1)
    const held = here?.version?.row ?? (here ? undefined : stateOf(before))
    if (held && this.isSame(held, row)) {
      this.telling.tally.unchanged++
      return 'same'
    }
    if (here?.version?.row)
      this.correct(here.version, { ...here.version.row, ...only(row, [...this.telling.data, this.how.column]) })
    else if (here) here.row = row
    else timeline.push({ at, row })
    return 'placed'
  }

  /** Each version ends where the next instant of the key begins. */
  private settle(timeline: readonly Instant[]): void {
    for (const [index, { at, version, row }] of timeline.entries()) {
      const following = timeline[index + 1]
      const end = following?.at ?? null
      const next = following?.version?.row
      if (version?.row && toOf(version.row) !== end && end !== null) this.close(version, end)
      else if (row && next && following?.version && this.isSame(next, row))
        this.correct(following.version, { ...next, _effective_from: at })
      else if (row) this.add({ ...only(row, versionColumns(this.telling.table)), ...span(at, end) })
    }
  }

  /** The newest row says the untracked columns of the version that is current, too. */
  private correctUntracked(row: Row): void {
    const current = this.current()
    if (current?.row === undefined || !this.isSame(current.row, row)) return
    if (sameRow(current.row, row, this.telling.data)) return
    this.correct(current, { ...current.row, ...only(row, [...this.telling.data, this.how.column]) })
    this.telling.tally.unchanged--
  }

  private current(): Version | undefined {
    return this.versions.find(({ row }) => row !== undefined && toOf(row) === null)
  }
}

function stateOf(instant: Instant | undefined): Row | undefined {
  return instant?.row ?? instant?.version?.row
}

function inOrder(a: Instant, b: Instant): number {
  return compareValues(a.at, b.at, 'timestamp')
}
