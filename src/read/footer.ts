/**
 * A Parquet file's footer, read from its end with a ranged request or two, and what it says about where columns lie.
 *
 *   … column chunks … | footer, thrift | its length, 4 bytes | PAR1
 */
import type { ColumnChunk, ColumnMetaData, FileMetaData } from 'hyparquet'
import { LakeError } from '../errors.js'
import type { ByteRange, CallOptions, Store } from '../store/port.js'

/**
 * @param file with the size that the manifest says
 * @returns undefined where there is no such object
 * @throws LakeError corrupt: another size than the manifest's, or no Parquet file
 */
export async function readFooter(
  store: Store,
  { key, sizeBytes }: { key: string; sizeBytes: number },
  options: CallOptions = {},
): Promise<Footer | undefined> {
  const tailStart = Math.max(0, sizeBytes - tailBytes)
  const tail = await store.get(key, { ...options, range: { offset: tailStart, length: sizeBytes - tailStart } })
  if (tail === undefined) return undefined
  if (tail.sizeBytes !== sizeBytes) throw otherSize(key, tail.sizeBytes, sizeBytes)
  const length = footerLength(tail.body)
  if (length === undefined || length + 8 > sizeBytes) throw noParquet(key)
  const offset = sizeBytes - length - 8
  let bytes: Uint8Array = tail.body
  if (offset < tailStart) {
    const rest = await store.get(key, { ...options, range: { offset, length: tailStart - offset } })
    if (rest === undefined || rest.etag !== tail.etag) throw noParquet(key)
    bytes = Buffer.concat([rest.body, tail.body])
  }
  return { offset: sizeBytes - bytes.length, bytes, etag: tail.etag, metadata: await parseFooter(key, bytes) }
}

export interface Footer {
  /** Where `bytes` begin in the file; they reach to its end and may hold more than the footer. */
  offset: number
  bytes: Uint8Array
  etag: string
  metadata: FileMetaData
}

/** Most footers of a file of a few dozen columns and row groups fit. */
const tailBytes = 64 * 1024

export function rowsOf({ metadata }: Pick<Footer, 'metadata'>): number {
  return Number(metadata.num_rows)
}

/**
 * Where the chunks of these columns lie, bloom filters included (a filter that reads as zeros would say that no value is
 * there), ascending.
 * @param wanted whether a top-level column, by its name, is read
 */
export function columnRanges(
  { metadata, offset: end }: Pick<Footer, 'metadata' | 'offset'>,
  wanted: (column: string) => boolean,
): Required<ByteRange>[] {
  const chunks = metadata.row_groups.flatMap((group) => group.columns)
  const chosen = chunks.filter((chunk) => wanted(chunk.meta_data?.path_in_schema[0] ?? ''))
  const ranges = chosen.flatMap(({ meta_data: chunk }) => (chunk === undefined ? [] : [pagesOf(chunk)]))
  for (const { meta_data: chunk } of chosen) {
    const filter = Number(chunk?.bloom_filter_offset ?? -1n)
    if (filter < 0) continue
    // Older writers do not say how long a filter is: it ends where the next thing begins.
    const next = chunk?.bloom_filter_length === undefined ? nextAfter(filter, chunks, end) : 0
    ranges.push({ offset: filter, length: chunk?.bloom_filter_length ?? next - filter })
  }
  return ranges.sort((a, b) => a.offset - b.offset)
}

/** Ranges less than `gapBytes` apart become one: a request costs more than the bytes between. */
export function mergeRanges(ranges: readonly Required<ByteRange>[], gapBytes: number): Required<ByteRange>[] {
  const merged: Required<ByteRange>[] = []
  for (const { offset, length } of ranges) {
    const last = merged.at(-1)
    if (last !== undefined && offset - (last.offset + last.length) <= gapBytes)
      last.length = Math.max(last.length, offset + length - last.offset)
    else merged.push({ offset, length })
  }
  return merged
}

function pagesOf(chunk: ColumnMetaData): Required<ByteRange> {
  const pages = [chunk.data_page_offset, chunk.dictionary_page_offset, chunk.index_page_offset]
    .filter((offset) => offset !== undefined && offset > 0n)
    .map(Number)
  return { offset: Math.min(...pages), length: Number(chunk.total_compressed_size) }
}

function nextAfter(offset: number, chunks: readonly ColumnChunk[], end: number): number {
  const begins = chunks.flatMap(({ meta_data: chunk, offset_index_offset, column_index_offset }) => [
    ...(chunk === undefined ? [] : [BigInt(pagesOf(chunk).offset), chunk.bloom_filter_offset]),
    offset_index_offset,
    column_index_offset,
  ])
  return Math.min(end, ...begins.map((begin) => Number(begin ?? 0n)).filter((begin) => begin > offset))
}

function footerLength(tail: Uint8Array): number | undefined {
  const view = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength)
  return view.length >= 12 && view.toString('latin1', view.length - 4) === 'PAR1'
    ? view.readUInt32LE(view.length - 8)
    : undefined
}

async function parseFooter(key: string, bytes: Uint8Array): Promise<FileMetaData> {
  const { parquetMetadata } = await import('hyparquet')
  try {
    return parquetMetadata(new Uint8Array(bytes).buffer, { geoparquet: false })
  } catch (cause) {
    throw noParquet(key, cause)
  }
}

function noParquet(key: string, cause?: unknown): LakeError {
  return new LakeError('corrupt', 'a data file does not end in a Parquet footer', {
    key,
    fix: 'Find out what changed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again.',
    cause,
  })
}

function otherSize(key: string, found: number, recorded: number): LakeError {
  return new LakeError('corrupt', 'a data file has another size than the manifest says', {
    key,
    found,
    recorded,
    fix: 'Find out what changed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again.',
  })
}
