/**
 * Files by partition: the unit that `replace` and `overwrite` think in.
 */
import type { AddFile, PartitionValues } from '../manifest/actions.js'
import { parseStats } from '../manifest/stats.js'
import { partitionId, partitionPath } from '../partition/spec.js'
import type { Schema } from '../schema/types.js'
import type { StagedFile } from '../stage/port.js'
import type { PlanContext } from './port.js'

export interface Partition<F> {
  id: string
  values: PartitionValues
  files: F[]
}

/** Other writers may spell a value in their own way: what is equal in the column's type is one partition. */
export function byPartition<F extends { partitionValues: PartitionValues }>(
  files: Iterable<F>,
  partitionBy: string[],
  schema: Schema,
): Map<string, Partition<F>> {
  const partitions = new Map<string, Partition<F>>()
  for (const file of files) {
    const id = partitionId(file.partitionValues, partitionBy, schema)
    const partition = partitions.get(id)
    if (partition) partition.files.push(file)
    else partitions.set(id, { id, values: file.partitionValues, files: [file] })
  }
  return partitions
}

/** The partition's folder as receipts spell it; empty for a table without partitions. */
export function folderOf(ctx: Pick<PlanContext, 'partitionBy'>, at: { partitionValues: PartitionValues }): string {
  return partitionPath(at.partitionValues, ctx.partitionBy)
}

export function stagedRows(files: readonly StagedFile[]): number {
  return files.reduce((rows, file) => rows + file.rows, 0)
}

/** Undefined where the manifest does not say: statistics are optional, and other writers may leave them out. */
export function rowsInFile(file: AddFile): number | undefined {
  return file.stats === undefined ? undefined : parseStats(file.stats)?.numRecords
}
