/** Why a load is held back, for people: `950 of 1,000 rows would be deleted (95%), at most 50%`. */
import type { TrippedGuard } from '../index.js'
import { count } from './words.js'

export function guardText({ guard, limit, rows, rowsBefore = 0, value }: TrippedGuard): string {
  if (guard === 'minRows') return `${count(rows)} rows in the input, at least ${count(limit)} (--min-rows)`
  const [what, flag] =
    guard === 'maxDeleteRatio' ? ['be deleted', '--max-delete-ratio'] : ['be changed', '--max-update-ratio']
  return `${count(rows)} of ${count(rowsBefore)} rows would ${what} (${percent(value)}), at most ${percent(limit)} (${flag})`
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))}%`
}
