/**
 * What a slot's file will say: the attempt's actions, completed. Pure.
 *
 *   commitInfo   first; the attempt's id, the slot's time, the load id, `isBlindAppend`
 *   txn          with `lastUpdated`; the load id's with the slot as its version, so that the receipt is found there
 *   remove       worked out anew after a foreign compaction: everything that now lies in the partitions replaced
 *   protocol, metaData   left out where another created the same table first
 */
import type { Action, AddFile, CommitInfo, Snapshot } from './actions.js'
import { type Footprint, hasPartition, removeOf } from './change.js'
import { type LoadName, loadAppId } from './progress.js'

export function assemble(attempt: PlannedActions, place: Place): Action[] {
  const { footprint, load } = attempt
  const { slot, timestamp, latest } = place
  let actions = attempt.actions(slot, timestamp, latest)
  const given = actions.find((action) => 'commitInfo' in action)?.commitInfo
  actions = actions.filter((action) => !('commitInfo' in action))
  if (attempt.base === undefined && latest !== undefined)
    actions = actions.filter((action) => !('protocol' in action || 'metaData' in action))
  if (place.recompute && latest !== undefined)
    actions = [...actions.filter((action) => !('remove' in action)), ...removesNow(footprint, latest, timestamp)]
  if (load !== undefined) actions.push({ txn: { appId: loadAppId(load), version: BigInt(slot) } })
  const dated = actions.map((action) =>
    'txn' in action ? { txn: { ...action.txn, lastUpdated: action.txn.lastUpdated ?? timestamp } } : action,
  )
  return [{ commitInfo: completeInfo(given ?? {}, attempt, timestamp) }, ...dated]
}

/** The removes of a load that replaces whole partitions, as the table is now. */
export function removesNow({ replaces, metadata }: Footprint, latest: Snapshot, timestamp: number): Action[] {
  const isReplaced = ({ partitionValues }: AddFile) =>
    replaces === 'everything' || (replaces !== undefined && hasPartition(replaces, partitionValues, metadata))
  return [...latest.files.values()].filter(isReplaced).map((file) => ({ remove: removeOf(file, timestamp) }))
}

export interface PlannedActions {
  base: Snapshot | undefined
  txnId: string
  footprint: Footprint
  actions(slot: number, timestamp: number, latest: Snapshot | undefined): Action[]
  load?: LoadName
}

export interface Place {
  slot: number
  timestamp: number
  latest: Snapshot | undefined
  recompute: boolean
}

function completeInfo(given: CommitInfo, { txnId, footprint, load }: PlannedActions, timestamp: number): CommitInfo {
  const { mode, reads, removes, progress } = footprint
  const readNothing = reads.kind === 'nothing' && removes.size === 0 && (progress?.size ?? 0) === 0
  const { operation = 'WRITE', operationParameters = {}, operationMetrics, engineInfo = 'lakewright', ...rest } = given
  return {
    timestamp,
    operation,
    operationParameters,
    ...(operationMetrics === undefined ? {} : { operationMetrics }),
    isBlindAppend: mode === 'append' && readNothing,
    engineInfo,
    ...rest,
    txnId,
    lakewright: { mode, ...(load === undefined ? {} : { loadId: load.id }), ...given.lakewright },
  }
}
