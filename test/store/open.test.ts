import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openStore, resolveObjects } from '../../src/store/open.js'
import type { StoreSettings } from '../../src/store/port.js'
import { bytes, failureOf, text } from '../contract/store.js'
import { createBucket } from '../servers/s3.js'

let folder: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'lakewright-open-')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('openStore', () => {
  test('takes paths, file URLs, s3 and memory, and says where it is without a trailing slash', async () => {
    const path = join(folder, 'a table')
    const url = pathToFileURL(path).href
    for (const spelled of [path, `${path}/`, url, `${url}/`]) {
      const store = await openStore(spelled)
      expect(store).toMatchObject({ kind: 'local', url })
      expect(store.localPath('dt=1/x')).toBe(join(path, 'dt=1', 'x'))
    }
    expect(await openStore('s3://lake/orders/')).toMatchObject({ kind: 's3', url: 's3://lake/orders' })
    expect(await openStore('s3a://lake')).toMatchObject({ kind: 's3', url: 's3://lake' })
    expect(await openStore('memory://x/y')).toMatchObject({ kind: 'memory', url: 'memory://x/y' })
    expect((await openStore('s3://lake/orders')).localPath('x')).toBeUndefined()
  })

  test('gives the same memory for the same name', async () => {
    const name = `memory://${randomUUID()}`
    await (await openStore(`${name}/t`)).putIfAbsent('a', bytes('x'))
    expect(text((await (await openStore(name)).get('t/a'))?.body)).toBe('x')
    expect(await (await openStore(`memory://${randomUUID()}/t`)).get('a')).toBeUndefined()
  })

  test('refuses what it cannot reach or must not, and repeats no credentials', async () => {
    for (const [url, code] of [
      ['gs://bucket/x', 'unsupported'],
      ['https://host/x', 'unsupported'],
      ['s3://', 'invalid'],
      ['s3:///x', 'invalid'],
      ['s3://bucket/a/../b', 'invalid'],
      ['s3://bucket/a//b', 'invalid'],
      ['s3://AKIAIOSFODNN7EXAMPLE:geheim@bucket/x', 'invalid'],
      ['file://elsewhere/x', 'invalid'],
      ['', 'invalid'],
    ] as const) {
      const error = await failureOf(openStore(url))
      expect(error, url).toMatchObject({ code })
      expect(String(error)).not.toMatch(/AKIA|geheim/)
    }
  })
})

const files = [
  'in/a.csv',
  'in/b.csv',
  'in/sub/c.csv',
  'in/sub/d.parquet',
  'in/[x].csv',
  'in/x.csv',
  'in/dt=1/e f+g%20.csv',
  'in/_hidden/h.csv',
  'in/.dot/i.csv',
  'in/_SUCCESS',
]

const meanings: [string, string[]][] = [
  ['in/a.csv', ['in/a.csv']],
  ['in/*.csv', ['in/[x].csv', 'in/a.csv', 'in/b.csv', 'in/x.csv']],
  ['in/{a,b}.csv', ['in/a.csv', 'in/b.csv']],
  ['in/?.csv', ['in/a.csv', 'in/b.csv', 'in/x.csv']],
  // A file of this name comes before the glob that it could be.
  ['in/[x].csv', ['in/[x].csv']],
  ['in/[ab].csv', ['in/a.csv', 'in/b.csv']],
  ['in/sub/**/*.{csv,parquet}', ['in/sub/c.csv', 'in/sub/d.parquet']],
  ['in/dt=*/*.csv', ['in/dt=1/e f+g%20.csv']],
  ['in/_hidden/*.csv', ['in/_hidden/h.csv']],
  [
    'in/',
    ['in/[x].csv', 'in/a.csv', 'in/b.csv', 'in/dt=1/e f+g%20.csv', 'in/sub/c.csv', 'in/sub/d.parquet', 'in/x.csv'],
  ],
  ['in/sub', ['in/sub/c.csv', 'in/sub/d.parquet']],
  ['in/**/*.parquet', ['in/sub/d.parquet']],
]

describe('resolveObjects', () => {
  const servers = inject('s3Servers') ?? []
  const places: { name: string; make: () => Promise<{ root: string; settings: StoreSettings }> }[] = [
    {
      name: 'local',
      make: async () => {
        const root = join(folder, 'so urces')
        for (const file of files) {
          await mkdir(dirname(join(root, file)), { recursive: true })
          await writeFile(join(root, file), file)
        }
        return { root, settings: {} }
      },
    },
    { name: 'memory', make: async () => fill(`memory://${randomUUID()}`, {}) },
    ...servers.slice(0, 1).map((server) => ({
      name: server.name,
      make: async () => {
        const { endpoint, region, accessKeyId, secretAccessKey } = server
        const settings = { endpoint, region, credentials: { accessKeyId, secretAccessKey } }
        return fill(`s3://${await createBucket(server)}`, settings)
      },
    })),
  ]

  for (const { name, make } of places) {
    test(`a name, folder or glob means the same objects on ${name} as anywhere`, async () => {
      const { root, settings } = await make()
      for (const [pattern, expected] of meanings) {
        const found = await resolveObjects(`${root}/${pattern}`, settings)
        const contents = await Promise.all(found.map(async ({ store, key }) => text((await store.get(key))?.body)))
        expect(contents, pattern).toEqual(expected)
        expect(found.map(({ sizeBytes }) => sizeBytes)).toEqual(expected.map((file) => file.length))
        expect(new Set(found.map(({ url }) => url)).size).toBe(expected.length)
      }
    })

    test(`nothing found on ${name} is invalid, and not an empty load`, async () => {
      const { root, settings } = await make()
      for (const pattern of ['in/nothing.csv', 'in/*.nothing', 'nowhere/', 'nowhere/**/*.csv']) {
        await expect(resolveObjects(`${root}/${pattern}`, settings), pattern).rejects.toMatchObject({ code: 'invalid' })
      }
    })
  }

  test('a relative path is one from the working directory', async () => {
    const [found] = await resolveObjects('package.json')
    expect(text((await found?.store.get(found.key))?.body)).toContain('"name": "lakewright"')
    expect((await resolveObjects('./pack*.json')).map(({ key }) => key)).toContain('package.json')
  })
})

async function fill(root: string, settings: StoreSettings): Promise<{ root: string; settings: StoreSettings }> {
  const store = await openStore(root, settings)
  for (const file of files) await store.putIfAbsent(file, bytes(file))
  return { root, settings }
}
