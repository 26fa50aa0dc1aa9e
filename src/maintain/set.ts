/**
 * Change what a table remembers, in one commit of its `metaData`.
 *
 *   targetFileBytes          268435456, 256MiB   bytes of a data file to aim for
 *   sortBy                   customer_id,dt      columns by which the rows of each file are sorted
 *   loadColumns              true                add _loaded_at and _load_id to every load
 *   key                      id,line             columns that name a row
 *   changeFeed               on                  keep row-level changes beside the data (delta.enableChangeDataFeed); asks for
 *                                                writers that do so too, in the same commit
 *   checkpointInterval       10                  commits per checkpoint (delta.checkpointInterval)
 *   delta.…                  of those listed in `deltaSettings`, as Delta spells their values
 *
 * Names may be written in kebab-case, as flags are. An empty value forgets a setting, so that its default rules again.
 */
import { isLakeError, LakeError } from '../errors.js'
import type { Action, Protocol, Snapshot } from '../manifest/actions.js'
import { checkpointIfDue } from '../manifest/checkpoint.js'
import { commit } from '../manifest/commit.js'
import { withChangeFeed } from '../manifest/create.js'
import { publish } from '../publish/publish.js'
import { callOf, type Reading } from '../read/reading.js'
import { snapshotAt } from '../read/snapshot.js'
import { applySettings, changeFeedProperty } from './table-settings.js'

/**
 * @returns the settings given, as they stand now, and the version that says so; nothing is committed where all stood so already
 * @throws LakeError invalid: an unknown name or value; unsupported: a feature that lakewright does not write yet
 */
export async function set(
  reading: Reading,
  settings: Record<string, string>,
): Promise<{ version: number; settings: Record<string, string> }> {
  let base = await snapshotAt(reading.store, {}, callOf(reading))
  for (let round = 0; round <= mostReplans; round++) {
    const { configuration, shown } = applySettings(base.metadata, settings)
    if (sameRecord(configuration, base.metadata.configuration)) return { version: base.version, settings: shown }
    const after = { ...base, metadata: { ...base.metadata, configuration }, protocol: protocolOf(base, configuration) }
    const result = await commit(reading.store, attemptOf(reading, base, after, shown), commitOptions(reading))
    if (result.status === 'committed') {
      await derive(reading, result.snapshot)
      return { version: result.version, settings: shown }
    }
    if (result.status !== 'replan')
      throw new LakeError('conflict', 'another writer changed the table at the same time', {
        version: 'winner' in result ? result.winner?.version : undefined,
        fix: 'Look at what it changed (`lakewright history`), and set again.',
      })
    base = result.newBase
  }
  throw new LakeError('conflict', 'other writers keep changing the table', {
    fix: 'Try again when they have finished.',
  })
}

/** As loads do. */
const mostReplans = 10

/** A feed that is turned off leaves the protocol as it is: the changes that are there are still read by it. */
function protocolOf({ protocol }: Snapshot, configuration: Record<string, string>): Protocol {
  return configuration[changeFeedProperty] === 'true' ? withChangeFeed(protocol) : protocol
}

function attemptOf(
  reading: Reading,
  base: Snapshot,
  { metadata, protocol }: Pick<Snapshot, 'metadata' | 'protocol'>,
  shown: Record<string, string>,
) {
  const actions = (): Action[] => [
    {
      commitInfo: {
        operation: 'SET TBLPROPERTIES',
        operationParameters: { properties: JSON.stringify(shown) },
        lakewright: { mode: 'set' },
      },
    },
    ...(protocol === base.protocol ? [] : [{ protocol }]),
    { metaData: metadata },
  ]
  return {
    base,
    txnId: reading.runtime.uuid(),
    footprint: {
      mode: 'set' as const,
      reads: { kind: 'nothing' as const },
      removes: new Set<string>(),
      metadata,
      changesTable: true,
    },
    actions,
    promote: async () => {},
  }
}

function commitOptions(reading: Reading) {
  const { commitDeadlineMs } = reading.settings
  return { ...callOf(reading), ...(commitDeadlineMs === undefined ? {} : { deadlineMs: commitDeadlineMs }) }
}

/** The commit stands whatever happens now: what is derived can be made again. */
async function derive({ runtime, store }: Reading, snapshot: Snapshot): Promise<void> {
  await checkpointIfDue(store, snapshot, { runtime })
  try {
    await publish(store, snapshot, { runtime })
  } catch (error) {
    if (!isLakeError(error)) throw error
    runtime.log('warn', `could not publish: ${error.message}`)
  }
}

function sameRecord(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
