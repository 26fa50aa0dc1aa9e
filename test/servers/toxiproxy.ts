/**
 * toxiproxy, for faults on the network: it stands between a client and a server, and is told over HTTP what to do to
 * the bytes. https://github.com/Shopify/toxiproxy#http-api
 */
import { goProgram } from './go.js'
import { freePort, type Server, startServer } from './process.js'

const pinned = 'v2.5.0'

export interface Toxiproxy extends Server {
  /** A proxy in front of `upstream`, itself an `http://host:port`. */
  proxy(name: string, upstream: string): Promise<Proxy>
}

export interface Proxy {
  endpoint: string
  /** Add a toxic, and get the function that takes it away again. */
  toxic(toxic: Toxic): Promise<() => Promise<void>>
  /** Refuse connections (and break the open ones), or accept them again. */
  enable(enabled: boolean): Promise<void>
  remove(): Promise<void>
}

/** `downstream` are the server's answers, `upstream` the client's requests. */
export interface Toxic {
  type: 'latency' | 'bandwidth' | 'slow_close' | 'timeout' | 'reset_peer' | 'slicer' | 'limit_data'
  stream?: 'upstream' | 'downstream'
  /** The share of connections it applies to, 0 to 1. */
  toxicity?: number
  /** As toxiproxy names them: `latency`, `jitter`, `rate`, `delay`, `timeout`, `bytes`, … */
  attributes?: Record<string, number>
}

export async function start(): Promise<Toxiproxy> {
  const program = await provision()
  const server = await startServer({
    name: 'toxiproxy',
    version: pinned,
    command: (port) => [program, '-host', '127.0.0.1', '-port', String(port)],
    health: '/version',
    env: { LOG_LEVEL: 'warn' },
  })
  const call = (method: string, path: string, body?: unknown) => callApi(server.endpoint, method, path, body)
  return {
    ...server,
    async proxy(name, upstream) {
      const listen = `127.0.0.1:${await freePort()}`
      await call('POST', '/proxies', { name, listen, upstream: new URL(upstream).host, enabled: true })
      return {
        endpoint: `http://${listen}`,
        async toxic(toxic) {
          const { name: id } = (await call('POST', `/proxies/${name}/toxics`, { toxicity: 1, ...toxic })) as Named
          return async () => void (await call('DELETE', `/proxies/${name}/toxics/${id}`))
        },
        enable: async (enabled) => void (await call('POST', `/proxies/${name}`, { enabled })),
        remove: async () => void (await call('DELETE', `/proxies/${name}`)),
      }
    },
  }
}

/** The path of the program. */
export function provision(): Promise<string> {
  return goProgram('toxiproxy', 'github.com/Shopify/toxiproxy/v2/cmd/server', pinned)
}

interface Named {
  name: string
}

async function callApi(endpoint: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(endpoint + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path} answered ${answer.status}: ${text}`)
  return text ? JSON.parse(text) : undefined
}
