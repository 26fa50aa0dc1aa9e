/**
 * A table as the input of a load: `--from orders`, `--from s3://lake/orders@12`. Its rows are those of its manifest, not
 * of whatever lies in its folder, so it becomes one Parquet file of exactly that version before the load reads it.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { filesRelation } from './engine/relation.js'
import { quotePath } from './engine/sql.js'
import type { Load } from './load.js'
import { readSnapshot } from './manifest/log.js'
import { assertReadable } from './manifest/protocol.js'
import { FileCache } from './read/fetch.js'
import { parseTableUrl } from './read/version.js'
import { type FileSource, files, hasKnownEnding, isFileSource, parquet } from './source/files.js'
import type { LoadInput } from './source/open.js'
import { openStore } from './store/open.js'

/** The same inputs, with those that name a table replaced. */
export async function resolveTables(load: Load, inputs: LoadInput[]): Promise<LoadInput[]> {
  const resolved = await Promise.all(inputs.map((input) => resolveOne(load, input)))
  return resolved.flat()
}

async function resolveOne(load: Load, input: LoadInput): Promise<LoadInput[]> {
  if (typeof input === 'string' || input instanceof URL) return await resolveSource(load, files(input))
  return isFileSource(input) ? await resolveSource(load, input) : [input]
}

async function resolveSource(load: Load, source: FileSource): Promise<LoadInput[]> {
  const { format, options } = source
  const sources: FileSource[] = []
  for (const from of source.from) {
    const table = typeof from === 'string' && mayBeTable(from, format) ? await tableFile(load, from) : undefined
    sources.push(
      table === undefined ? files(from, { ...options, ...(format ? { format } : {}) }) : parquet(table, options),
    )
  }
  // Files of one source stay together: their text is typed as one.
  return sources.some((one) => one.format === 'parquet' && format === undefined) ? sources : [source]
}

function mayBeTable(from: string, format: FileSource['format']): boolean {
  return format === undefined && from !== '-' && !/[*?[\]{}]/.test(from) && !hasKnownEnding(from)
}

/** Undefined where no table lies there. */
async function tableFile(load: Load, from: string): Promise<string | undefined> {
  const { url, version } = parseTableUrl(from)
  const store = await openStore(url, load.table.store, load.runtime)
  const call = { runtime: load.runtime, ...(load.signal ? { signal: load.signal } : {}) }
  try {
    const snapshot = await readSnapshot(store, { ...call, ...(version === undefined ? {} : { version }) })
    if (snapshot === undefined) return undefined
    assertReadable(snapshot)
    const folder = join(load.spoolFolder, `from-${load.runtime.uuid()}`)
    await mkdir(folder, { recursive: true })
    const local = await new FileCache(store, join(folder, 'fetched')).local([...snapshot.files.values()], call)
    const { schema, partitionBy } = snapshot.metadata
    const path = join(folder, 'rows.parquet')
    const select = filesRelation({ files: local, schema, partitionBy })
    await load.engine.run(`COPY (${select}) TO ${quotePath(path)} (FORMAT parquet)`, call)
    return path
  } finally {
    await store.close()
  }
}
