/**
 * Rows of changes into a file: as a query's rows, but for `_changed_columns`, which in CSV is a text with commas between
 * the names.
 */
import type { RunOptions } from '../engine/port.js'
import { type Result, type ResultFormat, writeResult } from './write.js'

export async function writeChanges(
  { engine, sql, columns }: Result,
  path: string,
  format: ResultFormat,
  options: RunOptions = {},
): Promise<{ rows: number; bytes: number }> {
  if (format !== 'csv') return await writeResult({ engine, sql, columns }, path, format, options)
  const joined = `SELECT * REPLACE (array_to_string(_changed_columns, ',') AS _changed_columns) FROM (${sql}\n)`
  const texts = columns.map(({ name, type }) => ({ name, type: name === '_changed_columns' ? 'VARCHAR' : type }))
  return await writeResult({ engine, sql: joined, columns: texts }, path, format, options)
}
