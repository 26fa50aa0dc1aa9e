/**
 * A Parquet file put together from pieces of others: row groups, or single columns of them, are copied as the bytes that
 * they are. Nothing is decoded, so it costs what copying costs, and keeps whatever encoding the bytes have.
 *
 *   row group 0   all columns of old.parquet's 0          untouched
 *   row group 1   id, city of old.parquet's 1             amount of a file that has it anew, row for row
 *   row group 2   all columns of new.parquet's 0          further rows
 *
 * Left behind: page indexes and Bloom filters, which are optional and hold offsets of their own.
 *
 * Source: Apache Parquet format, `parquet.thrift`; the numbers below are its field ids.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { LakeError } from '../../errors.js'
import { OpenFiles } from './open-files.js'
import { decodeThrift, encodeThrift, type ThriftStruct, type ThriftValue, thriftTypes } from './thrift.js'

/** One that is here whole, but for what no column of ours is made of. */
export interface ParquetFile {
  path: string
  footer: ThriftStruct
  /** By top-level column: what the schema says of it, as bytes, and how many leaves it has. */
  columns: Map<string, { schema: string; leaves: number }>
  rowGroups: RowGroup[]
}

export interface RowGroup {
  rows: number
  /** One for each leaf, in the schema's order. */
  chunks: Chunk[]
}

/** A column of a row group, and the file in which it lies. */
export interface Chunk {
  path: string
  /** Name of the top-level column. */
  column: string
  offset: number
  length: number
  about: ThriftStruct
}

/** @throws LakeError corrupt: it is no Parquet file; unsupported: it is encrypted */
export async function openParquet(path: string): Promise<ParquetFile> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const tail = await read(file, Math.max(0, size - 8), 8)
    const text = Buffer.from(tail)
    const length = text.length === 8 ? text.readUInt32LE(0) : 0
    if (text.toString('latin1', 4) !== magic || length + 12 > size) throw notParquet(path, text.toString('latin1', 4))
    const footer = decodeThrift(await read(file, size - 8 - length, length))
    const columns = columnsOf(footer)
    return { path, footer, columns, rowGroups: items(footer, 4).map((group) => rowGroupOf(asStruct(group), path)) }
  } finally {
    await file.close()
  }
}

/** @param like the file whose schema and metadata the new one has; the groups' chunks are in its schema's order */
export async function spliceParquet(
  path: string,
  like: ParquetFile,
  groups: readonly RowGroup[],
): Promise<{ sizeBytes: number }> {
  const target = await open(path, 'wx')
  const sources = new OpenFiles()
  try {
    await target.write(Buffer.from(magic, 'latin1'), 0, 4, 0)
    let at = 4
    const ranges: Range[] = []
    const written = groups.map((group, ordinal) => {
      const start = at
      const chunks = group.chunks.map((chunk) => {
        const moved = movedChunk(chunk, at - chunk.offset)
        ranges.push({ path: chunk.path, from: chunk.offset, to: at, length: chunk.length })
        at += chunk.length
        return moved
      })
      return rowGroupStruct(group.rows, chunks, { start, length: at - start, ordinal })
    })
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(1, at)))
    for (const range of joined(ranges)) await copyRange(range, target, sources, buffer)
    const footer = new Map(like.footer)
    const rows = groups.reduce((sum, group) => sum + group.rows, 0)
    footer.set(3, { type: thriftTypes.i64, value: BigInt(rows) })
    footer.set(4, { type: thriftTypes.list, value: { of: thriftTypes.struct, items: written } })
    const bytes = encodeThrift(footer)
    const end = Buffer.alloc(8)
    end.writeUInt32LE(bytes.length)
    end.write(magic, 4, 'latin1')
    await target.write(bytes, 0, bytes.length, at)
    await target.write(end, 0, 8, at + bytes.length)
    return { sizeBytes: at + bytes.length + 8 }
  } finally {
    await target.close()
    await sources.close()
  }
}

const magic = 'PAR1'

/** The schema is a tree in pre-order: a name, and the number of children that follow. */
function columnsOf(footer: ThriftStruct): ParquetFile['columns'] {
  const elements = items(footer, 2).map(asStruct)
  const columns: ParquetFile['columns'] = new Map()
  let at = 1
  while (at < elements.length) {
    const end = endOfElement(elements, at)
    const parts = elements.slice(at, end)
    const name = text(parts[0], 4)
    columns.set(name, {
      schema: parts.map((part) => Buffer.from(encodeThrift(part)).toString('base64')).join(' '),
      leaves: parts.filter((part) => childrenOf(part) === 0).length,
    })
    at = end
  }
  return columns
}

function endOfElement(elements: ThriftStruct[], at: number): number {
  let end = at + 1
  for (let left = childrenOf(elements[at]); left > 0; left--) end = endOfElement(elements, end)
  return end
}

