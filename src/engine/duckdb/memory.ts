/**
 * What DuckDB may use of the memory that the process may use. Its limit bounds what it buffers; beside that lie the program
 * itself, what the engine does not count, and what the allocator does not give back at once. Measured: the process's peak is
 * 200 to 280 MB above the limit, whatever the limit is.
 */

const besideMB = 250

/** @param bytes of the process; below twice what lies beside it half is left to the engine all the same */
export function engineBytes(bytes: number): number {
  return Math.floor(Math.max(bytes / 2, bytes - besideMB * 1e6))
}

/** From DuckDB's text of a size: `476.8 MiB`. */
export function bytesOfSize(text: string): number {
  const [, amount, unit = ''] = /^([\d.]+) (bytes|[KMGT])/.exec(text) ?? []
  return Number(amount ?? 0) * 1024 ** Math.max(0, ' KMGT'.indexOf(unit))
}

export function limitText(bytes: number): string {
  return `${Math.floor(bytes / 1024)}KiB`
}
