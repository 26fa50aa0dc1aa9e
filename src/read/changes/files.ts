/**
 * The files of changes on this machine. Those of old versions may be gone: vacuum deletes what no retained version
 * needs, and their changes with them. That is told with the first version from which all of it is there.
 */
import pLimit from 'p-limit'
import { isLakeError, LakeError } from '../../errors.js'
import type { AddFile } from '../../manifest/actions.js'
import { readSnapshot } from '../../manifest/log.js'
import type { CallOptions, Store } from '../../store/port.js'
import type { VersionRange } from '../changes.js'
import type { FileCache } from '../fetch.js'
import { type FileAt, type SourceName, type Sources, sourceNames } from './sources.js'

export interface LocalFileAt {
  version: number
  file: AddFile & { path: string }
}

/** @throws LakeError invalid: files are gone, with the version to ask for; corrupt: one is gone that the table still has */
export async function localFilesAt(
  place: Place,
  sources: Sources,
  options: CallOptions & { columns: string[] },
): Promise<Record<SourceName, LocalFileAt[]>> {
  const all = sourceNames.flatMap((name) => sources[name])
  // In place nothing is fetched, so nothing would notice.
  if (all.some(({ file }) => place.store.localPath(file.key) !== undefined)) await refuseMissing(place, all, options)
  try {
    const local: Partial<Record<SourceName, LocalFileAt[]>> = {}
    for (const name of sourceNames) {
      const files = await place.cache.local(
        sources[name].map(({ file }) => file),
        options,
      )
      local[name] = sources[name].flatMap(({ version }, i) => (files[i] ? [{ version, file: files[i] }] : []))
    }
    return local as Record<SourceName, LocalFileAt[]>
  } catch (error) {
    if (isLakeError(error, 'corrupt')) await refuseMissing(place, all, options)
    throw error
  }
}

interface Place {
  store: Store
  cache: FileCache
  range: VersionRange
}

async function refuseMissing(
  { store, range }: Place,
  files: readonly FileAt[],
  { signal }: CallOptions,
): Promise<void> {
  const call = signal === undefined ? {} : { signal }
  const inTurn = pLimit(requestsAtOnce)
  const found = await Promise.all(
    files.map((at) => inTurn(async () => ((await store.head(at.file.key, call)) === undefined ? at : undefined))),
  )
  const missing = found.filter((at) => at !== undefined)
  const last = missing.reduce<FileAt | undefined>((a, b) => (a && a.version >= b.version ? a : b), undefined)
  if (last === undefined) return
  const table = await readSnapshot(store, call)
  const live = missing.find(({ file }) => table?.files.has(file.key))
  if (live !== undefined)
    throw new LakeError('corrupt', 'a data file that the manifest names is not there', {
      key: live.file.key,
      version: live.version,
      fix: 'Find out what removed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again.',
    })
  throw new LakeError('invalid', 'the files of these changes are gone, as vacuum leaves old versions', {
    version: last.version,
    key: last.file.key,
    fix:
      last.version < range.until
        ? `Ask for --since ${last.version} or later.`
        : `Changes after version ${last.version} are still there: --since ${last.version}.`,
  })
}

const requestsAtOnce = 16
