/** Whether the data files of a version are there, with their sizes: a HEAD each where they are few, else LIST pages. */
import pLimit from 'p-limit'
import type { AddFile, Snapshot } from '../manifest/actions.js'
import { tombstonesOf } from '../manifest/tombstones.js'
import { compareKeys } from '../store/keys.js'
import type { CallOptions, Store } from '../store/port.js'
import type { VerifyProblem } from './verify.js'

/** @returns the files that are there with the recorded size, and what is wrong with the others */
export async function checkObjects(
  store: Store,
  { files }: Pick<Snapshot, 'files'>,
  options: CallOptions = {},
): Promise<{ sound: AddFile[]; problems: VerifyProblem[] }> {
  const named = [...files.values()]
  const sizes =
    named.length <= mostHeads ? await headSizes(store, named, options) : await listSizes(store, named, options)
  const sound: AddFile[] = []
  const problems: VerifyProblem[] = []
  for (const file of named) {
    const { key, sizeBytes } = file
    const found = sizes.get(key)
    if (found === undefined) problems.push({ code: 'missing', key, message: 'the file is not there' })
    else if (found !== sizeBytes)
      problems.push({ code: 'size', key, message: `the file has ${found} bytes, the manifest says ${sizeBytes}` })
    else sound.push(file)
  }
  return { sound, problems }
}

/** The order of deleted keys, where the table keeps it: without it late events would bring deleted rows back. */
export async function checkTombstones(
  store: Store,
  { metadata }: Pick<Snapshot, 'metadata'>,
  options: CallOptions = {},
): Promise<VerifyProblem[]> {
  const named = tombstonesOf(metadata)
  if (named === undefined) return []
  const { key, sizeBytes } = named
  const found = await store.head(key, options)
  if (found === undefined) return [{ code: 'missing', key, message: 'the order of deleted keys is not there' }]
  if (found.sizeBytes === sizeBytes) return []
  return [{ code: 'size', key, message: `the file has ${found.sizeBytes} bytes, the table says ${sizeBytes}` }]
}

const mostHeads = 64
const headsAtOnce = 16

async function headSizes(store: Store, files: readonly AddFile[], options: CallOptions): Promise<Map<string, number>> {
  const limit = pLimit(headsAtOnce)
  const found = await Promise.all(files.map(({ key }) => limit(() => store.head(key, options))))
  return new Map(found.flatMap((info) => (info === undefined ? [] : [[info.key, info.sizeBytes]])))
}

/** One walk over the keys from the first to the last one named, past the folders that are not data. */
async function listSizes(store: Store, files: readonly AddFile[], options: CallOptions): Promise<Map<string, number>> {
  const keys = files.map(({ key }) => key).sort(compareKeys)
  const wanted = new Set(keys)
  const sizes = new Map<string, number>()
  for (const range of rangesBetween(keys)) {
    for await (const { key, sizeBytes } of store.list('', { ...options, ...range.after })) {
      if (compareKeys(key, range.last) > 0) break
      if (wanted.has(key)) sizes.set(key, sizeBytes)
    }
  }
  return sizes
}

/** The log and staging may hold many more objects than the table has files. */
const besides = [
  '_change_data/',
  '_delta_log/',
  '_published/',
  '_rejected/',
  '_row_hashes/',
  '_staging/',
  '_tombstones/',
]

function rangesBetween(keys: readonly string[]): { after: { startAfter?: string }; last: string }[] {
  const ranges: { after: { startAfter?: string }; last: string }[] = []
  let rest = [...keys]
  let startAfter: string | undefined
  for (const folder of [...besides, undefined]) {
    const end = folder === undefined ? rest.length : rest.findIndex((key) => compareKeys(key, folder) >= 0)
    const before = rest.slice(0, end < 0 ? rest.length : end)
    const last = before.at(-1)
    if (last !== undefined) ranges.push({ after: startAfter === undefined ? {} : { startAfter }, last })
    rest = rest.slice(before.length)
    // `0` follows `/`, so all keys of the folder come before this one.
    if (folder !== undefined) startAfter = `${folder.slice(0, -1)}0`
  }
  return ranges
}
