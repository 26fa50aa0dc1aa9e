/** Byte ranges and digests, the same for every store. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { ByteRange, SpooledFile } from './port.js'

/** The part of an object of `sizeBytes` that a range means: start included, end excluded, clipped to the object. */
export function span(range: ByteRange | undefined, sizeBytes: number): { start: number; end: number } {
  if (!range) return { start: 0, end: sizeBytes }
  if (range.offset < 0) return { start: Math.max(0, sizeBytes + range.offset), end: sizeBytes }
  const start = Math.min(range.offset, sizeBytes)
  return { start, end: range.length === undefined ? sizeBytes : Math.min(sizeBytes, start + range.length) }
}

/** The file's sha256 in hex: the one it came with, or by reading it. */
export async function sha256Of(file: SpooledFile, signal?: AbortSignal): Promise<string> {
  if (file.sha256) return file.sha256
  const hash = createHash('sha256')
  await pipeline(createReadStream(file.path, { highWaterMark: 1 << 20 }), hash, { signal })
  return hash.digest('hex')
}

/** Read from `position` until the buffer is full or the file ends. Answers how many bytes there were. */
export async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}
