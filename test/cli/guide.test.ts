/** The commands of the guide, as they stand, one after the other on the files that it is about. */

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTable } from '../../src/index.js'
import { buildCli } from './build.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-guide-'))
  await symlink(join(root, 'fixtures', 'nga-constituents'), join(folder, 'dumps'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the guide to sources without timestamps runs as it stands', { timeout: 300_000 }, async () => {
  const main = await buildCli()
  const guide = await readFile(join(root, 'docs', 'sources-without-timestamps.md'), 'utf8')
  const fences = [...guide.matchAll(/```(\w*)\n([\s\S]*?)\n```/g)].map(([, kind, text = '']) => ({ kind, text }))
  const lines = (kind: string) => fences.filter((fence) => fence.kind === kind).flatMap(({ text }) => text.split('\n'))
  const commands = lines('sh')
  let said = ''
  for (const command of commands) {
    const expected = Number(/# exit code (\d)/.exec(command)?.[1] ?? 0)
    const { code, output } = await run(`lakewright() { "${process.execPath}" "${main}" "$@"; }\n${command}`)
    expect(`${command}: ${code}${code === expected ? '' : output}`).toBe(`${command}: ${expected}`)
    said += output
  }
  expect(commands.length).toBeGreaterThan(15)
  const missing = lines('').filter((line) => !said.includes(line.replace(/ …$/, '')))
  expect(missing).toEqual([])

  await using table = await openTable(join(folder, 'lake/constituents'))
  const [row] = await table.query('select count(*)::integer as n from t').toArray()
  expect(row).toEqual({ n: 26874 })
})

async function run(script: string): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { cwd: folder })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code = 1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string }
    return { code, output: stdout + stderr }
  }
}
