/**
 * Files that an input names, on this machine: found by the store, downloaded where they lie elsewhere, several at once.
 */
import { rm, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import pLimit from 'p-limit'
import { LakeError } from '../errors.js'
import { parseHivePath } from '../partition/hive.js'
import { type ResolvedObject, resolveObjects } from '../store/open.js'
import type { LocalFile } from './file-part.js'
import { type Compression, type Format, formatOf, hasKnownEnding } from './files.js'
import type { OpenInputContext } from './port.js'
import { compressionOf, type Spool, spoolStream } from './spool.js'

export interface FoundFile extends LocalFile {
  format: Format
  compression: Compression
}

/**
 * @param from path, glob, folder or URL; `-` is standard input
 * @param format wins over the endings
 */
export async function locate(
  from: readonly (string | Readable)[],
  format: Format | undefined,
  spool: Spool,
  ctx: Pick<OpenInputContext, 'store' | 'runtime' | 'signal' | 'onProgress'>,
): Promise<{ files: FoundFile[]; remove(): Promise<void> }> {
  const files: FoundFile[] = []
  const removals: (() => Promise<void>)[] = []
  for (const one of from) {
    if (one === '-') files.push(await pipedIn(process.stdin, 'standard input', format, spool))
    else if (typeof one !== 'string') files.push(await pipedIn(one, 'the stream', format, spool))
    else files.push(...(await found(one, format, spool, ctx, removals)))
  }
  return {
    files,
    remove: async () => {
      await Promise.all(removals.map((removal) => removal()))
    },
  }
}

async function pipedIn(stream: Readable, name: string, format: Format | undefined, spool: Spool): Promise<FoundFile> {
  if (format === undefined)
    throw new LakeError('invalid', `${name} has no name that says its format`, {
      fix: 'Say it with `--format csv|tsv|ndjson|json|parquet|arrow|debezium`.',
    })
  const path = await spoolStream(stream, spool)
  return { path, name, folders: {}, format, compression: await compressionOf(path) }
}

async function found(
  from: string,
  format: Format | undefined,
  spool: Spool,
  ctx: Pick<OpenInputContext, 'store' | 'runtime' | 'signal' | 'onProgress'>,
  removals: (() => Promise<void>)[],
): Promise<FoundFile[]> {
  const objects = await resolveObjects(from, ctx.store, ctx.runtime)
  // One file was meant; of a folder's or glob's, those that are data.
  const wanted =
    objects.length === 1 || format !== undefined ? objects : objects.filter(({ key }) => hasKnownEnding(key))
  if (wanted.length === 0) formatOf(objects[0]?.key ?? from, format)
  const isExact = objects.length === 1 && basename(from) === basename(objects[0]?.key ?? '')
  const limit = pLimit(8)
  const stores = new Set(objects.map(({ store }) => store))
  let bytesRead = 0
  try {
    return await Promise.all(
      wanted.map((object) =>
        limit(async () => {
          const { path, name } = await bring(object, spool, ctx.signal, removals)
          bytesRead += object.sizeBytes
          ctx.onProgress?.({ bytesRead })
          const shown = isExact ? from : name
          return { path, name: shown, folders: parseHivePath(hivePath(name)), ...formatOf(object.key, format) }
        }),
      ),
    )
  } finally {
    await Promise.all([...stores].map((store) => store.close()))
  }
}

async function bring(
  { store, key, url }: ResolvedObject,
  spool: Spool,
  signal: AbortSignal | undefined,
  removals: (() => Promise<void>)[],
): Promise<{ path: string; name: string }> {
  const local = store.localPath(key)
  if (local !== undefined) return { path: local, name: local }
  const path = spool.path(
    `.${basename(key)
      .replaceAll(/[^A-Za-z0-9.]/g, '_')
      .slice(-40)}`,
  )
  removals.push(() => rm(path, { force: true }))
  await store.fetch(key, path, signal === undefined ? {} : { signal })
  await stat(path)
  return { path, name: url }
}

function hivePath(name: string): string {
  return process.platform === 'win32' ? name.replaceAll('\\', '/') : name
}
