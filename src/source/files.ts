/**
 * How users name files to read: plain text, or a source made by one of these functions, which carries its own reading
 * settings. Nothing is opened here.
 *
 *   'dumps/*.csv.gz'                       format by the ending
 *   csv('dumps/a.txt', { delimiter: ';' }) format said, settings of its own
 *   ndjson(process.stdin)                  a stream of bytes
 */
import type { Readable } from 'node:stream'
import { LakeError } from '../errors.js'
import type { ReadingSettings } from './port.js'

export function csv(from: Where, options: SourceOptions = {}): FileSource {
  return source('csv', from, options)
}
export function tsv(from: Where, options: SourceOptions = {}): FileSource {
  return source('tsv', from, options)
}
export function ndjson(from: Where, options: SourceOptions = {}): FileSource {
  return source('ndjson', from, options)
}
export function json(from: Where, options: SourceOptions = {}): FileSource {
  return source('json', from, options)
}
export function parquet(from: Where, options: SourceOptions = {}): FileSource {
  return source('parquet', from, options)
}
export function arrow(from: Where, options: SourceOptions = {}): FileSource {
  return source('arrow', from, options)
}
/** Change events of Debezium, as JSON: NDJSON or an array, enveloped or unwrapped. */
export function debezium(from: Where, options: SourceOptions = {}): FileSource {
  return source('debezium', from, options)
}
/** Files, globs, folders and URLs whose format their ending tells. */
export function files(from: Where, options: SourceOptions & { format?: Format } = {}): FileSource {
  const { format, ...rest } = options
  return source(format, from, rest)
}

export type Format = NonNullable<ReadingSettings['format']>
/** A path, glob, folder or URL (`s3://`, `file://`), several of them, `-` for standard input, or a stream of bytes. */
export type Where = string | URL | Readable | readonly (string | URL | Readable)[]
export type SourceOptions = Omit<ReadingSettings, 'format'>

export interface FileSource {
  readonly kind: 'files'
  readonly format: Format | undefined
  readonly from: readonly (string | Readable)[]
  readonly options: SourceOptions
}

export function isFileSource(input: unknown): input is FileSource {
  return typeof input === 'object' && input !== null && (input as FileSource).kind === 'files' && 'from' in input
}

/**
 * What the ending says: `dumps/a.csv.gz` is `{ format: 'csv', compression: 'gzip' }`.
 * @param format wins over the ending, but not over the compression
 */
export function formatOf(name: string, format?: Format): { format: Format; compression: Compression } {
  const found = endingOf(name)
  const known = format ?? found.format
  if (known === undefined)
    throw new LakeError('invalid', 'the ending of the file does not say its format', {
      file: name,
      fix: `Say it with \`--format ${formats.join('|')}\`.`,
    })
  return { format: known, compression: found.compression }
}

export function hasKnownEnding(name: string): boolean {
  return endingOf(name).format !== undefined
}

export type Compression = 'none' | 'gzip' | 'zstd'

const formats: readonly Format[] = ['csv', 'tsv', 'ndjson', 'json', 'parquet', 'arrow', 'debezium']
const endings: Record<string, Format> = {
  csv: 'csv',
  tsv: 'tsv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'json',
  parquet: 'parquet',
  arrow: 'arrow',
  arrows: 'arrow',
  ipc: 'arrow',
  feather: 'arrow',
}

function source(format: Format | undefined, from: Where, options: SourceOptions): FileSource {
  const list = (Array.isArray(from) ? from : [from]) as readonly (string | URL | Readable)[]
  return { kind: 'files', format, from: list.map((one) => (one instanceof URL ? one.href : one)), options }
}

function endingOf(name: string): { format: Format | undefined; compression: Compression } {
  const [, stem = name, packed = ''] = /^(.*?)(?:\.(gz|zst|zstd))?$/is.exec(name) ?? []
  const compression = packed === '' ? 'none' : packed.toLowerCase() === 'gz' ? 'gzip' : 'zstd'
  const ending = /\.([a-z0-9]+)$/i.exec(stem)?.[1]?.toLowerCase()
  return { format: ending === undefined ? undefined : endings[ending], compression }
}
