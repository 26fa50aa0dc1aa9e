/**
 * A load that waits for approval, in the store: ordinary objects below `_staging/`, and one document, written last, with
 * all that another process needs to commit it or to remove it.
 *
 *   _staging/<hash of the id>/<uuid>.staged          its files (elsewhere where the store has a better place)
 *   _staging/<hash of the id>/held.json              put-if-absent: one load holds an id
 *   _staging/<hash of the id>/decision-<txn>.json    put-if-absent: being approved, or being discarded
 *
 * What was written half before its writer died has no document: it is no held load, and vacuum's to remove.
 */
import pLimit from 'p-limit'
import { z } from 'zod'
import { LakeError } from './errors.js'
import type { TrippedGuard } from './guard.js'
import { type Landing, landingKeys } from './landing.js'
import { encodeAction } from './manifest/encode.js'
import { parseJson, stringifyJson } from './manifest/json.js'
import { parseCommit } from './manifest/parse.js'
import type { LoadName } from './manifest/progress.js'
import { parseScope, predicateText } from './partition/scope.js'
import type { Receipt } from './receipt.js'
import type { Runtime } from './runtime.js'
import { assertKey, decisionKey, heldLoadKey, isHeldLoadKey, stagingFolder, stagingRoot } from './store/keys.js'
import type { CallOptions, Staged, Store } from './store/port.js'

export interface HeldLoad {
  /** By which it is approved: the caller's, else the transaction's. */
  loadId: string
  heldAtMs: number
  /** Why it waits. */
  guard: TrippedGuard[]
  landing: Landing & { name: LoadName }
  staged: Staged[]
}

/**
 * @returns whoever holds the id now: this load, or the one that was faster
 * @throws LakeError unavailable: the store does not say; then nothing of the load may be deleted
 */
export async function writeHeld(store: Store, held: HeldLoad, runtime: Runtime): Promise<HeldLoad> {
  const outcome = await putDecided(store, heldLoadKey(stagingFolder(held.loadId)), encodeHeld(held), runtime)
  if (outcome === 'created') return held
  return (await readHeld(store, held.loadId)) ?? (await writeHeld(store, held, runtime))
}

export async function readHeld(store: Store, loadId: string, call: CallOptions = {}): Promise<HeldLoad | undefined> {
  const key = heldLoadKey(stagingFolder(loadId))
  const object = await store.get(key, call)
  return object && parseHeld(object.body, key)
}

/** In the order in which they were held. */
export async function listHeld(store: Store, call: CallOptions = {}): Promise<HeldLoad[]> {
  const limit = pLimit(16)
  const reads: Promise<HeldLoad | undefined>[] = []
  for await (const { key } of store.list(stagingRoot, call)) {
    if (!isHeldLoadKey(key)) continue
    reads.push(
      limit(async () => {
        const object = await store.get(key, call)
        return object && parseHeld(object.body, key)
      }),
    )
  }
  const found = (await Promise.all(reads)).filter((held) => held !== undefined)
  return found.sort((a, b) => a.heldAtMs - b.heldAtMs)
}

export type Decision = 'approve' | 'discard'

/** Whether it is to be approved or discarded: the first to say so. */
export async function decide(store: Store, held: HeldLoad, wanted: Decision, runtime: Runtime): Promise<Decision> {
  const key = decisionKey(stagingFolder(held.loadId), held.landing.txnId)
  const outcome = await putDecided(store, key, encode({ decision: wanted }), runtime)
  if (outcome === 'created') return wanted
  const object = await store.get(key)
  if (object === undefined) return await decide(store, held, wanted, runtime)
  return decisionShape.parse(parseJson(utf8.decode(object.body))).decision
}

/**
 * Remove the document and what is staged.
 * @param promoted also what an approval brought to its final keys: only where it can never be committed any more
 */
export async function removeHeld(
  store: Store,
  { landing, loadId, staged }: HeldLoad,
  promoted: 'with promoted files' | 'as committed',
): Promise<void> {
  const folder = stagingFolder(loadId)
  const limit = pLimit(16)
  await Promise.all(staged.map((file) => limit(() => store.abort(file))))
  if (promoted === 'with promoted files') await store.delete(landingKeys(landing))
  // In this order: while the document is there, the next try finds everything.
  await store.delete([heldLoadKey(folder)])
  await store.delete([decisionKey(folder, landing.txnId)])
}

export function encodeHeld({ loadId, heldAtMs, guard, landing, staged }: HeldLoad): Uint8Array {
  const { metadata, reads, ...rest } = landing
  return encode({
    format,
    loadId,
    heldAt: new Date(heldAtMs).toISOString(),
    guard,
    landing: { ...rest, metadata: encodeAction({ metaData: metadata }), reads: encodeReads(reads) },
    staged,
  })
}

