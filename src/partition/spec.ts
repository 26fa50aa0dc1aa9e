/**
 * How a table is divided: the columns, and what a partition is called.
 *
 *   values                                   id                       path
 *   { dt: '2026-11-20', region: 'US/East' }  ["2026-11-20","US/East"] dt=2026-11-20/region=US%2FEast
 *
 * Ids are for sets and maps, paths for folders and receipts. Neither is ever parsed back.
 */
import { LakeError } from '../errors.js'
import { findColumn, foldName, isNested, nearMiss, typeName } from '../schema/names.js'
import type { Schema } from '../schema/types.js'
import { hiveSegment } from './hive.js'
import { canonicalText, indistinct, isPartitionType } from './value.js'

/** Text as the manifest holds it, or null, by column. */
export type PartitionTexts = Record<string, string | null>

/**
 * Injective: two partitions have one id only if they are the same.
 * @param schema where other writers may have written the values: equal values of one type then have one id
 */
export function partitionId(values: PartitionTexts, partitionBy: readonly string[], schema?: Schema): string {
  return JSON.stringify(
    partitionBy.map((column) => {
      const text = textOf(values, column)
      const type = text === null || schema === undefined ? undefined : findColumn(schema, column)?.type
      return type === undefined || text === null ? text : (canonicalText(text, type) ?? text)
    }),
  )
}

/** The folder below the table's root, without slashes at its ends; `''` for a table without partitions. */
export function partitionPath(values: PartitionTexts, partitionBy: readonly string[]): string {
  return partitionBy.map((column) => hiveSegment(column, textOf(values, column))).join('/')
}

/** `dt, "a,b"` → `['dt', 'a,b']`; names as the user wrote them. */
export function parsePartitionBy(text: string): string[] {
  const names = [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,"]*))\s*(?:,|$)/gy)].map(
    ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain.trim(),
  )
  // The pattern also meets the nothing after the last name.
  if (names.length > 1 && names.at(-1) === '' && !/,\s*$/.test(text)) names.pop()
  if (text.trim() === '' || names.length === 0 || names.includes(''))
    throw new LakeError('invalid', `\`${text}\` is no list of columns`, {
      fix: 'Write names with commas between them, names with a comma or a quote in double quotes: `dt, "a,b"`.',
    })
  return names
}

/**
 * @returns the names as the schema spells them
 * @throws LakeError invalid: no such column, a column twice, a type that cannot divide a table, no column left for the files
 */
export function resolvePartitionBy(partitionBy: readonly string[], schema: Schema): string[] {
  const names = partitionBy.map((name) => {
    const field = findColumn(schema, name)
    if (field === undefined) {
      const near = nearMiss(
        name,
        schema.map((column) => column.name),
      )
      throw new LakeError('invalid', `partition column \`${name}\` does not exist`, {
        columns: schema.map((column) => column.name),
        fix: near === undefined ? 'Name a column of the table.' : `Did you mean \`${near}\`?`,
      })
    }
    if (!isPartitionType(field.type))
      throw new LakeError('invalid', `column \`${field.name}\` is ${typeName(field.type)} and cannot divide a table`, {
        fix: isNested(field.type)
          ? 'Partition by a column with one plain value per row, e.g. a member of this one by `--derive`.'
          : 'Partition by text instead, e.g. its base64 by `--derive`.',
      })
    return field.name
  })
  const twice = names.find((name, i) => names.findIndex((other) => foldName(other) === foldName(name)) !== i)
  if (twice !== undefined)
    throw new LakeError('invalid', `partition column \`${twice}\` is named twice`, { fix: 'Name each column once.' })
  if (names.length > 0 && names.length === schema.length)
    throw new LakeError('invalid', 'every column is a partition column, so the files would hold none', {
      partitionBy: names,
      fix: 'Leave at least one column out of `--partition-by`.',
    })
  return names
}

/**
 * @param value text as the manifest would hold it
 * @throws LakeError invalid for what readers cannot tell from null, for what no object's key can hold, and for a folder
 *   name of more than 255 bytes, which file systems refuse
 */
export function assertPartitionValue(column: string, value: string | null): void {
  if (value === null) return
  const refuse = (what: string, fix: string): never => {
    throw new LakeError('invalid', what, { column, value: value.slice(0, 100), fix })
  }
  if (indistinct.includes(value.toLowerCase()))
    refuse(
      `${value === '' ? 'the empty string' : 'this text'} cannot be a partition value: readers take it for null`,
      'Load it as null, or as another text.',
    )
  if (value.includes('\0')) refuse('a partition value holds U+0000', 'Take the character out.')
  if (/\p{Surrogate}/u.test(value)) refuse('a partition value is not well-formed Unicode', 'Load it as UTF-8 text.')
  const bytes = Buffer.byteLength(hiveSegment(column, value))
  if (bytes > longestFolderBytes)
    refuse(
      `the folder of a partition would have a name of ${bytes} bytes, more than ${longestFolderBytes}`,
      'Partition by a shorter value, e.g. a prefix or a hash of this one.',
    )
}

/** NAME_MAX of every usual file system. */
export const longestFolderBytes = 255

/** The protocol takes the empty string for null. */
export function textOf(values: PartitionTexts, column: string): string | null {
  const text = Object.hasOwn(values, column) ? (values[column] ?? null) : null
  return text === '' ? null : text
}
