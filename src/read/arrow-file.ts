/** A Parquet file as an Arrow IPC file, row group by row group. Loads apache-arrow and parquet-wasm. */
import { openAsBlob } from 'node:fs'
import { open } from 'node:fs/promises'
import { type RecordBatch, RecordBatchFileWriter, tableFromIPC } from 'apache-arrow'
import { ParquetFile } from 'parquet-wasm/node'

export async function parquetToArrow(parquetPath: string, arrowPath: string): Promise<void> {
  const parquet = await ParquetFile.fromFile(await openAsBlob(parquetPath))
  const groups = parquet.metadata().numRowGroups()
  const writer = new RecordBatchFileWriter()
  const target = await open(arrowPath, 'w')
  const written = (async () => {
    for await (const chunk of writer) await target.write(chunk)
  })()
  try {
    for (let group = 0; group < Math.max(1, groups); group++) {
      const part = await parquet.read(groups === 0 ? {} : { rowGroups: [group] })
      const table = tableFromIPC(part.intoIPCStream())
      if (group === 0) writer.reset(undefined, table.schema)
      for (const batch of table.batches as RecordBatch[]) writer.write(batch)
    }
    writer.close()
    await written
  } finally {
    parquet.free()
    await target.close()
  }
}
