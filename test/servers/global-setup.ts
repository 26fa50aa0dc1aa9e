/**
 * The S3 servers that the suite runs against, started once before all tests and stopped after them.
 *
 *   import { inject } from 'vitest'
 *   const servers = inject('s3Servers')      // [{ name: 'minio', endpoint, region, accessKeyId, secretAccessKey, … }, …]
 *
 * LAKEWRIGHT_TEST_SERVERS chooses: `all` (default), `none`, or names with commas. A server that cannot be had is a loud
 * warning, and a failure where CI is set: a suite that quietly tests less is worse than one that fails.
 */
import type { TestProject } from 'vitest/node'
import * as minio from './minio.js'
import * as moto from './moto.js'
import { type S3Access, type S3Server, s3Access } from './s3.js'
import * as versitygw from './versitygw.js'

declare module 'vitest' {
  export interface ProvidedContext {
    s3Servers: S3Access[]
  }
}

const known = { minio, versitygw, moto }
type Name = keyof typeof known

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const outcomes = await Promise.all(wanted().map(startOrExplain))
  const servers = outcomes.filter((outcome) => 'endpoint' in outcome)
  const stop = async () => void (await Promise.all(servers.map((server) => server.stop())))
  const missing = outcomes.filter((outcome) => 'problem' in outcome)
  if (missing.length > 0 && process.env.CI) {
    await stop()
    throw new Error(`CI runs against every S3 server, but: ${missing.map(({ problem }) => problem).join('; ')}`)
  }
  for (const { problem } of missing) warn(problem)
  for (const { name, version, endpoint } of servers) console.log(`[servers] ${name} ${version} at ${endpoint}`)
  if (servers.length === 0) warn('NO S3 SERVER: the tests that need object storage do not run')
  project.provide('s3Servers', servers.map(s3Access))
  return stop
}

function wanted(): Name[] {
  const names = Object.keys(known) as Name[]
  const asked = process.env.LAKEWRIGHT_TEST_SERVERS || 'all'
  if (asked === 'all') return names
  if (asked === 'none') return []
  return asked.split(',').map((text) => {
    const name = names.find((candidate) => candidate === text.trim())
    if (!name) throw new Error(`LAKEWRIGHT_TEST_SERVERS: no server \`${text}\`; there are ${names.join(', ')}`)
    return name
  })
}

async function startOrExplain(name: Name): Promise<S3Server | { problem: string }> {
  try {
    return await known[name].start()
  } catch (cause) {
    return { problem: `${name} could not be had: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
}

function warn(text: string): void {
  console.warn(`\n${'!'.repeat(100)}\n!! ${text}\n${'!'.repeat(100)}\n`)
}
