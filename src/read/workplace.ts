/** Where rows of a table are worked on: an engine, a folder that it spills to, and files of the table on this machine. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckDB } from '../engine/duckdb.js'
import type { Engine } from '../engine/port.js'
import type { EngineUse } from '../settings.js'
import { FileCache } from './fetch.js'
import type { Reading } from './reading.js'

export interface Workplace {
  engine: Engine
  cache: FileCache
  /** For files that are needed as long as this stands. */
  folder: string
  close(): Promise<void>
}

/** @param use goes before the settings of the handle */
export async function openWorkplace({ settings, store, cache }: Reading, use: EngineUse): Promise<Workplace> {
  const folder = await mkdtemp(join(settings.tempFolder ?? tmpdir(), 'lakewright-query-'))
  try {
    const memory = use.memory ?? settings.memory
    const threads = use.threads ?? settings.threads
    const engine = await openDuckDB({
      ...(memory === undefined ? {} : { memory }),
      ...(threads === undefined ? {} : { threads }),
      spillFolder: join(folder, 'spill'),
    })
    return {
      engine,
      cache: cache ?? new FileCache(store, join(folder, 'files')),
      folder,
      close: async () => {
        await engine.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}
