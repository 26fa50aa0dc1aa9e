/**
 * Two readers of CSV have to agree: DuckDB's, which reads the rows, and ours, which finds the header, the place of what is
 * wrong, and the rows that are diverted.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import { csvRecords, fileBytes, recordProblem } from '../../src/source/csv-text.js'
import { useReading } from './reading.js'

const suite = useReading()
const dialect = { delimiter: ',', quote: '"', escape: '"' }

const value = fc.constantFrom('a', '"q"', '"a\nb"', '"x ""y"" z"', '', '""', ' "sp"', '"sp" ', 'a"b', '"1,2,3\n4"', 'é')
const slip = fc.record({ at: fc.nat(), what: fc.constantFrom('"', ',', '\n', 'cut', 'drop') })

test('DuckDB takes a file exactly where our reader finds nothing wrong, and both read the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.tuple(value, value), { maxLength: 12 }),
      fc.array(slip, { maxLength: 2 }),
      async (lineBreak, rows, slips) => {
        const text = slips.reduce(damage, rows.map(([a, b], i) => `${i},${a},${b}${lineBreak}`).join(''))
        const path = await suite.file('agree.csv', `id,v,w${lineBreak}${text}`)
        const ours = await readByHand(path)
        const read = await suite.read(path, { types: { '*': 'varchar' } }).catch((error: unknown) => error)
        const isRefused = read instanceof LakeError
        if (ours.isBroken) expect(isRefused).toBe(true)
        // Line breaks that change may be refused, never misread.
        else if (!isRefused || !ours.isMixed) expect(textsOf(read)).toEqual(ours.rows)
      },
    ),
    { numRuns: 300 },
  )
})

function damage(text: string, { at, what }: { at: number; what: string }): string {
  const place = text.length === 0 ? 0 : at % text.length
  if (what === 'cut') return text.slice(0, place)
  if (what === 'drop') return text.slice(0, place) + text.slice(place + 1)
  return text.slice(0, place) + what + text.slice(place)
}

function textsOf(read: unknown): string[][] {
  const { rows } = read as { rows: Record<string, string | null>[] }
  return rows.map(({ id, v, w }) => [id ?? '', v ?? '', w ?? ''])
}

async function readByHand(path: string): Promise<{ rows: string[][]; isBroken: boolean; isMixed: boolean }> {
  const rows: string[][] = []
  const endings = new Set<string>()
  let isBroken = false
  for await (const record of csvRecords(fileBytes(path, 0), dialect)) {
    if (record.ending !== '') endings.add(record.ending)
    if (record.raw === '') continue
    isBroken ||= recordProblem(record, 3, dialect) !== undefined
    rows.push(record.fields.slice(0, 3).map((field) => Buffer.from(field, 'latin1').toString('utf8')))
  }
  return { rows: rows.slice(1), isBroken, isMixed: endings.size > 1 }
}
