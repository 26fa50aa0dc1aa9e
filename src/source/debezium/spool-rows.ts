/**
 * Events that a program holds as objects, as lines of a file, so that they are read like any others: nothing of an integer is
 * lost on the way. Text and bytes are lines as they are, null and undefined tombstones.
 */
import { LakeError } from '../../errors.js'
import { LineFile } from '../line-file.js'
import { isPlainObject } from '../rows/infer.js'
import type { Spool } from '../spool.js'

/** @returns the file's path */
export async function spoolRows(rows: Iterable<unknown> | AsyncIterable<unknown>, spool: Spool): Promise<string> {
  const file = new LineFile(spool.path('.events.ndjson'))
  let row = 0
  try {
    for await (const event of rows) {
      row++
      spool.signal?.throwIfAborted()
      file.write(lineOf(event, row))
      await file.flush()
    }
  } finally {
    await file.close()
  }
  return file.path
}

function lineOf(event: unknown, row: number): Buffer {
  if (event === null || event === undefined) return Buffer.from('null')
  // Line breaks stand only between tokens; an empty line would not count.
  const text =
    typeof event === 'string' ? event : event instanceof Uint8Array ? Buffer.from(event).toString() : undefined
  if (text !== undefined) return Buffer.from(text.replaceAll(/[\r\n]/g, ' ').trim() || 'null')
  return Buffer.from(jsonOf(withText(event), '', row))
}

/** Of a record, `{ key: <Buffer>, value: <Buffer> }`. */
function withText(event: object): object {
  const { key, value } = event as { key?: unknown; value?: unknown }
  if (!(key instanceof Uint8Array) && !(value instanceof Uint8Array)) return event
  const text = (part: unknown) => (part instanceof Uint8Array ? Buffer.from(part).toString() : part)
  return { key: text(key) ?? null, value: text(value) ?? null }
}

function jsonOf(value: unknown, path: string, row: number): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return numberOf(value, path, row)
  if (value instanceof Date) return JSON.stringify(value)
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (Array.isArray(value)) return `[${value.map((item) => jsonOf(item, `${path}[]`, row)).join(',')}]`
  if (typeof value === 'object' && (path === '' || isPlainObject(value))) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${jsonOf(member, joined(path, name), row)}`).join(',')}}`
  }
  throw notJson(path, row, `a ${typeof value}`)
}

function numberOf(value: number, path: string, row: number): string {
  if (!Number.isFinite(value)) return JSON.stringify(String(value))
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0' : String(value)
  // It may have been another integer before somebody parsed it.
  if (Math.abs(value) < 2 ** 63) throw notJson(path, row, 'an integer beyond 2^53 as a number')
  return String(value)
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function notJson(path: string, row: number, what: string): LakeError {
  return new LakeError(
    'invalid',
    `row ${row}: \`${path}\` is ${what}, which does not say exactly what the event held`,
    {
      row,
      column: path,
      fix: 'Pass integers beyond 2^53 as bigint, or the events as the text that they came in.',
    },
  )
}
