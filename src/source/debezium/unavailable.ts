/**
 * What Debezium writes for a value that the database's log did not have (PostgreSQL leaves out long values that an update did
 * not touch): a placeholder in the form of the column. The column is then absent from the event.
 *
 *   "__debezium_unavailable_value"           text, JSON
 *   "X19kZWJleml1bV91bmF2YWlsYWJs…"          bytes
 *   ["__debezium_unavailable_value"]         arrays
 *   [95,95,100,101,98,…]                     arrays of integers: the text's bytes
 *   {"__debezium_unavailable_value": …}      hstore
 */

import { JsonScanner } from '../json-scan.js'
import type { Span } from './event.js'

/** A row of which nothing tells the types, without the members that are unavailable. */
export function withoutUnavailable(row: Span): Span {
  const { bytes, start, end } = row
  if (!mayHoldUnavailable(bytes.subarray(start, end))) return row
  const kept = new MemberScanner().available(row).map((member) => bytes.subarray(member.start, member.end).toString())
  const text = Buffer.from(`{${kept.join(',')}}`)
  return { bytes: text, start: 0, end: text.length }
}

function mayHoldUnavailable(row: Buffer): boolean {
  if (row.includes(placeholder) || row.includes(base64)) return true
  return row.includes('[') && /\[\s*95\s*,\s*95\s*,\s*100\s*,/.test(row.toString('latin1'))
}

/** Whether the JSON value is one. */
export function isUnavailable(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > longestBytes) return false
  return forms.has(bytes.toString('latin1', start, end).replaceAll(/\s/g, ''))
}

class MemberScanner extends JsonScanner {
  /** Where each begins with its name, and ends with its value. */
  available({ bytes, start, end }: Span): { start: number; end: number }[] {
    const found: { start: number; end: number }[] = []
    this.begin(bytes, start, end)
    this.expect(0x7b, '`{`')
    if (this.peek() === 0x7d) return found
    do {
      const member = this.at
      this.name()
      const value = this.at
      this.skip()
      if (!isUnavailable(bytes, value, this.at)) found.push({ start: member, end: this.at })
    } while (this.follows(0x7d, '`,` or `}`'))
    return found
  }
}

const placeholder = '__debezium_unavailable_value'
const placeholderBytes = Buffer.from(placeholder)
const base64 = placeholderBytes.toString('base64')
/** Of any of the forms, with every number on a line of its own. */
const longestBytes = 1000

const quoted = JSON.stringify(placeholder)
const forms = new Set([
  quoted,
  `[${quoted}]`,
  `{${quoted}:${quoted}}`,
  JSON.stringify(base64),
  `["${base64}"]`,
  `[${[...placeholderBytes].join(',')}]`,
])
