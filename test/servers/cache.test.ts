import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cached, withLock } from './cache.js'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lakewright-cache-test-'))
  vi.stubEnv('LAKEWRIGHT_CACHE', root)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(root, { recursive: true, force: true })
})

test('an entry wanted by many at once is installed once', async () => {
  let installs = 0
  const install = async (folder: string) => {
    installs++
    await writeFile(join(folder, 'program'), 'whole')
  }
  const places = await Promise.all(Array.from({ length: 5 }, () => cached('tool-1', install)))
  expect(new Set(places).size).toBe(1)
  expect(await readFile(join(root, 'tool-1', 'program'), 'utf8')).toBe('whole')
  expect(installs).toBe(1)
})

test('a failed install leaves nothing, and the next one starts afresh', async () => {
  const half = async (folder: string) => {
    await writeFile(join(folder, 'program'), 'half')
    throw new Error('interrupted')
  }
  await expect(cached('tool-1', half)).rejects.toThrow('interrupted')
  expect(await readdir(root)).toEqual([])
})

test('what a killed install left behind is neither used nor kept, and its lock is broken', async () => {
  await mkdir(join(root, 'tool-1.0f0f0f0f.part'))
  await writeFile(join(root, 'tool-1.lock'), `999999999 ${hostname()} x`)
  const place = await cached('tool-1', (folder) => writeFile(join(folder, 'program'), 'whole'))
  await access(join(place, 'program'))
  expect(await readdir(root)).toEqual(['tool-1'])
})

test('one lock admits one at a time', async () => {
  let inside = 0
  const work = async () => {
    expect(++inside).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    inside--
  }
  await Promise.all(Array.from({ length: 5 }, () => withLock('x', work)))
})
