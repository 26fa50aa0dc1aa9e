/** Whether data files end in a Parquet footer that has as many rows as the manifest says. */
import pLimit from 'p-limit'
import { isLakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { readFooter, rowsOf } from '../read/footer.js'
import { recordedRows } from '../read/show.js'
import type { CallOptions, Store } from '../store/port.js'
import { problemOf, type VerifyProblem } from './verify.js'

/** @returns the rows found, and the files of which the footer can be read */
export async function checkFooters(
  store: Store,
  files: readonly AddFile[],
  { onFile, ...options }: CallOptions & { onFile?: (file: AddFile, rows: number) => void } = {},
): Promise<{ rows: number; sound: AddFile[]; problems: VerifyProblem[] }> {
  const limit = pLimit(footersAtOnce)
  const outcomes = await Promise.all(
    files.map((file) =>
      limit(async () => {
        const outcome = await checkFooter(store, file, options)
        onFile?.(file, outcome.rows ?? 0)
        return { file, ...outcome }
      }),
    ),
  )
  return {
    rows: outcomes.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
    sound: outcomes.filter(({ rows }) => rows !== undefined).map(({ file }) => file),
    problems: outcomes.flatMap(({ problem }) => problem ?? []),
  }
}

const footersAtOnce = 16

async function checkFooter(
  store: Store,
  file: AddFile,
  options: CallOptions,
): Promise<{ rows?: number; problem?: VerifyProblem }> {
  const { key } = file
  try {
    const footer = await readFooter(store, file, options)
    if (footer === undefined) return { problem: { code: 'missing', key, message: 'the file is not there' } }
    const rows = rowsOf(footer)
    const recorded = recordedRows(file)
    if (recorded === undefined || recorded === rows) return { rows }
    return { rows, problem: { code: 'rows', key, message: `the file has ${rows} rows, the manifest says ${recorded}` } }
  } catch (error) {
    if (!isLakeError(error, 'corrupt')) throw error
    return { problem: problemOf('content', error, key) }
  }
}
