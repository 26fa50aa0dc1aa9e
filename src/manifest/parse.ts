/**
 * The door of the log: text and rows written by any Delta writer → the `Action`s that the program trusts.
 *
 * Unknown actions and members are ignored, as the protocol asks of readers; `commitInfo` and field metadata keep theirs,
 * because whoever restates them must not lose them. Paths are decoded into keys below the root. An empty partition value is null
 * (protocol, "Partition Value Serialization").
 */
import { z } from 'zod'
import { LakeError } from '../errors.js'
import { fromDeltaSchema } from '../schema/delta.js'
import type {
  Action,
  AddFile,
  CdcFile,
  CommitInfo,
  Metadata,
  PartitionValues,
  Protocol,
  RemoveFile,
  Txn,
} from './actions.js'
import { parseJson } from './json.js'
import { decodePath } from './paths.js'

/** @param where what the bytes are, for errors: the key of the object */
export function parseCommit(body: Uint8Array, where: string): Action[] {
  return parseLines(body, where)
    .map(({ value, line }) => attempt(() => parseAction(value), where, line))
    .filter((action) => action !== undefined)
}

/** The lines of a JSON file of actions, parsed without loss but not yet checked. */
export function parseLines(body: Uint8Array, where: string): { value: unknown; line: number }[] {
  const lines = attempt(() => utf8.decode(body), where, 0).split('\n')
  return lines.flatMap((text, i) =>
    text.trim() === '' ? [] : [{ value: attempt(() => parseJson(text), where, i + 1), line: i + 1 }],
  )
}

/** @returns undefined for actions we have no use for */
export function parseAction(value: unknown): Action | undefined {
  const action = actionShape.parse(value)
  for (const name in action) {
    const body = action[name]
    if (body === null || body === undefined) continue
    switch (name) {
      case 'add':
        return { add: toAdd(addShape.parse(body)) }
      case 'remove':
        return { remove: toRemove(removeShape.parse(body)) }
      case 'txn':
        return { txn: toTxn(txnShape.parse(body)) }
      case 'cdc':
        return { cdc: toCdc(cdcShape.parse(body)) }
      case 'protocol':
        return { protocol: toProtocol(protocolShape.parse(body)) }
      case 'metaData':
        return { metaData: toMetadata(metadataShape.parse(body)) }
      case 'commitInfo':
        return { commitInfo: withoutAbsent(commitInfoShape.parse(body)) as CommitInfo }
    }
  }
  return undefined
}

/** Made once: zod works a shape out anew for every object of it, and there is a line per file. */
const actionShape = z.looseObject({})

/** `_last_checkpoint`, which is a hint: undefined for anything that is not one. */
export function parseHint(body: Uint8Array): { version: number } | undefined {
  try {
    return z.looseObject({ version }).parse(parseJson(utf8.decode(body)))
  } catch {
    return undefined
  }
}

export function toMetadata(raw: RawMetadata): Metadata {
  const schema = fromDeltaSchema(parseJson(raw.schemaString))
  if (raw.format !== undefined && raw.format.provider !== 'parquet')
    throw new LakeError('unsupported', 'the data files of this table are not Parquet', { format: raw.format.provider })
  for (const column of raw.partitionColumns)
    if (!schema.some((field) => field.name === column))
      throw new LakeError('corrupt', 'the table is partitioned by a column that it does not have', { column })
  return withoutAbsent({
    id: raw.id,
    name: raw.name,
    description: raw.description,
    schema,
    partitionBy: raw.partitionColumns,
    configuration: raw.configuration,
    createdTime: raw.createdTime,
  })
}

/** Member by member: of these there may be a hundred thousand, and deleting absent ones would make each a slow object. */
export function toAdd(raw: z.infer<typeof addShape>): AddFile {
  const add: AddFile = {
    key: decodePath(raw.path),
    partitionValues: emptyToNull(raw.partitionValues),
    sizeBytes: raw.size,
    modificationTime: raw.modificationTime,
    dataChange: raw.dataChange,
  }
  if (raw.stats !== undefined) add.stats = raw.stats
  if (raw.tags !== undefined) add.tags = raw.tags
  if (raw.deletionVector !== undefined) add.deletionVector = raw.deletionVector
  return add
}

export function toRemove(raw: z.infer<typeof removeShape>): RemoveFile {
  const remove: RemoveFile = {
    key: decodePath(raw.path),
    deletionTimestamp: raw.deletionTimestamp ?? 0,
    dataChange: raw.dataChange,
  }
  if (raw.extendedFileMetadata !== undefined) remove.extendedFileMetadata = raw.extendedFileMetadata
  if (raw.partitionValues !== undefined) remove.partitionValues = emptyToNull(raw.partitionValues)
  if (raw.size !== undefined) remove.sizeBytes = raw.size
  if (raw.deletionVector !== undefined) remove.deletionVector = raw.deletionVector
  return remove
}

