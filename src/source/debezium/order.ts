/**
 * By what an event stands before or after another one: a position in the source's log, as one integer. Which position it is
 * depends on the database; positions of two kinds do not compare.
 *
 *   kind            from                                        as
 *   lsn             source.lsn (PostgreSQL)                     bigint
 *   binlog          source.file, pos, row (MySQL, MariaDB)      decimal: file's number, 20 digits of pos, 8 of row
 *   change_lsn      source.change_lsn, else commit_lsn, and     decimal: the hexadecimal number, 3 digits of
 *                   event_serial_no (SQL Server, Db2)           event_serial_no
 *   scn             source.scn (Oracle)                         bigint
 *   ts_ms.ord       source.ts_ms, ord (MongoDB)                 decimal: ts_ms, 10 digits of ord
 *   ts_ms           source.ts_ms (others)                       bigint
 *   envelope_ts_ms  ts_ms of the envelope                       bigint
 *
 * A transaction holds its locks until it commits, so for one row the position of the change orders as its commit would.
 */
import { LakeError } from '../../errors.js'
import type { LakeType } from '../../schema/types.js'
import { JsonProblem } from '../json-scan.js'

export type OrderKind = 'lsn' | 'binlog' | 'change_lsn' | 'scn' | 'ts_ms.ord' | 'ts_ms' | 'envelope_ts_ms'

export interface Order {
  kind: OrderKind
  value: bigint
}

/** The text of a scalar by its name; undefined where it is null, not there, or no scalar. */
export type Lookup = (name: string) => string | undefined

/**
 * @param source of the members of `source`
 * @param envelope of the members beside it
 * @throws JsonProblem for a position that is none
 */
export function orderOf(source: Lookup, envelope: Lookup): Order | undefined {
  const lsn = source('lsn')
  if (lsn !== undefined) return { kind: 'lsn', value: whole('lsn', lsn, longest) }
  const file = source('file')
  const pos = source('pos')
  if (file !== undefined && pos !== undefined) return { kind: 'binlog', value: binlog(file, pos, source('row') ?? '0') }
  const changeLsn = hexadecimal(source('change_lsn')) ?? hexadecimal(source('commit_lsn'))
  if (changeLsn !== undefined) {
    const serial = whole('event_serial_no', source('event_serial_no') ?? '0', 999n)
    return { kind: 'change_lsn', value: changeLsn * 1000n + serial }
  }
  const scn = source('scn')
  if (scn !== undefined) return { kind: 'scn', value: whole('scn', scn, longest) }
  const sourceTime = source('ts_ms')
  const ord = source('ord')
  if (sourceTime !== undefined && ord !== undefined) {
    const value = whole('ts_ms', sourceTime, longest) * 10n ** 10n + whole('ord', ord, 10n ** 10n - 1n)
    return { kind: 'ts_ms.ord', value }
  }
  if (sourceTime !== undefined) return { kind: 'ts_ms', value: whole('ts_ms', sourceTime, longest) }
  const time = envelope('ts_ms')
  return time === undefined ? undefined : { kind: 'envelope_ts_ms', value: whole('ts_ms', time, longest) }
}

/** The same for all orders of a kind, so that a table can keep them in one column. */
export function orderType(kind: OrderKind | undefined): LakeType {
  const isLong = kind === 'binlog' || kind === 'change_lsn' || kind === 'ts_ms.ord'
  return isLong ? { kind: 'decimal', precision: 38, scale: 0 } : { kind: 'bigint' }
}

/** Holds that all events of a load are ordered by the same. */
export class OrderLog {
  kind: OrderKind | undefined
  private first: { file: string; row: number } | undefined

  /** @throws LakeError invalid, with both places */
  note(order: Order | undefined, file: string, row: number): void {
    if (this.first === undefined) {
      this.first = { file, row }
      this.kind = order?.kind
      return
    }
    if (order?.kind === this.kind) return
    throw new LakeError('invalid', 'the events of one load are ordered by different things, which do not compare', {
      file,
      row,
      order: order?.kind ?? 'none',
      before: `${this.kind ?? 'none'} (${this.first.file}, row ${this.first.row})`,
      fix: 'Load events of one connector, with its metadata in all of them, or order them by a column of theirs.',
    })
  }
}

const longest = 2n ** 63n - 1n

function whole(name: string, text: string, most: bigint): bigint {
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined
  if (value === undefined || value > most)
    throw new JsonProblem(`\`${name}\` is no position in a log: \`${text.slice(0, 50)}\``)
  return value
}

/** `mysql-bin.000003` */
function binlog(file: string, pos: string, row: string): bigint {
  const [, number] = /\.(\d{1,10})$/.exec(file) ?? []
  if (number === undefined) throw new JsonProblem(`\`file\` is no file of a binlog: \`${file.slice(0, 50)}\``)
  const position = whole('pos', pos, 10n ** 20n - 1n) * 10n ** 8n + whole('row', row, 10n ** 8n - 1n)
  return BigInt(number) * 10n ** 28n + position
}

/** `00000027:00000758:0005`; Debezium writes `NULL` where there is none. */
function hexadecimal(text: string | undefined): bigint | undefined {
  if (text === undefined || text === 'NULL') return undefined
  const digits = text.replaceAll(':', '')
  if (!/^[0-9a-fA-F]{1,28}$/.test(digits))
    throw new JsonProblem(`a log sequence number is no hexadecimal number: \`${text.slice(0, 50)}\``)
  return BigInt(`0x${digits}`)
}
