import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A folder of this test file, gone after it. */
export async function spillFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lakewright-engine-'))
  made.push(folder)
  return folder
}

const made: string[] = []
afterAll(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true })
})
