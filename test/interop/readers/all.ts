/** All foreign readers for the tests of one file: opened once before them, closed after them. */
import { afterAll, beforeAll, expect } from 'vitest'
import { canonicalRows, type Location, openReaders, type Reader, type Row, seenBy } from './index.js'

export function allReaders() {
  let readers: Reader[] = []
  beforeAll(async () => {
    readers = await openReaders()
  }, 1_800_000)
  afterAll(async () => {
    await Promise.all(readers.map((one) => one.close()))
  })

  function reader(name: Reader['name']): Reader {
    const found = readers.find((candidate) => candidate.name === name)
    if (!found) throw new Error(`no ${name}`)
    return found
  }

  /** Each of them gives these rows, as far as it can know them. */
  async function expectAllToRead(table: Location, expected: Row[], options?: { version?: number }): Promise<void> {
    for (const { name, read } of readers) {
      expect({ name, rows: await read(table, options) }).toEqual({ name, rows: seenBy(name, canonicalRows(expected)) })
    }
  }

  return { reader, expectAllToRead }
}
