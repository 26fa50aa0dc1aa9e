/** The log of a table up to a version: no commit is missing between two, and, in depth, all of it says what the snapshot says. */
import { isLakeError } from '../errors.js'
import type { Snapshot } from '../manifest/actions.js'
import { Replay } from '../manifest/change.js'
import { type ReadOptions, readCommits } from '../manifest/log.js'
import { logFolder, parseLogKey } from '../store/keys.js'
import type { Store } from '../store/port.js'
import { problemOf, type VerifyProblem } from './verify.js'

export async function checkLog(
  store: Store,
  snapshot: Snapshot,
  { deep, ...options }: ReadOptions & { deep: boolean },
): Promise<VerifyProblem[]> {
  const versions = await commitVersions(store, snapshot.version, options)
  const problems = gaps(versions, snapshot.version)
  // Other writers clean up old commits; only a whole log can be replayed.
  if (deep && problems.length === 0 && versions[0] === 0)
    problems.push(...(await compareReplay(store, snapshot, options)))
  return problems
}

async function commitVersions(store: Store, upTo: number, { signal }: ReadOptions): Promise<number[]> {
  const versions: number[] = []
  for await (const { key } of store.list(logFolder, signal === undefined ? {} : { signal })) {
    const entry = parseLogKey(key)
    if (entry?.kind === 'commit' && entry.version <= upTo) versions.push(entry.version)
  }
  return versions
}

/** Between the oldest that is still there and the version itself. */
function gaps(versions: number[], upTo: number): VerifyProblem[] {
  const problems: VerifyProblem[] = []
  let expected = versions[0] ?? upTo + 1
  for (const version of [...versions, upTo + 1]) {
    if (version > expected) {
      const range = version - 1 === expected ? `version ${expected} is` : `versions ${expected} to ${version - 1} are`
      const key = `${logFolder}${String(expected).padStart(20, '0')}.json`
      problems.push({ code: 'log', key, message: `${range} missing from the log` })
    }
    expected = version + 1
  }
  return problems
}

/** A checkpoint equals the replay of the commits it stands for. */
async function compareReplay(store: Store, snapshot: Snapshot, options: ReadOptions): Promise<VerifyProblem[]> {
  try {
    const replay = new Replay()
    for (const commit of await readCommits(store, -1, snapshot.version, options)) replay.apply(commit)
    const { files, txns } = replay.snapshot()
    const problems: VerifyProblem[] = []
    for (const key of snapshot.files.keys())
      if (!files.has(key))
        problems.push({ code: 'log', key, message: 'a checkpoint names a file that the commits do not' })
    for (const [key, file] of files) {
      const found = snapshot.files.get(key)
      if (found === undefined)
        problems.push({ code: 'log', key, message: 'a checkpoint lacks a file that the commits name' })
      else if (found.sizeBytes !== file.sizeBytes || found.stats !== file.stats)
        problems.push({ code: 'log', key, message: 'a checkpoint says other things of a file than the commits' })
    }
    for (const [appId, { version }] of txns)
      if (snapshot.txns.get(appId)?.version !== version)
        problems.push({
          code: 'log',
          key: logFolder,
          message: `a checkpoint lacks the progress \`${appId}\` of the commits`,
        })
    return problems
  } catch (error) {
    if (!isLakeError(error, 'corrupt')) throw error
    return [problemOf('log', error, logFolder)]
  }
}
