/**
 * Lines on their way into a file, some hundred kilobytes at a time; and how the file of rejected rows is read.
 */

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { quotePath } from '../engine/sql.js'

export class LineFile {
  private held: Buffer[] = []
  private heldBytes = 0
  longestBytes = 0
  private readonly stream

  constructor(readonly path: string) {
    this.stream = createWriteStream(path)
  }

  write(line: Buffer): void {
    this.held.push(line, newline)
    this.heldBytes += line.length + 1
    this.longestBytes = Math.max(this.longestBytes, line.length)
  }

  /** Call it now and then: what is held goes out once it is much. */
  async flush(atLeastBytes = 1 << 19): Promise<void> {
    if (this.heldBytes < atLeastBytes) return
    const all = Buffer.concat(this.held)
    this.held = []
    this.heldBytes = 0
    if (!this.stream.write(all)) await once(this.stream, 'drain')
  }

  async close(): Promise<void> {
    await this.flush(1)
    this.stream.end()
    await finished(this.stream)
  }
}

/** Files of `{ file, row, reason, raw }` as a SELECT of `__lw_file, __lw_row, __lw_reason, __lw_raw`. */
export function readRejects(files: readonly RejectsFile[]): string {
  return (
    `SELECT file AS __lw_file, "row" AS __lw_row, reason AS __lw_reason, raw AS __lw_raw FROM read_json([${files.map(({ path }) => quotePath(path)).join(', ')}], ` +
    `format='newline_delimited', records=true, auto_detect=false, columns={file: 'VARCHAR', 'row': 'BIGINT', reason: 'VARCHAR', raw: 'VARCHAR'}, ` +
    `compression='uncompressed', maximum_object_size=${objectBytes(files.map(({ longestBytes }) => longestBytes))})`
  )
}

export type RejectsFile = Pick<LineFile, 'path' | 'longestBytes'>

/** DuckDB's limit on a JSON object: its own, or a longer one. It allocates twice that per thread. */
export function objectBytes(lengths: readonly number[]): number {
  return Math.max(16_777_216, ...lengths.map((bytes) => bytes + 16))
}

const newline = Buffer.from('\n')
