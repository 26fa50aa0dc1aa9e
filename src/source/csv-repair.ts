/**
 * A CSV file split in two: rows that are rows, and those that are diverted (ragged, badly quoted, not UTF-8), each with its
 * number in the file. Slow, and done only for files that DuckDB refuses. A quote that does not close costs its own line, not
 * the rest of the file.
 */
import { byBytes, type CsvRecord, type Dialect, fileBytes, RecordReader, recordProblem } from './csv-text.js'
import { LineFile, type RejectsFile } from './line-file.js'
import type { Spool } from './spool.js'

/** @returns a file without header whose first column is the row's number, and an NDJSON file of the others */
export async function repairCsv(
  file: { path: string; name: string },
  columns: number,
  { dialect, skipLines, hasHeader }: { dialect: Dialect; skipLines: number; hasHeader: boolean },
  spool: Spool,
): Promise<{ path: string; rejects: RejectsFile }> {
  const good = new LineFile(spool.path('.rows.csv'))
  const bad = new LineFile(spool.path('.rejects.ndjson'))
  const bytesDialect = byBytes(dialect)
  const reader = new RecordReader(bytesDialect)
  let row = hasHeader ? -1 : 0
  const take = (record: CsvRecord): void => {
    if (columns > 1 && record.raw === '') return
    row++
    if (row === 0) return
    const problem = recordProblem(record, columns, bytesDialect)
    if (problem === undefined) {
      good.write(Buffer.from(`${row}${bytesDialect.delimiter}${record.raw}`, 'latin1'))
      return
    }
    let { raw } = record
    if (record.broken !== undefined && /[\r\n]/.test(raw)) {
      raw = raw.split(/\r\n|\n|\r/, 1)[0] ?? ''
      reader.resumeAtSecondLine(record)
    }
    const text = Buffer.from(raw, 'latin1').toString('utf8')
    bad.write(Buffer.from(JSON.stringify({ file: file.name, row, reason: problem, raw: JSON.stringify(text) })))
  }
  for await (const piece of fileBytes(file.path, skipLines)) {
    reader.add(piece)
    for (let record = reader.next(); record !== undefined; record = reader.next()) take(record)
    await good.flush()
    await bad.flush()
  }
  reader.end()
  for (let record = reader.next(); record !== undefined; record = reader.next()) take(record)
  await good.close()
  await bad.close()
  return { path: good.path, rejects: bad }
}