export function toTxn(raw: z.infer<typeof txnShape>): Txn {
  return withoutAbsent(raw)
}

export function toProtocol(raw: z.infer<typeof protocolShape>): Protocol {
  return withoutAbsent(raw)
}

export interface RawMetadata {
  id: string
  name?: string | undefined
  description?: string | undefined
  format?: { provider: string } | undefined
  schemaString: string
  partitionColumns: string[]
  configuration: Record<string, string>
  createdTime?: number | undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Writers leave a member out or write null; for us both are absent. */
const optional = <T extends z.ZodType>(shape: T) => shape.nullish().transform((value) => value ?? undefined)
const version = z.union([z.int(), z.bigint().transform(Number)]).pipe(z.int().min(0))
/** Times and sizes fit a double. */
const count = z.union([z.number(), z.bigint().transform(Number)])
const long = z
  .union([z.bigint(), z.int().transform(BigInt)])
  .refine((value) => value >= -(2n ** 63n) && value < 2n ** 63n, 'is not a signed 64-bit integer')
const partitionValues = z.record(z.string(), z.string().nullable())
const deletionVector = optional(z.record(z.string(), z.unknown()))

export const addShape = z.object({
  path: z.string(),
  partitionValues,
  size: count,
  modificationTime: count,
  dataChange: z.boolean(),
  stats: optional(z.string()),
  tags: optional(
    z.record(
      z.string(),
      z
        .string()
        .nullable()
        .transform((value) => value ?? ''),
    ),
  ),
  deletionVector,
})
export const removeShape = z.object({
  path: z.string(),
  deletionTimestamp: optional(count),
  dataChange: z.boolean(),
  extendedFileMetadata: optional(z.boolean()),
  partitionValues: optional(partitionValues),
  size: optional(count),
  deletionVector,
})
export const txnShape = z.object({ appId: z.string(), version: long, lastUpdated: optional(count) })
const cdcShape = z.object({ path: z.string(), partitionValues, size: count })
export const protocolShape = z.object({
  minReaderVersion: version,
  minWriterVersion: version,
  readerFeatures: optional(z.array(z.string())),
  writerFeatures: optional(z.array(z.string())),
})
export const metadataShape = z.object({
  id: z.string(),
  name: optional(z.string()),
  description: optional(z.string()),
  format: optional(z.looseObject({ provider: z.string() })),
  schemaString: z.string(),
  partitionColumns: z.array(z.string()).default([]),
  configuration: optional(z.record(z.string(), z.string())).transform((value) => value ?? {}),
  createdTime: optional(count),
})
/** Free-form: a member of ours that another writer uses for something else counts as absent. */
const commitInfoShape = z.looseObject({
  timestamp: count.optional().catch(undefined),
  inCommitTimestamp: count.optional().catch(undefined),
  operation: z.string().optional().catch(undefined),
  operationParameters: z.record(z.string(), z.unknown()).optional().catch(undefined),
  operationMetrics: z.record(z.string(), z.string()).optional().catch(undefined),
  isBlindAppend: z.boolean().optional().catch(undefined),
  engineInfo: z.string().optional().catch(undefined),
  txnId: z.string().optional().catch(undefined),
  lakewright: z
    .looseObject({ mode: z.string(), loadId: z.string().optional(), receipt: z.unknown().optional() })
    .optional()
    .catch(undefined),
})

function toCdc({ path, partitionValues: values, size }: z.infer<typeof cdcShape>): CdcFile {
  return { key: decodePath(path), partitionValues: emptyToNull(values), sizeBytes: size }
}

function emptyToNull(values: PartitionValues): PartitionValues {
  for (const column in values) if (values[column] === '') values[column] = null
  return values
}

/** Absent members are not there at all, so that what was parsed equals what was written. */
function withoutAbsent<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  for (const name in value) if (value[name] === undefined) delete value[name]
  return value as { [K in keyof T]: Exclude<T[K], undefined> }
}

function attempt<T>(parse: () => T, key: string, line: number): T {
  try {
    return parse()
  } catch (cause) {
    if (cause instanceof LakeError)
      throw new LakeError(cause.code, cause.message, { log: key, line, fix: cause.fix, cause })
    throw new LakeError('corrupt', 'a line of the log is no action of the Delta protocol', { key, line, cause })
  }
}
