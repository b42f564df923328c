import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { openThrottledWay } from '../../bench/throttle.ts'

/** A server of which each connection is answered as told, until the test is over. */
async function listen(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : address}`
}

function connectTo(host: string): Socket {
  return connect({ host: '127.0.0.1', port: Number(host.split(':')[1]) })
}

it('a throttled way takes no more than its rate from all connections together, and every byte', async () => {
  const bytes = randomBytes(150_000)
  const host = await listen((socket) => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const received = Buffer.concat(chunks)
      if (received.length === bytes.length) socket.end(String(received.equals(bytes)))
    })
  })
  await using way = await openThrottledWay(host, 1_000_000)
  const send = async (): Promise<string> => {
    const socket = connectTo(way.host)
    socket.write(bytes)
    return text(socket)
  }
  const started = performance.now()
  expect(await Promise.all([send(), send()])).toEqual(['true', 'true'])
  // Timers count in whole milliseconds.
  expect(performance.now() - started).toBeGreaterThan(280)
})

it('a throttled way does not hold back what comes from the registry', async () => {
  const host = await listen((socket) => socket.end(Buffer.alloc(3_000_000)))
  await using way = await openThrottledWay(host, 100_000)
  const started = performance.now()
  expect(await buffer(connectTo(way.host))).toHaveLength(3_000_000)
  expect(performance.now() - started).toBeLessThan(10_000)
})

it('a throttled way ends its connections when it is closed, at both sides', async () => {
  const sockets: Socket[] = []
  const host = await listen((socket) => void sockets.push(socket))
  const way = await openThrottledWay(host, 1_000_000)
  const socket = connectTo(way.host)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write('x')
  await expect.poll(() => sockets.length).toBe(1)
  const ended = sockets.map((other) => once(other, 'close'))
  sockets.forEach((other) => other.on('error', () => undefined).resume())
  await way[Symbol.asyncDispose]()
  await Promise.all(ended)
  expect((await once(connectTo(way.host), 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
})
