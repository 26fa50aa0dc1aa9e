/** The settings that `set` takes: their names, what their values may be, and the table properties they become. Pure. */
import { LakeError } from '../errors.js'
import type { Metadata } from '../manifest/actions.js'
import { keyProperty, refuseChangeFeedColumns } from '../manifest/create.js'
import { findColumn, foldName, isNested, nearMiss, sameName } from '../schema/names.js'
import type { Field } from '../schema/types.js'

/**
 * @param settings as users write them; an empty value removes the property
 * @returns the table's properties after it, and the given settings under their documented names
 */
export function applySettings(
  metadata: Metadata,
  settings: Record<string, string>,
): { configuration: Record<string, string>; shown: Record<string, string> } {
  const configuration = { ...metadata.configuration }
  const shown: Record<string, string> = {}
  for (const [given, text] of Object.entries(settings)) {
    const name = settingName(given)
    const { parse, property } = known[name] ?? unknownSetting(given, name)
    if (name in shown) throw new LakeError('invalid', `\`${name}\` is given twice`, { fix: 'Keep one of the two.' })
    const value = text.trim()
    if (value === '') delete configuration[property]
    else configuration[property] = parse(value, name, metadata)
    shown[name] = value
  }
  if (Object.keys(shown).length === 0)
    throw new LakeError('invalid', 'no setting is given', { fix: `Write name=value; names are ${names()}.` })
  return { configuration, shown }
}

export const changeFeedProperty = 'delta.enableChangeDataFeed'

interface Setting {
  property: string
  /** @returns the property's value; @throws LakeError invalid */
  parse(text: string, name: string, metadata: Metadata): string
}

/** Properties of the Delta protocol that change nothing about how the files of the table are read or written. */
const deltaSettings: Record<string, Setting['parse']> = {
  'delta.appendOnly': flag,
  'delta.checkpointInterval': count,
  'delta.dataSkippingNumIndexedCols': wholeNumber,
  'delta.deletedFileRetentionDuration': interval,
  'delta.enableExpiredLogCleanup': flag,
  'delta.logRetentionDuration': interval,
}

const known: Record<string, Setting> = {
  targetFileBytes: { property: 'lakewright.targetFileBytes', parse: bytes },
  sortBy: { property: 'lakewright.sortBy', parse: columnList },
  loadColumns: { property: 'lakewright.loadColumns', parse: flag },
  key: { property: keyProperty, parse: keyColumns },
  changeFeed: { property: changeFeedProperty, parse: changeFeed },
  checkpointInterval: { property: 'delta.checkpointInterval', parse: count },
  ...Object.fromEntries(Object.entries(deltaSettings).map(([property, parse]) => [property, { property, parse }])),
}

/** `sort-by`, `lakewright.sortBy`, `addLoadColumns` and `SORTBY` are names people try. */
function settingName(given: string): string {
  const camel = given.trim().replace(/^lakewright\./, '')
  const plain = camel.startsWith('delta.') ? camel : camel.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase())
  if (foldName(plain) === 'addloadcolumns') return 'loadColumns'
  if (foldName(plain) === 'delta.enablechangedatafeed') return 'changeFeed'
  return Object.keys(known).find((name) => sameName(name, plain)) ?? plain
}

function unknownSetting(given: string, name: string): never {
  const folded = foldName(name)
  if (folded === 'partitionby')
    throw new LakeError('invalid', 'the partitioning of a table cannot be set: its files lie by it', {
      fix: 'Write the table anew with `overwrite --schema replace --partition-by …`.',
    })
  if (folded === 'delta.settransactionretentionduration')
    throw new LakeError('unsupported', 'the memory of load ids and progress may not expire: loads would be repeated', {
      setting: given,
    })
  if (folded.startsWith('delta.'))
    throw new LakeError('unsupported', `\`${given}\` is not among the Delta properties that lakewright sets`, {
      fix: `Those are ${Object.keys(deltaSettings).join(', ')}. Set others with the engine that knows what they ask of writers.`,
    })
  const near = nearMiss(name, Object.keys(known))
  throw new LakeError('invalid', `there is no setting \`${given}\``, {
    fix: near === undefined ? `Settings are ${names()}.` : `Did you mean \`${near}\`?`,
  })
}

