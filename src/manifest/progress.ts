/**
 * What commits with the data: names of `txn` actions, made and read here only (COMMIT §2).
 *
 *   lakewright.load:sha256:1f3a…:nightly:2026-11-20    a load id; version = the commit that holds its receipt
 *   lakewright.fence:<txn id>                          that transaction may not commit any more
 *   lakewright.progress:<pipeline>:<name>:<generation> a watermark; a signed 64-bit value that never decreases
 *   lakewright.undone:<R> = T                          a full restore from R to T: load ids of (T, R] count as not loaded
 *   lakewright.oldest-retained                         the oldest version that every vacuum has kept whole
 */
import { LakeError } from '../errors.js'
import type { Txn } from './actions.js'

type Txns = ReadonlyMap<string, Txn>

/** A load that was committed before under this id, and not undone by a restore since. */
export function findLoad(txns: Txns, id: string): LoadEntry | undefined {
  const undone = undoneRanges(txns)
  for (const { appId, version } of txns.values()) {
    const load = readLoadAppId(appId)
    if (load === undefined || load.id !== id) continue
    if (undone.some(({ after, upTo }) => version > after && version <= upTo)) continue
    return { ...load, version: Number(version) }
  }
  return undefined
}

export interface LoadName {
  id: string
  /** Of the digest, e.g. `sha256`. Never DuckDB's `hash()`. */
  algorithm: string
  /** Of the load's content. */
  digest: string
}
export interface LoadEntry extends LoadName {
  /** The commit that holds the receipt. */
  version: number
}

/** @throws LakeError invalid */
export function assertLoadId(id: string): void {
  if (/^[A-Za-z0-9._:-]{1,200}$/.test(id)) return
  throw new LakeError('invalid', 'a load id has 1 to 200 characters of `A–Z a–z 0–9 . _ : -`', { loadId: id })
}

export function loadAppId({ id, algorithm, digest }: LoadName): string {
  assertLoadId(id)
  // The id may hold colons, so the two before it may not.
  if (!/^[A-Za-z0-9._-]+$/.test(algorithm) || !/^[A-Za-z0-9._-]+$/.test(digest))
    throw new LakeError('invalid', 'not the digest of a load', { algorithm, digest })
  return `lakewright.load:${algorithm}:${digest}:${id}`
}

export function readLoadAppId(appId: string): LoadName | undefined {
  const [, algorithm, digest, id] = /^lakewright\.load:([^:]+):([^:]+):(.+)$/s.exec(appId) ?? []
  return algorithm === undefined || digest === undefined || id === undefined ? undefined : { id, algorithm, digest }
}

export function fenceAppId(txnId: string): string {
  return `lakewright.fence:${txnId}`
}

/** @param from the version restored from, @returns the name whose value is the version restored to */
export function undoneAppId(from: number): string {
  return `lakewright.undone:${from}`
}

export const oldestRetainedAppId = 'lakewright.oldest-retained'

export function progressAppId(pipeline: string, name: string, generation: number): string {
  return `${progressPrefix(pipeline, name)}${generation}`
}

/** The newest generation of a progress name.. */
export function findProgress(txns: Txns, pipeline: string, name: string): ProgressEntry | undefined {
  let newest: ProgressEntry | undefined
  for (const { appId, version } of txns.values()) {
    const generation = generationOf(appId, progressPrefix(pipeline, name))
    if (generation !== undefined && generation > (newest?.generation ?? -1)) newest = { appId, generation, version }
  }
  return newest
}

export interface ProgressEntry {
  appId: string
  generation: number
  version: bigint
}

const isLong = (value: bigint) => BigInt.asIntN(64, value) === value

/** @throws LakeError invalid where a value of an `appId` would decrease, or is not of 64 bits */
export function assertAdvances(txns: Txns, { appId, version }: Txn): void {
  const before = txns.get(appId)
  if (isLong(version) && (before === undefined || before.version <= version)) return
  throw new LakeError('invalid', 'progress may not go back', {
    appId,
    from: before?.version.toString(),
    to: version.toString(),
    fix: 'Write a new generation of this progress instead (a reset or rewind).',
  })
}

function progressPrefix(pipeline: string, name: string): string {
  return `lakewright.progress:${encodeURIComponent(pipeline)}:${encodeURIComponent(name)}:`
}

function generationOf(appId: string, prefix: string): number | undefined {
  const rest = appId.startsWith(prefix) ? appId.slice(prefix.length) : ''
  return /^\d{1,15}$/.test(rest) ? Number(rest) : undefined
}

function undoneRanges(txns: Txns): { after: bigint; upTo: bigint }[] {
  return [...txns.values()].flatMap(({ appId, version }) => {
    const [, from] = /^lakewright\.undone:(\d+)$/.exec(appId) ?? []
    return from === undefined ? [] : [{ after: version, upTo: BigInt(from) }]
  })
}
