/**
 * Data files where an engine can read them. On a local store that is where they are. From elsewhere only what a query
 * needs is fetched: the footer and the chunks of its columns, into a sparse file of the full size at the same offsets,
 * which DuckDB reads like the whole (it looks at nothing else; a chunk that is not there fails loudly, as zeros are no page).
 *
 * Data files are immutable, so what is here is never fetched again while the cache lives.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { LakeError } from '../errors.js'
import type { AddFile } from '../manifest/actions.js'
import { foldName } from '../schema/names.js'
import type { ByteRange, CallOptions, Store } from '../store/port.js'
import { columnRanges, type Footer, mergeRanges, readFooter } from './footer.js'

/** One per open table; queries share it. */
export class FileCache {
  private readonly entries = new Map<string, Entry>()
  private readonly limit = pLimit(requestsAtOnce)

  /** @param folder of this cache alone; made when it is needed, removed by `close` */
  constructor(
    private readonly store: Store,
    private readonly folder: string,
  ) {}

  /**
   * @param columns top-level names, without regard to case; absent for all
   * @throws LakeError corrupt: a file is missing, has another size, or is no Parquet file
   */
  async local<File extends AddFile>(
    files: readonly File[],
    { columns, ...options }: CallOptions & { columns?: readonly string[] } = {},
  ): Promise<(File & { path: string })[]> {
    const wanted = columns && new Set(columns.map(foldName))
    const inTurn = pLimit(filesAtOnce)
    return await Promise.all(
      files.map((file) => {
        const here = this.store.localPath(file.key)
        return here !== undefined
          ? { ...file, path: here }
          : inTurn(async () => ({ ...file, path: await this.bring(file, wanted, options) }))
      }),
    )
  }

  async close(): Promise<void> {
    this.entries.clear()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Two queries that want one file take turns, so that the second finds what the first brought. */
  private async bring(file: AddFile, wanted: Set<string> | undefined, options: CallOptions): Promise<string> {
    const entry = this.entries.get(file.key) ?? { path: this.pathOf(file.key), columns: new Set(), last: undefined }
    this.entries.set(file.key, entry)
    const before = entry.last
    const brought = (async () => {
      await before?.catch(() => {})
      await this.fill(entry, file, wanted, options)
    })()
    entry.last = brought
    await brought
    return entry.path
  }

  private async fill(
    entry: Entry,
    file: AddFile,
    wanted: Set<string> | undefined,
    options: CallOptions,
  ): Promise<void> {
    if (entry.columns === 'all') return
    const had = entry.columns
    const missing = wanted && [...wanted].filter((column) => !had.has(column))
    if (missing?.length === 0 && entry.footer !== undefined) return
    await mkdir(dirname(entry.path), { recursive: true })
    const target = await open(entry.path, entry.footer === undefined ? 'w+' : 'r+')
    try {
      if (missing === undefined || file.sizeBytes <= smallFileBytes) {
        await this.copyRanges(target, file, [{ offset: 0, length: file.sizeBytes }], undefined, options)
        entry.columns = 'all'
        return
      }
      const footer = entry.footer ?? (await this.limit(() => readFooter(this.store, file, options)))
      if (footer === undefined) throw missingFile(file.key, this.store.url)
      if (entry.footer === undefined) await target.write(footer.bytes, 0, footer.bytes.length, footer.offset)
      const ranges = mergeRanges(
        columnRanges(footer, (column) => missing.includes(foldName(column))),
        gapBytes,
      )
      await this.copyRanges(target, file, ranges, footer.etag, options)
      entry.footer = footer
      for (const column of missing) had.add(column)
    } finally {
      await target.close()
    }
  }

  private async copyRanges(
    target: FileHandle,
    { key, sizeBytes }: AddFile,
    ranges: readonly Required<ByteRange>[],
    etag: string | undefined,
    options: CallOptions,
  ): Promise<void> {
    const pieces = ranges.flatMap((range) => piecesOf(range, sizeBytes))
    let expected = etag
    await Promise.all(
      pieces.map((range) =>
        this.limit(async () => {
          const part = await this.store.get(key, { ...options, range })
          if (part === undefined) throw missingFile(key, this.store.url)
          expected ??= part.etag
          if (part.sizeBytes !== sizeBytes || part.etag !== expected || part.body.length !== range.length)
            throw new LakeError('corrupt', 'a data file is not the one that the manifest names', {
              key,
              sizeBytes: part.sizeBytes,
              recorded: sizeBytes,
              fix: 'Find out what changed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again.',
            })
          await target.write(part.body, 0, part.body.length, range.offset)
        }),
      ),
    )
  }

  /**
   * The folders of the key, so that DuckDB reads partition values and prunes by them as for files in place; where a
   * name is too long for a file system, or escapes the folder, a digest.
   */
  private pathOf(key: string): string {
    const segments = key.split('/')
    const plain = segments.every((name) => Buffer.byteLength(name) <= 200 && !/[\\:*?"<>|]|^\.{1,2}$|[. ]$/.test(name))
    if (plain) return join(this.folder, 'k', ...segments)
    return join(this.folder, 'h', `${createHash('sha256').update(key).digest('hex')}.parquet`)
  }
}

interface Entry {
  path: string
  footer?: Footer
  /** Folded names of the columns that are here. */
  columns: Set<string> | 'all'
  last: Promise<void> | undefined
}

const requestsAtOnce = 16
const filesAtOnce = 16
/** Below this one request for the whole costs less than one for the footer and another for the columns. */
const smallFileBytes = 256 * 1024
const gapBytes = 512 * 1024
const pieceBytes = 8 * 1024 * 1024

function piecesOf({ offset, length }: Required<ByteRange>, sizeBytes: number): Required<ByteRange>[] {
  const end = Math.min(offset + length, sizeBytes)
  const pieces: Required<ByteRange>[] = []
  for (let at = offset; at < end; at += pieceBytes) pieces.push({ offset: at, length: Math.min(pieceBytes, end - at) })
  return pieces
}

function missingFile(key: string, table: string): LakeError {
  return new LakeError('corrupt', 'a data file that the manifest names is not there', {
    key,
    table,
    fix: 'Find out what removed it (`lakewright verify`), empty its partition with a `replace` of that scope, and load it again.',
  })
}
