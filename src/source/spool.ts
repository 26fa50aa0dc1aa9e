/**
 * Bytes on their way into the spool folder: decompressed, transcoded to UTF-8, piped in. A compressed file that was cut
 * short or damaged is an error here, whatever DuckDB's own decompression would have made of it: it reads a zstd file cut in
 * half without a word, and does not look at gzip's checksum.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { LakeError } from '../errors.js'
import type { Compression } from './files.js'

/** Gives out names in the spool folder. */
export interface Spool {
  folder: string
  path(ending: string): string
  signal: AbortSignal | undefined
}

export function openSpool(folder: string, prefix: string, signal: AbortSignal | undefined): Spool {
  let next = 0
  return { folder, signal, path: (ending) => join(folder, `${prefix}-${next++}${ending}`) }
}

/** @returns the plain file: the same where nothing was to be done */
export async function decompress(file: Named, compression: Compression, spool: Spool): Promise<string> {
  if (compression === 'none') return file.path
  const unpack = compression === 'gzip' ? zlib.createGunzip() : zstdDecompressor()
  if (unpack === undefined)
    throw new LakeError('unsupported', 'this Node.js cannot decompress zstd', {
      file: file.name,
      fix: 'Use Node.js 22.15 or later, or decompress the file first.',
    })
  // Node's own zstd stream ends without an error where the file does.
  if (compression === 'zstd') await assertWholeZstd(file)
  const to = spool.path('.plain')
  try {
    await pipeline(createReadStream(file.path, chunked), unpack, createWriteStream(to, chunked), options(spool))
  } catch (cause) {
    throw damaged(file, compression, cause)
  }
  return to
}

/** Whether `decompress` can do it here; else DuckDB has to, after `assertWholeZstd`. */
export function canDecompress(compression: Compression): boolean {
  return compression !== 'zstd' || zstdDecompressor !== noZstd
}

/**
 * Walk the frames and blocks of a zstd file without decompressing them (RFC 8878 §3.1): a file cut short ends within one.
 * @throws LakeError invalid
 */
export async function assertWholeZstd(file: Named): Promise<void> {
  const handle = await open(file.path)
  try {
    const { size } = await handle.stat()
    const read = async (at: number, length: number): Promise<Buffer> => {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, at)
      if (bytesRead < length) throw damaged(file, 'zstd', undefined)
      return buffer
    }
    if (size === 0) throw damaged(file, 'zstd', undefined)
    for (let at = 0; at < size; ) at = await endOfFrame(at, read, file)
  } finally {
    await handle.close()
  }
}

/**
 * @param encoding a label of the WHATWG encoding standard
 * @throws LakeError invalid: bytes that are not the encoding, with the line
 */
export async function transcode(file: Named, encoding: string, spool: Spool): Promise<string> {
  const decoder = openDecoder(encoding)
  const to = spool.path('.utf8')
  let lines = 0
  const recode = new Transform({
    transform(chunk: Buffer, _, done) {
      try {
        const text = decoder.decode(chunk, { stream: true })
        for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines++
        done(null, text)
      } catch (cause) {
        done(notTheEncoding(file, encoding, lines, cause))
      }
    },
    flush(done) {
      try {
        done(null, decoder.decode())
      } catch (cause) {
        done(notTheEncoding(file, encoding, lines, cause))
      }
    },
  })
  await pipeline(createReadStream(file.path, chunked), recode, createWriteStream(to, chunked), options(spool))
  return to
}

export function isUtf8(encoding: string | undefined): boolean {
  return encoding === undefined || openDecoder(encoding).encoding === 'utf-8'
}

/** Write what is piped in to a file. */
export async function spoolStream(stream: Readable, spool: Spool): Promise<string> {
  const to = spool.path('.in')
  await pipeline(stream, createWriteStream(to, chunked), options(spool))
  return to
}

/** By its first bytes; for what is piped in and has no name. */
export async function compressionOf(path: string): Promise<Compression> {
  const handle = await open(path)
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    if (buffer.readUInt16BE(0) === 0x1f8b) return 'gzip'
    return buffer.readUInt32LE(0) === zstdMagic ? 'zstd' : 'none'
  } finally {
    await handle.close()
  }
}

/** A file on this machine and what the user calls it. */
export interface Named {
  path: string
  name: string
}

const chunked = { highWaterMark: 1 << 20 }
const zstdMagic = 0xfd2fb528

const noZstd = (): undefined => undefined
const zstdDecompressor: () => Transform | undefined =
  (zlib as unknown as { createZstdDecompress?: () => Transform }).createZstdDecompress ?? noZstd

function options(spool: Spool): { signal?: AbortSignal } {
  return spool.signal === undefined ? {} : { signal: spool.signal }
}

function damaged(file: Named, compression: Compression, cause: unknown): unknown {
  const aborted = cause instanceof Error && cause.name === 'AbortError'
  const code = (cause as { code?: string } | undefined)?.code ?? ''
  // What is not about the compressed bytes (no such file, disk full) says so itself.
  if (aborted || (cause !== undefined && !code.startsWith('Z_') && !code.startsWith('ZSTD_'))) return cause
  return new LakeError('invalid', `the ${compression} file is cut short or damaged`, {
    file: file.name,
    fix: 'Fetch the file again.',
    cause,
  })
}

function openDecoder(encoding: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(encoding, { fatal: true })
  } catch (cause) {
    throw new LakeError('invalid', 'the encoding is not known', {
      encoding,
      fix: 'Use a name of the WHATWG encoding standard: `utf-8`, `utf-16le`, `windows-1252`, `iso-8859-15`, `shift_jis`, …',
      cause,
    })
  }
}

function notTheEncoding(file: Named, encoding: string, linesBefore: number, cause: unknown): LakeError {
  return new LakeError('invalid', 'the bytes are not text of this encoding', {
    file: file.name,
    encoding,
    afterLine: linesBefore,
    fix: 'Say the right one with `--encoding`.',
    cause,
  })
}

type ReadAt = (at: number, length: number) => Promise<Buffer>

async function endOfFrame(start: number, read: ReadAt, file: Named): Promise<number> {
  const magic = (await read(start, 4)).readUInt32LE(0)
  if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
    const end = start + 8 + (await read(start + 4, 4)).readUInt32LE(0)
    await read(end - 1, 1)
    return end
  }
  if (magic !== zstdMagic) throw damaged(file, 'zstd', undefined)
  const descriptor = (await read(start + 4, 1)).readUInt8(0)
  const singleSegment = (descriptor >> 5) & 1
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeBytes = [singleSegment, 2, 4, 8][descriptor >> 6] ?? 0
  let at = start + 5 + (1 - singleSegment) + dictionaryBytes + sizeBytes
  for (let last = false; !last; ) {
    const header = (await read(at, 3)).readUIntLE(0, 3)
    last = (header & 1) === 1
    const repeated = ((header >> 1) & 3) === 1
    at += 3 + (repeated ? 1 : header >> 3)
  }
  const checksumBytes = (descriptor >> 2) & 1 ? 4 : 0
  await read(at + checksumBytes - 1, 1)
  return at + checksumBytes
}
