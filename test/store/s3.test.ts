/** What networks, servers and other people's settings do to an S3 store, on every server that the suite has. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { LakeError } from '../../src/errors.js'
import { type Runtime, systemRuntime } from '../../src/runtime.js'
import { logKey } from '../../src/store/keys.js'
import type { Reservation, Staged, Store, StoreSettings } from '../../src/store/port.js'
import { openS3 } from '../../src/store/s3-store.js'
import { bytes, failureOf, keysOf, spoolInto, text } from '../contract/store.js'
import { createBucket, s3Client } from '../servers/s3.js'
import { type FaultProxy, faultProxy, type Seen, times } from './fault-proxy.js'

const isPut = ({ method, path }: Seen) => method === 'PUT' && path.includes('_delta_log')
const isComplete = ({ method, path }: Seen) => method === 'POST' && path.includes('uploadId=')
const isCreate = ({ method, path }: Seen) => method === 'POST' && /[?&]uploads/.test(path)
const isGet = ({ method, path }: Seen) => method === 'GET' && !path.includes('?list') && !path.includes('list-type')
const isDelete = ({ method, path }: Seen) => method === 'POST' && /[?&]delete/.test(path)
const isProbe = ({ method, path }: Seen) => method === 'PUT' && path.includes('.probe-')

for (const server of inject('s3Servers') ?? []) {
  describe(`s3 store on ${server.name}`, () => {
    const { region, accessKeyId, secretAccessKey } = server
    const credentials = { accessKeyId, secretAccessKey }
    let folder: string
    let bucket: string
    let proxy: FaultProxy
    let prefix: string
    let store: Store

    const open = (settings: StoreSettings = {}, runtime: Runtime = systemRuntime, inBucket = bucket) =>
      openS3(inBucket, prefix, { endpoint: proxy.endpoint, region, credentials, ...settings }, runtime)
    const stageOne = async (key: string, content: string | Uint8Array = 'rows', hold = false): Promise<Staged> => {
      const file = await spoolInto(folder, content)
      const [reservation] = await store.reserve([{ key, file }], { hold })
      return store.stage(reservation as Reservation, file)
    }
    const openUploads = async (key: string) => {
      const client = s3Client(server)
      const answer = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${prefix}/${key}` }))
      client.destroy()
      return answer.Uploads?.length ?? 0
    }
    const count = (matches: (seen: Seen) => boolean) => proxy.seen.filter(matches).length

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lakewright-s3-'))
      bucket = await createBucket(server)
      proxy = await faultProxy(server.endpoint)
    })
    afterAll(async () => {
      await proxy.close()
      await rm(folder, { recursive: true, force: true })
    })
    beforeEach(async () => {
      proxy.fault = () => undefined
      prefix = `lake/${randomUUID()}`
      store = open()
      await store.probe()
      proxy.seen.length = 0
    })

    describe('the commit', () => {
      test('whose answer is lost is unknown, and repeating it meets our own bytes', async () => {
        proxy.fault = times(1, isPut, { kind: 'lose-answer' })
        expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'unknown' })
        expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toEqual({ status: 'exists' })
        expect(text((await store.get(logKey(0)))?.body)).toBe('mine')
        expect(count(isPut)).toBe(2)
      })

      test('that never arrived is unknown too, and repeating it creates it', async () => {
        proxy.fault = times(1, isPut, { kind: 'lose-request' })
        expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'unknown' })
        expect(await store.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'created' })
      })

      test('is sent exactly once, whatever the answer; conflicts, server errors and throttling are unknown', async () => {
        for (const status of [409, 429, 500, 502, 503, 504]) {
          proxy.seen.length = 0
          proxy.fault = times(1, isPut, { kind: 'answer', status })
          const outcome = await store.putIfAbsent(logKey(status), bytes('mine'))
          expect(outcome, String(status)).toMatchObject({ status: 'unknown', cause: { code: 'unavailable' } })
          expect(count(isPut)).toBe(1)
        }
      })

      for (const kind of ['hang', 'dribble'] as const) {
        test(`that never gets a whole answer is unknown after the request time-out: ${kind}`, async () => {
          const hasty = open({ requestTimeoutMs: 400 })
          proxy.fault = times(1, isPut, { kind })
          const before = Date.now()
          expect(await hasty.putIfAbsent(logKey(0), bytes('mine'))).toMatchObject({ status: 'unknown' })
          expect(Date.now() - before).toBeLessThan(3_000)
          expect(count(isPut)).toBe(1)
        })
      }

      test('that is refused says so', async () => {
        for (const [status, code] of [
          [400, 'InvalidArgument'],
          [403, 'AccessDenied'],
          [403, 'RequestTimeTooSkewed'],
        ] as const) {
          const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`
          proxy.fault = times(1, isPut, { kind: 'answer', status, body })
          const error = await failureOf(store.putIfAbsent(logKey(0), bytes('mine')))
          expect(error, code).toMatchObject({ code: 'invalid', fix: expect.any(String) })
        }
        expect(count(isPut)).toBe(3)
      })

      test('aborted on its way is unknown', async () => {
        const controller = new AbortController()
        proxy.fault = times(1, isPut, { kind: 'hang' })
        const outcome = store.putIfAbsent(logKey(0), bytes('mine'), { signal: controller.signal })
        setTimeout(() => controller.abort(), 100)
        expect(await outcome).toMatchObject({ status: 'unknown' })
      })
    })

    describe('promotion', () => {
      test('whose answer is lost has happened, once', async () => {
        const staged = await stageOne('f.parquet')
        proxy.fault = times(1, isComplete, { kind: 'lose-answer' })
        await store.promote(staged)
        expect(text((await store.get('f.parquet'))?.body)).toBe('rows')
        expect(count(isComplete)).toBe(1)
      })

      test('that failed is tried again: no answer, a server error, an error inside a 200', async () => {
        const inside = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>no</Message></Error>'
        for (const fault of [
          { kind: 'lose-request' },
          { kind: 'answer', status: 500 },
          { kind: 'answer', status: 200, body: inside },
          { kind: 'answer', status: 200, body: `${inside}\n\n` },
          { kind: 'answer', status: 200, body: '' },
        ] as const) {
          const key = `${randomUUID()}.parquet`
          const staged = await stageOne(key)
          proxy.fault = times(1, isComplete, fault)
          await store.promote(staged)
          expect(text((await store.get(key))?.body), JSON.stringify(fault)).toBe('rows')
        }
        expect(count(isComplete)).toBe(10)
      })

      test('of an upload that is gone asks for staging again, and not for anything else', async () => {
        const staged = await stageOne('f.parquet')
        await store.abort(staged)
        expect(await failureOf(store.promote(staged))).toMatchObject({
          code: 'unavailable',
          details: { restage: true },
        })
      })

      test('that the store keeps failing is unavailable without a wish to stage again', async () => {
        const staged = await stageOne('f.parquet')
        proxy.fault = (seen) => (isComplete(seen) ? { kind: 'answer', status: 503 } : undefined)
        const error = await failureOf(store.promote(staged))
        expect(error).toMatchObject({ code: 'unavailable' })
        expect((error as LakeError).details.restage).toBeUndefined()
        proxy.fault = () => undefined
        await store.promote(staged)
      })

      test('of a held file that died between its steps leaves nothing once it is given up', async () => {
        const staged = await stageOne('f.parquet', 'rows', true)
        proxy.fault = (seen) =>
          isComplete(seen) || (seen.method === 'DELETE' && seen.path.includes('uploadId='))
            ? { kind: 'lose-request' }
            : undefined
        await expect(store.promote(staged)).rejects.toMatchObject({ code: 'unavailable' })
        proxy.fault = () => undefined
        expect(await openUploads('f.parquet')).toBe(1)
        await store.abort(staged)
        expect(await openUploads('f.parquet')).toBe(0)
        expect(await keysOf(store, '')).toEqual([])
      })
    })

    for (const kind of ['lose-answer', 'lose-request'] as const) {
      test(`whichever single request is lost, a load ends whole and leaves nothing open: ${kind}`, async () => {
        for (let n = 1; ; n++) {
          prefix = `lake/${randomUUID()}`
          store = open()
          let seen = 0
          proxy.fault = () => (++seen === n ? { kind } : undefined)
          await store.promote(await stageOne('f.parquet'))
          const statuses = [(await store.putIfAbsent(logKey(0), bytes('commit'))).status]
          if (statuses[0] === 'unknown') statuses.push((await store.putIfAbsent(logKey(0), bytes('commit'))).status)
          proxy.fault = () => undefined
          expect(['created', 'exists']).toContain(statuses.at(-1))
          expect(text((await store.get('f.parquet'))?.body)).toBe('rows')
          expect(text((await store.get(logKey(0)))?.body)).toBe('commit')
          expect(await openUploads('f.parquet')).toBe(0)
          await store.close()
          if (seen < n) {
            // Create, one part, Complete, the commit: there is nothing to save.
            expect(n).toBe(5)
            break
          }
        }
      })
    }

    test('a Create whose answer is lost leaves no second upload open', async () => {
      const file = await spoolInto(folder, 'rows')
      proxy.fault = times(1, isCreate, { kind: 'lose-answer' })
      const [reservation] = await store.reserve([{ key: 'f.parquet', file }])
      expect(count(isCreate)).toBe(2)
      expect(await openUploads('f.parquet')).toBe(1)
      await store.promote(await store.stage(reservation as Reservation, file))
      expect(await openUploads('f.parquet')).toBe(0)
      expect(text((await store.get('f.parquet'))?.body)).toBe('rows')
    })

    test('reservations of which one fails are all given up', async () => {
      const file = await spoolInto(folder, 'rows')
      proxy.fault = (seen) =>
        isCreate(seen) && seen.path.includes('b.parquet') ? { kind: 'answer', status: 400 } : undefined
      const items = ['a.parquet', 'b.parquet', 'c.parquet'].map((key) => ({ key, file }))
      await expect(store.reserve(items)).rejects.toMatchObject({ code: 'invalid' })
      expect((await openUploads('a.parquet')) + (await openUploads('c.parquet'))).toBe(0)
    })

    test('reads are repeated when the server errs and when a body breaks off', async () => {
      const content = Buffer.alloc(2_000_000, 'lakewright ')
      await store.putIfAbsent('data', content)
      for (const fault of [{ kind: 'half-body' }, { kind: 'lose-request' }, { kind: 'answer', status: 503 }] as const) {
        proxy.fault = times(2, isGet, fault)
        expect(content.equals((await store.get('data'))?.body ?? new Uint8Array()), fault.kind).toBe(true)
        proxy.fault = times(1, isGet, fault)
        const target = join(folder, randomUUID())
        await store.fetch('data', target)
        expect(content.equals(await readFile(target)), fault.kind).toBe(true)
      }
    })

    test('a whole object that cannot be fetched leaves no file that looks like one', async () => {
      await store.putIfAbsent('data', bytes('content'))
      proxy.fault = (seen) => (isGet(seen) ? { kind: 'half-body' } : undefined)
      const target = join(folder, randomUUID())
      await expect(store.fetch('data', target)).rejects.toMatchObject({ code: 'unavailable' })
      await expect(readFile(target)).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('errors inside the answer to a delete are errors, and transient ones are repeated', async () => {
      await store.putIfAbsent('a', bytes('x'))
      const answer = (code: string) =>
        ({
          kind: 'answer',
          status: 200,
          body: `<?xml version="1.0"?><DeleteResult><Error><Key>${prefix}/a</Key><Code>${code}</Code><Message>no</Message></Error></DeleteResult>`,
        }) as const
      proxy.fault = times(1, isDelete, answer('AccessDenied'))
      expect(await failureOf(store.delete(['a']))).toMatchObject({ code: 'invalid', details: { keys: ['a'] } })
      proxy.fault = times(100, isDelete, answer('InternalError'))
      expect(await failureOf(store.delete(['a']))).toMatchObject({ code: 'unavailable', details: { keys: ['a'] } })
      expect(await store.head('a')).toBeDefined()
      proxy.fault = times(1, isDelete, answer('SlowDown'))
      await store.delete(['a'])
      expect(await store.head('a')).toBeUndefined()
    })

    test('a compare-and-set whose first try was applied and its answer lost is written', async () => {
      await store.putDerived('a', bytes('1'))
      const etag = (await store.head('a'))?.etag as string
      proxy.fault = times(1, ({ method }) => method === 'PUT', { kind: 'lose-answer' })
      expect(await store.putDerived('a', bytes('2'), { ifMatch: etag })).toBe('written')
      expect(text((await store.get('a'))?.body)).toBe('2')
    })

    test('a store that ignores preconditions is refused before the first write', async () => {
      const other = await faultProxy(server.endpoint)
      other.fault = (seen) => (isProbe(seen) ? { kind: 'answer', status: 200, headers: { etag: '"x"' } } : undefined)
      const careless = open({ endpoint: other.endpoint })
      const error = await failureOf(careless.putIfAbsent(logKey(0), bytes('{}')))
      expect(error).toMatchObject({ code: 'unsupported' })
      expect(String(error)).toContain(new URL(other.endpoint).host)
      await expect(careless.reserve([])).rejects.toMatchObject({ code: 'unsupported' })
      expect(other.seen.some(isPut)).toBe(false)
      await other.close()
    })

    test('the clock is the server’s, never runs backwards, and a difference of 15 minutes is refused', async () => {
      let date = new Date(Date.now() + 600_000)
      proxy.fault = () => ({ kind: 'headers', headers: { date: date.toUTCString() } })
      await store.head('a')
      const ahead = store.now()
      expect(Math.abs(ahead - date.getTime())).toBeLessThan(3_000)
      date = new Date()
      await store.head('a')
      expect(store.now()).toBeGreaterThanOrEqual(ahead)
      for (const minutes of [16, -16]) {
        const slow = open({}, { ...systemRuntime, now: () => Date.now() + minutes * 60_000 })
        proxy.fault = () => undefined
        await slow.head('a')
        const error = await failureOf(slow.putIfAbsent(logKey(0), bytes('{}')))
        expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('clock') })
      }
      expect(count(isPut)).toBe(0)
    })

    test('a bucket that does not exist is invalid, and named', async () => {
      const nowhere = open({}, systemRuntime, 'no-such-bucket-here')
      for (const call of [
        () => nowhere.get('a'),
        () => keysOf(nowhere, ''),
        () => nowhere.putIfAbsent('a', bytes('x')),
        () => nowhere.putDerived('a', bytes('x')),
      ]) {
        const error = await failureOf(call())
        expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('bucket') })
        expect(String(error)).toContain('no-such-bucket-here')
      }
    })

    test('credentials that a server repeats in its message go no further', async () => {
      const Message = `${accessKeyId} with ${secretAccessKey} and AKIAIOSFODNN7EXAMPLE is not welcome`
      const body = `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${Message}</Message></Error>`
      proxy.fault = () => ({ kind: 'answer', status: 403, body })
      const error = await failureOf(store.get('a'))
      expect(error).toMatchObject({ code: 'invalid', cause: { message: expect.stringContaining('is not welcome') } })
      const shown = inspect(error, { depth: 10, showHidden: true })
      for (const secret of [accessKeyId, secretAccessKey, 'AKIAIOSFODNN7EXAMPLE']) expect(shown).not.toContain(secret)
    })

    // moto checks no credentials.
    if (server.name !== 'moto') {
      test('wrong credentials are invalid, and appear nowhere in the error', async () => {
        for (const wrong of [
          { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
          { accessKeyId, secretAccessKey: 'another-secret-than-the-right-one' },
        ]) {
          const stranger = open({ credentials: wrong })
          if (wrong.accessKeyId === accessKeyId) {
            // versitygw answers 404 to a HEAD by somebody unknown, and a HEAD's answer says no more than that.
            await expect(stranger.head('a')).rejects.toMatchObject({ code: 'invalid' })
          }
          for (const call of [
            () => stranger.get('a'),
            () => keysOf(stranger, ''),
            () => stranger.putDerived('a', bytes('x')),
          ]) {
            const error = await failureOf(call())
            expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('credentials') })
            const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error)
            for (const secret of Object.values(wrong)) expect(shown).not.toContain(secret)
          }
        }
      })
    }
  })
}

describe('s3 store without a server', () => {
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }

  test('an endpoint that refuses connections is unavailable, with its host, for reads and for the first write', async () => {
    const gone = await faultProxy('http://127.0.0.1:1')
    await gone.close()
    const store = openS3('bucket', 'lake', { endpoint: gone.endpoint, credentials }, impatient)
    for (const call of [() => store.get('a'), () => store.putIfAbsent('a', bytes('x'))]) {
      const error = await failureOf(call())
      expect(error).toMatchObject({ code: 'unavailable', fix: expect.any(String) })
      expect(String(error)).toContain(new URL(gone.endpoint).host)
    }
  })

  test('an endpoint that accepts and never answers is unavailable after the time-outs', async () => {
    const proxy = await faultProxy('http://127.0.0.1:1')
    proxy.fault = () => ({ kind: 'hang' })
    const store = openS3('bucket', 'lake', { endpoint: proxy.endpoint, credentials, requestTimeoutMs: 200 }, impatient)
    await expect(store.get('a')).rejects.toMatchObject({ code: 'unavailable' })
    await proxy.close()
  })

  test('an endpoint that is no URL is invalid', () => {
    for (const endpoint of ['localhost:9000', 'ftp://x', 'http://'])
      expect(() => openS3('b', '', { endpoint, credentials }), endpoint).toThrow(
        expect.objectContaining({ code: 'invalid' }),
      )
  })

  test('credentials that cannot be found are invalid', async () => {
    const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE', 'AWS_EC2_METADATA_DISABLED'] as const
    const before = Object.fromEntries(names.map((name) => [name, process.env[name]]))
    const files = { AWS_SHARED_CREDENTIALS_FILE: '/nowhere', AWS_CONFIG_FILE: '/nowhere' }
    try {
      for (const name of names) delete process.env[name]
      Object.assign(process.env, files, { AWS_EC2_METADATA_DISABLED: 'true' })
      const store = openS3('bucket', 'lake', { endpoint: 'http://127.0.0.1:1' })
      const error = await failureOf(store.get('a'))
      expect(error).toBeInstanceOf(LakeError)
      expect(error).toMatchObject({ code: 'invalid', fix: expect.stringContaining('AWS_') })
    } finally {
      for (const name of Object.keys(files)) delete process.env[name]
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
  })
})

const impatient: Runtime = { ...systemRuntime, sleep: async () => {} }
