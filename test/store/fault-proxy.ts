/**
 * A proxy between a store and its server that does to single requests what networks and servers do to them. The
 * requests are signed for the proxy's address and passed on as they are, so the server behind it is the real one.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Fault =
  /** The server acts, and its answer is lost with the connection. */
  | { kind: 'lose-answer' }
  /** The connection ends before the server hears anything. */
  | { kind: 'lose-request' }
  /** Nothing is ever answered. */
  | { kind: 'hang' }
  /** An answer comes byte by byte, and its headers never end. */
  | { kind: 'dribble' }
  /** The proxy answers in the server's place. */
  | { kind: 'answer'; status: number; body?: string; headers?: Record<string, string> }
  /** The server's answer breaks off after half of its body. */
  | { kind: 'half-body' }
  /** The server's answer with other headers. */
  | { kind: 'headers'; headers: Record<string, string> }

export interface Seen {
  method: string
  /** With the query, percent-encoded as on the wire. */
  path: string
}

export interface FaultProxy {
  endpoint: string
  /** Decides what happens to a request; `undefined` lets it pass. */
  fault: (seen: Seen) => Fault | undefined
  seen: Seen[]
  close(): Promise<void>
}

export async function faultProxy(upstream: string): Promise<FaultProxy> {
  const target = new URL(upstream)
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? '', path: incoming.url ?? '' }
    proxy.seen.push(seen)
    handle(target, incoming, outgoing, proxy.fault(seen))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => undefined,
    seen: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return proxy
}

/** The fault for the first `count` requests that match, then none. */
export function times(count: number, matches: (seen: Seen) => boolean, fault: Fault): FaultProxy['fault'] {
  let left = count
  return (seen) => (left > 0 && matches(seen) && left-- > 0 ? fault : undefined)
}

function handle(target: URL, incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void {
  if (fault?.kind === 'lose-request') return void incoming.socket.destroy()
  if (fault?.kind === 'hang') return void incoming.resume()
  if (fault?.kind === 'dribble') {
    const { socket } = incoming.resume()
    socket.write('HTTP/1.1 200 OK\r\nX-Slow: ')
    const drops = setInterval(() => socket.write('.'), 50)
    socket.once('close', () => clearInterval(drops))
    return
  }
  if (fault?.kind === 'answer') {
    incoming.resume().once('end', () => outgoing.writeHead(fault.status, fault.headers).end(fault.body))
    return
  }
  const { method, url, headers } = incoming
  const onward = request({ host: target.hostname, port: target.port, method, path: url, headers }, (answer) => {
    if (fault?.kind === 'lose-answer') {
      answer.resume().once('end', () => incoming.socket.destroy())
      return
    }
    const changed = fault?.kind === 'headers' ? fault.headers : {}
    outgoing.sendDate = false
    outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...changed })
    if (fault?.kind !== 'half-body') {
      answer.pipe(outgoing)
      return
    }
    const chunks: Buffer[] = []
    answer.on('data', (chunk: Buffer) => chunks.push(chunk))
    answer.once('end', () => {
      const body = Buffer.concat(chunks)
      outgoing.write(body.subarray(0, body.length / 2), () => incoming.socket.destroy())
    })
  })
  onward.once('error', () => incoming.socket.destroy())
  incoming.pipe(onward)
}
