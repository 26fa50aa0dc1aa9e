/** The table that the benchmarks of changes start from, made once a run and copied for each variant. */
import { cp, link, mkdir, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openTable, parquet, type TableSettings } from '../src/index.js'

export async function baseTable(source: string, folder: string, settings: TableSettings): Promise<string> {
  const path = join(folder, `base-${settings.partitionBy?.join('-') ?? 'plain'}`)
  await using table = await openTable(path, settings)
  await table.append(parquet(source))
  return path
}

/** Data files never change, so a second name for each is a copy. */
export async function copyTable(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const target = join(to, path.slice(from.length + 1))
    await mkdir(dirname(target), { recursive: true })
    if (path.includes('_delta_log')) await cp(path, target)
    else await link(path, target)
  }
}