function childrenOf(element: ThriftStruct | undefined): number {
  return element?.has(5) ? integer(element, 5) : 0
}

function rowGroupOf(group: ThriftStruct, path: string): RowGroup {
  const chunks = items(group, 1).map((item): Chunk => {
    const about = asStruct(item)
    const data = about.get(3)?.value
    if (!(data instanceof Map) || about.has(1) || about.has(8))
      throw new LakeError('unsupported', 'a data file is encrypted, or refers to others', { file: path })
    const dictionary = data.has(11) ? integer(data, 11) : 0
    const first = integer(data, 9)
    const offset = dictionary > 0 ? Math.min(dictionary, first) : first
    return { path, column: pathInSchema(data)[0] ?? '', offset, length: integer(data, 7), about }
  })
  return { rows: integer(group, 3), chunks }
}

function pathInSchema(data: ThriftStruct): string[] {
  return items(data, 3).map((item) => (item instanceof Uint8Array ? Buffer.from(item).toString('utf8') : ''))
}

/** The same chunk elsewhere. */
function movedChunk({ about }: Chunk, by: number): ThriftStruct {
  const data = new Map(about.get(3)?.value as ThriftStruct)
  for (const id of [9, 10, 11]) {
    const offset = data.get(id)
    if (offset !== undefined && typeof offset.value === 'bigint' && offset.value > 0n)
      data.set(id, { ...offset, value: offset.value + BigInt(by) })
  }
  // A Bloom filter, by offset and length.
  for (const id of [14, 15]) data.delete(id)
  const moved: ThriftStruct = new Map([[3, { type: thriftTypes.struct, value: data }]])
  // Where the metadata once stood; readers do not look at it, but it must be there.
  moved.set(2, { type: thriftTypes.i64, value: 0n })
  return moved
}

function rowGroupStruct(
  rows: number,
  chunks: ThriftStruct[],
  { start, length, ordinal }: { start: number; length: number; ordinal: number },
): ThriftStruct {
  const uncompressed = chunks.reduce((sum, chunk) => sum + integer(chunk.get(3)?.value as ThriftStruct, 6), 0)
  const i64 = (value: number) => ({ type: thriftTypes.i64, value: BigInt(value) })
  return new Map([
    [1, { type: thriftTypes.list, value: { of: thriftTypes.struct, items: chunks } }],
    [2, i64(uncompressed)],
    [3, i64(rows)],
    [5, i64(start)],
    [6, i64(length)],
    // A small integer in the format; where there are more row groups it is left out.
    ...(ordinal < 32_768 ? [[7, { type: thriftTypes.i16, value: BigInt(ordinal) }] as const] : []),
  ])
}

interface Range {
  path: string
  from: number
  to: number
  length: number
}

/** Neighbours in the source that are neighbours in the target are one range. */
function joined(ranges: readonly Range[]): Range[] {
  const all: Range[] = []
  for (const range of ranges) {
    const last = all.at(-1)
    if (
      last &&
      last.path === range.path &&
      last.from + last.length === range.from &&
      last.to + last.length === range.to
    )
      last.length += range.length
    else all.push({ ...range })
  }
  return all
}

const pieceBytes = 4 * 1024 * 1024

async function copyRange(range: Range, target: FileHandle, sources: OpenFiles, buffer: Buffer): Promise<void> {
  for (let done = 0; done < range.length; done += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, range.length - done))
    if (!(await sources.fill(range.path, piece, range.from + done))) throw endsEarly()
    await target.write(piece, 0, piece.length, range.to + done)
  }
}

async function read(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length)
  const { bytesRead } = await file.read(bytes, 0, bytes.length, offset)
  if (bytesRead !== bytes.length) throw endsEarly()
  return bytes
}

function endsEarly(): LakeError {
  return new LakeError('corrupt', 'a data file ends too early', { fix: 'Check the table with `lakewright verify`.' })
}

function items(struct: ThriftStruct, id: number): ThriftValue[] {
  const value = struct.get(id)?.value
  return typeof value === 'object' && 'items' in value ? value.items : []
}

function asStruct(value: ThriftValue): ThriftStruct {
  return value instanceof Map ? value : new Map()
}

function integer(struct: ThriftStruct | undefined, id: number): number {
  const value = struct?.get(id)?.value
  return typeof value === 'bigint' ? Number(value) : 0
}

function text(struct: ThriftStruct | undefined, id: number): string {
  const value = struct?.get(id)?.value
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : ''
}

function notParquet(path: string, ending: string): LakeError {
  return ending === 'PARE'
    ? new LakeError('unsupported', 'a data file is encrypted', { file: path })
    : new LakeError('corrupt', 'a data file is no Parquet file', {
        file: path,
        fix: 'Check the table with `lakewright verify`.',
      })
}
