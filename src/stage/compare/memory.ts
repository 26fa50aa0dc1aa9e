/** How much memory the engine may use, whoever said so. */
import type { Engine, RunOptions } from '../../engine/port.js'

/** @returns bytes */
export async function memoryLimit(engine: Engine, run: RunOptions): Promise<number> {
  const [row] = await engine.rows(`SELECT current_setting('memory_limit') AS memory`, run)
  const [, amount, unit = ''] = /^([\d.]+) (bytes|[KMGT])/.exec(String(row?.memory)) ?? []
  return Number(amount ?? 0) * 1024 ** Math.max(0, ' KMGT'.indexOf(unit))
}
