/**
 * Copy ranges of Arrow arrays into DuckDB vectors: which writer an Arrow type and one of ours need.
 *
 * Fixed-width values and validity go over with one memcpy. Text goes over as one block per range (DuckDB copies it into
 * the vector's own memory) and an array of 16-byte string headers made here; text up to 12 bytes lives in its header.
 */
import { typeIds } from '../../schema/arrow.js'
import type { LakeType } from '../../schema/types.js'
import { DictionaryTextWriter, DictionaryWriter } from './dictionaries.js'
import { KeyWriter, ListWriter, StructWriter } from './nested.js'
import {
  type ArrowType,
  dateReader,
  decimalReader,
  floatReader,
  integerReader,
  type Reader,
  timeReader,
  timestampReader,
} from './numbers.js'
import { bytesIds, listIds, textIds } from './text.js'
import {
  type Bindings,
  BooleanWriter,
  type ColumnWriter,
  FixedWriter,
  NullWriter,
  SpelledWriter,
  TextWriter,
} from './writers.js'

export type { Bindings, ColumnWriter }

/**
 * @returns undefined where `type` does not hold values of `lake`: the caller names the column
 */
export function columnWriter(bindings: Bindings, type: ArrowType, lake: LakeType): ColumnWriter | undefined {
  if (type.typeId === typeIds.null) return new NullWriter(bindings)
  if (type.typeId === typeIds.dictionary) return dictionaryWriter(bindings, type, lake)
  switch (lake.kind) {
    case 'boolean':
      return type.typeId === typeIds.bool ? new BooleanWriter(bindings) : undefined
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return fixedWriter(bindings, integerReader(type, lake.kind))
    case 'float':
    case 'double':
      return fixedWriter(bindings, floatReader(type, lake.kind))
    case 'decimal':
      return fixedWriter(bindings, decimalReader(type, lake.precision, lake.scale))
    case 'date':
      return fixedWriter(bindings, dateReader(type))
    case 'timestamp':
      return fixedWriter(bindings, timestampReader(type))
    case 'varchar':
      if (type.typeId === typeIds.time) return new SpelledWriter(bindings, timeReader(type))
      return textIds.has(type.typeId) ? new TextWriter(bindings, true) : undefined
    case 'blob':
      return bytesIds.has(type.typeId) ? new TextWriter(bindings, false) : undefined
    case 'list':
      return listWriter(bindings, type, lake.element)
    case 'map':
      return mapWriter(bindings, type, lake.key, lake.value)
    case 'struct':
      return structWriter(bindings, type, lake)
  }
}

function fixedWriter(bindings: Bindings, reader: Reader | undefined): ColumnWriter | undefined {
  return reader === undefined ? undefined : new FixedWriter(bindings, reader)
}

/** Codes are resolved range by range. */
function dictionaryWriter(bindings: Bindings, type: ArrowType, lake: LakeType): ColumnWriter | undefined {
  const valueType = type.dictionary
  if (valueType === undefined || lake.kind === 'list' || lake.kind === 'struct' || lake.kind === 'map') return undefined
  const writer = columnWriter(bindings, valueType, lake)
  if (writer instanceof TextWriter) return new DictionaryTextWriter(bindings, writer.isText)
  return writer === undefined ? undefined : new DictionaryWriter(bindings, writer)
}

function listWriter(bindings: Bindings, type: ArrowType, element: LakeType): ColumnWriter | undefined {
  const child = type.children?.[0]?.type
  if (child === undefined || !listIds.has(type.typeId)) return undefined
  const writer = columnWriter(bindings, child, element)
  return writer === undefined ? undefined : new ListWriter(bindings, writer, type.listSize)
}

/** DuckDB's map is a list of structs of key and value, and so is Arrow's. */
function mapWriter(bindings: Bindings, type: ArrowType, key: LakeType, value: LakeType): ColumnWriter | undefined {
  const entries = type.children?.[0]?.type.children
  if (type.typeId !== typeIds.map || entries?.length !== 2 || !entries[0] || !entries[1]) return undefined
  const keyWriter = columnWriter(bindings, entries[0].type, key)
  const valueWriter = columnWriter(bindings, entries[1].type, value)
  if (keyWriter === undefined || valueWriter === undefined) return undefined
  const pair = new StructWriter(bindings, [
    { source: 0, writer: new KeyWriter(keyWriter) },
    { source: 1, writer: valueWriter },
  ])
  return new ListWriter(bindings, pair, undefined)
}

function structWriter(
  bindings: Bindings,
  type: ArrowType,
  lake: Extract<LakeType, { kind: 'struct' }>,
): ColumnWriter | undefined {
  const children = type.children ?? []
  if (type.typeId !== typeIds.struct || children.length !== lake.fields.length) return undefined
  const fields: StructWriter['fields'] = []
  for (const field of lake.fields) {
    const source = children.findIndex((child) => child.name === field.name)
    const child = children[source]
    const writer = child === undefined ? undefined : columnWriter(bindings, child.type, field.type)
    if (writer === undefined) return undefined
    fields.push({ source, writer })
  }
  return new StructWriter(bindings, fields)
}
