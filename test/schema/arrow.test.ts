/** Arrow's types and ours. */
import * as arrow from 'apache-arrow'
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import {
  fromArrowField,
  fromArrowSchema,
  fromArrowType,
  toArrowSchema,
  toArrowType,
  typeIds,
} from '../../src/schema/arrow.js'
import { parseType, sameType, typeName } from '../../src/schema/names.js'

const field = (name: string, type: arrow.DataType, nullable = true) => new arrow.Field(name, type, nullable)

test('every Arrow type with a lossless form becomes ours', () => {
  const cases: [arrow.DataType, string][] = [
    [new arrow.Int8(), 'tinyint'],
    [new arrow.Int16(), 'smallint'],
    [new arrow.Int32(), 'integer'],
    [new arrow.Int64(), 'bigint'],
    [new arrow.Uint8(), 'smallint'],
    [new arrow.Uint16(), 'integer'],
    [new arrow.Uint32(), 'bigint'],
    [new arrow.Uint64(), 'decimal(20,0)'],
    [new arrow.Float16(), 'float'],
    [new arrow.Float32(), 'float'],
    [new arrow.Float64(), 'double'],
    [new arrow.Bool(), 'boolean'],
    [new arrow.Utf8(), 'varchar'],
    [new arrow.LargeUtf8(), 'varchar'],
    [new arrow.Utf8View(), 'varchar'],
    [new arrow.Null(), 'varchar'],
    [new arrow.TimeMicrosecond(), 'varchar'],
    [new arrow.TimeSecond(), 'varchar'],
    [new arrow.Binary(), 'blob'],
    [new arrow.LargeBinary(), 'blob'],
    [new arrow.BinaryView(), 'blob'],
    [new arrow.FixedSizeBinary(16), 'blob'],
    [new arrow.Decimal(2, 12), 'decimal(12,2)'],
    [new arrow.Decimal(-2, 5), 'decimal(7,0)'],
    [new arrow.Decimal(5, 3), 'decimal(5,5)'],
    [new arrow.DateDay(), 'date'],
    [new arrow.DateMillisecond(), 'date'],
    [new arrow.TimestampSecond(), 'timestamp'],
    [new arrow.TimestampMillisecond('UTC'), 'timestamp'],
    [new arrow.TimestampMicrosecond('Europe/Berlin'), 'timestamp'],
    [new arrow.TimestampNanosecond(), 'timestamp'],
    [new arrow.List(field('item', new arrow.Int32())), 'integer[]'],
    [new arrow.LargeList(field('item', new arrow.Utf8())), 'varchar[]'],
    [new arrow.FixedSizeList(3, field('item', new arrow.Float32())), 'float[]'],
    [
      new arrow.Struct([field('a b', new arrow.Int8()), field('c', new arrow.List(field('i', new arrow.Bool())))]),
      'struct("a b" tinyint, c boolean[])',
    ],
    [
      new arrow.Map_(
        field(
          'entries',
          new arrow.Struct<{ key: arrow.DataType; value: arrow.DataType }>([
            field('key', new arrow.Utf8(), false),
            field('value', new arrow.Int32()),
          ]),
          false,
        ) as never,
      ),
      'map(varchar, integer)',
    ],
    [new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()), 'varchar'],
    [new arrow.Dictionary(new arrow.TimestampSecond(), new arrow.Int8()), 'timestamp'],
  ]
  for (const [type, name] of cases)
    expect([String(type), typeName(fromArrowType(type, 'x'))]).toEqual([String(type), name])
})

test('Interval, Duration, Union and decimals of more than 38 digits are refused by name', () => {
  const refused = [
    new arrow.IntervalYearMonth(),
    new arrow.DurationSecond(),
    new arrow.DenseUnion([0], [field('a', new arrow.Int8())]),
    new arrow.Decimal(2, 50, 256),
    new arrow.List(field('item', new arrow.DurationSecond())),
  ]
  for (const type of refused) {
    let error: unknown
    try {
      fromArrowType(type, 'waited')
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(LakeError)
    expect(String(error)).toContain('waited')
  }
})

test('our types go to Arrow and come back the same, with what may be null', async () => {
  const names = [
    'boolean',
    'tinyint',
    'smallint',
    'integer',
    'bigint',
    'float',
    'double',
    'varchar',
    'blob',
    'date',
    'timestamp',
    'decimal(38,10)',
    'integer[][]',
    'map(varchar, date[])',
    'struct(a blob, "b c" map(integer, double))',
  ]
  for (const name of names)
    expect(sameType(fromArrowType(toArrowType(parseType(name), arrow), 'x'), parseType(name)), name).toBe(true)
  const schema = [
    { name: 'a', type: parseType('integer'), nullable: false },
    { name: 'B', type: { kind: 'list', element: { kind: 'date' }, elementNullable: false }, nullable: true } as const,
  ]
  expect(fromArrowSchema(await toArrowSchema(schema))).toEqual(schema)
})

test('names that differ in case only are refused', () => {
  expect(() => fromArrowSchema(new arrow.Schema([field('a', new arrow.Int8()), field('A', new arrow.Int8())]))).toThrow(
    'case only',
  )
  expect(fromArrowField(field('a', new arrow.Int8(), false))).toEqual({
    name: 'a',
    type: { kind: 'tinyint' },
    nullable: false,
  })
})

test('the numbers of Arrow’s types are those of the library', () => {
  const names: Record<keyof typeof typeIds, keyof typeof arrow.Type> = {
    ...{
      null: 'Null',
      int: 'Int',
      float: 'Float',
      binary: 'Binary',
      utf8: 'Utf8',
      bool: 'Bool',
      decimal: 'Decimal',
      date: 'Date',
    },
    ...{ time: 'Time', timestamp: 'Timestamp', list: 'List', struct: 'Struct', fixedSizeBinary: 'FixedSizeBinary' },
    ...{
      fixedSizeList: 'FixedSizeList',
      map: 'Map',
      largeBinary: 'LargeBinary',
      largeUtf8: 'LargeUtf8',
      largeList: 'LargeList',
    },
    ...{ binaryView: 'BinaryView', utf8View: 'Utf8View', dictionary: 'Dictionary' },
  }
  for (const [ours, theirs] of Object.entries(names))
    expect([theirs, typeIds[ours as keyof typeof typeIds]]).toEqual([theirs, arrow.Type[theirs]])
})
