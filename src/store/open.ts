/**
 * From what users write to a store, or to the objects that it means.
 *
 *   s3://bucket/prefix      S3 and what speaks it (`s3a://` too)
 *   file:///path, path      a folder of this machine
 *   memory://name[/prefix]  this process's memory
 */
import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import picomatch from 'picomatch'
import { glob, isDynamicPattern } from 'tinyglobby'
import { LakeError } from '../errors.js'
import { type Runtime, systemRuntime } from '../runtime.js'
import { assertKey, compareKeys } from './keys.js'
import { openLocal } from './local.js'
import { isMissing } from './local-files.js'
import { openMemory } from './memory.js'
import type { Store, StoreSettings } from './port.js'
import { openS3 } from './s3-store.js'

/** The store whose root is `url`. Nothing is asked of it yet; the caller closes it. */
export async function openStore(
  url: string,
  settings: StoreSettings = {},
  runtime: Runtime = systemRuntime,
): Promise<Store> {
  const place = parse(url)
  if (place.kind === 'local') return openLocal(place.path, runtime)
  const prefix = place.rest.replace(/\/+$/, '')
  if (prefix !== '') assertKey(prefix)
  return openRemote(place, prefix, settings, runtime)
}

/** One object that an input names. `store` may be shared by several; closing it is for when all have been read. */
export interface ResolvedObject {
  url: string
  sizeBytes: number
  store: Store
  key: string
}

/**
 * The objects that a URL, path, folder or glob names, ascending by key. A folder means all files below it whose path
 * has no segment that begins with `_` or `.`. An object with exactly this name comes before a glob's reading of it.
 *
 *   data/2026-*.csv      s3://bucket/in/{a,b}/**\/*.parquet      s3://bucket/in/
 *
 * Nothing found is `invalid`: to load nothing by mistake may empty a table.
 */
export async function resolveObjects(
  urlOrGlob: string,
  settings: StoreSettings = {},
  runtime: Runtime = systemRuntime,
): Promise<ResolvedObject[]> {
  const place = parse(urlOrGlob)
  const found =
    place.kind === 'local'
      ? await resolveLocal(place.path, runtime)
      : await resolveRemote(place, openRemote(place, '', settings, runtime))
  if (found.length > 0) return found
  throw new LakeError('invalid', 'no file has this name', { input: urlOrGlob, fix: 'Check the path, glob or URL.' })
}

type Place =
  | { kind: 'local'; path: string }
  /** `rest` is what follows the bucket or name, without leading slashes. */
  | { kind: 's3' | 'memory'; name: string; rest: string }

function parse(url: string): Place {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined) {
    if (url === '' || url.includes('\0')) throw new LakeError('invalid', 'not a path or URL', { url })
    return { kind: 'local', path: url }
  }
  if (scheme === 'file') return { kind: 'local', path: localPathOf(url) }
  const kind = scheme === 's3' || scheme === 's3a' ? 's3' : scheme === 'memory' ? 'memory' : undefined
  if (!kind) {
    const fix = 'Use s3://bucket/prefix, file:///path or a path.'
    throw new LakeError('unsupported', `no store for ${scheme}://`, { fix })
  }
  const [, name = '', rest = ''] = /^[^:]+:\/\/([^/]*)\/*(.*)$/s.exec(url) ?? []
  if (name === '' || /[\s@:?#]/.test(name)) {
    const fix = 'Write s3://bucket/prefix; endpoint and credentials are settings, not part of the URL.'
    throw new LakeError('invalid', 'the URL names no bucket', { fix })
  }
  return { kind, name, rest }
}

function localPathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new LakeError('invalid', 'not a file URL of this machine', { url, cause, fix: 'Write file:///path.' })
  }
}

function openRemote(
  place: Place & { kind: 's3' | 'memory' },
  prefix: string,
  settings: StoreSettings,
  runtime: Runtime,
): Store {
  return place.kind === 's3' ? openS3(place.name, prefix, settings, runtime) : openMemory(place.name, prefix, runtime)
}

async function resolveLocal(path: string, runtime: Runtime): Promise<ResolvedObject[]> {
  const whole = resolve(path)
  const stats = await statsOf(whole)
  if (stats?.isFile()) return [localObject(whole, stats.size, runtime, new Map())]
  const isFolder = stats?.isDirectory() ?? false
  if (!isFolder && !isDynamicPattern(path)) return []
  const base = isFolder ? whole : process.cwd()
  const names = await glob(isFolder ? ['**/*'] : [slashed(path)], {
    cwd: base,
    absolute: true,
    onlyFiles: true,
    expandDirectories: false,
    ignore: isFolder ? ['**/_*', '**/_*/**'] : [],
  })
  const stores = new Map<string, Store>()
  const objects = await Promise.all(
    names.map(async (name) => {
      const file = resolve(name)
      return localObject(file, (await statsOf(file))?.size ?? 0, runtime, stores)
    }),
  )
  return objects.sort((a, b) => compareKeys(a.url, b.url))
}

function localObject(file: string, sizeBytes: number, runtime: Runtime, stores: Map<string, Store>): ResolvedObject {
  const folder = dirname(file)
  const store = stores.get(folder) ?? openLocal(folder, runtime)
  stores.set(folder, store)
  return { url: pathToFileURL(file).href, sizeBytes, store, key: basename(file) }
}

async function resolveRemote({ rest }: { rest: string }, store: Store): Promise<ResolvedObject[]> {
  const object = (key: string, sizeBytes: number) => ({ url: `${store.url}/${key}`, sizeBytes, store, key })
  if (rest !== '' && !rest.endsWith('/')) {
    assertKey(rest)
    const exact = await store.head(rest)
    if (exact) return [object(rest, exact.sizeBytes)]
  }
  const { base, isGlob } = picomatch.scan(rest)
  const folder = isGlob ? base : rest.replace(/\/+$/, '')
  const isWanted = isGlob ? picomatch(rest) : isVisible(folder)
  const found: ResolvedObject[] = []
  for await (const { key, sizeBytes } of store.list(folder === '' ? '' : `${folder}/`)) {
    if (isWanted(key)) found.push(object(key, sizeBytes))
  }
  return found
}

/** The same files that a folder means on this machine. */
function isVisible(folder: string): (key: string) => boolean {
  const start = folder === '' ? 0 : folder.length + 1
  return (key) =>
    key
      .slice(start)
      .split('/')
      .every((segment) => !/^[_.]/.test(segment))
}

async function statsOf(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function slashed(path: string): string {
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path
}
