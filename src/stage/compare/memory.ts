/** How much memory the engine may use, whoever said so. */
import { bytesOfSize } from '../../engine/duckdb/memory.js'
import type { Engine, RunOptions } from '../../engine/port.js'

/** @returns bytes */
export async function memoryLimit(engine: Engine, run: RunOptions): Promise<number> {
  const [row] = await engine.rows(`SELECT current_setting('memory_limit') AS memory`, run)
  return bytesOfSize(String(row?.memory))
}
