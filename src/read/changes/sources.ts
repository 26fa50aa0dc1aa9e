/**
 * What commits say about changes, and in which files the rows are. Pure.
 *
 *   a commit has                          its changes are
 *   `cdc` actions                         the rows of these files, exactly (`recorded`)
 *   only adds with `dataChange`           their rows, inserted
 *   only removes with `dataChange`        their rows, deleted
 *   both                                  what the rows removed and the rows added do not have in common (`before`, `after`)
 *   `dataChange: false`, no files         none
 *
 * Source: Delta protocol, "Add CDC File" and "Change Data Files".
 */
import { LakeError } from '../../errors.js'
import type { AddFile, CdcFile, Commit, Metadata, RemoveFile } from '../../manifest/actions.js'
import { holds } from '../../schema/fit.js'
import { findColumn, typeName } from '../../schema/names.js'
import type { Schema } from '../../schema/types.js'

export const sourceNames = ['recorded', 'inserted', 'deleted', 'before', 'after'] as const
export type SourceName = (typeof sourceNames)[number]

/** A file of one commit; the same file may be part of several (a restore brings it back). */
export interface FileAt {
  version: number
  file: AddFile
}

export type Sources = Record<SourceName, FileAt[]>

/** The table just before the first of the commits; undefined where that makes it. */
export interface Before {
  metadata: Metadata
  files: ReadonlyMap<string, AddFile>
}

/** @param before is asked for only where the commits alone do not tell enough */
export async function sourcesOf(
  commits: readonly Commit[],
  schema: Schema,
  before: () => Promise<Before | undefined>,
): Promise<Sources> {
  const sources: Sources = { recorded: [], inserted: [], deleted: [], before: [], after: [] }
  const added = new Map<string, AddFile>()
  const changesSchema = commits.some(({ actions }) => actions.some((action) => 'metaData' in action))
  let now: Metadata | undefined
  const readAs = async (version: number) => {
    if (changesSchema) refuseOtherTypes(now ?? (await before())?.metadata, schema, version, commits)
  }
  for (const { version, actions } of commits) {
    const { recorded, adds, removes } = filesOf(actions)
    if (removes.length > 0) await readAs(version - 1)
    now = actions.find((action) => 'metaData' in action)?.metaData ?? now
    if (adds.length + recorded.length > 0) await readAs(version)
    const removed: AddFile[] = []
    for (const remove of removes) {
      const known = describedByItself(remove) ?? added.get(remove.key) ?? (await before())?.files.get(remove.key)
      removed.push({ ...(known ?? refuseUnknown(remove, version)), ...maskOf(remove) })
    }
    for (const action of actions) if ('add' in action) added.set(action.add.key, action.add)
    const at = (file: AddFile): FileAt => ({ version, file })
    sources.recorded.push(...recorded.map(asAdd).map(at))
    sources[removed.length > 0 ? 'after' : 'inserted'].push(...adds.map(at))
    sources[adds.length > 0 ? 'before' : 'deleted'].push(...removed.map(at))
  }
  return sources
}

/** Files that say something about rows. Change data, where there is any, says it all. */
function filesOf(actions: Commit['actions']): { recorded: CdcFile[]; adds: AddFile[]; removes: RemoveFile[] } {
  const recorded = actions.flatMap((action) => ('cdc' in action ? [action.cdc] : []))
  if (recorded.length > 0) return { recorded, adds: [], removes: [] }
  const adds = actions.flatMap((action) => ('add' in action && action.add.dataChange ? [action.add] : []))
  const removes = actions.flatMap((action) => ('remove' in action && action.remove.dataChange ? [action.remove] : []))
  // A file that is removed and added at once only changes what is said about it.
  const restated = new Set(removes.filter(({ deletionVector }) => !deletionVector).map(({ key }) => key))
  const kept = new Set(
    adds.filter(({ key, deletionVector }) => !deletionVector && restated.has(key)).map(({ key }) => key),
  )
  return {
    recorded,
    adds: adds.filter(({ key }) => !kept.has(key)),
    removes: removes.filter(({ key }) => !kept.has(key)),
  }
}

/** Writers may leave out where a removed file lay; then the action that added it tells. */
function describedByItself({ key, partitionValues, sizeBytes }: RemoveFile): AddFile | undefined {
  if (partitionValues === undefined || sizeBytes === undefined) return undefined
  return { key, partitionValues, sizeBytes, modificationTime: 0, dataChange: true }
}

function maskOf({ deletionVector }: RemoveFile): Pick<AddFile, 'deletionVector'> {
  return deletionVector === undefined ? {} : { deletionVector }
}

function asAdd({ key, partitionValues, sizeBytes }: CdcFile): AddFile {
  return { key, partitionValues, sizeBytes, modificationTime: 0, dataChange: true }
}

function refuseUnknown({ key }: RemoveFile, version: number): never {
  throw new LakeError('corrupt', 'a commit removes a file that the table did not have', { key, version })
}

/** Rows of a version are shown in the types of the last one, which is only possible where these hold them. */
function refuseOtherTypes(
  then: Metadata | undefined,
  schema: Schema,
  version: number,
  commits: readonly Commit[],
): void {
  const field = then && unfit(then.schema, schema)
  if (field === undefined) return
  const change = commits.find((commit) => {
    const next = commit.actions.find((action) => 'metaData' in action)?.metaData
    return commit.version > version && next && unfit(next.schema, schema) === undefined
  })
  const from = change?.version ?? version + 1
  throw new LakeError('invalid', 'a column had a type whose values the type it has now does not hold', {
    column: field.name,
    version,
    type: typeName(field.type),
    now: typeName(findColumn(schema, field.name)?.type ?? field.type),
    fix: `Ask for what came after that with --since ${from}, or for what came before with --until ${from - 1}.`,
  })
}

/** The first column that `now` has too, in a type that does not hold all of its values. Columns that went are left out. */
function unfit(then: Schema, now: Schema): Schema[number] | undefined {
  return then.find(({ name, type }) => {
    const field = findColumn(now, name)
    return field !== undefined && !holds(field.type, type)
  })
}
