/** What everything that reads a table is given: where it lies, and how the handle was opened. */
import type { ReadOptions } from '../manifest/log.js'
import type { Runtime } from '../runtime.js'
import type { TableSettings } from '../settings.js'
import type { Store } from '../store/port.js'
import type { FileCache } from './fetch.js'

export interface Reading {
  store: Store
  runtime: Runtime
  settings: TableSettings
  /** Shared by the queries of one handle; without it each query fetches for itself. Whoever made it closes it. */
  cache?: FileCache
}

/** The signal and the runtime, as the manifest's functions take them. */
export function callOf({ runtime, settings }: Reading, signal = settings.signal): ReadOptions {
  return { runtime, ...(signal === undefined ? {} : { signal }) }
}
