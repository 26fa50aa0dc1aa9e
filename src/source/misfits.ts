/**
 * What a failed scan stands for, in the user's words: which values do not fit, where, and what to do. Only failures pay for
 * it: the rows are read once more, counted and numbered.
 */
import type { Engine } from '../engine/port.js'
import { quoteText } from '../engine/sql.js'
import { LakeError } from '../errors.js'
import { noPartitionValue } from '../partition/value.js'
import type { Misfit } from '../schema/misfit.js'
import { foldName, typeName } from '../schema/names.js'
import { type Column, typeNow } from './columns.js'
import { type Composition, composeMisfits } from './compose.js'
import { explainEventMisfit } from './events.js'
import { placeOf } from './sequence.js'

/**
 * Up to three examples, and how many there are.
 * @returns `isFound: false` where the file, read from start to end, does not have the value
 */
export async function describeMisfits(
  misfit: Misfit,
  column: Column | undefined,
  composition: Composition,
  engine: Engine,
): Promise<{ error: LakeError; isFound: boolean }> {
  const ofEvent = explainEventMisfit(misfit)
  const found = ofEvent || column === undefined ? undefined : await findMisfits(column, composition, engine)
  const [first] = found?.examples ?? [await locate(misfit, composition, engine)]
  const ofColumn = column && (misfit.reason === noPartitionValue ? partitionFix : fixFor(column))
  const fix = ofEvent?.fix ?? ofColumn
  const error = new LakeError(
    'invalid',
    ofEvent?.message ?? `the value does not fit the type of its column${misfit.reason ? ` (${misfit.reason})` : ''}`,
    {
      file: first?.file,
      row: first?.row,
      column: column?.name ?? misfit.column,
      ...(ofEvent ? {} : { type: misfit.type }),
      value: shorten(first?.value ?? misfit.value),
      ...(found === undefined || found.count < 2
        ? {}
        : {
            misfits: found.count,
            also: found.examples
              .slice(1)
              .map(({ row, value }) => `row ${row}: ${shorten(value)}`)
              .join(', '),
          }),
      fix: fix ?? 'Convert the column where the data comes from, or with `--derive`.',
    },
  )
  return { error, isFound: first?.row !== undefined }
}

interface Place {
  file: string | undefined
  row: number | undefined
  value: string
}

async function findMisfits(
  column: Column,
  composition: Composition,
  engine: Engine,
): Promise<{ count: number; examples: Place[] } | undefined> {
  let count = 0
  const examples: Place[] = []
  for (const [index, part] of composition.parts.entries()) {
    const sql = part.replayable ? composeMisfits(composition, column, part, index) : undefined
    if (sql === undefined) continue
    const [row] = await engine.rows(
      `SELECT count(*) AS n, CAST(to_json(min({f: file, r: "row", v: "value"}, 3)) AS VARCHAR) AS examples FROM (${sql})`,
    )
    count += Number(row?.n ?? 0)
    const list = JSON.parse(String(row?.examples ?? '[]')) as { f: string; r: number; v: string }[] | null
    examples.push(...(list ?? []).map(({ f, r, v }) => ({ file: f, row: r, value: v })))
  }
  return count === 0 ? undefined : { count, examples: examples.slice(0, 3) }
}

/** The row of a value that the error shows: by the places in the message, else by looking for the value. */
async function locate(misfit: Misfit, composition: Composition, engine: Engine): Promise<Place> {
  const { file, row, seq } = (misfit.place ?? {}) as { file?: string; row?: number; seq?: string }
  if (seq !== undefined) {
    const place = placeOf(BigInt(seq))
    return { file: composition.labels[place.ordinal], row: place.row, value: misfit.value }
  }
  if (row !== undefined) return { file, row, value: misfit.value }
  for (const part of composition.parts) {
    const column = part.columns.find(({ name }) => foldName(name) === foldName(misfit.column))
    if (column === undefined || !part.replayable) continue
    const name = `"${column.name.replaceAll('"', '""')}"`
    const [found] = await engine.rows(
      `SELECT __lw_file AS file, __lw_row AS "row" FROM (${part.scanWithPlaces}) WHERE left(CAST(${name} AS VARCHAR), 100) = ${quoteText(misfit.value)} ORDER BY 2 LIMIT 1`,
    )
    if (found !== undefined) return { file: String(found.file), row: Number(found.row), value: misfit.value }
  }
  return { file: undefined, row: undefined, value: misfit.value }
}

const partitionFix =
  'Readers cannot tell it from null: give such rows another value with `--derive`, or divert them with `--on-reject divert`.'

function fixFor(column: Column): string {
  const type = typeName(typeNow(column))
  const divert = 'or divert such rows with `--on-reject divert`'
  if (column.typedBy === 'table')
    return `The table's column is ${type}: correct the value, widen the column with \`--schema evolve\` if its type can be widened, ${divert}.`
  return `Correct the value, declare another type (\`--types "${column.name}=varchar"\`), ${divert}.`
}

function shorten(value: string): string {
  return value.length > 60 ? `${value.slice(0, 60)}…` : value
}
