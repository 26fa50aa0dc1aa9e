/** moto's S3 in a server of its own: a third opinion, with all objects in memory. */
import { startServer } from './process.js'
import { pythonEnvironment } from './python.js'
import { type S3Server, testCredentials } from './s3.js'

export async function start(): Promise<S3Server> {
  const { python, versions } = await provision()
  const server = await startServer({
    name: 'moto',
    version: versions.moto ?? '?',
    command: (port) => [python, '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    health: '/moto-api/data.json',
  })
  return { ...server, ...testCredentials }
}

export function provision() {
  return pythonEnvironment('moto')
}