function names(): string {
  return Object.keys(known).join(', ')
}

function flag(text: string, name: string): string {
  const value = { true: 'true', on: 'true', false: 'false', off: 'false' }[text.toLowerCase()]
  return value ?? refuse(name, text, '`true` or `false`')
}

function changeFeed(text: string, name: string, { schema }: Metadata): string {
  const value = { on: 'true', true: 'true', off: 'false', false: 'false' }[text.toLowerCase()]
  if (value === 'true') refuseChangeFeedColumns(schema, 'Rename the column first.')
  return value ?? refuse(name, text, '`on` or `off`')
}

function count(text: string, name: string): string {
  return /^[1-9]\d{0,8}$/.test(text) ? text : refuse(name, text, 'a whole number from 1')
}

function wholeNumber(text: string, name: string): string {
  return /^(-1|0|[1-9]\d{0,8})$/.test(text) ? text : refuse(name, text, 'a whole number, or -1 for all columns')
}

const units: Record<string, number> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

function bytes(text: string, name: string): string {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]i?b|b)?$/i.exec(text) ?? []
  const value = Math.round(Number(digits) * (units[unit.toLowerCase()] ?? Number.NaN))
  return Number.isSafeInteger(value) && value >= 1024
    ? String(value)
    : refuse(name, text, 'a size from 1024 bytes, e.g. `256MiB`')
}

/** Delta: `interval 30 days`. */
function interval(text: string, name: string): string {
  const [, number, unit] = /^(?:interval\s+)?(\d{1,6})\s+(second|minute|hour|day|week)s?$/i.exec(text) ?? []
  if (number === undefined || unit === undefined) return refuse(name, text, 'a time such as `interval 30 days`')
  return `interval ${number} ${unit.toLowerCase()}s`
}

function columnList(text: string, name: string, { schema }: Metadata): string {
  return JSON.stringify(parseList(text, name).map((column) => columnOf(column, name, schema).name))
}

function keyColumns(text: string, name: string, { schema }: Metadata): string {
  const fields = parseList(text, name).map((column) => columnOf(column, name, schema))
  const nested = fields.find(({ type }) => isNested(type))
  if (nested) throw new LakeError('invalid', 'a key column must have one plain value per row', { column: nested.name })
  return JSON.stringify(fields.map((field) => field.name))
}

/** `a,b`, `"a,b",c` or a JSON list, as the property itself has it. */
function parseList(text: string, name: string): string[] {
  const columns = text.startsWith('[') ? jsonList(text) : quotedList(text)
  if (columns === undefined || columns.length === 0) return refuse(name, text, 'columns with commas between them')
  const twice = columns.find((column, i) => columns.findIndex((other) => sameName(other, column)) !== i)
  if (twice !== undefined) throw new LakeError('invalid', `\`${name}\` names the column \`${twice}\` twice`)
  return columns
}

function jsonList(text: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined
  } catch {
    return undefined
  }
}

function quotedList(text: string): string[] | undefined {
  const pattern = /\s*(?:"((?:[^"]|"")*)"|([^,"]+?))\s*(?:,|$)/gy
  const matches = [...text.matchAll(pattern)]
  const covered = matches.reduce((sum, [match]) => sum + match.length, 0) === text.length && !text.endsWith(',')
  return covered ? matches.map(([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain) : undefined
}

function columnOf(column: string, name: string, schema: Metadata['schema']): Field {
  const field = findColumn(schema, column)
  if (field !== undefined) return field
  const near = nearMiss(
    column,
    schema.map((candidate) => candidate.name),
  )
  throw new LakeError('invalid', `\`${name}\` names a column that the table does not have`, {
    column,
    fix:
      near === undefined
        ? `Columns are ${schema.map((candidate) => candidate.name).join(', ')}.`
        : `Did you mean \`${near}\`?`,
  })
}

function refuse(name: string, text: string, wanted: string): never {
  throw new LakeError('invalid', `\`${text}\` is no value of \`${name}\``, { fix: `Write ${wanted}.` })
}
