/** The store contract on every implementation, and S3's on every server that the suite has. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, inject } from 'vitest'
import { openStore } from '../../src/store/open.js'
import { createBucket } from '../servers/s3.js'
import { storeContract } from './store.js'

storeContract({ name: 'memory', open: () => openStore(`memory://${randomUUID()}/some/prefix`) })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-local-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
storeContract({ name: 'local', open: () => openStore(join(folder, randomUUID(), 'tåble 1')) })

for (const server of inject('s3Servers') ?? []) {
  const bucket = createBucket(server)
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  storeContract({
    name: server.name,
    open: async () =>
      openStore(`s3://${await bucket}/lake/${randomUUID()}`, {
        endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey },
      }),
  })
}