/** @throws LakeError corrupt, or unsupported where a later release wrote it */
export function parseHeld(body: Uint8Array, key: string): HeldLoad {
  const raw = attempted(key, () => z.looseObject({ format: z.number() }).parse(parseJson(utf8.decode(body))))
  if (raw.format !== format)
    throw new LakeError('unsupported', 'a held load was written by another release', {
      key,
      format: raw.format,
      fix: 'Approve or discard it with the release that held it.',
    })
  return attempted(key, () => {
    const { heldAt, guard, landing, loadId, staged } = heldShape.parse(raw)
    const [action] = parseCommit(Buffer.from(landing.metadata), key)
    if (action === undefined || !('metaData' in action)) throw new Error('it has no metadata')
    const metadata = action.metaData
    const { kind, ids, scope } = landing.reads
    const predicate = scope === undefined ? {} : { scope: parseScope(scope, metadata.schema, metadata.partitionBy) }
    const reads: Landing['reads'] = kind === 'partitions' ? { kind, ids: new Set(ids), ...predicate } : { kind }
    const held = {
      loadId,
      heldAtMs: Date.parse(heldAt),
      guard,
      landing: { ...landing, metadata, reads, receipt: landing.receipt as unknown as Receipt },
      staged: staged as Staged[],
    }
    assertOwnFiles(held, key)
    return held
  })
}

/** Of the document. */
const format = 1

const utf8 = new TextDecoder('utf-8', { fatal: true })

function encodeReads(reads: Landing['reads']) {
  if (reads.kind !== 'partitions') return { kind: reads.kind }
  const { ids, kind, scope } = reads
  return { kind, ids: [...ids], ...(scope === undefined ? {} : { scope: predicateText(scope) }) }
}

/** What is approved or discarded is named by the document, so it may name nothing but the load's own files. */
function assertOwnFiles({ landing, loadId, staged }: HeldLoad, key: string): void {
  const folder = stagingFolder(loadId)
  if (heldLoadKey(folder) !== key) throw new Error('it holds another load id')
  const wanted = landingKeys(landing)
  for (const one of wanted) {
    assertKey(one, 'corrupt')
    if (!one.slice(one.lastIndexOf('/') + 1).startsWith(`${landing.txnId}-`)) throw new Error(`it names \`${one}\``)
  }
  for (const file of staged) {
    const place = file.kind === 'local' ? file.path : file.kind === 's3-held' ? file.heldKey : undefined
    if (place !== undefined && !place.startsWith(`${folder}/`)) throw new Error(`it names \`${place}\``)
  }
  const there = new Set(staged.map((file) => file.key))
  if (there.size !== wanted.length || !wanted.every((one) => there.has(one)))
    throw new Error('its staged files are not those that it would commit')
}

function attempted<T>(key: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (cause instanceof LakeError && cause.code === 'unsupported') throw cause
    throw new LakeError('corrupt', 'the document of a held load cannot be read', {
      key,
      fix: 'Delete the folder that it lies in, and run the load again.',
      cause,
    })
  }
}

/** Put-if-absent until it is decided. A try whose answer was lost may be what the next one meets. */
async function putDecided(
  store: Store,
  key: string,
  body: Uint8Array,
  runtime: Runtime,
): Promise<'created' | 'exists'> {
  let cause: unknown
  for (let tries = 0; tries < 6; tries++) {
    const outcome = await store.putIfAbsent(key, body)
    if (outcome.status !== 'unknown') return outcome.status
    cause = outcome.cause
    await runtime.sleep(runtime.random() * 100 * 2 ** tries)
  }
  throw new LakeError('unavailable', 'the store does not say whether it took an object', {
    key,
    fix: 'Try again later.',
    cause,
  })
}

function encode(value: unknown): Uint8Array {
  return Buffer.from(`${stringifyJson(value)}\n`)
}

const decisionShape = z.object({ decision: z.enum(['approve', 'discard']) })

const texts = z.record(z.string(), z.string().nullable())
const file = z.object({ key: z.string(), partitionValues: texts, sizeBytes: z.number() })
const stagedFile = { key: z.string(), sizeBytes: z.number(), sha256: z.string() }

const heldShape = z.object({
  loadId: z.string(),
  heldAt: z.iso.datetime(),
  guard: z.array(
    z.object({
      guard: z.enum(['maxDeleteRatio', 'maxUpdateRatio', 'minRows']),
      value: z.number(),
      limit: z.number(),
      rows: z.number(),
      rowsBefore: z.number().optional(),
    }) as z.ZodType<TrippedGuard>,
  ),
  landing: z.object({
    txnId: z.string().min(1),
    mode: z.enum(['append', 'overwrite', 'replace', 'merge', 'sync', 'scd2', 'cdc', 'delete']),
    baseVersion: z.int().min(-1),
    name: z.object({ id: z.string(), algorithm: z.string(), digest: z.string() }),
    receipt: z.looseObject({ rows: z.looseObject({ read: z.number(), written: z.number() }) }),
    operation: z.object({ operation: z.string(), operationParameters: z.record(z.string(), z.unknown()) }),
    metadata: z.string(),
    changesTable: z.boolean(),
    dataChange: z.boolean(),
    reads: z.object({
      kind: z.enum(['nothing', 'everything', 'partitions']),
      ids: z.array(z.string()).optional(),
      scope: z.string().optional(),
    }),
    supersede: z.array(z.string()),
    add: z.array(file.extend({ stats: z.string(), fingerprint: z.string() })),
    changeData: z.array(file),
    beside: z.array(z.string()),
  }),
  staged: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('local'), path: z.string(), ...stagedFile }),
      z.object({ kind: z.literal('s3-held'), heldKey: z.string(), ...stagedFile }),
      z.object({ kind: z.literal('memory'), id: z.string(), ...stagedFile }),
    ]),
  ),
})
