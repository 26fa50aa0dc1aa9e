/**
 * Which version of a table is meant: in its name, by number or by time.
 *
 *   orders@12                 { url: 'orders', version: 12 }
 *   s3://lake/a@b             { url: 's3://lake/a@b' }
 *   --as-of 2026-11-20        the newest version at 2026-11-20 00:00 UTC
 *   --as-of 2026-11-20T06:00  UTC too, as all naive timestamps here
 */
import { LakeError } from '../errors.js'
import { instantMicros, matches } from '../schema/grammar.js'

/** Digits after a last `@` name a version. */
export function parseTableUrl(text: string): { url: string; version?: number } {
  const [, url, digits] = /^(.+)@(\d+)$/s.exec(text) ?? []
  if (url === undefined || digits === undefined) return { url: text }
  return { url, version: checkedVersion(Number(digits), digits) }
}

/** One of the two, or neither for the newest version. */
export interface At {
  version?: number
  /** A moment: the newest version that was there. Text is ISO 8601, UTC where it names no zone. */
  asOf?: string | Date
}

/** @throws LakeError invalid */
export function parseAt({ version, asOf }: At): { version?: number; timeMs?: number } {
  if (version !== undefined && asOf !== undefined)
    throw new LakeError('invalid', 'a version and a time are given, and they may differ', {
      version,
      asOf: String(asOf),
      fix: 'Give one of the two.',
    })
  if (version !== undefined) return { version: checkedVersion(version, String(version)) }
  return asOf === undefined ? {} : { timeMs: momentMs(asOf) }
}

function checkedVersion(version: number, text: string): number {
  if (Number.isSafeInteger(version) && version >= 0) return version
  throw new LakeError('invalid', `\`${text}\` is no version of a table`, { fix: 'Versions count 0, 1, 2, …' })
}

function momentMs(asOf: string | Date): number {
  const ms = asOf instanceof Date ? asOf.getTime() : textMs(asOf.trim())
  if (Number.isFinite(ms)) return ms
  throw new LakeError('invalid', `\`${String(asOf)}\` is no time`, {
    fix: 'Write a date or a time as ISO 8601: `2026-11-20`, `2026-11-20T06:00:00Z`.',
  })
}

function textMs(text: string): number {
  const iso = text.toUpperCase()
  return matches({ kind: 'timestamp' }, iso) ? Number(instantMicros(iso) / 1000n) : Number.NaN
}
